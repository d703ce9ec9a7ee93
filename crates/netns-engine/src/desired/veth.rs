//! A cable from the host into a netns.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::{
    address::MacAddress,
    name::{LinkName, NetnsName},
    place::LinkAt,
};

/// A veth pair with one end on the host and one in a netns.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Veth {
    /// The host's end.
    pub host_link: LinkName,
    /// The netns of the other end.
    pub netns: NetnsName,
    /// The other end's name there.
    pub inner_link: LinkName,
    /// Addresses of the host's end.
    pub host_addresses: Vec<IpNet>,
    /// Addresses of the inner end.
    pub addresses: Vec<IpNet>,
    /// The inner end's link-layer address.
    pub mac: Option<MacAddress>,
    /// MTU of both ends, in bytes.
    pub mtu_bytes: Option<u32>,
    /// Default gateway of the netns.
    pub gateway: Option<IpAddr>,
    /// The bridge that the host's end becomes a port of.
    pub bridge: Option<LinkName>,
    /// Whether the ends are switched on.
    pub state: LinkState,
}

/// Whether a new link is switched on. A gateway needs it on.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum LinkState {
    /// Left as the kernel makes it.
    #[default]
    Down,
    /// Switched on.
    Up,
}

impl Veth {
    /// A bare cable: both ends made, the rest up to the user.
    #[must_use]
    pub fn new(host_link: LinkName, netns: NetnsName, inner_link: LinkName) -> Self {
        Self {
            host_link,
            netns,
            inner_link,
            host_addresses: Vec::new(),
            addresses: Vec::new(),
            mac: None,
            mtu_bytes: None,
            gateway: None,
            bridge: None,
            state: LinkState::Down,
        }
    }

    /// Names the host's end.
    #[must_use]
    pub fn host_end(&self) -> LinkAt {
        LinkAt::on_host(self.host_link.clone())
    }

    /// Names the inner end.
    #[must_use]
    pub fn inner_end(&self) -> LinkAt {
        LinkAt::inside(self.netns.clone(), self.inner_link.clone())
    }
}
