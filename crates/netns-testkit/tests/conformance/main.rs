//! The model of the kernel against the kernel: the same operations, the same refusals, the same
//! state.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod boot;
mod connected;
mod gateway;
mod limits;
mod operations;
mod settings;
mod special_links;

use std::process::ExitCode;

use netns_engine::{
    kernel::{Kernel, LinuxKernel},
    observed::{Asked, Observed, Scope, Selection, TableSelection},
    place::Place,
    plan::{Operation, explain},
    sysctl::Sysctl,
};
use netns_testkit::{FakeKernel, Sandbox, Snapshot, Uplink, bare, eventually, hostless, on_fresh_host, sh};
use operations::{LINKS, NETNS, link_name, netns_name};
use proptest::{
    collection::vec,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

fn main() -> ExitCode {
    let told = operations::told().into_iter().chain(special_links::told());
    let told = told.chain(limits::told()).chain(connected::told());
    let mut trials: Vec<_> =
        told.map(|(name, told)| bare(name, move |_: &Sandbox| agree_on(&told))).collect();
    let of_gateway = gateway::told().into_iter();
    trials.extend(
        of_gateway
            .map(|(name, told)| bare(name, move |_: &Sandbox| agree_within(&gateway::everything(), &told))),
    );
    let of_settings = settings::told().into_iter();
    trials.extend(
        of_settings
            .map(|(name, told)| bare(name, move |_: &Sandbox| agree_within(&settings::everything(), &told))),
    );
    trials.extend(boot::told().into_iter().map(|(name, before, told)| {
        bare(name, move |_: &Sandbox| {
            boot::prepare(before);
            agree_within(&boot::everything(), &told);
        })
    }));
    trials.push(hostless("generated_operations", generated_operations));
    let tables = operations::tables().into_iter();
    trials.extend(tables.map(|(name, table)| {
        bare(&format!("nft_reads_what_the_driver_says::{name}"), move |_: &Sandbox| {
            same_by_text(&table);
        })
    }));
    let scripts = special_links::scripts().into_iter().chain(connected::scripts());
    trials.extend(scripts.map(|(name, operations)| {
        hostless(&format!("ip_and_tc_make_the_same::{name}"), move || same_by_text(&operations))
    }));
    netns_testkit::main(trials)
}

/// Sequences nobody thought of. The same ones every time: a failure must be repeatable, and
/// `PROPTEST_CASES` asks for more.
fn generated_operations() {
    let config =
        Config { cases: cases(), failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let sequences = vec(operations::any(), 1..14);
    let result = runner.run(&sequences, |sequence| {
        on_fresh_host(Uplink::None, |_| agree_on(&sequence))
            .map_err(proptest::test_runner::TestCaseError::fail)
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(96)
}

fn agree_on(operations: &[Operation]) {
    agree_within(&everything(), operations);
}

/// Performs the operations on both kernels, which start from the same state.
fn agree_within(scope: &Scope, operations: &[Operation]) {
    let mut real = LinuxKernel::default();
    let mut model = FakeKernel::with(real.observe(scope).expect("a fresh host can be observed"));
    for operation in operations {
        let (by_kernel, by_model) = (real.perform(operation), model.perform(operation));
        let (is, should) = (by_kernel.clone().map_err(|no| no.errno()), by_model.map_err(|no| no.errno()));
        assert_eq!(should, is, "the model and the kernel ({by_kernel:?}) on '{operation}'");
        let modelled = comparable(model.observe(scope).unwrap());
        let mut actual = || comparable(real.observe(scope).unwrap());
        if matches!(operation, Operation::DeleteNetns(_)) {
            // The links of a netns, and so their peers, go a while after its name.
            eventually("the links are gone with their netns", || actual() == modelled);
        }
        assert_eq!(modelled, actual(), "the model and the kernel after '{operation}'");
    }
}

/// All that the operations here can reach.
fn everything() -> Scope {
    let mut scope = NETNS.iter().fold(Scope::default(), |scope, name| scope.with_netns(&netns_name(name)));
    scope.stacks.insert(Place::Host, Selection::All);
    scope.table = TableSelection::All;
    scope.shaping = Asked::Yes;
    scope = scope.with_sysctl(&Place::Host, limits::setting());
    for place in operations::places() {
        scope = scope.with_sysctl(&place, Sysctl::IpForward);
        for link in LINKS {
            scope = scope.with_sysctl(&place, Sysctl::RouteLocalnet(link_name(link)));
            scope = scope.with_sysctl(&place, Sysctl::AddrGenMode(link_name(link)));
        }
    }
    scope
}

/// What the kernel draws at random, or fills in by itself, is no part of the model.
fn comparable(mut state: Observed) -> Observed {
    for stack in state.stacks.values_mut() {
        for link in stack.links.values_mut() {
            link.mac = None;
            // `lo` has them whenever it comes up, or something is said of all links.
            link.addresses.retain(|address| !address.addr().is_loopback());
        }
        stack.sysctls.retain(|_, value| *value != 0);
    }
    state
}

/// The text that `--explain` prints and the messages of the driver make the same, as other programs
/// list it.
fn same_by_text(operations: &[Operation]) {
    let after = |change: &(dyn Fn() + Sync)| {
        let state = on_fresh_host(Uplink::None, |_| {
            change();
            Snapshot::take()
        });
        state.unwrap_or_else(|error| panic!("{error}")).without_random_macs().without_notes()
    };
    let by_driver = after(&|| {
        let mut kernel = LinuxKernel::default();
        for operation in operations {
            kernel.perform(operation).unwrap();
        }
    });
    let script: Vec<_> = operations.iter().flat_map(explain::commands).collect();
    let by_text = after(&|| drop(sh(&format!("set -e\n{}", script.join("\n")))));
    by_driver.assert_same(&by_text, &format!("- by messages, + by text\n{}", script.join("\n")));
}
