//! What must change, decided before anything changes.
//!
//! A [`Plan`] is an ordered list of [`Step`]s; each holds one [`Operation`], what takes it back,
//! and why it is there. The files of this folder are the decisions, one per desired object; they
//! look at data and return data. [`explain`] puts a plan into shell words.

mod address;
mod attachment;
mod boot;
mod bridge;
mod cable;
mod conflict;
mod draft;
pub mod explain;
pub mod forwarding;
mod leftovers;
mod mend;
mod nat;
mod netns;
mod own_table;
mod port_forward;
mod resolver;
mod route;
mod topology;
mod veth;

pub use crate::operation::{
    LinkChange, LinkLimits, LinkLocal, NewBridge, NewLink, NewLinkKind, NewVeth, NewVethEnd, Operation,
};
pub use conflict::Conflict;
pub(crate) use draft::Draft;
use serde::{Deserialize, Serialize};

use crate::{
    observed::{Observed, Scope},
    topology::Topology,
};

/// Something that can be asked for: it knows what to look at and what would have to change.
pub trait Desired {
    /// Returns what must be observed before it can be planned.
    fn scope(&self) -> Scope;

    /// Decides the steps from `observed` to the desired state; none if it is already there.
    ///
    /// # Errors
    ///
    /// Returns why the desired state cannot be: nothing was changed then.
    fn plan(&self, observed: &Observed) -> Result<Plan, Conflict>;

    /// Does what will be needed and depends on nothing observed: there is time for it while another thread looks.
    fn prepare(&self) {}

    /// Returns the topology that is as described once the plan is carried out, if this is about one.
    fn settles(&self) -> Option<&Topology> {
        None
    }
}

/// An ordered list of steps, and the state they lead to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Plan {
    /// In the order they are taken.
    pub steps: Vec<Step>,
    /// What will be observed afterwards.
    pub expected: Observed,
}

/// One operation, the way back, and the reason.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// What to do.
    pub operation: Operation,
    /// What takes it back, in order; empty if nothing can.
    pub undo: Vec<Operation>,
    /// One sentence for the reader of `--explain`.
    pub why: String,
}

impl Plan {
    /// Returns whether everything is already as desired.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}
