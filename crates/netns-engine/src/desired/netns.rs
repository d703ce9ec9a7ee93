//! A named netns: there, or gone.

use crate::name::NetnsName;

/// A netns with its loopback link up.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Netns {
    /// Its name under `/run/netns`.
    pub name: NetnsName,
}

/// No netns of this name, and none of its links.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NetnsRemoved {
    /// Its name under `/run/netns`.
    pub name: NetnsName,
    /// What to do with those who keep it alive.
    pub on_holders: OnHolders,
}

/// What to do with processes that keep a netns alive after its name is gone.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum OnHolders {
    /// Name them and change nothing.
    #[default]
    Refuse,
    /// End them (SIGKILL).
    Kill,
}
