//! Words for packet filtering and translation, in the two dialects Linux hosts speak.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{address::Family, name::LinkName};

/// Which firewall front end holds our rules.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Driver {
    /// The `iptables` program: the plain rules that the lessons show.
    Iptables,
    /// Netlink, into the own table `inet netns_tool`.
    Nftables,
}

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Iptables => "iptables",
            Self::Nftables => "nftables",
        })
    }
}

/// How packets that leave through an uplink get a source address the world can answer.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Translation {
    /// The uplink's address at that moment.
    Masquerade,
    /// One fixed address.
    Snat(IpAddr),
}

/// A rule of the iptables family, as the arguments behind `-A CHAIN`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct IptablesRule {
    /// `iptables` or `ip6tables`.
    pub family: Family,
    /// The table.
    pub table: IptablesTable,
    /// The built-in chain, such as `POSTROUTING`.
    pub chain: String,
    /// The match and target, as `iptables-save` spells them: `-i br0 -j ACCEPT`.
    pub arguments: String,
}

impl IptablesRule {
    /// Returns the chain it is in, with family and table.
    #[must_use]
    pub fn place(&self) -> (Family, IptablesTable, &str) {
        (self.family, self.table, &self.chain)
    }

    /// Returns the program that shows it: `iptables` or `ip6tables`.
    #[must_use]
    pub fn program(&self) -> &'static str {
        match self.family {
            Family::Ipv4 => "iptables",
            Family::Ipv6 => "ip6tables",
        }
    }

    /// Returns the target behind `-j`: `ACCEPT`, or another chain.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        let mut words = self.arguments.split(' ');
        words.find(|word| matches!(*word, "-j" | "-g"))?;
        words.next()
    }

    /// Returns whether packets end at this rule.
    #[must_use]
    pub fn drops(&self) -> bool {
        matches!(self.target(), Some("DROP" | "REJECT"))
    }

    /// Returns whether it changes addresses, which makes sense only on a host that forwards.
    #[must_use]
    pub fn translates(&self) -> bool {
        matches!(self.target(), Some("MASQUERADE" | "SNAT" | "DNAT" | "NETMAP"))
    }
}

impl fmt::Display for IptablesRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "-t {} -A {} {}", self.table.as_str(), self.chain, self.arguments)
    }
}

/// The iptables tables we write to.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum IptablesTable {
    /// Address translation.
    Nat,
    /// Accept and drop.
    Filter,
}

impl IptablesTable {
    /// The name behind `-t`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nat => "nat",
            Self::Filter => "filter",
        }
    }
}

/// One line of an `iptables-restore` input.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub enum RuleChange {
    /// `-I CHAIN 1`: first, so that no earlier rule drops the packet.
    Insert(IptablesRule),
    /// `-I CHAIN NUMBER`: where it was before, counted from one.
    Reinsert(usize, IptablesRule),
    /// `-A CHAIN`.
    Append(IptablesRule),
    /// `-D CHAIN`.
    Delete(IptablesRule),
}

impl RuleChange {
    /// Returns the rule that comes or goes.
    #[must_use]
    pub fn rule(&self) -> &IptablesRule {
        match self {
            Self::Insert(rule) | Self::Reinsert(_, rule) | Self::Append(rule) | Self::Delete(rule) => rule,
        }
    }
}

impl fmt::Display for RuleChange {
    /// As the arguments of the program.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let IptablesRule { table, chain, arguments, .. } = self.rule();
        let table = table.as_str();
        match self {
            Self::Insert(_) => write!(f, "-t {table} -I {chain} {arguments}"),
            Self::Reinsert(number, _) => write!(f, "-t {table} -I {chain} {number} {arguments}"),
            Self::Append(_) => write!(f, "-t {table} -A {chain} {arguments}"),
            Self::Delete(_) => write!(f, "-t {table} -D {chain} {arguments}"),
        }
    }
}

/// TCP or UDP.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// TCP, protocol 6.
    Tcp,
    /// UDP, protocol 17.
    Udp,
}

impl Transport {
    /// The number in an IP header (IANA protocol numbers).
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// Where a published port listens: the key of a port forward.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Published {
    /// An address of the host; the unspecified address (`0.0.0.0`) stands for all of them.
    pub address: IpAddr,
    /// The port on the host, 1 to 65535.
    pub port: u16,
    /// TCP or UDP.
    pub transport: Transport,
}

impl Published {
    /// Returns whether only the host itself can reach it: then nothing is forwarded for it.
    #[must_use]
    pub fn is_for_this_host_only(&self) -> bool {
        self.address.is_loopback()
    }

    /// Returns whether connections from and to 127.0.0.0/8 use it.
    #[must_use]
    pub fn is_on_loopback(&self) -> bool {
        match self.address {
            IpAddr::V4(address) => address.is_loopback() || address.is_unspecified(),
            IpAddr::V6(_) => false,
        }
    }

    /// Returns whether it is the same port, be it on another address.
    #[must_use]
    pub fn is_same_port(&self, other: &Self) -> bool {
        (self.port, self.transport) == (other.port, other.transport)
    }

    /// Returns whether a connection could be to either: same port, and an address in common.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let is_wildcard = self.address.is_unspecified() || other.address.is_unspecified();
        self.is_same_port(other)
            && Family::of(self.address) == Family::of(other.address)
            && (is_wildcard || self.address == other.address)
    }
}

impl fmt::Display for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", SocketAddr::new(self.address, self.port), self.transport)
    }
}

/// A published port and the address inside a netns that its packets are sent on to.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct PortForward {
    /// Where the host listens.
    pub published: Published,
    /// Address and port inside the netns.
    pub target: SocketAddr,
    /// The host's link towards the netns: a bridge or a veth end.
    pub bridge: LinkName,
}

/// One element of a set or map in the own table `inet netns_tool`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum TableEntry {
    /// Traffic from `subnet` out of `uplink` is translated.
    Translate {
        /// Source network.
        subnet: IpNet,
        /// The link it leaves through.
        uplink: LinkName,
        /// What the source becomes.
        translation: Translation,
    },
    /// New connections from `bridge` out of `uplink` are let through.
    Egress {
        /// Where they come from.
        bridge: LinkName,
        /// Where they leave.
        uplink: LinkName,
    },
    /// Nothing new is forwarded to `bridge` that no other entry allows.
    Guard {
        /// The guarded link.
        bridge: LinkName,
    },
    /// What comes from a guarded `bridge` may go back to it. An entry of its own, since a set can be emptied
    /// alone.
    Hairpin {
        /// The guarded link.
        bridge: LinkName,
    },
    /// Nothing new is forwarded from `bridge` that no other entry allows.
    Confine {
        /// The confined link.
        bridge: LinkName,
    },
    /// A published port.
    Forward(PortForward),
}

impl fmt::Display for TableEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Translate { subnet, uplink, translation: Translation::Masquerade } => {
                write!(f, "masquerade {subnet} behind {uplink}")
            }
            Self::Translate { subnet, uplink, translation: Translation::Snat(source) } => {
                write!(f, "send {subnet} out of {uplink} as {source}")
            }
            Self::Egress { bridge, uplink } => write!(f, "let {bridge} out through {uplink}"),
            Self::Guard { bridge } => write!(f, "guard {bridge}"),
            Self::Hairpin { bridge } => write!(f, "let {bridge} back to itself"),
            Self::Confine { bridge } => write!(f, "confine {bridge}"),
            Self::Forward(forward) => {
                write!(f, "forward {} to {} by {}", forward.published, forward.target, forward.bridge)
            }
        }
    }
}
