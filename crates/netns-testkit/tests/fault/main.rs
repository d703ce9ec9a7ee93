//! A refusal at any step of any change, before or after its effect, leaves the host as it was: on
//! the model, and on the real kernel as other programs see it.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod changes;

use std::{collections::BTreeMap, process::ExitCode};

use changes::Change;
use netns_engine::{
    apply::{Progress, apply},
    change,
    kernel::{Kernel, LinuxKernel, Refusal},
    observed::Observed,
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
        refuse(&plan, &mut refusing, fault);
        expect_nothing(&differing_facts(kernel.state(), refusing.into_inner().state()), &plan, fault);
    }
    carry_out(change.desired.as_ref(), &mut kernel);
}

fn survives_on_the_kernel(change: &Change) {
    prepare(change, &mut LinuxKernel::default());
    let before = Snapshot::take();
    let plan = planned(change.desired.as_ref(), &mut LinuxKernel::default());
    for fault in faults(&plan) {
        refuse(&plan, &mut Refusing::new(LinuxKernel::default(), fault), fault);
        expect_nothing(before.difference(&Snapshot::take()).lines(), &plan, fault);
    }
    carry_out(change.desired.as_ref(), &mut LinuxKernel::default());
}

fn expect_nothing(changed: &[String], plan: &Plan, fault: Fault) {
    let operation = &plan.steps.get(fault.step).unwrap().operation;
    assert!(changed.is_empty(), "{fault:?} of '{operation}'\n{}", changed.join("\n"));
}

fn prepare(change: &Change, kernel: &mut impl Kernel) {
    for desired in &change.before {
        carry_out(desired.as_ref(), kernel);
    }
}

fn carry_out(desired: &dyn Desired, kernel: &mut impl Kernel) {
    let plan = planned(desired, kernel);
    apply(&plan, kernel, &mut Unwatched).expect("nothing is refused");
}

fn planned(desired: &dyn Desired, kernel: &mut impl Kernel) -> Plan {
    change::plan(desired, kernel).expect("nothing is in the way")
}

/// Each step, before and after its effect.
fn faults(plan: &Plan) -> Vec<Fault> {
    assert!(!plan.is_empty(), "there is something to do");
    (0..plan.steps.len()).flat_map(|step| [Fault::before(step), Fault::after(step)]).collect()
}

fn refuse<K: Kernel>(plan: &Plan, kernel: &mut Refusing<K>, fault: Fault) {
    let error = apply(plan, kernel, &mut Unwatched).expect_err("a step was refused");
    assert!(kernel.happened());
    assert!(error.undone().left_behind.is_empty(), "{fault:?}: {:?}", error.undone());
}

/// What of one state the other lacks: the whole states would fill screens.
fn differing_facts(before: &Observed, after: &Observed) -> Vec<String> {
    let (before, after) = (facts(before), facts(after));
    let gone = before.iter().filter(|fact| !after.contains(fact)).map(|fact| format!("- {fact}"));
    let come = after.iter().filter(|fact| !before.contains(fact)).map(|fact| format!("+ {fact}"));
    gone.chain(come).collect()
}

fn facts(state: &Observed) -> Vec<String> {
    let mut facts = vec![format!("{:?}", Observed { stacks: BTreeMap::new(), ..state.clone() })];
    for (place, stack) in &state.stacks {
        facts.push(format!("{place}"));
        facts.extend(stack.links.iter().map(|(name, link)| format!("{place}: {name} {link:?}")));
        facts.extend(stack.routes.iter().map(|route| format!("{place}: {route:?}")));
        facts.extend(stack.sysctls.iter().map(|setting| format!("{place}: {setting:?}")));
    }
    facts
}

/// Nobody is killed here, so nobody needs to know how far it got.
struct Unwatched;

impl Progress for Unwatched {
    fn about_to(&mut self, _index: usize) -> Result<(), Refusal> {
        Ok(())
    }
}
