//! What hangs on things that cannot be told is only possible.

use super::{at, forwarded, iptables, request};
use crate::diagnose::firewall::{
    Certainty, ChainFamily, Field, Hook, Match, NatTarget, Origin, Values, Verdict,
};

fn doubts(rules: &str) -> Vec<String> {
    at(Hook::Forward, &request(), |passage| iptables(rules).judge(passage)).doubts
}

#[test]
fn a_drop_behind_an_unknown_condition_is_possible() {
    let rules = "-A FORWARD -m set --match-set banned src -j DROP";
    assert_eq!(forwarded(&iptables(rules), &request()), format!("perhaps dropped by {rules}"));
    assert_eq!(
        doubts(rules),
        [format!(
            "rule 1 of FORWARD (iptables -S FORWARD): '{rules}' may apply or not (set --match-set banned src)"
        )]
    );
}

#[test]
fn an_unknown_condition_does_not_matter_where_another_is_not_met() {
    let rules = "-A FORWARD -i eth0 -m set --match-set banned src -j DROP";
    assert_eq!(forwarded(&iptables(rules), &request()), "passes");
    assert_eq!(doubts(rules), Vec::<String>::new());
}

#[test]
fn an_accept_in_doubt_does_not_matter_where_nobody_drops() {
    let accept = "-A FORWARD -m set --match-set friends src -j ACCEPT";
    assert_eq!(doubts(accept), Vec::<String>::new());
    assert_eq!(doubts(&format!("{accept}\n-A FORWARD -j DROP")).len(), 1);
}

#[test]
fn a_drop_behind_a_possible_accept_is_possible() {
    for before in [
        "-A FORWARD -m set --match-set friends src -j ACCEPT",
        "-A FORWARD -m string --string x --algo bm -j friends\n-A friends -j ACCEPT",
        "-A FORWARD -m statistic --mode random -g friends\n-A friends -i br0 -j ACCEPT",
        "-A FORWARD -j friends\n-A friends -m owner --uid-owner 0 -j RETURN\n-A friends -j ACCEPT",
        "-A FORWARD -j TPROXY --on-port 1",
    ] {
        let rules = iptables(&format!("{before}\n-A FORWARD -j DROP"));
        assert_eq!(forwarded(&rules, &request()), "perhaps dropped by -A FORWARD -j DROP", "{before}");
    }
}

#[test]
fn a_drop_stays_certain_where_nothing_else_can_happen() {
    for before in [
        "-A FORWARD -m set --match-set x src -j DROP",
        "-A FORWARD -m set --match-set x src -j LOG",
        "-A FORWARD -m set --match-set x src -j empty\n:empty -",
        "-A FORWARD -j inner\n-A inner -m set --match-set x src -j RETURN\n-A inner -j DROP",
        "-A FORWARD -m set --match-set x src -j inner\n-A inner -j RETURN\n-A inner -j ACCEPT",
    ] {
        let rules = iptables(&format!("{before}\n-A FORWARD -j DROP"));
        assert_eq!(forwarded(&rules, &request()), "dropped by -A FORWARD -j DROP", "{before}");
    }
}

#[test]
fn a_return_that_may_happen_leaves_the_rest_of_its_chain_in_doubt() {
    let rules = iptables(
        "-A FORWARD -j inner
         -A inner -m set --match-set x src -j RETURN
         -A inner -j DROP",
    );
    assert_eq!(forwarded(&rules, &request()), "perhaps dropped by -A inner -j DROP");
}

#[test]
fn odd_packets_are_dropped_and_that_is_said() {
    let rules = "-A FORWARD -m rpfilter --invert -j DROP";
    assert_eq!(forwarded(&iptables(rules), &request()), "passes");
    assert!(doubts(rules)[0].ends_with("would apply if the packet were an odd one (rpfilter --invert)"));
    let limited = "-A FORWARD -m limit --limit 3/min -j ACCEPT\n-A FORWARD -j DROP";
    assert_eq!(forwarded(&iptables(limited), &request()), "passes");
    assert!(doubts(limited)[0].ends_with("applies as usual (--limit 3/min)"));
}

#[test]
fn a_mark_is_zero_unless_some_rule_sets_one() {
    let drop = "-A FORWARD -m mark --mark 0x1 -j DROP";
    assert_eq!(forwarded(&iptables(drop), &request()), "passes");
    let marking = format!("*mangle\n-A PREROUTING -i br0 -j MARK --set-xmark 0x1\n*filter\n{drop}");
    assert_eq!(forwarded(&iptables(&marking), &request()), format!("perhaps dropped by {drop}"));
}

#[test]
fn a_program_that_decides_may_drop() {
    let rules = "-A FORWARD -j NFQUEUE --queue-num 1";
    assert_eq!(forwarded(&iptables(rules), &request()), format!("perhaps dropped by {rules}"));
}

#[test]
fn a_map_decides_by_the_first_key_that_fits() {
    let mut packet = request();
    let port = |port: u64| vec![Values::Numbers(vec![(port, port)])];
    let mut rules = iptables("-A FORWARD -j LOG");
    rules.chains[0].rules[0].verdict = Verdict::Map(
        vec![Field::DestinationPort],
        vec![(port(22), Verdict::Accept), (port(80), Verdict::Drop)],
    );
    assert_eq!(forwarded(&rules, &packet), "dropped by -A FORWARD -j LOG");
    packet.destination_port = Some(443);
    assert_eq!(forwarded(&rules, &packet), "passes");
    packet.destination_port = None;
    assert_eq!(forwarded(&rules, &packet), "perhaps dropped by -A FORWARD -j LOG");
}

#[test]
fn fields_together_are_one_key() {
    let network = |text: &str| {
        let net: ipnet::IpNet = text.parse().unwrap();
        Values::Addresses(vec![(net.network(), net.broadcast())])
    };
    let word = |text: &str| Values::Words(vec![text.to_owned()]);
    let fields = vec![Field::Source, Field::OutgoingLink];
    let keys = vec![vec![network("10.0.0.0/24"), word("eth1")], vec![network("10.1.0.0/24"), word("eth0")]];
    let mut rules = iptables("-A FORWARD -j DROP");
    rules.chains[0].rules[0].matches = vec![Match::Together(fields.clone(), keys.clone())];
    assert_eq!(forwarded(&rules, &request()), "passes");
    rules.chains[0].rules[0].matches = vec![Match::NotTogether(fields, keys)];
    assert_eq!(forwarded(&rules, &request()), "dropped by -A FORWARD -j DROP");
}

#[test]
fn a_translation_behind_an_unknown_condition_is_possible() {
    let rules = iptables(
        "*nat
         -A POSTROUTING -m set --match-set lan src -j SNAT --to-source 192.0.2.1
         -A POSTROUTING -j MASQUERADE",
    );
    let found = at(Hook::Postrouting, &request(), |passage| rules.source(passage, None)).unwrap();
    assert_eq!(found.certainty, Certainty::Possible);
    assert_eq!(found.target, NatTarget { address: Some("192.0.2.1".parse().unwrap()), port: None });
}

#[test]
fn chains_of_the_same_name_in_other_tables_are_others() {
    let mut rules = iptables("-A FORWARD -j inner\n-A inner -j RETURN");
    let mut others = iptables("-A inner -j DROP").chains;
    others[0].family = ChainFamily::Ip6;
    let mut legacy = iptables("-A inner -j DROP").chains;
    legacy[0].origin = Origin::IptablesLegacy;
    rules.chains.extend(others.into_iter().chain(legacy));
    assert_eq!(forwarded(&rules, &request()), "passes");
}
