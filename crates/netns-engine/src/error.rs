//! Everything that can go wrong with a change, in one type.

use crate::{apply::ApplyError, kernel::Refusal, plan::Conflict};

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The desired state contradicts what is there; nothing was changed.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The state of the machine could not be read; nothing was changed.
    #[error("cannot read the state of the network")]
    Unreadable(#[source] Refusal),
    /// The lock or the journal under `/run/netns-tool` could not be had; nothing was changed.
    #[error("cannot write to /run/netns-tool")]
    NoState(#[source] Refusal),
    /// What a killed run left half-done could not be taken back; nothing else was changed.
    #[error("cannot take back what a killed run left half-done, as told by /run/netns-tool/journal")]
    Unrecovered(#[source] Refusal),
    /// A step was refused, and what was done before it was undone.
    #[error(transparent)]
    Apply(#[from] ApplyError),
}
