//! What this tool can do about a finding, through the same engine as every other change.

use serde::{Deserialize, Serialize};

use crate::operation::Operation;

/// A mend: changes of the kernel that belong together.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mend {
    /// One change, as it stands.
    Change(Operation),
}
