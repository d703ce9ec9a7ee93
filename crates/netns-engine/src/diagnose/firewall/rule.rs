//! Tables, chains and rules as data, wherever they come from.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// All packet filters of a stack.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Ruleset {
    /// All chains, base chains and others.
    pub chains: Vec<Chain>,
    /// What could not be read, and why: a missing program, a missing right.
    pub unread: Vec<String>,
}

/// A chain of rules.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Chain {
    /// Who made it, and who shows it.
    pub origin: Origin,
    /// What packets its table is for.
    pub family: ChainFamily,
    /// Its table.
    pub table: String,
    /// Its name.
    pub name: String,
    /// Where packets enter it; none if only other chains lead here.
    pub base: Option<Base>,
    /// Its rules, in order.
    pub rules: Vec<Rule>,
}

/// Where a chain's rules live.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// A table of nftables.
    Nftables,
    /// A table of nftables that the iptables program of today keeps its rules in.
    Iptables,
    /// The old iptables, which nftables does not show.
    IptablesLegacy,
}

/// What packets a table is for.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChainFamily {
    /// IPv4.
    Ip,
    /// IPv6.
    Ip6,
    /// Both.
    Inet,
    /// Frames that a bridge passes.
    Bridge,
    /// Whatever a link takes in or sends out.
    Netdev,
}

/// How a base chain hangs on its hook.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Base {
    /// `filter`, `nat` or `route`.
    pub kind: ChainKind,
    /// The hook.
    pub hook: Hook,
    /// Smaller comes first (`NF_IP_PRI_*` of `linux/netfilter_ipv4.h`).
    pub priority: i32,
    /// What becomes of packets that no rule decides on.
    pub policy: Policy,
    /// The links of a netdev chain.
    pub devices: Vec<String>,
}

/// What a base chain is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChainKind {
    /// Filters.
    Filter,
    /// Translates; sees only the first packet of a connection.
    Nat,
    /// Marks before the routing decision is made again.
    Route,
}

/// A hook (`enum nf_inet_hooks` of `linux/netfilter.h`).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hook {
    /// As the link takes it in (netdev and inet).
    Ingress,
    /// Came in, not yet routed.
    Prerouting,
    /// For this stack.
    Input,
    /// For others.
    Forward,
    /// Made by this stack.
    Output,
    /// Routed, about to leave.
    Postrouting,
    /// As the link sends it out (netdev).
    Egress,
}

/// What becomes of packets that no rule decides on.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// They go on.
    Accept,
    /// They vanish.
    Drop,
}

/// A rule: conditions, and what happens to a packet that meets them all.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Its place in the chain, counted from one, as `iptables -L --line-numbers` counts.
    pub number: usize,
    /// By which nftables knows it.
    pub handle: Option<u64>,
    /// The rule in the words of its program.
    pub text: String,
    /// The conditions.
    pub matches: Vec<Match>,
    /// Whether it gives packets a mark, whatever else happens to them.
    pub marks: bool,
    /// What happens.
    pub verdict: Verdict,
}

/// One condition of a rule.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Match {
    /// What the field of the packet holds is among the values.
    Is(Field, Values),
    /// It is not.
    IsNot(Field, Values),
    /// Several fields together are among the keys of a set: one value for each field in each key.
    Together(Vec<Field>, Vec<Vec<Values>>),
    /// They are among none of the keys.
    NotTogether(Vec<Field>, Vec<Vec<Values>>),
    /// A condition that is not understood, in words: it may be met.
    Unknown(String),
    /// A condition that a lone packet meets, in words: a rate that is not reached.
    Usual(String),
    /// A condition that only odd packets meet, in words: a rate that is reached, a source that no route leads
    /// back to.
    Exceptional(String),
}

/// What of a packet a condition looks at.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Field {
    /// Name of the link it came in by.
    IncomingLink,
    /// Name of the link it leaves through.
    OutgoingLink,
    /// With bridges: the port it came in by (`-m physdev --physdev-in`, `iifname` in bridge tables).
    IncomingPort,
    /// With bridges: the port it leaves through.
    OutgoingPort,
    /// IP source.
    Source,
    /// IP destination.
    Destination,
    /// Transport protocol by number.
    Protocol,
    /// Source port.
    SourcePort,
    /// Destination port.
    DestinationPort,
    /// State of its connection: 1 invalid, 2 established, 4 related, 8 new, 64 untracked (`ct state`).
    ConnectionState,
    /// Status of its connection: 16 snat, 32 dnat (`ct status`, `IPS_*` of
    /// `linux/netfilter/nf_conntrack_common.h`).
    ConnectionStatus,
    /// What its destination is to this stack: `local`, `unicast`, `broadcast`, … (`fib daddr type`).
    DestinationType,
    /// What its source is to this stack.
    SourceType,
    /// What its destination is to the very link it came in by (`fib daddr . iif type`, `--limit-iface-in`).
    DestinationTypeOnLink,
    /// What its source is to one of its links.
    SourceTypeOnLink,
    /// ICMP or `ICMPv6` type by number.
    IcmpType,
    /// TCP flags: 1 fin, 2 syn, 4 rst, 8 psh, 16 ack, 32 urg (RFC 9293).
    TcpFlags,
    /// Its mark.
    Mark,
    /// IPv4 (2) or IPv6 (10) (`meta nfproto`).
    Family,
}

/// Values of a field; a condition holds if the field is among them.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Values {
    /// Words: link names (`eth*` stands for all that start so), types of addresses.
    Words(Vec<String>),
    /// Ranges of addresses, both ends included.
    Addresses(Vec<(IpAddr, IpAddr)>),
    /// Ranges of numbers, both ends included.
    Numbers(Vec<(u64, u64)>),
    /// Bits: at least one of them is set.
    AnyBit(u64),
    /// A masked number.
    Masked {
        /// Which bits count.
        mask: u64,
        /// What they are.
        value: u64,
    },
}

/// What happens to a packet that meets all conditions of a rule.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It leaves this base chain; other base chains still see it.
    Accept,
    /// It vanishes.
    Drop,
    /// It is answered with a refusal.
    Reject,
    /// Back to the chain that led here.
    Return,
    /// The next rule.
    Continue,
    /// Into another chain of the same table, and back.
    Jump(String),
    /// Into another chain of the same table.
    Goto(String),
    /// A map from values of a field to verdicts: the first that matches.
    Map(Vec<Field>, Vec<(Vec<Values>, Verdict)>),
    /// Its source becomes that of the link it leaves through.
    Masquerade,
    /// Its source becomes this.
    Snat(NatTarget),
    /// Its destination becomes this.
    Dnat(NatTarget),
    /// Its destination becomes what a map holds for the values of the fields.
    DnatMap(Vec<Field>, Vec<(Vec<Values>, NatTarget)>),
    /// Its source becomes what a map holds for the values of the fields.
    SnatMap(Vec<Field>, Vec<(Vec<Values>, NatTarget)>),
    /// It goes to this stack itself, at this port.
    Redirect(Option<u16>),
    /// It goes to a program, which decides.
    Queue,
    /// Something that is not understood, in words.
    Unknown(String),
}

/// What an address and port are translated to; what is not given stays.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct NatTarget {
    /// The address.
    pub address: Option<IpAddr>,
    /// The port.
    pub port: Option<u16>,
}
