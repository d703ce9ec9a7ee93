//! What a diagnosis costs where there is much to look at: counted in system calls, not by a clock.

use std::fs;

use libtest_mimic::Trial;
use netns_testkit::{Missing, Sandbox, program_exists, sh, trials};

use crate::cost::Cost;

pub(crate) fn trials() -> Vec<Trial> {
    trials!(online: a_diagnosis_asks_each_further_netns_a_few_things_and_each_rule_nothing)
}

/// What one more netns may cost, in system calls: to open, enter and leave it, ask for its links,
/// addresses, routes, neighbours, rules and settings, and look who is inside.
const CALLS_PER_NETNS: usize = 60;
/// What a thousand rules more may cost: they come in pages of 32 KiB, a hundred or more in each.
const CALLS_PER_THOUSAND_RULES: usize = 60;
/// The kernel tells one such rule in about 350 bytes; it is read once, and once more by iptables.
const BYTES_PER_RULE: usize = 800;

const FEW: usize = 10;
const MANY: usize = 210;

fn a_diagnosis_asks_each_further_netns_a_few_things_and_each_rule_nothing(
    host: &Sandbox,
) -> Result<(), Missing> {
    if !program_exists("strace") {
        return Err(Missing("the program strace".to_owned()));
    }
    let few = cost_with(host, FEW);
    let many = cost_with(host, MANY);
    assert!(
        many.calls <= few.calls + CALLS_PER_NETNS * (MANY - FEW),
        "{} netns more: {few:?} to {many:?}",
        MANY - FEW
    );
    add_rules(10_000);
    let with_rules = cost(host);
    assert!(
        with_rules.calls <= many.calls + 10 * CALLS_PER_THOUSAND_RULES
            && with_rules.bytes_read <= many.bytes_read + 10_000 * BYTES_PER_RULE,
        "10,000 rules: {many:?} to {with_rules:?}"
    );
    Ok(())
}

/// Brings up as many netns behind one bridge, and counts what a question about one takes.
fn cost_with(host: &Sandbox, netns: usize) -> Cost {
    fs::write("/run/crowd.yaml", crowd(netns)).expect("/run is ours");
    host.netns_tool("up /run/crowd.yaml").succeeds();
    cost(host)
}

fn crowd(netns: usize) -> String {
    let nodes = (1..=netns).map(|node| format!("  n{node}: {{ networks: [br0] }}\n"));
    format!(
        "name: crowd\nnetworks:\n  br0: {{ subnet: 10.66.0.0/16, nat: true }}\nnodes:\n{}",
        nodes.collect::<String>()
    )
}

/// Adds accepting rules that a packet passes on its way, each about somebody else. A thousand at a
/// time: more than the socket of an ordinary user takes is refused (EMSGSIZE).
fn add_rules(count: usize) {
    sh("nft add table ip crowd; nft add chain ip crowd gate '{ type filter hook forward priority 5; }'");
    let rule = |rule| format!("add rule ip crowd gate ip saddr 10.99.{}.{} accept\n", rule / 250, rule % 250);
    for first in (0..count).step_by(1000) {
        fs::write("/run/crowd.nft", (first..first + 1000).map(rule).collect::<String>())
            .expect("/run is ours");
        sh("nft -f /run/crowd.nft");
    }
}

fn cost(host: &Sandbox) -> Cost {
    let question = "doctor n1 203.0.113.8:80 --timeout 1";
    Cost::of(host, question)
}
