//! One netns of a topology.

use std::{fmt, net::IpAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::TopologyName;
use crate::{
    address::MacAddress,
    firewall::PortForward,
    name::{LinkName, NetnsName},
    record::goes_without_saying,
    resolver::ResolvConf,
    route::Route,
    sysctl::Sysctl,
};

/// One netns with what is in it; its cables stand in [`Topology::cables`](super::Topology::cables).
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// The netns.
    pub name: NetnsName,
    /// Addresses of its loopback link, beside the kernel's own.
    #[serde(default, skip_serializing_if = "goes_without_saying")]
    pub addresses: Vec<IpNet>,
    /// Its routes, default routes included.
    #[serde(default, skip_serializing_if = "goes_without_saying")]
    pub routes: Vec<Route>,
    /// Whether it is a router.
    #[serde(default, skip_serializing_if = "goes_without_saying")]
    pub forwarding: Forwarding,
    /// Further settings, written in this order; but those first that the kernel copies to each link.
    #[serde(default, skip_serializing_if = "goes_without_saying")]
    pub settings: Vec<(Sysctl, i32)>,
    /// Its `resolv.conf`; the host's counts if not given.
    #[serde(default, skip_serializing_if = "goes_without_saying")]
    pub resolver: Option<ResolvConf>,
    /// Which names it knows by `/etc/netns/NODE/hosts`.
    #[serde(default, skip_serializing_if = "goes_without_saying")]
    pub hosts: KnownHosts,
    /// Ports of the host that lead here.
    #[serde(default, skip_serializing_if = "goes_without_saying")]
    pub ports: Vec<PortForward>,
    /// Links of its own on a link of the host.
    #[serde(default, skip_serializing_if = "goes_without_saying")]
    pub macvlans: Vec<Macvlan>,
    /// Programs that run in it while the topology is up.
    #[serde(default, skip_serializing_if = "goes_without_saying")]
    pub programs: Vec<Program>,
}

/// Whether a node passes packets on.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub enum Forwarding {
    /// It keeps what is for itself: a host.
    #[default]
    Off,
    /// It passes on what is for others, of both families: a router.
    On,
}

/// Which names a node knows without a name server.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub enum KnownHosts {
    /// Those of the host.
    #[default]
    OfHost,
    /// Those of the topology, [`Topology::hosts`](super::Topology::hosts).
    OfTopology,
}

/// A line of `hosts(5)`.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct HostEntry {
    /// The address.
    pub address: IpAddr,
    /// The names it is known by.
    pub names: Vec<String>,
}

impl fmt::Display for HostEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.address, self.names.join(" "))
    }
}

/// A link that shares a link of the host, with a link-layer address of its own.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Macvlan {
    /// Its name in the node.
    pub link: LinkName,
    /// The host's link.
    pub parent: LinkName,
    /// Who may talk to whom.
    pub mode: MacvlanMode,
    /// Its link-layer address.
    pub mac: MacAddress,
    /// MTU in bytes; that of the parent if not given.
    pub mtu_bytes: Option<u32>,
    /// Its addresses.
    pub addresses: Vec<IpNet>,
}

/// Who may talk to whom among the macvlan links of one parent (`MACVLAN_MODE_*` in `linux/if_link.h`).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub enum MacvlanMode {
    /// They talk to each other directly.
    #[default]
    Bridge,
    /// Not to each other.
    Private,
    /// To each other, if the switch outside sends frames back.
    Vepa,
}

impl MacvlanMode {
    /// Returns the word of `ip-link(8)`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Private => "private",
            Self::Vepa => "vepa",
        }
    }
}

/// Which program of which node.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct ProgramKey {
    /// The topology.
    pub topology: TopologyName,
    /// The node.
    pub netns: NetnsName,
    /// Its place in [`Node::programs`], counted from 1.
    pub number: u32,
}

impl ProgramKey {
    /// Returns the text that marks the program's processes, as `NETNS_TOOL_PROGRAM` in their environment.
    #[must_use]
    pub fn mark(&self) -> String {
        format!("{}/{}/{}", self.topology, self.netns, self.number)
    }

    /// Reads such a mark; none if it is not one.
    #[must_use]
    pub fn of_mark(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let (topology, netns, number) = (parts.next()?, parts.next()?, parts.next()?);
        let key = Self {
            topology: TopologyName::new(topology).ok()?,
            netns: NetnsName::new(netns).ok()?,
            number: number.parse().ok()?,
        };
        parts.next().is_none().then_some(key)
    }
}

impl fmt::Display for ProgramKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "program {} of netns '{}'", self.number, self.netns)
    }
}

/// A program that runs in a node.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Program {
    /// The program and its arguments; at least one.
    pub command: Vec<String>,
}
