//! A virtual switch on the host.

use ipnet::IpNet;

use crate::name::LinkName;

/// A bridge that is up and, with addresses, the gateway of their networks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Bridge {
    /// Its name.
    pub name: LinkName,
    /// The host's own addresses on it, with prefix lengths.
    pub addresses: Vec<IpNet>,
}

/// No bridge of this name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BridgeRemoved {
    /// Its name.
    pub name: LinkName,
}
