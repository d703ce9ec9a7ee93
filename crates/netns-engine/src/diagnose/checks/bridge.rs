//! Does the bridge let the packet from one port to the next, and is everybody in it who should be?

use ipnet::IpNet;

use super::{
    Check, Look,
    cable::at,
    crossing::{Crossing, Member, crossings, far_end, free_in, members, networks},
};
use crate::{
    diagnose::{
        case::Followed,
        finding::{Code, Finding, Remedy},
        journey::WireEnd,
        mend::Mend,
        scene::{Link, Scene},
        words::link_in,
    },
    operation::{LinkChange, Operation},
};

pub(super) const CHECK: Check = Check {
    question: "Is everybody in the bridge who should be?",
    codes: &[&NOT_A_PORT, &BRIDGE_WITHOUT_ADDRESS],
    look: Look::Along(look),
};

static NOT_A_PORT: Code = Code {
    name: "not-a-port",
    title: "The cable's end is not in the bridge",
    symptom: "'Destination Host Unreachable' after some seconds; the netns reaches neither the bridge nor its neighbours, though \
              all links are up.",
    cause: "The host's end of the veth pair was never attached to the bridge ('master'), fell out of it when the bridge was made \
            anew, or is in another bridge. A network manager may have taken it out, too.",
    remedy: "Attach it: 'ip link set VETH master BRIDGE'.",
    example: "ip link set v-red nomaster\nnetns-tool doctor red        # not-a-port\nip link set v-red master br0",
};

static BRIDGE_WITHOUT_ADDRESS: Code = Code {
    name: "bridge-without-address",
    title: "The bridge lacks the address that others send to",
    symptom: "Neighbours on the bridge reach each other; the gateway does not answer, and nothing beyond it.",
    cause: "The netns' default route leads to an address that the bridge should have. It was never added, or went with the bridge \
            when that was made anew; or the bridge has one of another network.",
    remedy: "Give the bridge the address, with the length of the netns' network: 'ip address add GATEWAY/24 dev BRIDGE'.",
    example: "ip address del 192.168.100.1/24 dev br0\nnetns-tool doctor red        # bridge-without-address\n\
              ip address add 192.168.100.1/24 dev br0",
};

fn look(scene: &Scene, followed: &Followed) -> Vec<Finding> {
    let mut findings = Vec::new();
    for crossing in crossings(scene, followed) {
        findings.extend(unplugged(&crossing).map(|it| not_a_port(&crossing, &it)));
        findings.extend(bare(&crossing).map(|it| without_address(&crossing, &it)));
    }
    findings
}

/// A cable that should end in a bridge, and does not.
pub(super) struct Unplugged<'a> {
    /// Its end.
    end: Member<'a>,
    /// The bridge.
    bridge: &'a Link,
}

/// Finds the cable that keeps the packet from the bridge, or the bridge from the packet.
pub(super) fn unplugged<'a>(crossing: &Crossing<'a>) -> Option<Unplugged<'a>> {
    beside_bridge(crossing).or_else(|| not_reached(crossing))
}

/// The cable that the packet goes into ends beside the bridge.
fn beside_bridge<'a>(crossing: &Crossing<'a>) -> Option<Unplugged<'a>> {
    let end = far_end(crossing.scene, crossing.leaving)?;
    let there = crossing.scene.stack(end.stack);
    let missed = matches!(crossing.departure.wire.end, WireEnd::Nobody(_));
    let belongs_elsewhere = match end.link.master {
        None => networks(end.link, crossing.family()).next().is_none() && !is_routed_to(crossing, end),
        Some(_) => missed,
    };
    if !belongs_elsewhere {
        return None;
    }
    let bridges = there.links.iter().filter(|it| it.bridge.is_some() && Some(it.index) != end.link.master);
    let next = crossing.next();
    let mut fitting = bridges.filter(|bridge| {
        let others = members(crossing.scene, end.stack, bridge);
        others.iter().any(|it| it.link.has_address(next) && !is_leaving(crossing, it))
            || end.link.master.is_none() && bridge.is_on_link(next)
    });
    Some(Unplugged { end, bridge: fitting.next()? })
}

fn is_leaving(crossing: &Crossing<'_>, member: &Member<'_>) -> bool {
    (member.stack, member.link.index) == (crossing.leg.stack, crossing.leaving.index)
}

/// A cable may well end in a stack that routes to each cable by itself; then it needs no bridge.
fn is_routed_to(crossing: &Crossing<'_>, end: Member<'_>) -> bool {
    let source = crossing.leg.sent.source;
    crossing.scene.stack(end.stack).routes.iter().any(|route| {
        route.destination.prefix_len() > 0
            && route.destination.contains(&source)
            && route.hops.iter().any(|hop| hop.link == Some(end.link.index))
    })
}

/// The packet is in the bridge; who it is for is not.
fn not_reached<'a>(crossing: &Crossing<'a>) -> Option<Unplugged<'a>> {
    if !matches!(crossing.departure.wire.end, WireEnd::Nobody(_)) {
        return None;
    }
    let (touch, bridge) = crossing.touches().find(|(_, it)| it.link.bridge.is_some())?;
    crossing.scene.owners(crossing.next()).find_map(|(_, owner)| {
        let end = far_end(crossing.scene, owner)?;
        let beside = end.stack == touch.stack
            && end.link.master != Some(bridge.link.index)
            && networks(end.link, crossing.family()).next().is_none();
        beside.then_some(Unplugged { end, bridge: bridge.link })
    })
}

fn not_a_port(crossing: &Crossing<'_>, it: &Unplugged<'_>) -> Finding {
    let stack = crossing.scene.stack(it.end.stack);
    let (end, bridge) = (&it.end.link.name, &it.bridge.name);
    let named = link_in(crossing.scene, it.end.stack, it.end.link);
    let other = it.end.link.master.and_then(|master| stack.link(master));
    let (what, says) = match other {
        None => (format!("{named} is no port of bridge '{bridge}'"), "no 'master'".to_owned()),
        Some(other) => (
            format!("{named} is a port of '{}', not of bridge '{bridge}'", other.name),
            format!("master {}", other.name),
        ),
    };
    let mend = at(stack, end)
        .filter(|_| other.is_none())
        .map(|at| Mend::Change(Operation::SetLink(at, LinkChange::Master(bridge.clone()))));
    Finding::error(&NOT_A_PORT, it.end.stack, crossing.spot(), what)
        .seen(format!("{} link show {end}", stack.ip()), says)
        .why(format!("what comes out of the cable goes nowhere: those it is for are in bridge '{bridge}'"))
        .remedy(Remedy::command(format!("{} link set {end} master {bridge}", stack.ip())))
        .mend(mend)
}

/// A bridge that lacks an address.
pub(super) struct Bare<'a> {
    bridge: Member<'a>,
    wanted: IpNet,
    /// Who sends to it.
    user: Member<'a>,
}

/// Finds the bridge that was meant to be a router and has no address for it.
pub(super) fn bare<'a>(crossing: &Crossing<'a>) -> Option<Bare<'a>> {
    if unplugged(crossing).is_some() {
        return None;
    }
    bare_router(crossing).or_else(|| bare_sender(crossing))
}

fn bare_router<'a>(crossing: &Crossing<'a>) -> Option<Bare<'a>> {
    let WireEnd::Nobody(Some((stack, link))) = crossing.departure.wire.end else { return None };
    let bridge = Member { stack, link: crossing.scene.stack(stack).link(link)? };
    let wanted = crossing.wanted()?;
    let is_lacking = bridge.link.bridge.is_some()
        && !bridge.link.addresses.iter().any(|it| wanted.contains(&it.net.addr()))
        && is_gateway(crossing)
        && !is_answered_above(crossing, bridge)
        && another_router(crossing, bridge).is_none();
    let user = Member { stack: crossing.leg.stack, link: crossing.leaving };
    is_lacking.then_some(Bare { bridge, wanted, user })
}

/// Whether the stack takes the address for a router's, now or on other ways.
fn is_gateway(crossing: &Crossing<'_>) -> bool {
    let mut hops = crossing.stack().routes.iter().flat_map(|route| &route.hops);
    crossing.leads_to_router() || hops.any(|hop| hop.gateway == Some(crossing.next()))
}

/// A VLAN link on top of a bridge takes what is tagged.
pub(super) fn is_answered_above(crossing: &Crossing<'_>, bridge: Member<'_>) -> bool {
    let on_top = |link: &Link| {
        link.kind != "veth"
            && link.peer.is_some_and(|it| it.stack == Some(bridge.stack) && it.index == bridge.link.index)
    };
    let mut links = crossing.scene.stack(bridge.stack).links.iter();
    links.any(|link| on_top(link) && link.has_address(crossing.next()))
}

/// Somebody on the bridge who forwards and has no address is more likely the router than the bridge.
pub(super) fn another_router<'a>(crossing: &Crossing<'a>, bridge: Member<'_>) -> Option<Member<'a>> {
    let forwards = |it: &Member<'_>| {
        it.stack != crossing.leg.stack
            && it.stack != bridge.stack
            && crossing.scene.stack(it.stack).setting("net/ipv4/ip_forward") == Some(1)
            && networks(it.link, crossing.family()).next().is_none()
    };
    crossing.members().into_iter().find(forwards)
}

/// The stack of the bridge sends to a neighbour in it, without knowing that it is one: its route is guessed, or
/// the default route takes the packet elsewhere.
fn bare_sender<'a>(crossing: &Crossing<'a>) -> Option<Bare<'a>> {
    let scene = crossing.scene;
    let destination = crossing.leg.routed.destination;
    if !crossing.departure.guessed && !takes_default_route(crossing) {
        return None;
    }
    let bridges = crossing.stack().links.iter().filter(|link| link.bridge.is_some());
    let (bridge, user) = bridges.into_iter().find_map(|link| {
        let others = members(scene, crossing.leg.stack, link);
        let user = others.into_iter().skip(1).find(|it| it.link.has_address(destination))?;
        Some((Member { stack: crossing.leg.stack, link }, user))
    })?;
    let network = networks(user.link, crossing.family()).find(|net| net.contains(&destination))?;
    if bridge.link.addresses.iter().any(|it| network.contains(&it.net.addr())) {
        return None;
    }
    let there = scene.stack(user.stack);
    let mut gateways = there.routes.iter().flat_map(|route| &route.hops).filter_map(|hop| hop.gateway);
    let gateway = gateways.find(|gateway| network.contains(gateway));
    let unowned = gateway.filter(|gateway| scene.owners(*gateway).next().is_none());
    let wanted = unowned.and_then(|gateway| IpNet::new(gateway, network.prefix_len()).ok());
    Some(Bare { bridge, wanted: wanted.or_else(|| free_in(scene, network))?, user })
}

fn takes_default_route(crossing: &Crossing<'_>) -> bool {
    let route = crossing.leg.routing.route.and_then(|place| crossing.stack().routes.get(place));
    route.is_some_and(|route| route.destination.prefix_len() == 0)
}

fn without_address(crossing: &Crossing<'_>, it: &Bare<'_>) -> Finding {
    let stack = crossing.scene.stack(it.bridge.stack);
    let name = &it.bridge.link.name;
    let what = format!(
        "{} has no address in {}",
        link_in(crossing.scene, it.bridge.stack, it.bridge.link),
        it.wanted.trunc()
    );
    let user = scene_route(crossing, it);
    let has: Vec<String> = it.bridge.link.addresses.iter().map(|it| it.net.to_string()).collect();
    let has = if has.is_empty() { "nothing".to_owned() } else { has.join(", ") };
    let finding = Finding::error(&BRIDGE_WITHOUT_ADDRESS, it.bridge.stack, crossing.spot(), what)
        .seen(format!("{} address show {name}", stack.ip()), has);
    let finding = match user {
        Some((read, says)) => finding.seen(read, says),
        None => finding,
    };
    let mend = at(stack, name).map(|at| Mend::Change(Operation::AddAddress(at, it.wanted)));
    finding
        .why(format!("nobody answers for {}, by which others leave their network", it.wanted.addr()))
        .remedy(Remedy::command(format!("{} address add {} dev {name}", stack.ip(), it.wanted)))
        .mend(mend)
}

/// The route by which somebody sends to the bridge.
fn scene_route(crossing: &Crossing<'_>, it: &Bare<'_>) -> Option<(String, String)> {
    let stack = crossing.scene.stack(it.user.stack);
    let gateway = it.wanted.addr();
    let route =
        stack.routes.iter().find(|route| route.hops.iter().any(|hop| hop.gateway == Some(gateway)))?;
    let to = if route.destination.prefix_len() == 0 {
        "default".to_owned()
    } else {
        route.destination.to_string()
    };
    Some((format!("{} route", stack.ip()), format!("{to} via {gateway} dev {}", it.user.link.name)))
}

#[cfg(test)]
mod tests {
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
    fn a_bridge_with_another_address_of_the_network_is_not_bare() {
        let mut scene = lab();
        scene.stacks[HOST.0].links[2].addresses[0].net = "192.168.100.99/24".parse().unwrap();
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
}
