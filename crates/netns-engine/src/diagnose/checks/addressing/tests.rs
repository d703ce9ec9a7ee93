//! Links without addresses, and links that do without.

use super::*;
use crate::diagnose::{
    question::Path,
    scene::{Address, NextHop, Peer, Route},
    tests::lab::{BLUE, HOST, RED, WORLD, codes, connected, default_via, findings_on, lab, link, to},
    way::Way,
};

fn found(scene: &Scene, way: Way) -> Vec<&'static str> {
    codes(&findings_on(&CHECK, scene, way))
}

fn bare(scene: &mut Scene, stack: StackId) {
    scene.stacks[stack.0].links[1].addresses.clear();
    scene.stacks[stack.0].routes.clear();
}

#[test]
fn the_lab_is_well() {
    for way in
        [to(RED, WORLD), to(RED, "192.168.100.3"), to(HOST, "192.168.100.2"), to(RED, "192.168.100.77")]
    {
        assert_eq!(found(&lab(), way), [""; 0]);
    }
}

#[test]
fn who_asks_gets_a_free_address_of_the_bridge() {
    let mut scene = lab();
    bare(&mut scene, RED);
    for destination in [WORLD, "192.168.100.3"] {
        let findings = findings_on(&CHECK, &scene, to(RED, destination));
        assert_eq!(codes(&findings), ["no-address"]);
        assert_eq!(findings[0].what, "link 'eth0' in netns 'red' has no IPv4 address");
        let expected = ["ip -n red address add 192.168.100.2/24 dev eth0"];
        assert_eq!(findings[0].remedy[0].commands, expected);
        assert_eq!(findings[0].mend.len(), 1);
    }
}

#[test]
fn who_asks_without_anybody_to_guess_from_is_told_all_the_same() {
    let mut scene = lab();
    bare(&mut scene, RED);
    scene.stacks[HOST.0].links[2].addresses.clear();
    let findings = findings_on(&CHECK, &scene, to(RED, WORLD));
    assert_eq!(codes(&findings), ["no-address"]);
    assert!(findings[0].remedy[0].note.is_some() || !findings[0].mend.is_empty());
}

#[test]
fn who_is_asked_and_lacks_the_address_is_found_if_nobody_else_does() {
    let mut scene = lab();
    bare(&mut scene, BLUE);
    let findings = findings_on(&CHECK, &scene, to(RED, "192.168.100.3"));
    assert_eq!(codes(&findings), ["no-address"]);
    assert_eq!(findings[0].remedy[0].commands, ["ip -n blue address add 192.168.100.3/24 dev eth0"]);
}

#[test]
fn a_stack_without_an_address_cannot_be_a_destination() {
    let mut scene = lab();
    bare(&mut scene, BLUE);
    let path = Path {
        from: scene.stack(RED).entrance.clone(),
        to: Destination::Stack(scene.stack(BLUE).entrance.clone()),
        protocol: crate::diagnose::packet::Protocol::Icmp,
        port: None,
    };
    let question = Question::Path(path);
    let case = Case { scene: &scene, question: &question, ways: Vec::new() };
    let findings = destination(&case);
    assert_eq!(codes(&findings), ["no-address"]);
    assert_eq!(findings[0].remedy[0].commands, ["ip -n blue address add 192.168.100.3/24 dev eth0"]);
}

#[test]
fn the_hosts_end_of_a_cable_gets_the_gateways_address() {
    let mut scene = lab();
    let cable = Link { peer: Some(Peer { stack: Some(RED), index: 2 }), ..link(4, "v-red", "veth", &[]) };
    scene.stacks[HOST.0].links = vec![link(1, "lo", "loopback", &["127.0.0.1/8"]), cable];
    let findings = findings_on(&CHECK, &scene, to(RED, WORLD));
    assert_eq!(codes(&findings)[0], "no-address");
    assert_eq!(findings[0].remedy[0].commands, ["ip address add 192.168.100.1/24 dev v-red"]);
}

#[test]
fn a_cable_without_an_address_may_borrow_one() {
    let mut scene = lab();
    let host = &mut scene.stacks[HOST.0];
    host.links[3] = Link { peer: Some(Peer { stack: Some(RED), index: 2 }), ..link(4, "v-red", "veth", &[]) };
    host.routes.push(connected("192.168.100.2/32", 4));
    assert_eq!(found(&scene, to(HOST, "192.168.100.2")), [""; 0]);
}

fn with_ipv6() -> Scene {
    let mut scene = lab();
    let net = |text: &str| Address { net: text.parse().unwrap(), tentative: false, duplicate: false };
    scene.stacks[HOST.0].links[2].addresses.push(net("fd00::1/64"));
    scene.stacks[RED.0].links[1].addresses.push(net("fd00::2/64"));
    scene.stacks[HOST.0].routes.push(connected("fd00::/64", 3));
    scene.stacks[RED.0].routes.extend([connected("fd00::/64", 2), default_via("fd00::1", 2)]);
    scene
}

#[test]
fn ipv6_that_is_switched_off_comes_back_with_its_address() {
    let setting = "net/ipv6/conf/eth0/disable_ipv6";
    assert_eq!(found(&with_ipv6(), to(RED, "fd00::1")), [""; 0]);
    let mut scene = with_ipv6();
    let red = &mut scene.stacks[RED.0];
    red.settings.insert(setting.to_owned(), 1);
    red.links[1].addresses.pop();
    red.routes.retain(|route: &Route| route.destination.addr().is_ipv4());
    let findings = findings_on(&CHECK, &scene, to(RED, "fd00::1"));
    assert_eq!(codes(&findings), ["ipv6-disabled"]);
    assert_eq!(
        findings[0].remedy[0].commands,
        [
            "ip netns exec red sysctl -w net.ipv6.conf.eth0.disable_ipv6=0",
            "ip -n red address add fd00::2/64 dev eth0"
        ]
    );
    assert_eq!(found(&scene, to(RED, WORLD)), [""; 0], "IPv4 does not mind");
}

#[test]
fn ipv6_that_is_switched_off_on_the_bridge_is_found_from_inside() {
    let mut scene = with_ipv6();
    let host = &mut scene.stacks[HOST.0];
    host.settings.insert("net/ipv6/conf/br0/disable_ipv6".to_owned(), 1);
    host.links[2].addresses.pop();
    host.routes.retain(|route| route.destination.addr().is_ipv4());
    let way = Way { to: "2001:db8::8".parse().unwrap(), ..to(RED, WORLD) };
    let findings = findings_on(&CHECK, &scene, way);
    assert_eq!(codes(&findings)[0], "ipv6-disabled");
    assert_eq!(findings[0].remedy[0].commands[1], "ip address add fd00::1/64 dev br0");
}

#[test]
fn a_route_out_of_the_other_links_is_no_reason_for_an_address_here() {
    let mut scene = lab();
    let hop = NextHop { link: Some(2), ..NextHop::default() };
    scene.stacks[RED.0].routes.push(Route { hops: vec![hop], ..connected("203.0.113.0/24", 2) });
    assert_eq!(found(&scene, to(RED, WORLD)), [""; 0]);
}
