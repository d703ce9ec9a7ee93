//! Cables beside their bridge, and bridges without addresses.

use super::*;
use crate::diagnose::{
    finding::Severity,
    scene::{Address, Peer},
    tests::lab::{BLUE, HOST, RED, WORLD, bridge, codes, connected, findings_on, lab, link, to},
    way::Way,
};

const BLUES: &str = "192.168.100.3";

fn found(scene: &Scene, way: Way) -> Vec<&'static str> {
    let mut codes = codes(&findings_on(&CHECK, scene, way));
    codes.dedup();
    codes
}

fn ways() -> [Way; 4] {
    [to(RED, WORLD), to(RED, BLUES), to(RED, "192.168.100.1"), to(HOST, "192.168.100.2")]
}

#[test]
fn the_lab_is_well() {
    for way in ways() {
        assert_eq!(found(&lab(), way), [""; 0]);
    }
}

#[test]
fn an_end_beside_the_bridge_is_found_from_every_side() {
    let mut scene = lab();
    scene.stacks[HOST.0].links[3].master = None;
    scene.stacks[HOST.0].links[3].port = None;
    for way in ways().into_iter().chain([to(BLUE, "192.168.100.2")]) {
        let findings = findings_on(&CHECK, &scene, way);
        assert!(codes(&findings).iter().all(|code| *code == "not-a-port"), "{:?}", codes(&findings));
        assert_eq!(findings[0].what, "link 'v-red' on the host is no port of bridge 'br0'");
        assert_eq!(findings[0].remedy[0].commands, ["ip link set v-red master br0"]);
        assert_eq!(findings[0].mend.len(), 1);
    }
}

#[test]
fn an_end_in_the_wrong_bridge_is_not_moved_unasked() {
    let mut scene = lab();
    scene.stacks[HOST.0].links.push(bridge(9, "br9", &[]));
    scene.stacks[HOST.0].links[3].master = Some(9);
    let findings = findings_on(&CHECK, &scene, to(RED, BLUES));
    assert_eq!(codes(&findings), ["not-a-port"]);
    assert_eq!(findings[0].what, "link 'v-red' on the host is a port of 'br9', not of bridge 'br0'");
    assert!(findings[0].mend.is_empty());
}

#[test]
fn cables_of_one_network_side_by_side_have_lost_their_bridge() {
    let mut scene = lab();
    let host = &mut scene.stacks[HOST.0];
    host.links.remove(2);
    host.routes.pop();
    for link in &mut host.links {
        link.master = None;
    }
    let findings = findings_on(&CHECK, &scene, to(RED, WORLD));
    assert_eq!(codes(&findings), ["not-a-port"]);
    assert_eq!(findings[0].what, "link 'v-red' on the host is no port of any bridge");
    assert_eq!(findings[0].remedy[0].commands[2], "ip address add 192.168.100.1/24 dev br0");
    assert_eq!(findings[0].remedy[0].commands.len(), 5);
}

#[test]
fn a_cable_that_is_routed_to_needs_no_bridge() {
    let mut scene = lab();
    let host = &mut scene.stacks[HOST.0];
    host.links[3].master = None;
    host.links[3].port = None;
    host.routes.push(connected("192.168.100.2/32", 4));
    assert_eq!(found(&scene, to(RED, WORLD)), [""; 0]);
}

#[test]
fn a_cable_with_an_address_of_its_own_needs_no_bridge() {
    let mut scene = lab();
    let host = &mut scene.stacks[HOST.0];
    host.links[3] = Link {
        peer: Some(Peer { stack: Some(RED), index: 2 }),
        ..link(4, "v-red", "veth", &["10.7.0.1/24"])
    };
    host.routes.push(connected("10.7.0.0/24", 4));
    let red = &mut scene.stacks[RED.0];
    red.links[1].addresses[0].net = "10.7.0.2/24".parse().unwrap();
    red.routes = vec![connected("10.7.0.0/24", 2)];
    assert_eq!(found(&scene, to(RED, "10.7.0.1")), [""; 0]);
}

#[test]
fn a_bridge_that_lost_its_address_gets_the_one_that_is_sent_to() {
    let mut scene = lab();
    scene.stacks[HOST.0].links[2].addresses.clear();
    scene.stacks[HOST.0].routes.pop();
    for way in [to(RED, WORLD), to(RED, "192.168.100.1"), to(HOST, "192.168.100.2")] {
        let findings = findings_on(&CHECK, &scene, way);
        assert!(!findings.is_empty());
        for finding in findings {
            assert_eq!(finding.code.name, "bridge-without-address");
            assert_eq!(finding.severity, Severity::Error);
            assert_eq!(finding.what, "bridge 'br0' on the host has no address in 192.168.100.0/24");
            assert_eq!(finding.remedy[0].commands, ["ip address add 192.168.100.1/24 dev br0"]);
            assert_eq!(finding.mend.len(), 1);
        }
    }
    assert_eq!(found(&scene, to(RED, BLUES)), [""; 0], "neighbours do without");
}

#[test]
fn a_bridge_with_another_address_is_not_bare() {
    let mut scene = lab();
    scene.stacks[HOST.0].links[2].addresses[0].net = "10.3.0.1/24".parse().unwrap();
    assert_eq!(found(&scene, to(RED, WORLD)), [""; 0]);
}

#[test]
fn a_vlan_link_on_top_may_be_the_gateway() {
    let mut scene = lab();
    let host = &mut scene.stacks[HOST.0];
    let addresses: Vec<Address> = host.links[2].addresses.drain(..).collect();
    let on_top = Link { addresses, ..link(9, "br0.10", "vlan", &[]) };
    host.links.push(Link { peer: Some(Peer { stack: Some(HOST), index: 3 }), ..on_top });
    assert_eq!(found(&scene, to(RED, WORLD)), [""; 0]);
}
