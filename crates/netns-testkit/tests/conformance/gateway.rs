//! What makes a host a gateway: iptables rules, and switches that do more than they say.

use netns_engine::{
    address::Family,
    firewall::{IptablesRule, IptablesTable, RuleChange},
    observed::{Asked, Scope},
    place::Place,
    plan::Operation,
    sysctl::Sysctl,
};

use crate::operations::{bridge, link_name};

/// All that the operations here can reach.
pub(crate) fn everything() -> Scope {
    let mut scope = Scope { iptables: Asked::Yes, ..Scope::default() };
    scope.link_forwarding.extend([Family::Ipv4, Family::Ipv6]);
    scope
}

/// Sequences told by hand, by what they show.
pub(crate) fn told() -> Vec<(&'static str, Vec<Operation>)> {
    use RuleChange::{Append, Delete, Insert, Reinsert};
    let one = |change| Operation::Iptables(vec![change]);
    vec![
        (
            "a_chain_has_an_order",
            vec![
                one(Insert(accept("b0"))),
                one(Insert(accept("b1"))),
                one(Append(accept("b2"))),
                one(Delete(accept("b0"))),
                one(Reinsert(2, accept("b0"))),
                one(Reinsert(4, accept("b3"))),
                one(Reinsert(9, accept("b4"))),
                one(Delete(accept("b4"))),
            ],
        ),
        (
            "a_change_of_two_tables_is_made_as_a_whole_or_not_at_all",
            vec![
                Operation::Iptables(vec![Append(masquerade(Family::Ipv4)), Insert(accept("b0"))]),
                Operation::Iptables(vec![Append(masquerade(Family::Ipv6)), Delete(accept("b9"))]),
                Operation::Iptables(vec![Delete(masquerade(Family::Ipv4)), Delete(accept("b9"))]),
            ],
        ),
        ("a_switch_overwrites_every_links_own", throws(Family::Ipv4)),
        ("the_switch_of_ipv6_overwrites_too", throws(Family::Ipv6)),
        (
            "a_bridge_starts_as_the_default_is",
            vec![
                set(Sysctl::IpForward, 1),
                set(Sysctl::LinkForwarding(Family::Ipv4, link_name("default")), 0),
                set(Sysctl::LinkForwarding(Family::Ipv6, link_name("default")), 1),
                bridge(Place::Host),
                set(Sysctl::LinkForwarding(Family::Ipv4, link_name("br0")), 1),
            ],
        ),
        (
            "a_switch_turns_redirects_around",
            vec![
                set(Sysctl::AcceptRedirects, 0),
                set(Sysctl::IpForward, 0),
                set(Sysctl::IpForward, 1),
                set(Sysctl::AcceptRedirects, 1),
                set(Sysctl::IpForward, 1),
                set(Sysctl::IpForward, 0),
            ],
        ),
    ]
}

/// Every way the switch can be thrown around a link that differs from it.
fn throws(family: Family) -> Vec<Operation> {
    let of_link = |value| set(Sysctl::LinkForwarding(family, link_name("lo")), value);
    let of_all = |value| set(Sysctl::forwarding(family), value);
    vec![of_all(0), of_link(1), of_all(0), of_all(1), of_link(0), of_all(1), of_all(0), of_link(1), of_all(1)]
}

fn set(sysctl: Sysctl, value: i32) -> Operation {
    Operation::SetSysctl(Place::Host, sysctl, value)
}

fn accept(link: &str) -> IptablesRule {
    IptablesRule {
        family: Family::Ipv4,
        table: IptablesTable::Filter,
        chain: "FORWARD".to_owned(),
        arguments: format!("-i {link} -j ACCEPT"),
    }
}

fn masquerade(family: Family) -> IptablesRule {
    IptablesRule {
        family,
        table: IptablesTable::Nat,
        chain: "POSTROUTING".to_owned(),
        arguments: "-o eth0 -j MASQUERADE".to_owned(),
    }
}
