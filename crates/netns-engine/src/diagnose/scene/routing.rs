//! Routes, the rules that choose among their tables, and neighbours.

use std::{fmt, net::IpAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{
    address::{Family, MacAddress},
    name::LinkName,
};

/// A route of any table (`ip-route(8)`).
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Route {
    /// Number of the table: 254 is `main`, 255 `local`, 253 `default`.
    pub table: u32,
    /// What becomes of packets that take it.
    pub kind: RouteKind,
    /// Where it leads to; a prefix length of zero is a default route.
    pub destination: IpNet,
    /// Smaller wins among routes to the same network; zero where none is given.
    pub metric: u32,
    /// The source address that packets get which have none yet.
    pub source: Option<IpAddr>,
    /// Where packets go next: one, or several among which they are spread.
    pub hops: Vec<NextHop>,
    /// The largest packet, in bytes, if the route limits it.
    pub mtu_bytes: Option<u32>,
    /// Who made it: `kernel`, `boot`, `static`, `ra`, …
    pub protocol: String,
}

/// Where a route leads.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct NextHop {
    /// The next router; none if the destination itself is on the link.
    pub gateway: Option<IpAddr>,
    /// Index of the link.
    pub link: Option<u32>,
    /// Whether the kernel does not use it (`RTNH_F_DEAD`, or `RTNH_F_LINKDOWN` where it is told to mind).
    pub dead: bool,
    /// Whether the gateway is taken to be on the link, whatever the addresses say (`RTNH_F_ONLINK`).
    pub on_link: bool,
}

/// What becomes of packets that take a route (`RTN_*` of `linux/rtnetlink.h`).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RouteKind {
    /// They leave through the link.
    #[default]
    Unicast,
    /// They are for this stack.
    Local,
    /// To everybody on the link.
    Broadcast,
    /// To whoever joined a group.
    Multicast,
    /// They vanish.
    Blackhole,
    /// They are answered with "host unreachable".
    Unreachable,
    /// They are answered with "administratively prohibited".
    Prohibit,
    /// The search goes on with the next rule.
    Throw,
}

/// A rule that chooses a routing table (`ip-rule(8)`).
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct PolicyRule {
    /// Smaller comes first.
    pub priority: u32,
    /// The family it is for.
    pub family: Family,
    /// Where packets come from.
    pub source: Option<IpNet>,
    /// Where packets go.
    pub destination: Option<IpNet>,
    /// The link they came in by; `lo` stands for the stack's own packets.
    pub incoming: Option<LinkName>,
    /// The link their socket is bound to.
    pub outgoing: Option<LinkName>,
    /// Value and mask of their mark.
    pub mark: Option<(u32, u32)>,
    /// Whether it is for all packets that are *not* so.
    pub inverted: bool,
    /// What else it asks for (user, protocol, ports, …), in the words of `ip rule`; such a rule may match.
    pub others: Option<String>,
    /// What it does.
    pub action: PolicyAction,
}

/// What a [`PolicyRule`] does (`FR_ACT_*` of `linux/fib_rules.h`).
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PolicyAction {
    /// Looks in this table.
    Lookup {
        /// Number of the table.
        table: u32,
        /// Routes with a prefix this short, or shorter, do not count (`suppress_prefixlength`).
        suppress_prefix: Option<u32>,
    },
    /// Goes on with the rule of this priority.
    Goto(u32),
    /// Goes on with the next rule.
    Nop,
    /// Packets vanish.
    Blackhole,
    /// Packets are answered with "network unreachable".
    Unreachable,
    /// Packets are answered with "administratively prohibited".
    Prohibit,
}

/// Numbers of tables (`RT_TABLE_*` of `linux/rtnetlink.h`).
const DEFAULT: u32 = 253;
const MAIN: u32 = 254;
const LOCAL: u32 = 255;

impl PolicyRule {
    /// Returns whether every netns has it from the start (`fib_default_rules_init` in
    /// `net/ipv4/fib_rules.c`, `fib6_rules_net_init` in `net/ipv6/fib6_rules.c`).
    #[must_use]
    pub fn is_by_default(&self) -> bool {
        let by_default = |(priority, table)| Self {
            priority,
            family: self.family,
            source: None,
            destination: None,
            incoming: None,
            outgoing: None,
            mark: None,
            inverted: false,
            others: None,
            action: PolicyAction::Lookup { table, suppress_prefix: None },
        };
        [(0, LOCAL), (32766, MAIN), (32767, DEFAULT)].map(by_default).contains(self)
    }
}

/// As `ip rule` says it.
impl fmt::Display for PolicyRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.priority, if self.inverted { " not" } else { "" })?;
        match self.source {
            Some(net) => write!(f, " from {net}")?,
            None => f.write_str(" from all")?,
        }
        let mark = self.mark.map(|(value, mask)| match mask {
            u32::MAX => format!("{value:#x}"),
            _ => format!("{value:#x}/{mask:#x}"),
        });
        for (name, value) in [
            ("to ", self.destination.map(|net| net.to_string())),
            ("fwmark ", mark),
            ("iif ", self.incoming.as_ref().map(ToString::to_string)),
            ("oif ", self.outgoing.as_ref().map(ToString::to_string)),
            ("", self.others.clone()),
        ] {
            if let Some(value) = value {
                write!(f, " {name}{value}")?;
            }
        }
        write!(f, " {}", self.action)
    }
}

impl fmt::Display for PolicyAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lookup { table, suppress_prefix } => {
                match *table {
                    DEFAULT => f.write_str("lookup default")?,
                    MAIN => f.write_str("lookup main")?,
                    LOCAL => f.write_str("lookup local")?,
                    table => write!(f, "lookup {table}")?,
                }
                suppress_prefix.map_or(Ok(()), |length| write!(f, " suppress_prefixlength {length}"))
            }
            Self::Goto(priority) => write!(f, "goto {priority}"),
            Self::Nop => f.write_str("nop"),
            Self::Blackhole => f.write_str("blackhole"),
            Self::Unreachable => f.write_str("unreachable"),
            Self::Prohibit => f.write_str("prohibit"),
        }
    }
}

/// What a stack knows of a neighbour (`ip-neighbour(8)`).
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Neighbour {
    /// Index of the link.
    pub link: u32,
    /// Its address.
    pub address: IpAddr,
    /// Its link-layer address, if known.
    pub mac: Option<MacAddress>,
    /// `reachable`, `stale`, `failed`, `permanent`, …
    pub state: String,
}
