//! What the tool remembers about its own changes: small files under `/run/netns-tool`, a tmpfs
//! that dies with the reboot that kills the objects too.

mod noted;

use std::fmt;

use ipnet::IpNet;
pub use noted::NotedTopology;
use serde::{Deserialize, Serialize};

use crate::{
    address::Family,
    firewall::{Driver, IptablesRule, PortForward, Published, TableEntry, Translation},
    name::{LinkName, NetnsName},
    sysctl::Sysctl,
    topology::TopologyName,
};

/// One remembered change: what the kernel objects themselves cannot tell.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub enum Record {
    /// A bridge that was given internet access.
    Nat(NatRecord),
    /// A published port.
    Published(PublishedRecord),
    /// Forwarding was off, and we switched it on.
    Forwarding(ForwardingRecord),
    /// A topology that is up.
    Topology(TopologyRecord),
}

/// What `nat` added for one bridge.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct NatRecord {
    /// The bridge.
    pub bridge: LinkName,
    /// The link its traffic leaves through.
    pub uplink: LinkName,
    /// Networks that are translated.
    pub subnets: Vec<IpNet>,
    /// How their source addresses are translated.
    pub translation: Translation,
    /// Who holds the rules.
    pub driver: Driver,
    /// Rules that were not there before (iptables driver).
    pub rules: Vec<IptablesRule>,
    /// Entries that were not there before (nftables driver).
    pub entries: Vec<TableEntry>,
}

/// What `publish` added for one port.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct PublishedRecord {
    /// The forward.
    pub forward: PortForward,
    /// The netns it leads to.
    pub netns: NetnsName,
    /// Rules that were not there before (where iptables would drop the traffic).
    pub rules: Vec<IptablesRule>,
    /// Settings that were changed, with the values they had.
    pub settings: Vec<(Sysctl, i32)>,
    /// The port of the bridge whose hairpin mode was switched on.
    pub hairpin: Option<LinkName>,
}

/// How forwarding was set before this tool switched it on.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct ForwardingRecord {
    /// IPv4 or IPv6.
    pub family: Family,
    /// Settings that switching on and off again would leave changed, with the values they had.
    pub settings: Vec<(Sysctl, i32)>,
}

/// A topology that is up.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct TopologyRecord {
    /// What was asked for last.
    pub topology: NotedTopology,
    /// How long it stays.
    pub lifetime: Lifetime,
}

/// How long a topology stays up.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub enum Lifetime {
    /// Until somebody takes it down.
    #[default]
    UntilDown,
    /// Until a moment, in seconds since 1970 (`CLOCK_REALTIME`).
    Until(u64),
    /// As long as a process runs, known by its number and the time it started, in clock ticks since boot
    /// (field 22 of `/proc/PID/stat`, `proc_pid_stat(5)`).
    WithProcess(u32, u64),
}

impl Lifetime {
    /// Returns whether it is over: at `now`, in seconds since 1970, when the process with the number it names
    /// started at `started`, if there is one.
    #[must_use]
    pub fn is_over(self, now: u64, started: Option<u64>) -> bool {
        match self {
            Self::UntilDown => false,
            Self::Until(moment) => now >= moment,
            Self::WithProcess(_, start) => started != Some(start),
        }
    }
}

/// What a [`Record`] is filed under.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum RecordKey {
    /// NAT of a bridge.
    Nat(LinkName),
    /// A published port.
    Published(Published),
    /// Forwarding of a family.
    Forwarding(Family),
    /// A topology.
    Topology(TopologyName),
}

impl Record {
    /// Returns what the record is filed under.
    #[must_use]
    pub fn key(&self) -> RecordKey {
        match self {
            Self::Nat(record) => RecordKey::Nat(record.bridge.clone()),
            Self::Published(record) => RecordKey::Published(record.forward.published.clone()),
            Self::Forwarding(record) => RecordKey::Forwarding(record.family),
            Self::Topology(record) => RecordKey::Topology(record.topology.name.clone()),
        }
    }
}

/// Whether a note may leave `value` out. A network has thousands of values, and few of them are asked for.
pub(crate) fn goes_without_saying<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl fmt::Display for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nat(bridge) => write!(f, "NAT of bridge '{bridge}'"),
            Self::Published(published) => write!(f, "published port {published}"),
            Self::Forwarding(family) => write!(f, "{family} forwarding"),
            Self::Topology(name) => write!(f, "topology '{name}'"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_ends_with_its_moment_or_its_process() {
        assert!(!Lifetime::UntilDown.is_over(u64::MAX, None));
        assert!(!Lifetime::Until(10).is_over(9, None));
        assert!(Lifetime::Until(10).is_over(10, None));
        let with = Lifetime::WithProcess(7, 100);
        assert!(!with.is_over(0, Some(100)));
        assert!(with.is_over(0, Some(101)), "another process has its number now");
        assert!(with.is_over(0, None));
    }
}
