//! What this tool can do about a finding, through the same engine as every other change.

use serde::{Deserialize, Serialize};

use crate::{
    name::LinkName,
    operation::{LinkChange, Operation},
    sysctl::Sysctl,
};

/// A mend.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
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
}

impl Mend {
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
        }
    }
}
