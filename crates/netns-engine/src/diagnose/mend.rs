//! What this tool can do about a finding, through the same engine as every other change.

use crate::{
    firewall::Published,
    name::{LinkName, NetnsName},
    operation::{LinkChange, Operation},
    place::Place,
    sysctl::Sysctl,
};

/// A mend.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Mend {
    /// One change of the kernel, as it stands.
    Change(Operation),
    /// What `nat BRIDGE UPLINK` does.
    Nat {
        /// The bridge.
        bridge: LinkName,
        /// The link its traffic leaves through.
        uplink: LinkName,
    },
    /// What `publish` does.
    Publish {
        /// Where the host listens.
        published: Published,
        /// The netns it leads to.
        netns: NetnsName,
        /// The port there.
        port: u16,
    },
}

impl Mend {
    /// Returns whether it switches IPv4 forwarding of the whole host on.
    pub(super) fn is_forwarding_of_the_host(&self) -> bool {
        matches!(self, Self::Change(Operation::SetSysctl(Place::Host, Sysctl::IpForward, _)))
    }

    /// Returns when it is its turn: smaller comes first.
    pub(super) fn turn(&self) -> u8 {
        match self {
            // IPv6 addresses need it.
            Self::Change(Operation::SetSysctl(_, Sysctl::DisableIpv6(_), _)) => 0,
            Self::Change(Operation::SetLink(_, change)) if *change != LinkChange::Up => 0,
            Self::Change(Operation::SetLink(..)) => 1,
            Self::Change(Operation::AddAddress(..)) => 2,
            Self::Change(Operation::AddRoute(..)) => 3,
            Self::Change(_) => 4,
            Self::Nat { .. } => 5,
            Self::Publish { .. } => 6,
        }
    }
}
