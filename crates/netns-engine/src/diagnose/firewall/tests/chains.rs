//! Which chains are asked, in which order, and where their rules are.

use super::{at, base, forwarded, iptables, link, request};
use crate::diagnose::{
    firewall::{Base, Chain, ChainFamily, ChainKind, Hook, Origin, Passage, Policy, Rule, Ruleset, Verdict},
    packet::ConnectionState,
};

fn native(family: ChainFamily, hook: Hook, priority: i32) -> Chain {
    let base = Base { kind: ChainKind::Filter, hook, priority, policy: Policy::Accept, devices: Vec::new() };
    let rule = Rule {
        number: 1,
        handle: Some(7),
        text: "drop".to_owned(),
        matches: Vec::new(),
        marks: false,
        verdict: Verdict::Drop,
    };
    Chain {
        origin: Origin::Nftables,
        family,
        table: "t".to_owned(),
        name: format!("at{priority}"),
        base: Some(base),
        rules: vec![rule],
    }
}

#[test]
fn every_chain_that_drops_is_named_in_the_order_of_priorities() {
    let mut rules = iptables("*filter\n:FORWARD DROP\n*mangle\n-A FORWARD -j DROP");
    rules.chains.push(native(ChainFamily::Inet, Hook::Forward, -10));
    rules.chains.push(native(ChainFamily::Ip6, Hook::Forward, -20));
    rules.chains.push(native(ChainFamily::Inet, Hook::Input, -30));
    let told = forwarded(&rules, &request());
    assert_eq!(told, "dropped by -A FORWARD -j DROP; dropped by drop; dropped by -P FORWARD DROP");
}

#[test]
fn an_accept_ends_its_own_base_chain_only() {
    let mut rules = iptables("-A FORWARD -j ACCEPT\n-A FORWARD -j DROP");
    assert_eq!(forwarded(&rules, &request()), "passes");
    rules.chains.push(native(ChainFamily::Ip, Hook::Forward, 1));
    assert_eq!(forwarded(&rules, &request()), "dropped by drop");
}

#[test]
fn jumps_come_back_and_gotos_do_not() {
    let jump = "-A FORWARD -j A\n-A A -j B\n-A B -s 1.2.3.4 -j ACCEPT\n-A A -j DROP";
    assert_eq!(forwarded(&iptables(jump), &request()), "dropped by -A A -j DROP");
    let goto = "-A FORWARD -j A\n-A A -g B\n-A B -s 1.2.3.4 -j ACCEPT\n-A A -j DROP\n-A FORWARD -j REJECT";
    assert_eq!(forwarded(&iptables(goto), &request()), "rejected by -A FORWARD -j REJECT");
    let policy = ":FORWARD DROP\n-A FORWARD -g A\n-A A -j RETURN\n-A FORWARD -j ACCEPT";
    assert_eq!(forwarded(&iptables(policy), &request()), "dropped by -P FORWARD DROP");
}

#[test]
fn the_way_to_the_rule_is_told() {
    let rules = iptables("-A FORWARD -j A\n-A A -j B\n-A B -j DROP");
    let culprits = at(Hook::Forward, &request(), |passage| rules.judge(passage)).culprits;
    assert_eq!(culprits[0].through, ["FORWARD", "A", "B"]);
    assert_eq!((culprits[0].base_chain.as_str(), culprits[0].chain.as_str()), ("FORWARD", "B"));
}

#[test]
fn a_place_is_told_with_the_command_that_shows_it() {
    let place = |origin, family, table: &str| {
        let mut rules = iptables("-A FORWARD -j DROP");
        rules.chains[0].origin = origin;
        rules.chains[0].family = family;
        rules.chains[0].table = table.to_owned();
        rules.chains[0].rules[0].handle = (origin == Origin::Nftables).then_some(5);
        let culprits = at(Hook::Forward, &request(), |passage| rules.judge(passage)).culprits;
        (culprits[0].place(), culprits[0].shown_by())
    };
    let told = |place: &str, shown: &str| (place.to_owned(), shown.to_owned());
    assert_eq!(
        place(Origin::Nftables, ChainFamily::Inet, "fw"),
        told("table inet fw, chain FORWARD, handle 5", "nft -a list chain inet fw FORWARD")
    );
    assert_eq!(
        place(Origin::Iptables, ChainFamily::Ip, "filter"),
        told("rule 1 of FORWARD (iptables -S FORWARD)", "iptables -S FORWARD")
    );
    assert_eq!(
        place(Origin::IptablesLegacy, ChainFamily::Ip, "mangle"),
        told(
            "rule 1 of FORWARD (iptables-legacy -t mangle -S FORWARD)",
            "iptables-legacy -t mangle -S FORWARD"
        )
    );
    let policy = iptables(":FORWARD DROP");
    let culprits = at(Hook::Forward, &request(), |passage| policy.judge(passage)).culprits;
    assert_eq!(culprits[0].place(), "the policy of FORWARD (iptables -S FORWARD)");
    assert_eq!((culprits[0].text(), culprits[0].program()), ("-P FORWARD DROP".to_owned(), "iptables"));
}

#[test]
fn translation_sees_first_packets_only() {
    let rules = iptables("*nat\n-A POSTROUTING -j MASQUERADE");
    let mut packet = request();
    let source = |packet: &_| at(Hook::Postrouting, packet, |passage| rules.source(passage, None)).is_some();
    assert!(source(&packet));
    packet.state = ConnectionState::Established;
    assert!(!source(&packet));
}

#[test]
fn frames_see_chains_of_bridges() {
    let rules = Ruleset { chains: vec![native(ChainFamily::Bridge, Hook::Forward, 0)], unread: Vec::new() };
    let packet = request();
    let (first, second) = (link("v1"), link("v2"));
    at(Hook::Forward, &packet, |passage| {
        assert_eq!(rules.judge(passage).culprits.len(), 0, "routed");
        let bridged = Passage { incoming_port: Some(&first), outgoing_port: Some(&second), ..*passage };
        assert_eq!(rules.judge(&bridged).culprits.len(), 1);
        assert_eq!(rules.judge_frame(&bridged).culprits.len(), 1);
    });
    let filter = iptables(":FORWARD DROP");
    at(Hook::Forward, &packet, |passage| assert_eq!(filter.judge_frame(passage).culprits.len(), 0));
}

#[test]
fn a_chain_of_a_link_sees_what_that_link_takes_in() {
    let mut rules =
        Ruleset { chains: vec![native(ChainFamily::Netdev, Hook::Ingress, 0)], unread: Vec::new() };
    let stopped =
        |rules: &Ruleset| at(Hook::Ingress, &request(), |passage| rules.judge(passage)).culprits.len();
    assert_eq!(stopped(&rules), 0);
    if let Some(Base { devices, .. }) = &mut rules.chains[0].base {
        devices.push("br0".to_owned());
    }
    assert_eq!(stopped(&rules), 1);
}

#[test]
fn a_chain_that_is_missing_stops_nobody() {
    let mut rules = iptables("-A FORWARD -j NOWHERE");
    rules.chains[0].base = base("filter", "FORWARD", "ACCEPT");
    assert_eq!(forwarded(&rules, &request()), "passes");
    let judgement = at(Hook::Forward, &request(), |passage| rules.judge(passage));
    assert!(judgement.doubts[0].ends_with("does something that is not understood"), "{judgement:?}");
}
