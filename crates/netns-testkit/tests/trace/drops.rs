//! Who dropped the packet: rules and policies of every kind.

use netns_engine::diagnose::packet::Protocol;
use netns_engine::diagnose::trace::{Direction, Fate, Trace, TraceEvent};
use netns_testkit::{Missing, Sandbox, program_exists, sh};

use crate::lab::{
    bridged, bridged_through_ip, follow, follow_connection, handle_of_drop_in, in_words, listen, nft, nft_in,
    probe, routed, way,
};

/// The trials of this file.
pub(crate) fn trials() -> Vec<libtest_mimic::Trial> {
    netns_testkit::trials!(bare:
        a_dropping_rule_is_named_by_its_handle,
        a_dropping_policy_is_named,
        a_rule_of_iptables_is_named_by_its_handle,
        a_rule_of_iptables_legacy_is_found_by_its_counter,
        a_refusing_rule_is_named_and_the_sender_hears_it,
        a_dropped_answer_is_told_from_a_dropped_packet,
        what_the_senders_own_rules_drop_is_told,
        a_drop_as_soon_as_a_link_takes_it_in_is_named,
        a_dropping_rule_of_a_bridge_is_named,
        bridged_packets_that_iptables_drops_are_told,
    )
}

/// The only drop, in words.
#[track_caller]
fn drop_in(trace: &Trace) -> String {
    let drops: Vec<_> = trace.drops().collect();
    assert_eq!(drops.len(), 1, "{:#?}", trace.steps.iter().map(in_words).collect::<Vec<_>>());
    in_words(drops[0])
}

#[track_caller]
fn handle_in(trace: &Trace) -> u64 {
    match trace.drops().next().map(|step| &step.event) {
        Some(TraceEvent::Rule { handle, .. }) => *handle,
        other => panic!("no rule: {other:?}"),
    }
}

fn require(program: &str) -> Result<(), Missing> {
    if program_exists(program) { Ok(()) } else { Err(Missing(format!("the program {program}"))) }
}

fn require_legacy() -> Result<(), Missing> {
    require("iptables-legacy")?;
    let tried = netns_testkit::Program::new("iptables-legacy").words("-L -n").run();
    if tried.code() == Some(0) { Ok(()) } else { Err(Missing("a kernel with iptables-legacy".to_owned())) }
}

fn a_dropping_rule_is_named_by_its_handle(host: &Sandbox) {
    routed();
    let _server = listen(host);
    nft("table inet mine {
        chain through {
            type filter hook forward priority filter; policy accept;
            tcp dport 81 counter
            tcp dport 80 drop
        }
    }");
    let trace = follow_connection("10.0.2.2");
    assert_eq!(trace.fate, Fate::Silent);
    assert_eq!(drop_in(&trace), "host inet mine through: drop");
    assert_eq!(handle_in(&trace), handle_of_drop_in("through"));
    let last = trace.last_seen(Direction::There).unwrap();
    assert_eq!(in_words(last), "host ip forward", "it came no farther");
}

fn a_dropping_policy_is_named(host: &Sandbox) {
    routed();
    let _server = listen(host);
    nft("table inet mine { chain through { type filter hook forward priority 5; policy drop; } }");
    let trace = follow_connection("10.0.2.2");
    assert_eq!(trace.fate, Fate::Silent);
    assert_eq!(drop_in(&trace), "host inet mine through: policy drop");
    let chain = trace.drops().next().unwrap().event.chain().unwrap();
    assert_eq!(chain.base.as_ref().unwrap().priority, 5);
}

fn a_rule_of_iptables_is_named_by_its_handle(host: &Sandbox) -> Result<(), Missing> {
    require("iptables-nft")?;
    routed();
    let _server = listen(host);
    sh("iptables-nft -N GUARD
        iptables-nft -A FORWARD -i v-red -j GUARD
        iptables-nft -A GUARD -p tcp --dport 80 -j DROP");
    let trace = follow_connection("10.0.2.2");
    assert_eq!(drop_in(&trace), "host ip filter GUARD: drop");
    assert_eq!(handle_in(&trace), handle_of_drop_in("GUARD"));
    assert!(way(&trace, Direction::There).contains(&"host ip filter FORWARD: jump GUARD".to_owned()));
    Ok(())
}

fn a_rule_of_iptables_legacy_is_found_by_its_counter(host: &Sandbox) -> Result<(), Missing> {
    require_legacy()?;
    routed();
    let _server = listen(host);
    sh("iptables-legacy -A FORWARD -p udp -j ACCEPT
        iptables-legacy -A FORWARD -p tcp --dport 80 -j DROP");
    let tables = sh("cat /proc/self/net/ip_tables_names");
    let trace = follow_connection("10.0.2.2");
    assert_eq!(trace.fate, Fate::Silent);
    assert_eq!(trace.drops().count(), 0, "nftables knows nothing of it");
    let drops: Vec<_> = trace.legacy_drops().collect();
    assert_eq!(drops.len(), 1, "{:#?}", trace.counted);
    assert_eq!((drops[0].table.as_str(), drops[0].chain.as_str()), ("filter", "FORWARD"));
    let (number, text) = drops[0].rule.as_ref().unwrap();
    assert_eq!((*number, text.as_str()), (2, "-p tcp -m tcp --dport 80 -j DROP"));
    assert_eq!(sh("cat /proc/self/net/ip_tables_names"), tables, "looking makes no table");
    assert_eq!(sh("ip netns exec red cat /proc/self/net/ip_tables_names"), "");
    Ok(())
}

fn a_refusing_rule_is_named_and_the_sender_hears_it(host: &Sandbox) {
    routed();
    let _server = listen(host);
    nft("table ip mine { chain through { type filter hook forward priority 0; tcp dport 80 reject; } }");
    let trace = follow_connection("10.0.2.2");
    assert_eq!(trace.fate, Fate::Refused { why: "connection refused (ECONNREFUSED)".to_owned() });
    assert_eq!(drop_in(&trace), "host ip mine through: drop");
    let back = ["host ip output", "host ip postrouting", "red ip prerouting", "red ip input"];
    assert_eq!(way(&trace, Direction::Back), back, "the refusal");
}

fn a_dropped_answer_is_told_from_a_dropped_packet(host: &Sandbox) {
    routed();
    let _server = listen(host);
    nft("table ip mine { chain through { type filter hook forward priority 0; tcp sport 80 drop; } }");
    let trace = follow_connection("10.0.2.2");
    let there = way(&trace, Direction::There);
    assert_eq!(there.last().map(String::as_str), Some("blue ip input"), "the packet came through");
    assert_eq!(drop_in(&trace), "host ip mine through: drop");
    assert_eq!(trace.drops().next().unwrap().direction, Direction::Back);
}

fn what_the_senders_own_rules_drop_is_told(_: &Sandbox) {
    routed();
    nft_in("red", "table ip own { chain out { type filter hook output priority 0; policy drop; } }");
    let trace = follow_connection("10.0.2.2");
    assert_eq!(drop_in(&trace), "red ip own out: policy drop");
    let trace = follow(&probe("10.0.2.2", Protocol::Udp, Some(53)));
    assert_eq!(drop_in(&trace), "red ip own out: policy drop");
    assert!(matches!(trace.fate, Fate::Refused { .. }), "the kernel tells the sender: {:?}", trace.fate);
}

fn a_drop_as_soon_as_a_link_takes_it_in_is_named(host: &Sandbox) {
    routed();
    let _server = listen(host);
    nft(
        "table netdev mine { chain early { type filter hook ingress device v-red priority 0; tcp dport 80 drop; } }",
    );
    let trace = follow_connection("10.0.2.2");
    assert_eq!(drop_in(&trace), "host netdev mine early: drop");
    assert_eq!(handle_in(&trace), handle_of_drop_in("early"));
    let last = trace.last_seen(Direction::There).unwrap();
    assert_eq!(in_words(last), "host netdev ingress", "it came no farther");
}

fn a_dropping_rule_of_a_bridge_is_named(host: &Sandbox) {
    bridged();
    let _server = listen(host);
    nft("table bridge mine { chain through { type filter hook forward priority 0; tcp dport 80 drop; } }");
    let trace = follow_connection("10.0.0.3");
    assert_eq!(trace.fate, Fate::Silent);
    assert_eq!(drop_in(&trace), "host bridge mine through: drop");
}

/// With `br_netfilter`, what the host only passes from port to port meets the chains of routed packets.
fn bridged_packets_that_iptables_drops_are_told(host: &Sandbox) -> Result<(), Missing> {
    require("iptables-nft")?;
    if !bridged_through_ip() {
        return Err(Missing("a kernel with br_netfilter".to_owned()));
    }
    let _server = listen(host);
    sh("iptables-nft -P FORWARD DROP");
    let trace = follow_connection("10.0.0.3");
    assert_eq!(drop_in(&trace), "host ip filter forward: policy drop");
    let passed = ["host bridge prerouting", "host ip prerouting", "host bridge forward", "host ip forward"];
    assert_eq!(way(&trace, Direction::There)[2..6], passed);
    Ok(())
}
