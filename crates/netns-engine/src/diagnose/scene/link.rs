//! Links, with what a bridge says of them.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::StackId;
use crate::{address::MacAddress, name::LinkName};

/// One link.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is one flag of the kernel's")]
pub struct Link {
    /// Its number in its stack.
    pub index: u32,
    /// Its name there.
    pub name: LinkName,
    /// `loopback`, `bridge`, `veth`, `macvlan`, … or `physical` (`IFLA_INFO_KIND`).
    pub kind: String,
    /// Whether it is switched on (`IFF_UP`).
    pub up: bool,
    /// Whether there is somebody at the other end (`IFF_LOWER_UP`).
    pub carrier: bool,
    /// Whether it asks for neighbours' addresses (not `IFF_NOARP`).
    pub arp: bool,
    /// Link-layer address, where it has one.
    pub mac: Option<MacAddress>,
    /// Largest packet, in bytes.
    pub mtu_bytes: u32,
    /// Index of the bridge it is a port of, or of another master.
    pub master: Option<u32>,
    /// The other end of a veth pair, or the link that a macvlan or VLAN link sits on.
    pub peer: Option<Peer>,
    /// What it is as a bridge.
    pub bridge: Option<Bridge>,
    /// What it is as a port of a bridge.
    pub port: Option<Port>,
    /// Addresses, link-local ones as well.
    pub addresses: Vec<Address>,
    /// Whether this tool made it (link alias).
    pub ours: bool,
}

/// Where the other end of a link is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Peer {
    /// Its stack; none if that was not found among the ones that can be looked at.
    pub stack: Option<StackId>,
    /// Its index there.
    pub index: u32,
}

/// An address of a link.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Address {
    /// The address with its prefix length.
    pub net: IpNet,
    /// Whether it may not be used yet: duplicates are being looked for (`IFA_F_TENTATIVE`).
    pub tentative: bool,
    /// Whether somebody else has it (`IFA_F_DADFAILED`).
    pub duplicate: bool,
}

/// A bridge's own settings (`IFLA_BR_*` of `linux/if_link.h`).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is one switch of the kernel's")]
pub struct Bridge {
    /// Whether ports belong to VLANs.
    pub vlan_filtering: bool,
    /// Whether the spanning tree protocol decides which ports forward.
    pub stp: bool,
    /// Whether bridged IPv4 packets pass iptables (`IFLA_BR_NF_CALL_IPTABLES`, for this bridge alone).
    pub calls_iptables: bool,
    /// The same for IPv6.
    pub calls_ip6tables: bool,
}

/// A port of a bridge (`IFLA_BRPORT_*` of `linux/if_link.h`).
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Port {
    /// Whether frames pass it.
    pub state: PortState,
    /// Whether other isolated ports do not reach it.
    pub isolated: bool,
    /// Whether frames may leave through the port they came in by.
    pub hairpin: bool,
    /// The VLANs it belongs to; empty where the bridge does not filter.
    pub vlans: Vec<Vlan>,
}

/// A port's state (`BR_STATE_*` of `linux/if_bridge.h`).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PortState {
    /// Off, mostly because the link is down.
    Disabled,
    /// Spanning tree: waits for the topology to settle.
    Listening,
    /// Spanning tree: learns addresses, forwards nothing.
    Learning,
    /// Frames pass.
    #[default]
    Forwarding,
    /// Spanning tree: shut, as a loop would arise.
    Blocking,
}

/// A VLAN of a port.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Vlan {
    /// Its number, 1 to 4094.
    pub id: u16,
    /// Whether untagged frames that come in belong to it.
    pub pvid: bool,
    /// Whether its frames leave untagged.
    pub untagged: bool,
}

impl Link {
    /// Returns whether this is `lo`.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.kind == "loopback"
    }

    /// Returns whether the link has `address`.
    #[must_use]
    pub fn has_address(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|known| known.net.addr() == address)
    }

    /// Returns whether `address` is in one of the link's own networks.
    #[must_use]
    pub fn is_on_link(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|known| known.net.contains(&address))
    }
}
