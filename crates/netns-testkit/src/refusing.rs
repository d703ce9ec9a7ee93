//! A kernel that says no on demand.

use netns_engine::{
    kernel::{Kernel, Refusal},
    observed::{Observed, Scope},
    plan::{Operation, Step},
};
use rustix::io::Errno;

/// When the refusal comes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Moment {
    /// Instead of the change.
    BeforeEffect,
    /// After the change: it is made, yet its answer is lost.
    AfterEffect,
}

/// One refusal, at one change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Fault {
    /// Which change, counted from zero.
    pub step: usize,
    /// Before or after its effect.
    pub moment: Moment,
    /// What is answered.
    pub errno: Errno,
}

impl Fault {
    /// Refuses change `step` instead of making it.
    #[must_use]
    pub fn before(step: usize) -> Self {
        Self { step, moment: Moment::BeforeEffect, errno: Errno::PERM }
    }

    /// Makes change `step`, then claims it failed.
    #[must_use]
    pub fn after(step: usize) -> Self {
        Self { step, moment: Moment::AfterEffect, errno: Errno::NOBUFS }
    }
}

/// Wraps any kernel, the real one too, and refuses one change.
///
/// Changes after the refused one pass through: a rollback has to be able to work.
#[derive(Debug)]
pub struct Refusing<K> {
    inner: K,
    fault: Fault,
    asked: usize,
}

impl<K> Refusing<K> {
    /// Lets `inner` fail as `fault` says.
    #[must_use]
    pub fn new(inner: K, fault: Fault) -> Self {
        Self { inner, fault, asked: 0 }
    }

    /// Returns whether so many changes were asked for that the fault happened.
    #[must_use]
    pub fn happened(&self) -> bool {
        self.asked > self.fault.step
    }

    /// Returns the wrapped kernel.
    #[must_use]
    pub fn into_inner(self) -> K {
        self.inner
    }
}

impl<K: Kernel> Kernel for Refusing<K> {
    fn observe(&mut self, scope: &Scope) -> Result<Observed, Refusal> {
        self.inner.observe(scope)
    }

    fn perform(&mut self, operation: &Operation) -> Result<(), Refusal> {
        let step = self.asked;
        self.asked += 1;
        if step != self.fault.step {
            return self.inner.perform(operation);
        }
        if self.fault.moment == Moment::AfterEffect {
            self.inner.perform(operation)?;
        }
        Err(Refusal::new(self.fault.errno).with_message("refused by the test"))
    }

    fn expect(&mut self, steps: &[Step]) {
        self.inner.expect(steps);
    }
}

#[cfg(test)]
mod tests {
    use netns_engine::name::NetnsName;

    use super::*;
    use crate::FakeKernel;

    fn create(name: &str) -> Operation {
        Operation::CreateNetns(NetnsName::new(name).unwrap())
    }

    #[test]
    fn only_the_named_step_is_refused() {
        let mut kernel = Refusing::new(FakeKernel::default(), Fault::before(1));
        kernel.perform(&create("red")).unwrap();
        assert_eq!(kernel.perform(&create("blue")).unwrap_err().errno(), Errno::PERM);
        kernel.perform(&create("green")).unwrap();
        assert_eq!(kernel.into_inner().state().netns.len(), 2);
    }

    #[test]
    fn a_lost_answer_leaves_the_effect() {
        let mut kernel = Refusing::new(FakeKernel::default(), Fault::after(0));
        assert_eq!(kernel.perform(&create("red")).unwrap_err().errno(), Errno::NOBUFS);
        assert!(kernel.happened());
        assert_eq!(kernel.into_inner().state().netns.len(), 1);
    }
}
