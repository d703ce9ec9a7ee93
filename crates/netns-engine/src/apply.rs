//! Carries out a plan in one pass, or leaves things as they were.

use crate::{
    kernel::{Kernel, Refusal},
    name::NetnsName,
    observed::Scope,
    place::Place,
    plan::{Operation, Plan, Step},
};

/// A change that was not made, or not wholly.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// The kernel refused a step.
    #[error("cannot {operation}")]
    Refused {
        /// The step that was refused.
        operation: Box<Operation>,
        /// The kernel's answer.
        #[source]
        cause: Refusal,
        /// What happened to the steps before it.
        undone: Undone,
    },
    /// The kernel said yes, yet the state read back is not what was asked for.
    #[error("the kernel accepted the change, but reading back does not show: {operation}")]
    NotAsAsked {
        /// The step whose effect is missing.
        operation: Box<Operation>,
        /// What happened to all steps.
        undone: Undone,
    },
    /// The state could not be read back.
    #[error("cannot read the result back")]
    Unreadable {
        /// The kernel's answer.
        #[source]
        cause: Refusal,
        /// What happened to all steps.
        undone: Undone,
    },
}

impl ApplyError {
    /// Returns what became of the steps that had been done.
    #[must_use]
    pub fn undone(&self) -> &Undone {
        match self {
            Self::Refused { undone, .. }
            | Self::NotAsAsked { undone, .. }
            | Self::Unreadable { undone, .. } => undone,
        }
    }
}

/// The account of a rollback.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Undone {
    /// How many steps had been done and were to be taken back.
    pub steps: usize,
    /// Steps whose undo was refused or does not exist, with the reason where there is one.
    pub left_behind: Vec<(Operation, Option<Refusal>)>,
}

/// Where [`apply`] notes how far it is, so that a killed process can be cleaned up after.
pub trait Progress {
    /// Notes that step `index`, counted from zero, is about to be performed.
    ///
    /// # Errors
    ///
    /// Returns why the note could not be taken; the step is then not performed.
    fn about_to(&mut self, index: usize) -> Result<(), Refusal>;

    /// Notes that the step begun last was refused and changed nothing: what it was to make may be there all the
    /// same, and somebody else's.
    fn refused(&mut self) {}
}

/// Performs every step in order and reads back; after a refusal, undoes the finished ones.
///
/// # Errors
///
/// Names the refused operation and anything the rollback could not undo.
pub fn apply(plan: &Plan, kernel: &mut impl Kernel, progress: &mut impl Progress) -> Result<(), ApplyError> {
    kernel.expect(&plan.steps);
    for (index, step) in plan.steps.iter().enumerate() {
        let performed = progress.about_to(index).and_then(|()| kernel.perform(&step.operation));
        if let Err(cause) = performed {
            if cause.answer_was_lost() {
                take_back_if_done(step, kernel);
            } else {
                progress.refused();
            }
            let undone = roll_back(plan.steps.get(..index).unwrap_or_default(), kernel);
            return Err(ApplyError::Refused { operation: Box::new(step.operation.clone()), cause, undone });
        }
    }
    read_back(plan, kernel)
}

fn read_back(plan: &Plan, kernel: &mut impl Kernel) -> Result<(), ApplyError> {
    if plan.is_empty() {
        return Ok(());
    }
    let scope = Scope::covering(plan.steps.iter().map(|step| &step.operation));
    let actual = match kernel.observe(&scope) {
        Ok(actual) => actual,
        Err(cause) => return Err(ApplyError::Unreadable { cause, undone: roll_back(&plan.steps, kernel) }),
    };
    match plan.steps.iter().find(|step| !actual.shows(&step.operation, &plan.expected)) {
        None => Ok(()),
        Some(step) => {
            let undone = roll_back(&plan.steps, kernel);
            Err(ApplyError::NotAsAsked { operation: Box::new(step.operation.clone()), undone })
        }
    }
}

/// Takes back a step of which nobody knows whether it was done. If it was not, there is nothing to
/// take back, and refusals say just that.
fn take_back_if_done(step: &Step, kernel: &mut impl Kernel) {
    for undo in &step.undo {
        drop(kernel.perform(undo));
    }
}

/// Takes the steps back, last one first, and goes on where one cannot be.
fn roll_back(done: &[Step], kernel: &mut impl Kernel) -> Undone {
    let mut left_behind = Vec::new();
    for step in done.iter().rev() {
        if let Err(reason) = take_back(step, kernel) {
            left_behind.push((step.operation.clone(), reason));
        }
    }
    forget_what_went_with_its_netns(done, &mut left_behind);
    Undone { steps: done.len(), left_behind }
}

/// Whatever was done in a netns is gone with it.
fn forget_what_went_with_its_netns(done: &[Step], left_behind: &mut Vec<(Operation, Option<Refusal>)>) {
    let stayed: Vec<_> = left_behind.iter().filter_map(|(left, _)| made_netns(left)).cloned().collect();
    let made = done.iter().filter_map(|step| made_netns(&step.operation));
    let gone: Vec<_> = made.filter(|netns| !stayed.contains(netns)).collect();
    let in_gone = |place: &&Place| place.netns().is_some_and(|netns| gone.contains(&netns));
    left_behind.retain(|(left, _)| left.places().is_empty() || !left.places().iter().all(in_gone));
}

/// The netns that an operation makes.
fn made_netns(operation: &Operation) -> Option<&NetnsName> {
    match operation {
        Operation::CreateNetns(name) => Some(name),
        _ => None,
    }
}

/// Fails with why the step stays: a refusal, or nothing where no undo exists.
fn take_back(step: &Step, kernel: &mut impl Kernel) -> Result<(), Option<Refusal>> {
    let mut refusals = Vec::new();
    for undo in &step.undo {
        match kernel.perform(undo) {
            Err(refusal) if !undo.is_moot_after(refusal.errno()) => refusals.push(refusal),
            _ => {}
        }
    }
    match refusals.into_iter().next() {
        Some(refusal) => Err(Some(refusal)),
        None if step.undo.is_empty() && step.operation.leaves_a_trace() => Err(None),
        None => Ok(()),
    }
}
