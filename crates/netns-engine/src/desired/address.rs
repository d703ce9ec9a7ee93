//! One address of one link: there, or gone.

use ipnet::IpNet;

use crate::place::LinkAt;

/// An address on a link.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AddressOn {
    /// The link.
    pub link: LinkAt,
    /// The address with its prefix length.
    pub address: IpNet,
}

/// No such address on the link.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AddressRemoved {
    /// The link.
    pub link: LinkAt,
    /// The address with its prefix length.
    pub address: IpNet,
}
