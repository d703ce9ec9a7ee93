//! What addresses become, and what nearly happened to them.

use super::{at, iptables, link, request};
use crate::diagnose::firewall::{
    Certainty, Field, Hook, Match, NatTarget, NearMiss, Passage, Ruleset, Unmet, Values, Verdict,
};

fn to(address: &str, port: Option<u16>) -> NatTarget {
    NatTarget { address: Some(address.parse().unwrap()), port }
}

fn near(rules: &Ruleset) -> Vec<NearMiss> {
    at(Hook::Postrouting, &request(), |passage| rules.near_translations(passage))
}

fn network(text: &str) -> Values {
    let net: ipnet::IpNet = text.parse().unwrap();
    Values::Addresses(vec![(net.network(), net.broadcast())])
}

fn word(text: &str) -> Values {
    Values::Words(vec![text.to_owned()])
}

#[test]
fn masquerading_takes_the_address_of_the_link() {
    let rules = iptables("*nat\n-A POSTROUTING -s 10.0.0.0/24 -o eth0 -j MASQUERADE");
    let own = "192.0.2.1".parse().unwrap();
    let found = at(Hook::Postrouting, &request(), |passage| rules.source(passage, Some(own))).unwrap();
    assert_eq!(found.target, to("192.0.2.1", None));
    assert_eq!(found.by, "rule 1 of POSTROUTING (iptables -t nat -S POSTROUTING)");
    assert_eq!(found.certainty, Certainty::Certain);
}

#[test]
fn a_published_port_leads_where_its_rule_says() {
    let rules = iptables(
        "*nat
         -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
         -A DOCKER ! -i docker0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 172.17.0.2:8080",
    );
    let packet = request();
    at(Hook::Prerouting, &packet, |passage| {
        assert_eq!(rules.destination(passage), None, "it is not for this stack");
        let found = rules.destination(&Passage { for_this_stack: true, ..*passage }).unwrap();
        assert_eq!((found.target, found.to_this_stack), (to("172.17.0.2", Some(8080)), false));
        assert!(found.text.starts_with("-A DOCKER "));
    });
}

#[test]
fn a_redirect_leads_to_this_stack() {
    let rules =
        iptables("*nat\n-A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 3128\n-A OUTPUT -j REDIRECT");
    let packet = request();
    let came = at(Hook::Prerouting, &packet, |passage| rules.destination(passage)).unwrap();
    assert_eq!((came.target.address, came.target.port, came.to_this_stack), (None, Some(3128), true));
    let own = at(Hook::Output, &packet, |passage| rules.destination(passage)).unwrap();
    assert_eq!((own.target, own.to_this_stack), (to("127.0.0.1", None), true));
}

#[test]
fn maps_hold_targets_for_keys() {
    let mut rules = iptables("*nat\n-A PREROUTING -j LOG");
    let key = |port: u64| vec![Values::Numbers(vec![(6, 6)]), Values::Numbers(vec![(port, port)])];
    rules.chains[0].rules[0].verdict = Verdict::DnatMap(
        vec![Field::Protocol, Field::DestinationPort],
        vec![(key(22), to("10.0.0.3", None)), (key(80), to("10.0.0.4", Some(8080)))],
    );
    let mut packet = request();
    let target = |packet: &_| at(Hook::Prerouting, packet, |passage| rules.destination(passage));
    assert_eq!(target(&packet).unwrap().target, to("10.0.0.4", Some(8080)));
    packet.destination_port = Some(81);
    assert_eq!(target(&packet), None);
}

#[test]
fn a_rule_that_names_another_link_or_network_is_near() {
    let rules = iptables(
        "*nat
         -A POSTROUTING -s 10.0.0.0/24 -o wlan0 -j MASQUERADE
         -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
         -A POSTROUTING -s 10.0.0.0/24 -o eth0 -p udp -j MASQUERADE
         -A POSTROUTING ! -s 10.0.0.0/8 -o tun0 -j SNAT --to-source 192.0.2.1",
    );
    let found: Vec<_> = near(&rules).into_iter().map(|miss| miss.unmet).collect();
    assert_eq!(
        found,
        [
            vec![Unmet::Is(Field::OutgoingLink, word("wlan0"))],
            vec![Unmet::Is(Field::Source, network("172.17.0.0/16"))],
            vec![
                Unmet::IsNot(Field::Source, network("10.0.0.0/8")),
                Unmet::Is(Field::OutgoingLink, word("tun0"))
            ],
        ]
    );
}

#[test]
fn the_chains_that_lead_to_a_rule_count_as_well() {
    let rules = iptables(
        "*nat
         -A POSTROUTING -o eth1 -j lan
         -A POSTROUTING -p udp -j lan
         -A lan -s 10.0.0.0/16 -j MASQUERADE",
    );
    let found = near(&rules);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].by, "rule 1 of lan (iptables -t nat -S lan)");
    assert_eq!(found[0].unmet.iter().map(Unmet::field).collect::<Vec<_>>(), [Field::OutgoingLink]);
}

#[test]
fn the_nearest_key_of_a_set_is_told() {
    let mut rules = iptables("*nat\n-A POSTROUTING -j MASQUERADE");
    let keys = vec![vec![network("10.9.0.0/24"), word("wlan0")], vec![network("10.0.0.0/24"), word("eth1")]];
    rules.chains[0].rules[0].matches = vec![Match::Together(vec![Field::Source, Field::OutgoingLink], keys)];
    let found = near(&rules);
    assert_eq!(found[0].unmet, [Unmet::Is(Field::OutgoingLink, word("eth1"))]);
}

#[test]
fn what_translates_is_not_near() {
    let rules = iptables("*nat\n-A POSTROUTING -o eth0 -j MASQUERADE");
    assert_eq!(near(&rules), []);
}

#[test]
fn the_hook_of_the_passage_does_not_matter_for_what_is_near() {
    let rules = iptables("*nat\n-A POSTROUTING -o eth1 -j MASQUERADE");
    let packet = request();
    let outgoing = link("eth0");
    let found = at(Hook::Forward, &packet, |passage| {
        rules.near_translations(&Passage { outgoing: Some(&outgoing), ..*passage })
    });
    assert_eq!(found.len(), 1);
}
