//! Gateways and destinations that nobody is.

use super::*;
use crate::diagnose::{
    scene::{Link, Peer, Route},
    tests::lab::{BLUE, HOST, RED, WORLD, bridge, codes, connected, default_via, findings_on, lab, link, to},
    way::Way as Asked,
};

fn found(scene: &Scene, way: Asked) -> Vec<&'static str> {
    codes(&findings_on(&CHECK, scene, way))
}

#[test]
fn the_lab_is_well() {
    for way in [to(RED, WORLD), to(RED, "192.168.100.3"), to(HOST, "192.168.100.2"), to(HOST, WORLD)] {
        assert_eq!(found(&lab(), way), [""; 0]);
    }
}

fn with_gateway(gateway: &str) -> Scene {
    let mut scene = lab();
    scene.stacks[RED.0].routes[1] = default_via(gateway, 2);
    scene
}

#[test]
fn a_gateway_that_nobody_is_gives_way_to_the_bridge() {
    let findings = findings_on(&CHECK, &with_gateway("192.168.100.254"), to(RED, WORLD));
    assert_eq!(codes(&findings), ["gateway-absent"]);
    assert_eq!(
        findings[0].remedy[0].commands,
        ["ip -n red route replace default via 192.168.100.1 dev eth0"]
    );
    assert!(findings[0].evidence[1].says.starts_with("bridge 'br0' on the host: 192.168.100.1/24"));
}

#[test]
fn a_gateway_of_another_network_is_off_the_link() {
    let findings = findings_on(&CHECK, &with_gateway("192.168.200.1"), to(RED, WORLD));
    assert_eq!(codes(&findings), ["gateway-off-link"]);
    assert_eq!(
        findings[0].remedy[0].commands,
        ["ip -n red route replace default via 192.168.100.1 dev eth0"]
    );
}

#[test]
fn an_address_of_another_network_is_as_wrong() {
    let mut scene = lab();
    scene.stacks[RED.0].links[1].addresses[0].net = "192.168.200.2/24".parse().unwrap();
    scene.stacks[RED.0].routes[0] = connected("192.168.200.0/24", 2);
    let findings = findings_on(&CHECK, &scene, to(RED, WORLD));
    assert_eq!(codes(&findings)[0], "gateway-off-link");
    assert_eq!(findings[0].remedy[0].commands, ["ip -n red address add 192.168.100.2/24 dev eth0"]);
}

#[test]
fn who_has_the_wrong_network_is_told_by_the_others() {
    let mut scene = lab();
    scene.stacks[HOST.0].links[2].addresses[0].net = "10.3.0.1/24".parse().unwrap();
    let findings = findings_on(&CHECK, &scene, to(RED, WORLD));
    assert_eq!(codes(&findings)[0], "gateway-absent");
    assert_eq!(findings[0].remedy[0].commands, ["ip address add 192.168.100.1/24 dev br0"]);
    let mut scene = lab();
    scene.stacks[RED.0].links[1].addresses[0].net = "10.3.0.2/24".parse().unwrap();
    scene.stacks[RED.0].routes = vec![connected("10.3.0.0/24", 2), default_via("10.3.0.1", 2)];
    let findings = findings_on(&CHECK, &scene, to(RED, WORLD));
    assert_eq!(codes(&findings)[0], "gateway-absent");
    assert_eq!(
        findings[0].remedy[0].commands,
        [
            "ip -n red address add 192.168.100.2/24 dev eth0",
            "ip -n red route replace default via 192.168.100.1 dev eth0"
        ]
    );
}

#[test]
fn by_order_a_gateway_is_asked_for_and_must_be_there() {
    let mut scene = with_gateway("10.99.0.1");
    scene.stacks[RED.0].routes[1].hops[0].on_link = true;
    assert_eq!(found(&scene, to(RED, WORLD)), ["gateway-off-link"]);
}

#[test]
fn who_answers_for_others_may_be_the_gateway() {
    let mut scene = with_gateway("169.254.1.1");
    scene.stacks[RED.0].routes.push(connected("169.254.1.1/32", 2));
    assert_eq!(found(&scene, to(RED, WORLD)), ["gateway-absent"]);
    scene.stacks[HOST.0].settings.insert("net/ipv4/conf/br0/proxy_arp".to_owned(), 1);
    assert_eq!(found(&scene, to(RED, WORLD)), [""; 0]);
}

#[test]
fn a_gateway_may_be_on_the_link_by_order_or_by_a_route() {
    let mut scene = with_gateway("10.0.0.1");
    scene.stacks[HOST.0].links[2].addresses[0].net = "10.0.0.1/32".parse().unwrap();
    scene.stacks[RED.0].routes[1].hops[0].on_link = true;
    assert_eq!(found(&scene, to(RED, WORLD)), [""; 0]);
    scene.stacks[RED.0].routes[1].hops[0].on_link = false;
    scene.stacks[RED.0].routes.push(Route { ..connected("10.0.0.1/32", 2) });
    assert_eq!(found(&scene, to(RED, WORLD)), [""; 0]);
}

#[test]
fn a_destination_that_nobody_has_is_said_so() {
    assert_eq!(found(&lab(), to(RED, "192.168.100.77")), ["nobody-there"]);
    assert_eq!(found(&lab(), to(HOST, "192.168.100.77")), ["nobody-there"]);
}

#[test]
fn overlapping_networks_are_found_by_who_has_the_address_elsewhere() {
    let mut scene = lab();
    let host = &mut scene.stacks[HOST.0];
    host.links.push(bridge(9, "br9", &["192.168.100.9/24"]));
    host.links[4].master = Some(9);
    host.links.push(Link { master: Some(3), ..link(10, "v-x", "veth", &[]) });
    let findings = findings_on(&CHECK, &scene, to(HOST, "192.168.100.3"));
    assert!(codes(&findings).iter().all(|code| *code == "nobody-there"), "{:?}", codes(&findings));
}

#[test]
fn what_other_checks_explain_is_not_said_twice() {
    let mut scene = lab();
    scene.stacks[HOST.0].links[2].addresses.clear();
    assert_eq!(found(&scene, to(RED, WORLD)), [""; 0], "bridge-without-address");
    let mut scene = lab();
    scene.stacks[HOST.0].links[4].master = None;
    assert_eq!(found(&scene, to(RED, "192.168.100.3")), [""; 0], "not-a-port");
    let mut scene = lab();
    scene.stacks[BLUE.0].links[1].addresses.clear();
    assert_eq!(found(&scene, to(RED, "192.168.100.3")), [""; 0], "no-address");
}

#[test]
fn a_cable_whose_end_cannot_be_seen_is_no_proof() {
    let mut scene = with_gateway("192.168.100.254");
    scene.stacks[RED.0].links[1].peer = Some(Peer { stack: None, index: 4 });
    assert_eq!(found(&scene, to(RED, WORLD)), [""; 0]);
}
