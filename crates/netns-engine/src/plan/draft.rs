//! A plan in the making, which knows the state its steps lead to.

use super::{Operation, Plan, Step};
use crate::{observed::Observed, place::LinkAt, sysctl::Sysctl};

/// Collects steps; each next decision sees the state after the steps before it.
#[derive(Debug)]
pub(crate) struct Draft {
    steps: Vec<Step>,
    state: Observed,
}

impl Draft {
    /// Starts from what is there.
    pub(crate) fn from(observed: &Observed) -> Self {
        Self { steps: Vec::new(), state: observed.clone() }
    }

    /// The state after all steps so far.
    pub(crate) fn state(&self) -> &Observed {
        &self.state
    }

    /// Adds a step. Its undo is fixed here, while the old state is known.
    ///
    /// A step that the model says the kernel would refuse is kept as well: the kernel has the
    /// last word, and its own text.
    pub(crate) fn then(&mut self, operation: Operation, why: impl Into<String>) {
        let undo = self.state.undo_of(&operation);
        drop(self.state.project(&operation));
        self.steps.push(Step { operation, undo, why: why.into() });
    }

    /// Adds a step whose undo the model cannot know.
    pub(crate) fn then_undone_by(
        &mut self,
        operation: Operation,
        undo: Vec<Operation>,
        why: impl Into<String>,
    ) {
        drop(self.state.project(&operation));
        self.steps.push(Step { operation, undo, why: why.into() });
    }

    /// Takes a setting of a link for granted that was not read, so that an undo can bring it back.
    pub(crate) fn assume(&mut self, link: &LinkAt, setting: Sysctl, value: i32) {
        self.state.assume(link, setting, value);
    }

    /// Adds all steps of a plan that was made from the state so far.
    pub(crate) fn then_all(&mut self, plan: Plan) {
        self.steps.extend(plan.steps);
        self.state = plan.expected;
    }

    /// Ends the draft.
    pub(crate) fn finish(self) -> Plan {
        Plan { steps: self.steps, expected: self.state }
    }
}
