//! What this tool can do about a finding, through the same engine as every other change.

use serde::{Deserialize, Serialize};

use crate::{name::LinkName, operation::Operation};

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
