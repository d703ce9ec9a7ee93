//! A switch that nodes hang on.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{address::MacAddress, name::LinkName};

/// One bridge of the host.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Network {
    /// What the file calls it.
    pub name: String,
    /// The bridge: the same name, unless that is too long for a link or no name for one.
    pub bridge: LinkName,
    /// The bridge's link-layer address.
    pub mac: MacAddress,
    /// MTU of the bridge and all cables to it, in bytes; 1500, or less if the uplink takes less, where
    /// not given.
    pub mtu_bytes: Option<u32>,
    /// The host's addresses on it, one a subnet: the gateways of the nodes. None where the host takes no
    /// part.
    pub addresses: Vec<IpNet>,
    /// How far its nodes get.
    pub reach: Reach,
    /// The tunnel to the same network on other hosts.
    pub tunnel: Option<Tunnel>,
}

/// How far the nodes of a network get, beside each other.
///
/// Whatever it says, nobody outside reaches them but by published ports, and other networks of this host
/// do not either.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub enum Reach {
    /// No further: they have no default route.
    Internal,
    /// The host, their gateway, which passes nothing on.
    Host,
    /// The internet, behind the host's address.
    Internet {
        /// The host's link to it; that of the default route if not given.
        uplink: Option<LinkName>,
    },
}

/// A VXLAN tunnel (RFC 7348) that is a port of the bridge.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Tunnel {
    /// The link.
    pub link: LinkName,
    /// Its link-layer address.
    pub mac: MacAddress,
    /// VXLAN network identifier, 1 to 16,777,215.
    pub vni: u32,
    /// The other hosts: one or more, of one family. All of them are reached through the one port, and a bridge
    /// sends nothing back through the port it came in by: so nothing goes in circles among them.
    pub remotes: Vec<IpAddr>,
    /// UDP port, 4789 by IANA's assignment.
    pub port: u16,
}
