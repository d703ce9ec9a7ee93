//! Routes of a network stack's main table.

use std::{fmt, net::IpAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{address::Family, name::LinkName, record::goes_without_saying};

/// A unicast route in the main table.
///
/// Routes the kernel makes by itself for a link's addresses (`proto kernel`) are not listed as
/// routes anywhere in this crate: they come and go with the address.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Route {
    /// The network it leads to; `0.0.0.0/0` or `::/0` is the default route.
    pub destination: IpNet,
    /// The next router, unless the destination is directly on the link.
    #[serde(default, skip_serializing_if = "goes_without_saying")]
    pub gateway: Option<IpAddr>,
    /// The link packets leave through; the kernel finds it by the gateway if not given.
    #[serde(default, skip_serializing_if = "goes_without_saying")]
    pub link: Option<LinkName>,
    /// Smaller wins; 0 is what `ip route` shows as no metric (IPv6: 1024).
    #[serde(default, skip_serializing_if = "goes_without_saying")]
    pub metric: u32,
    /// Who made it (`RTPROT_*` in `linux/rtnetlink.h`).
    #[serde(default, skip_serializing_if = "goes_without_saying")]
    pub protocol: RouteProtocol,
}

/// A route of the host in another table than `main` and `local`; rules may lead there before `main`.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct OtherRoute {
    /// The network it leads to.
    pub destination: IpNet,
    /// The link packets leave through.
    pub link: Option<LinkName>,
    /// The number of its table.
    pub table: u32,
}

/// Who made a route.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum RouteProtocol {
    /// This tool: number 110, unassigned in iproute2's `rt_protos`.
    #[default]
    Ours,
    /// `ip route` without a protocol (`RTPROT_BOOT`).
    Boot,
    /// A router advertisement (`RTPROT_RA`, or `RTPROT_KERNEL` with a gateway).
    RouterAdvertisement,
    /// Anyone else, by number.
    Other(u8),
}

impl RouteProtocol {
    /// The number routes of this tool carry; see `/etc/iproute2/rt_protos` for the assigned ones.
    pub const OURS: u8 = 110;

    /// Routes that come with an address (`RTPROT_KERNEL`).
    pub const KERNEL: Self = Self::Other(2);

    /// Returns the kernel's number.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Ours => Self::OURS,
            Self::Boot => 3,
            Self::RouterAdvertisement => 9,
            Self::Other(number) => number,
        }
    }

    /// Reads the kernel's number.
    #[must_use]
    pub fn from_number(number: u8) -> Self {
        match number {
            Self::OURS => Self::Ours,
            3 => Self::Boot,
            9 => Self::RouterAdvertisement,
            other => Self::Other(other),
        }
    }
}

impl Route {
    /// A route of ours through `gateway`.
    #[must_use]
    pub fn via(destination: IpNet, gateway: IpAddr) -> Self {
        Self { destination, gateway: Some(gateway), link: None, metric: 0, protocol: RouteProtocol::Ours }
    }

    /// The default route of ours through `gateway`.
    #[must_use]
    pub fn default_via(gateway: IpAddr) -> Self {
        Self::via(Family::of(gateway).everything(), gateway)
    }

    /// The route to `network` that an address of `link` brings with it.
    #[must_use]
    pub fn connected(network: IpNet, link: LinkName) -> Self {
        let protocol = RouteProtocol::KERNEL;
        Self { destination: network, gateway: None, link: Some(link), metric: 0, protocol }
    }

    /// Returns the metric of the route that `address` brings with it: `IP6_RT_PRIO_ADDRCONF` of
    /// `net/ip6_route.h` for IPv6.
    #[must_use]
    pub fn metric_of_connected(address: &IpNet) -> u32 {
        if Family::of_net(address) == Family::Ipv4 { 0 } else { 256 }
    }

    /// Names the link packets leave through.
    #[must_use]
    pub fn on(self, link: LinkName) -> Self {
        Self { link: Some(link), ..self }
    }

    /// Returns whether it leads everywhere.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.destination.prefix_len() == 0
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_default() {
            f.write_str("default")?;
        } else {
            write!(f, "{}", self.destination)?;
        }
        if let Some(gateway) = self.gateway {
            write!(f, " via {gateway}")?;
        }
        if let Some(link) = &self.link {
            write!(f, " dev {link}")?;
        }
        if self.metric != 0 {
            write!(f, " metric {}", self.metric)?;
        }
        Ok(())
    }
}

impl fmt::Display for OtherRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.destination)?;
        if let Some(link) = &self.link {
            write!(f, " dev {link}")?;
        }
        write!(f, " table {}", self.table)
    }
}
