//! Plan cases: what is there, what is asked for, and what must come of it.

mod forwarding;

use std::collections::BTreeMap;

use super::*;
use crate::{
    desired::NatRemoved,
    firewall::{PortForward, Published, Transport},
    observed::{ForeignChain, Iptables, Link, LinkKind},
    record::{ForwardingRecord, PublishedRecord},
    route::{Route, RouteProtocol},
    sysctl::Sysctl,
};

fn name(name: &str) -> LinkName {
    name.parse().unwrap()
}

fn link(kind: LinkKind, addresses: &[&str]) -> Link {
    let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
    Link { up: true, addresses, ..Link::new(kind) }
}

fn default_route(route: &str, link: &str, protocol: RouteProtocol) -> Route {
    Route { protocol, ..Route::default_via(route.parse().unwrap()).on(name(link)) }
}

/// A host with `br0` and two ways out, that forwards nothing and has both firewalls.
fn host(bridge_addresses: &[&str]) -> Observed {
    let mut observed = Observed::default();
    let stack = observed.stacks.entry(Place::Host).or_default();
    stack.links = BTreeMap::from([
        (name("br0"), link(LinkKind::Bridge, bridge_addresses)),
        (name("eth0"), link(LinkKind::Veth, &["198.51.100.2/24", "2001:db8:100::2/64"])),
        (name("eth1"), link(LinkKind::Veth, &["192.0.2.2/24"])),
    ]);
    stack.routes.insert(default_route("198.51.100.1", "eth0", RouteProtocol::Boot));
    stack.routes.insert(default_route("fe80::1", "eth0", RouteProtocol::RouterAdvertisement));
    for family in [Family::Ipv4, Family::Ipv6] {
        stack.sysctls.insert(Sysctl::forwarding(family), 0);
        for link in ["br0", "default", "eth0", "eth1"] {
            stack.sysctls.insert(Sysctl::LinkForwarding(family, name(link)), 0);
            stack.sysctls.insert(Sysctl::AcceptRa(name(link)), 1);
        }
    }
    stack.sysctls.insert(Sysctl::AcceptRedirects, 1);
    observed.firewall.iptables = Some(Iptables::default());
    observed.firewall.nftables = true;
    observed
}

fn iptables_of(observed: &mut Observed) -> &mut Iptables {
    observed.firewall.iptables.as_mut().unwrap()
}

fn without_iptables(mut observed: Observed) -> Observed {
    observed.firewall.iptables = None;
    let reason = "it is not installed".to_owned();
    observed.firewall.iptables_missing =
        BTreeMap::from([(Family::Ipv4, reason.clone()), (Family::Ipv6, reason)]);
    observed
}

fn nat() -> Nat {
    Nat { bridge: name("br0"), uplink: None, translation: Translation::Masquerade, driver: None }
}

fn removed() -> NatRemoved {
    NatRemoved { bridge: name("br0"), uplink: None }
}

/// A rule in the words of the lessons: `-A CHAIN …`.
fn rule(family: Family, table: IptablesTable, words: &str) -> IptablesRule {
    let (chain, arguments) = words.strip_prefix("-A ").unwrap().split_once(' ').unwrap();
    IptablesRule { family, table, chain: chain.to_owned(), arguments: arguments.to_owned() }
}

fn words(observed: &Observed) -> Vec<String> {
    let rules = &observed.firewall.iptables.as_ref().unwrap().rules;
    rules.iter().map(|rule| format!("{} {rule}", rule.program())).collect()
}

/// Performs the plan on the model, step by step; every undo must lead back on the way.
fn applied(desired: &dyn Desired, observed: &Observed) -> Observed {
    let plan = desired.plan(observed).unwrap();
    let mut state = observed.clone();
    for step in &plan.steps {
        let before = state.clone();
        state.project(&step.operation).unwrap();
        let mut back = state.clone();
        for undo in &step.undo {
            back.project(undo).unwrap();
        }
        assert_eq!(back, before, "undo of {}", step.operation);
        assert!(step.why.ends_with('.'), "{}", step.why);
    }
    assert_eq!(state, plan.expected);
    assert!(desired.plan(&state).map_or(true, |again| again.is_empty()), "a second run does nothing");
    state
}

fn forwarding_of(observed: &Observed, family: Family) -> Option<i32> {
    observed.sysctl(&Place::Host, &Sysctl::forwarding(family))
}

fn set(observed: &mut Observed, sysctl: Sysctl, value: i32) {
    observed.stacks.get_mut(&Place::Host).unwrap().sysctls.insert(sysctl, value);
}

#[test]
fn the_rules_are_the_lessons() {
    let after = applied(&nat(), &host(&["10.0.0.1/24"]));
    assert_eq!(
        words(&after),
        [
            "iptables -t nat -A POSTROUTING -s 10.0.0.0/24 -o eth0 -j MASQUERADE",
            "iptables -t filter -A FORWARD -i br0 -j ACCEPT",
            "iptables -t filter -A FORWARD -o br0 -j ACCEPT",
        ]
    );
    assert_eq!(forwarding_of(&after, Family::Ipv4), Some(1));
    assert_eq!(forwarding_of(&after, Family::Ipv6), Some(0));
}

#[test]
fn the_network_is_the_true_one_and_every_address_counts_once() {
    let addresses = ["192.168.100.1/16", "192.168.7.1/16", "10.9.8.7/30", "fe80::1/64"];
    let after = applied(&nat(), &host(&addresses));
    let translated: Vec<_> = words(&after).into_iter().filter(|rule| rule.contains("POSTROUTING")).collect();
    assert_eq!(
        translated,
        [
            "iptables -t nat -A POSTROUTING -s 10.9.8.4/30 -o eth0 -j MASQUERADE",
            "iptables -t nat -A POSTROUTING -s 192.168.0.0/16 -o eth0 -j MASQUERADE",
        ]
    );
}

#[test]
fn accepts_come_before_a_rule_that_drops() {
    let mut before = host(&["10.0.0.1/24"]);
    let reject = rule(Family::Ipv4, IptablesTable::Filter, "-A FORWARD -j REJECT");
    iptables_of(&mut before).rules.push(reject.clone());
    iptables_of(&mut before).forward_drops.insert(Family::Ipv4);
    let after = applied(&nat(), &before);
    let forward: Vec<_> = words(&after).into_iter().filter(|rule| rule.contains("FORWARD")).collect();
    assert_eq!(forward.last(), Some(&format!("iptables {reject}")));
    assert_eq!(forward.len(), 3);
}

#[test]
fn rules_made_by_hand_are_neither_doubled_nor_taken_away() {
    let mut before = host(&["10.0.0.1/24"]);
    let by_hand = [
        rule(Family::Ipv4, IptablesTable::Nat, "-A POSTROUTING -s 10.0.0.0/24 -o eth0 -j MASQUERADE"),
        rule(Family::Ipv4, IptablesTable::Filter, "-A FORWARD -i br0 -j ACCEPT"),
    ];
    iptables_of(&mut before).rules.extend(by_hand.clone());
    let after = applied(&nat(), &before);
    assert_eq!(words(&after).len(), 3);
    let last = applied(&removed(), &after);
    assert_eq!(iptables_of(&mut last.clone()).rules, by_hand);
    assert_eq!(forwarding_of(&last, Family::Ipv4), Some(1), "the masquerade by hand still needs it");
}

#[test]
fn a_rule_deleted_by_hand_comes_back_with_the_next_run() {
    let first = applied(&nat(), &host(&["10.0.0.1/24"]));
    let mut damaged = first.clone();
    iptables_of(&mut damaged).rules.retain(|rule| !rule.translates());
    let mut again = applied(&nat(), &damaged);
    let mut first = first;
    iptables_of(&mut first).rules.sort();
    iptables_of(&mut again).rules.sort();
    assert_eq!(again, first);
    assert_eq!(applied(&removed(), &damaged), host(&["10.0.0.1/24"]), "what is missing is not deleted");
}

#[test]
fn a_new_address_of_the_bridge_replaces_what_the_old_one_needed() {
    let mut moved = applied(&nat(), &host(&["10.0.0.1/24"]));
    let addresses =
        &mut moved.stacks.get_mut(&Place::Host).unwrap().links.get_mut(&name("br0")).unwrap().addresses;
    *addresses = BTreeSet::from(["10.7.0.1/24".parse().unwrap()]);
    let after = applied(&nat(), &moved);
    assert!(words(&after).iter().all(|rule| !rule.contains("10.0.0.0/24")));
    assert_eq!(applied(&removed(), &after), host(&["10.7.0.1/24"]));
}

#[test]
fn delete_after_add_gives_the_first_state_whatever_it_was() {
    let addresses: [&[&str]; 3] =
        [&["10.0.0.1/24"], &["fd00::1/64"], &["10.0.0.1/24", "fd00::1/64", "172.16.0.1/12"]];
    let drivers = [None, Some(Driver::Iptables), Some(Driver::Nftables)];
    for case in 0..3 * 3 * 2 * 2 * 2 {
        let mut before = host(addresses[case % 3]);
        let driver = drivers[case / 3 % 3];
        if case / 9 % 2 == 1 {
            iptables_of(&mut before).forward_drops.extend([Family::Ipv4, Family::Ipv6]);
        }
        if case / 18 % 2 == 1 {
            set(&mut before, Sysctl::LinkForwarding(Family::Ipv4, name("eth1")), 1);
            set(&mut before, Sysctl::LinkForwarding(Family::Ipv6, name("eth1")), 1);
            set(&mut before, Sysctl::AcceptRedirects, 0);
        }
        if case / 36 == 1 {
            before.project(&Operation::SetSysctl(Place::Host, Sysctl::IpForward, 1)).unwrap();
        }
        let after = applied(&Nat { driver, ..nat() }, &before);
        assert_eq!(applied_removal(&after), before, "case {case}");
    }
}

fn applied_removal(after: &Observed) -> Observed {
    let gone = applied(&removed(), after);
    assert_eq!(removed().plan(&gone), Err(Conflict::NoNat(name("br0"))));
    gone
}

#[test]
fn nftables_takes_over_where_iptables_does_not_work() {
    let before = without_iptables(host(&["10.0.0.1/24"]));
    let after = applied(&nat(), &before);
    let entries = [
        TableEntry::Guard { bridge: name("br0") },
        TableEntry::Hairpin { bridge: name("br0") },
        TableEntry::Confine { bridge: name("br0") },
        TableEntry::Egress { bridge: name("br0"), uplink: name("eth0") },
        TableEntry::Translate {
            subnet: "10.0.0.0/24".parse().unwrap(),
            uplink: name("eth0"),
            translation: Translation::Masquerade,
        },
    ];
    assert_eq!(after.firewall.table, Some(BTreeSet::from(entries)));
    assert_eq!(applied(&removed(), &after), before);
}

#[test]
fn nftables_also_accepts_where_iptables_drops() {
    let mut before = host(&["10.0.0.1/24", "fd00::1/64"]);
    iptables_of(&mut before).forward_drops.insert(Family::Ipv4);
    let after = applied(&Nat { driver: Some(Driver::Nftables), ..nat() }, &before);
    assert_eq!(
        words(&after),
        ["iptables -t filter -A FORWARD -i br0 -j ACCEPT", "iptables -t filter -A FORWARD -o br0 -j ACCEPT",]
    );
}

#[test]
fn entries_of_others_keep_the_table() {
    let mut before = host(&["10.0.0.1/24"]);
    let others = BTreeSet::from([TableEntry::Guard { bridge: name("br9") }]);
    before.firewall.table = Some(others);
    let after = applied(&Nat { driver: Some(Driver::Nftables), ..nat() }, &before);
    assert_eq!(applied(&removed(), &after), before);
}

#[test]
fn a_fixed_source_stands_for_its_family_alone() {
    let before = host(&["10.0.0.1/24", "fd00::1/64"]);
    let snat = Nat { translation: Translation::Snat("198.51.100.2".parse().unwrap()), ..nat() };
    let after = applied(&snat, &before);
    assert_eq!(
        words(&after)[0],
        "iptables -t nat -A POSTROUTING -s 10.0.0.0/24 -o eth0 -j SNAT --to-source 198.51.100.2"
    );
    assert_eq!(words(&after).len(), 3);
    let of_nobody = Nat { translation: Translation::Snat("203.0.113.1".parse().unwrap()), ..nat() };
    assert_eq!(of_nobody.plan(&before), Err(Conflict::NotAHostsAddress("203.0.113.1".parse().unwrap())));
}

#[test]
fn what_cannot_be_is_said_before_anything_changes() {
    let fine = host(&["10.0.0.1/24"]);
    let refusal = |nat: Nat, observed: &Observed| nat.plan(observed).unwrap_err().to_string();
    let on = |bridge: &str| Nat { bridge: name(bridge), ..nat() };
    let by = |uplink: &str| Nat { uplink: Some(name(uplink)), ..nat() };
    assert_eq!(refusal(on("br7"), &fine), "bridge 'br7' does not exist");
    assert_eq!(refusal(on("eth1"), &fine), "link 'eth1' is not a bridge but a veth end");
    assert_eq!(refusal(nat(), &host(&["fe80::1/64"])), "bridge 'br0' has no address");
    assert_eq!(refusal(by("wlan7"), &fine), "uplink 'wlan7' does not exist");
    assert_eq!(
        refusal(by("br0"), &fine),
        "bridge 'br0' cannot be its own uplink, though the default route leads through it"
    );
    let mut alone = fine.clone();
    alone.stacks.get_mut(&Place::Host).unwrap().routes.clear();
    assert_eq!(refusal(nat(), &alone), "the host has no default route, so the uplink is unknown");
    let iptables = Nat { driver: Some(Driver::Iptables), ..nat() };
    assert_eq!(
        refusal(iptables, &without_iptables(fine.clone())),
        "iptables is not available: it is not installed"
    );
    let mut none = without_iptables(fine);
    none.firewall.nftables = false;
    assert_eq!(refusal(nat(), &none), "nftables is not available: the kernel refused an nftables request");
}

#[test]
fn nat_that_is_there_otherwise_is_not_moved() {
    let after = applied(&nat(), &host(&["10.0.0.1/24"]));
    let refusal = |nat: Nat| nat.plan(&after).unwrap_err().to_string();
    let other_uplink = Nat { uplink: Some(name("eth1")), ..nat() };
    assert_eq!(refusal(other_uplink), "bridge 'br0' already has NAT: it leaves through 'eth0'");
    let other_driver = Nat { driver: Some(Driver::Nftables), ..nat() };
    assert_eq!(refusal(other_driver), "bridge 'br0' already has NAT: its rules are held by iptables");
    let fixed = Nat { translation: Translation::Snat("198.51.100.2".parse().unwrap()), ..nat() };
    assert_eq!(refusal(fixed), "bridge 'br0' already has NAT: it takes whatever address 'eth0' has");
    let elsewhere = NatRemoved { uplink: Some(name("eth1")), ..removed() };
    assert!(matches!(elsewhere.plan(&after), Err(Conflict::NatDiffers { .. })));
}

#[test]
fn a_wildcard_in_a_name_never_reaches_iptables() {
    let mut before = host(&["10.0.0.1/24"]);
    let host = before.stacks.get_mut(&Place::Host).unwrap();
    host.links.insert(name("br+"), link(LinkKind::Bridge, &["10.1.0.1/24"]));
    let wild = Nat { bridge: name("br+"), ..nat() };
    assert_eq!(wild.plan(&before), Err(Conflict::NotForIptables(name("br+"))));
    applied(&Nat { driver: Some(Driver::Nftables), ..wild }, &before);
}
