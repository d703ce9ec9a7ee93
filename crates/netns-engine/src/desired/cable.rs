//! A cable between two netns.

use ipnet::IpNet;

use crate::place::LinkAt;

/// A veth pair with both ends in a netns, both up.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cable {
    /// The two ends.
    pub ends: [LinkAt; 2],
    /// Their addresses, if they get any.
    pub addresses: Option<[IpNet; 2]>,
}
