//! Topologies on throw-away hosts: every example, edits, drift, and what is refused.
//!
//! The judges are `ip`, `nft`, `ping`, `strace`, `/proc` and real connections; the state before and after
//! is told by [`netns_testkit::Snapshot`].

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::process::ExitCode;

#[path = "kill_test/changing_calls.rs"]
mod changing_calls;
#[path = "topology_test/drift.rs"]
mod drift;
#[path = "topology_test/edit.rs"]
mod edit;
#[path = "topology_test/examples.rs"]
mod examples;
#[path = "topology_test/forwarding.rs"]
mod forwarding;
#[path = "topology_test/refused.rs"]
mod refused;
#[path = "topology_test/settings.rs"]
mod settings;

fn main() -> ExitCode {
    let trials = [
        examples::trials(),
        edit::trials(),
        drift::trials(),
        forwarding::trials(),
        settings::trials(),
        refused::trials(),
    ];
    netns_testkit::main(trials.into_iter().flatten().collect())
}
