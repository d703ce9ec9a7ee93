//! Routes that are missing, forbid, or lead astray.

use super::*;
use crate::address::Family;
use crate::diagnose::{
    scene::{NextHop, PolicyAction, PolicyRule, Route},
    tests::lab::{BLUE, HOST, RED, WORLD, codes, connected, findings_on, lab, to},
};

#[test]
fn the_lab_is_well() {
    for way in [to(RED, WORLD), to(RED, "192.168.100.3"), to(HOST, "192.168.100.2"), to(HOST, WORLD)] {
        assert_eq!(codes(&findings_on(&CHECK, &lab(), way)), [""; 0]);
    }
}

#[test]
fn a_missing_default_route_is_mended_by_the_bridges_address() {
    let mut scene = lab();
    scene.stacks[RED.0].routes.pop();
    let findings = findings_on(&CHECK, &scene, to(RED, WORLD));
    assert_eq!(codes(&findings), ["no-route"]);
    assert_eq!(findings[0].remedy[0].commands, ["ip -n red route add default via 192.168.100.1"]);
    assert_eq!(findings[0].mend.len(), 1);
}

#[test]
fn a_blackhole_is_shown_as_it_is_deleted() {
    let mut scene = lab();
    let hole = Route {
        kind: RouteKind::Blackhole,
        hops: vec![NextHop::default()],
        ..connected("203.0.113.0/24", 2)
    };
    scene.stacks[RED.0].routes.push(hole);
    let findings = findings_on(&CHECK, &scene, to(RED, WORLD));
    assert_eq!(codes(&findings), ["route-blackhole"]);
    assert_eq!(findings[0].remedy[0].commands, ["ip -n red route del blackhole 203.0.113.0/24"]);
}

#[test]
fn a_rule_that_forbids_is_named_by_its_priority() {
    let mut scene = lab();
    let rule = |priority, action| PolicyRule {
        priority,
        family: Family::Ipv4,
        source: None,
        destination: None,
        incoming: None,
        outgoing: None,
        mark: None,
        inverted: false,
        others: None,
        action,
    };
    let main = PolicyAction::Lookup { table: 254, suppress_prefix: None };
    scene.stacks[RED.0].policy = vec![rule(100, PolicyAction::Prohibit), rule(32766, main)];
    let findings = findings_on(&CHECK, &scene, to(RED, WORLD));
    assert_eq!(codes(&findings), ["rule-diverts"]);
    assert_eq!(findings[0].remedy[0].commands, ["ip -n red rule del priority 100"]);
    scene.stacks[RED.0].policy[0].priority = 40000;
    scene.stacks[RED.0].policy.reverse();
    assert_eq!(codes(&findings_on(&CHECK, &scene, to(RED, WORLD))), [""; 0], "main comes first");
}

#[test]
fn whoever_is_asked_needs_a_way_back() {
    let mut scene = lab();
    // Another subnet for blue, which the host routes to by the same bridge.
    scene.stacks[HOST.0].routes.push(connected("10.5.0.0/24", 3));
    scene.stacks[BLUE.0].links[1].addresses[0].net = "10.5.0.2/24".parse().unwrap();
    scene.stacks[BLUE.0].routes = vec![connected("10.5.0.0/24", 2)];
    let findings = findings_on(&CHECK, &scene, to(RED, "10.5.0.2"));
    assert_eq!(codes(&findings), ["no-way-back"]);
    assert_eq!(findings[0].stack, BLUE);
}
