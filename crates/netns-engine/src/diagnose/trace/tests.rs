//! What counters and handles come to.

use std::net::Ipv4Addr;

use super::*;
use crate::diagnose::{
    firewall::{Chain, Origin, Rule, Ruleset, Verdict},
    scene::Stack,
};

fn count(rule: Option<(usize, &str)>, packets: u64) -> LegacyCount {
    LegacyCount {
        stack: Entrance::Host,
        family: ChainFamily::Ip,
        table: "filter".to_owned(),
        chain: "FORWARD".to_owned(),
        rule: rule.map(|(number, text)| (number, text.to_owned())),
        target: "DROP".to_owned(),
        packets,
    }
}

/// A scene whose host has one chain, with one rule.
fn scene() -> Scene {
    let rule = Rule {
        number: 1,
        handle: Some(7),
        text: "tcp dport 80 drop".to_owned(),
        matches: Vec::new(),
        marks: false,
        verdict: Verdict::Drop,
    };
    let chain = Chain {
        origin: Origin::Nftables,
        family: ChainFamily::Inet,
        table: "mine".to_owned(),
        name: "through".to_owned(),
        base: None,
        rules: vec![rule],
    };
    let firewall = Ruleset { chains: vec![chain], unread: Vec::new() };
    Scene { stacks: vec![Stack { firewall, ..Stack::default() }], ..Scene::default() }
}

fn step(handle: u64) -> TraceStep {
    let chain = TracedChain {
        family: ChainFamily::Inet,
        table: "mine".to_owned(),
        name: "through".to_owned(),
        base: None,
    };
    let nowhere = Ipv4Addr::UNSPECIFIED.into();
    TraceStep {
        stack: Entrance::Host,
        direction: Direction::There,
        event: TraceEvent::Rule { chain, handle, text: None, verdict: TraceVerdict::Drop },
        incoming: None,
        outgoing: None,
        headers: TracedHeaders {
            source: nowhere,
            destination: nowhere,
            protocol: 6,
            source_port: None,
            destination_port: None,
            hops_left: 64,
        },
        mark: 0,
    }
}

#[test]
fn rules_get_the_words_of_their_handles() {
    let mut trace =
        Trace { steps: vec![step(7), step(8)], counted: Vec::new(), unheard: Vec::new(), fate: Fate::Silent };
    trace.name_rules(&scene());
    let texts: Vec<_> = trace
        .steps
        .iter()
        .map(|step| match &step.event {
            TraceEvent::Rule { text, .. } => text.as_deref(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(texts, [Some("tcp dport 80 drop"), None]);
}

#[test]
fn only_what_rose_is_counted() {
    let before = [count(None, 7), count(Some((1, "-j DROP")), 3)];
    let after = vec![count(None, 7), count(Some((1, "-j DROP")), 5), count(Some((2, "-j DROP")), 1)];
    let risen = LegacyCount::risen(&before, after);
    assert_eq!(risen, [count(Some((1, "-j DROP")), 2), count(Some((2, "-j DROP")), 1)]);
}
