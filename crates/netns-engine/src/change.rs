//! The road every change takes: observe, plan, apply, report.

use std::fs::File;

use crate::{
    apply::{Progress, apply},
    error::Error,
    journal::{self, Journal},
    kernel::{Ahead, Kernel, LinuxKernel, Refusal, hold_signals_back, state},
    plan::{Desired, Operation, Plan},
};

/// What a change did.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Report {
    /// The steps that were done; none if everything was already as desired.
    pub done: Plan,
    /// What a killed process had left half-done, and was taken back first.
    pub recovered: Vec<Operation>,
}

/// Decides what would have to change, and changes nothing.
///
/// # Errors
///
/// Returns why the desired state cannot be, or could not be compared with what is there.
pub fn plan(desired: &dyn Desired, kernel: &mut impl Kernel) -> Result<Plan, Error> {
    let observed = kernel.observe(&desired.scope()).map_err(Error::Unreadable)?;
    Ok(desired.plan(&observed)?)
}

/// Makes the machine as desired, or leaves it as it was.
///
/// One change at a time: others wait for the lock. Signals are held back until the change is
/// whole. What a killed process left half-done is taken back first.
///
/// # Errors
///
/// Returns why nothing was changed, or which step was refused and what became of the others.
pub fn make(desired: &dyn Desired, kernel: &mut impl Kernel) -> Result<Report, Error> {
    make_watched(desired, kernel, &mut |_| {})
}

/// How far a change is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stage {
    /// Steps that are done.
    pub done: usize,
    /// Steps that there are.
    pub of: usize,
}

/// Does what [`make`] does, and tells `watch` before each step how far it is.
///
/// # Errors
///
/// Returns why nothing was changed, or which step was refused and what became of the others.
pub fn make_watched(
    desired: &dyn Desired,
    kernel: &mut impl Kernel,
    watch: &mut dyn FnMut(Stage),
) -> Result<Report, Error> {
    make_locked(desired, kernel, &state::lock().map_err(Error::NoState)?, watch)
}

/// Does what [`make_watched`] does, with what is being read `ahead`.
///
/// # Errors
///
/// Returns why nothing was changed, or which step was refused and what became of the others.
pub fn make_ahead(
    desired: &dyn Desired,
    kernel: &mut LinuxKernel,
    ahead: Ahead,
    watch: &mut dyn FnMut(Stage),
) -> Result<Report, Error> {
    desired.prepare();
    let lock = kernel.catch_up(ahead).map_err(Error::NoState)?;
    make_locked(desired, kernel, &lock, watch)
}

fn make_locked(
    desired: &dyn Desired,
    kernel: &mut impl Kernel,
    _lock: &File,
    watch: &mut dyn FnMut(Stage),
) -> Result<Report, Error> {
    let _held = hold_signals_back().map_err(Error::NoState)?;
    let recovered = journal::recover(kernel).map_err(Error::Unrecovered)?;
    carry_out(desired, kernel, recovered, watch)
}

/// Does what [`make`] does, with what `find` finds to be desired once nobody else changes anything and
/// what a killed process left is taken back.
///
/// # Errors
///
/// Returns why nothing was changed, or which step was refused and what became of the others.
pub fn make_as_found<D: Desired>(
    find: impl FnOnce() -> Result<D, Refusal>,
    kernel: &mut impl Kernel,
) -> Result<Report, Error> {
    let _lock = state::lock().map_err(Error::NoState)?;
    let _held = hold_signals_back().map_err(Error::NoState)?;
    let recovered = journal::recover(kernel).map_err(Error::Unrecovered)?;
    let desired = find().map_err(Error::Unreadable)?;
    carry_out(&desired, kernel, recovered, &mut |_| {})
}

fn carry_out(
    desired: &dyn Desired,
    kernel: &mut impl Kernel,
    recovered: Vec<Operation>,
    watch: &mut dyn FnMut(Stage),
) -> Result<Report, Error> {
    let done = plan(desired, kernel)?;
    if !done.is_empty() {
        let journal = Journal::open(&done.steps).map_err(Error::NoState)?;
        let mut watched = Watched { journal, of: done.steps.len(), watch };
        let applied = apply(&done, kernel, &mut watched);
        let closed = watched.journal.close();
        // Why the change failed matters more than that its journal stays.
        applied?;
        closed.map_err(Error::NoState)?;
    }
    if let Some(topology) = desired.settles() {
        kernel.settle(topology);
    }
    Ok(Report { done, recovered })
}

/// A journal that somebody looks at.
struct Watched<'a> {
    journal: Journal,
    of: usize,
    watch: &'a mut dyn FnMut(Stage),
}

impl Progress for Watched<'_> {
    fn about_to(&mut self, index: usize) -> Result<(), Refusal> {
        (self.watch)(Stage { done: index, of: self.of });
        self.journal.about_to(index)
    }

    fn refused(&mut self) {
        self.journal.refused();
    }
}
