//! A whole network, up or gone.

use super::OnHolders;
use crate::{
    record::{Lifetime, NotedTopology},
    topology::TopologyName,
};

/// A topology that is up, exactly as described: what an earlier version of it had and this one has not is
/// taken away.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TopologyUp {
    /// What there should be.
    pub topology: NotedTopology,
    /// How long; as before, or until it is taken down, if not given.
    pub lifetime: Option<Lifetime>,
    /// What to do with processes in netns that have to go.
    pub on_holders: OnHolders,
    /// How closely to look at nodes that an edit does not touch.
    pub untouched: Look,
}

/// How closely to look at a node.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Look {
    /// At its netns, and at all that is in it.
    #[default]
    Within,
    /// At the host's ends of its cables, and whether they lead to the netns of that name; what is in it is
    /// taken to be as it was asked for. A thousand nodes are then told at the price of a few. Where a
    /// topology is asked for unchanged, each node is looked at from within all the same: somebody wants
    /// to know.
    FromOutside,
}

/// No topology of this name, nor anything that was made for it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TopologyRemoved {
    /// Its name.
    pub name: TopologyName,
    /// What to do with processes in its netns, beside its own programs.
    pub on_holders: OnHolders,
}

/// No topology of this name that was to stay for this long only; one with another lifetime stays.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TopologyExpired {
    /// Its name.
    pub name: TopologyName,
    /// The lifetime that is over.
    pub lifetime: Lifetime,
}
