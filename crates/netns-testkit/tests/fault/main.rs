//! A refusal at any step of any change, before or after its effect, leaves the host as it was: on
//! the model, and on the real kernel as other programs see it.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod changes;

use std::process::ExitCode;

use changes::Change;
use netns_engine::{
    apply::{Progress, apply},
    change,
    kernel::{Kernel, LinuxKernel, Refusal},
    plan::{Desired, Plan},
};
use netns_testkit::{FakeKernel, Fault, Refusing, Sandbox, Snapshot, bare, online};

fn main() -> ExitCode {
    let on_the_model = changes::all().into_iter().map(|change| {
        bare(&format!("on_the_model::{}", change.name), move |_: &Sandbox| {
            survives_on_the_model(&change);
        })
    });
    let on_the_kernel = changes::all().into_iter().map(|change| {
        online(&format!("on_the_kernel::{}", change.name), move |_: &Sandbox| {
            survives_on_the_kernel(&change);
        })
    });
    netns_testkit::main(on_the_model.chain(on_the_kernel).collect())
}

fn survives_on_the_model(change: &Change) {
    let mut kernel = FakeKernel::with(changes::host_in_memory());
    prepare(change, &mut kernel);
    let plan = planned(change.desired.as_ref(), &mut kernel);
    for fault in faults(&plan) {
        let mut refusing = Refusing::new(kernel.clone(), fault);
        refuse(&plan, change, &mut refusing, fault);
        assert_eq!(
            refusing.into_inner().state(),
            kernel.state(),
            "{fault:?} of {:?}",
            plan.steps[fault.step].operation
        );
    }
    carry_out(change.desired.as_ref(), &mut kernel);
}

fn survives_on_the_kernel(change: &Change) {
    prepare(change, &mut LinuxKernel::default());
    let before = Snapshot::take();
    let plan = planned(change.desired.as_ref(), &mut LinuxKernel::default());
    for fault in faults(&plan) {
        let mut refusing = Refusing::new(LinuxKernel::default(), fault);
        refuse(&plan, change, &mut refusing, fault);
        drop(refusing);
        before
            .assert_same(&Snapshot::take(), &format!("{fault:?} of '{}'", plan.steps[fault.step].operation));
    }
    carry_out(change.desired.as_ref(), &mut LinuxKernel::default());
}

fn prepare(change: &Change, kernel: &mut impl Kernel) {
    for desired in &change.before {
        carry_out(desired.as_ref(), kernel);
    }
}

fn carry_out(desired: &dyn Desired, kernel: &mut impl Kernel) {
    let plan = planned(desired, kernel);
    apply(&plan, &desired.scope(), kernel, &mut Unwatched).expect("nothing is refused");
}

fn planned(desired: &dyn Desired, kernel: &mut impl Kernel) -> Plan {
    change::plan(desired, kernel).expect("nothing is in the way")
}

/// Each step, before and after its effect. What has no way back comes last, and is not refused
/// after its effect: there is nothing to be undone to.
fn faults(plan: &Plan) -> Vec<Fault> {
    assert!(!plan.is_empty(), "there is something to do");
    let before = (0..plan.steps.len()).map(Fault::before);
    let with_a_way_back = plan.steps.iter().enumerate().filter(|(_, step)| !step.undo.is_empty());
    before.chain(with_a_way_back.map(|(index, _)| Fault::after(index))).collect()
}

fn refuse<K: Kernel>(plan: &Plan, change: &Change, kernel: &mut Refusing<K>, fault: Fault) {
    let error = apply(plan, &change.desired.scope(), kernel, &mut Unwatched).expect_err("a step was refused");
    assert!(kernel.happened());
    assert!(error.undone().left_behind.is_empty(), "{fault:?}: {:?}", error.undone());
}

/// Nobody is killed here, so nobody needs to know how far it got.
struct Unwatched;

impl Progress for Unwatched {
    fn about_to(&mut self, _index: usize) -> Result<(), Refusal> {
        Ok(())
    }
}
