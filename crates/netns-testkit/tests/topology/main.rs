//! Whole networks, edited at random: on the model, and on the real kernel as other programs see it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod exposure;
mod faults;
mod networks;

use std::process::ExitCode;

use netns_engine::{
    change,
    desired::{Look, OnHolders, TopologyRemoved, TopologyUp},
    kernel::{Kernel, LinuxKernel},
    plan::{Desired, Plan},
    topology::Topology,
};
use netns_testkit::{FakeKernel, Snapshot, Uplink, hostless, on_fresh_host};
use proptest::{
    strategy::Strategy,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner},
};

fn main() -> ExitCode {
    let mut trials = vec![
        hostless("edits_on_the_model_lead_where_a_fresh_start_would", edits_on_the_model),
        hostless("edits_on_the_kernel_lead_where_a_fresh_start_would", edits_on_the_kernel),
    ];
    trials.extend(faults::trials());
    trials.extend(exposure::trials());
    netns_testkit::main(trials)
}

/// The same networks every time: a failure must be repeatable. `PROPTEST_CASES` asks for more.
fn for_any_edit(cases: u32, check: impl Fn(&Topology, &Topology) -> Result<(), String>) {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let config = Config {
        cases: asked.unwrap_or(cases),
        failure_persistence: None,
        max_shrink_iters: 100,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let edits = (networks::any(), networks::any()).prop_map(|(first, second)| (first, second));
    let result = runner.run(&edits, |(first, second)| check(&first, &second).map_err(TestCaseError::fail));
    if let Err(failure) = result {
        panic!("{failure}");
    }
}

fn edits_on_the_model() {
    for_any_edit(256, |first, second| {
        let empty = FakeKernel::with(faults::host_in_memory());
        let fresh = after(&up(second), empty.clone());
        let edited = after(&up(second), after(&up(first), empty.clone()));
        same(&fresh, &edited, "after an edit")?;
        let again = planned(&up(second), &mut edited.clone());
        nothing_to_do(&again)?;
        same(&empty, &after(&down(), edited), "after down")
    });
}

fn edits_on_the_kernel() {
    for_any_edit(12, |first, second| {
        on_fresh_host(Uplink::PretendInternet, |_| edit_on_the_kernel(first, second))
    });
}

fn edit_on_the_kernel(first: &Topology, second: &Topology) {
    let untouched = Snapshot::take();
    make(&up(second));
    let fresh = Snapshot::take();
    make(&down());
    untouched.assert_same(&Snapshot::take(), "after down");
    make(&up(first));
    make(&up(second));
    fresh.assert_same(&Snapshot::take(), "after an edit");
    nothing_to_do(&planned(&up(second), &mut LinuxKernel::default())).unwrap();
    make(&down());
    untouched.assert_same(&Snapshot::take(), "after an edit and down");
}

pub(crate) fn up(topology: &Topology) -> TopologyUp {
    TopologyUp {
        topology: topology.clone().into(),
        lifetime: None,
        on_holders: OnHolders::Refuse,
        untouched: Look::FromOutside,
    }
}

pub(crate) fn down() -> TopologyRemoved {
    TopologyRemoved { name: "lab".parse().unwrap(), on_holders: OnHolders::Refuse }
}

fn make(desired: &dyn Desired) {
    change::make(desired, &mut LinuxKernel::default()).unwrap_or_else(|error| panic!("{error:?}"));
}

pub(crate) fn planned(desired: &dyn Desired, kernel: &mut impl Kernel) -> Plan {
    change::plan(desired, kernel).unwrap_or_else(|error| panic!("{error:?}"))
}

fn after(desired: &dyn Desired, mut kernel: FakeKernel) -> FakeKernel {
    for step in planned(desired, &mut kernel).steps {
        kernel.perform(&step.operation).unwrap_or_else(|refusal| panic!("{}: {refusal}", step.operation));
    }
    kernel
}

fn nothing_to_do(plan: &Plan) -> Result<(), String> {
    match plan.steps.first() {
        None => Ok(()),
        Some(step) => Err(format!("there is still something to do: {}", step.operation)),
    }
}

fn same(first: &FakeKernel, second: &FakeKernel, when: &str) -> Result<(), String> {
    let changed = faults::differing_facts(first.state(), second.state());
    if changed.is_empty() { Ok(()) } else { Err(format!("{when}:\n{}", changed.join("\n"))) }
}
