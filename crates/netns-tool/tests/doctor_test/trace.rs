//! `doctor --trace`: the chain that drops is named, and nothing is left of the looking.

use std::process::{Command, Stdio};

use libtest_mimic::Trial;
use netns_testkit::{Sandbox, eventually, sh, trials};
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    exchange::RED_FETCHES,
    lab::{self, Lab},
};

pub(crate) fn trials() -> Vec<Trial> {
    trials!(online:
        a_trace_names_the_nft_rule_that_drops,
        a_trace_names_the_iptables_policy_that_drops,
        a_trace_names_the_legacy_rule_that_drops,
        a_trace_that_is_interrupted_leaves_nothing,
    )
}

/// The rule stands where no reading of rules tells that it is met.
fn a_trace_names_the_nft_rule_that_drops(host: &Sandbox) {
    let drops = "nft -f - <<'END'
table inet wall {
    chain pit { meta mark & 0x10 == 0 counter drop; }
    chain gate { type filter hook forward priority 7; policy accept; ip daddr 203.0.113.8 jump pit; }
}
END";
    is_named(host, drops, &["wall", "pit"]);
}

fn a_trace_names_the_iptables_policy_that_drops(host: &Sandbox) {
    is_named(host, "iptables -P FORWARD DROP", &["FORWARD", "policy"]);
}

fn a_trace_names_the_legacy_rule_that_drops(host: &Sandbox) {
    is_named(
        host,
        "iptables-legacy -N PIT; iptables-legacy -A FORWARD -i br0 -j PIT; iptables-legacy -A PIT -j DROP",
        &["PIT"],
    );
}

#[track_caller]
fn is_named(host: &Sandbox, drops: &str, names: &[&str]) {
    let _servers = Lab::ByIptables.build(host);
    RED_FETCHES.must_work(host, "before");
    sh(drops);
    RED_FETCHES.must_fail(host, "though it is dropped");
    lab::settle();
    let before = tables();
    let traced = host.netns_tool("doctor red 203.0.113.8:80 --trace --timeout 0.5").fails_with(9);
    for name in names {
        let _said = traced.clone().says(name);
    }
    assert_eq!(tables(), before, "the trace left something");
}

fn a_trace_that_is_interrupted_leaves_nothing(host: &Sandbox) {
    let _servers = Lab::ByIptables.build(host);
    sh("iptables -P FORWARD DROP");
    let before = tables();
    for signal in [Signal::INT, Signal::TERM] {
        let mut tool = Command::new(host.tool().path());
        tool.args(["doctor", "red", "203.0.113.8:80", "--trace", "--timeout", "3"]);
        let mut tool = tool.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it was built");
        eventually("the trace has begun", || tables() != before);
        kill_process(Pid::from_child(&tool), signal).expect("it runs");
        eventually("it ends", || tool.try_wait().expect("a child can be waited for").is_some());
        assert_eq!(tables(), before, "{signal:?} left something");
    }
}

fn tables() -> String {
    sh("nft -s list ruleset; cat /proc/thread-self/net/ip_tables_names
        ip netns exec red nft -s list ruleset; ip netns exec red cat /proc/thread-self/net/ip_tables_names")
}
