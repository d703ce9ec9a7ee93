//! Does the next neighbour answer, and is it the one that is meant?

use std::net::IpAddr;

use super::{
    Check, Look,
    addressing::bare_neighbour,
    bridge::{bare, is_answered_above, unplugged},
    crossing::{Crossing, Member, crossings, free_in, is_link_local, networks},
};
use crate::{
    address::Family,
    diagnose::{
        case::Followed,
        finding::{Code, Finding, Remedy},
        journey::{Direction, Way, WireEnd},
        scene::{NextHop, Scene},
        words::link_in,
    },
};

pub(super) const CHECK: Check = Check {
    question: "Is the next neighbour there, and the one that is meant?",
    codes: &[&GATEWAY_OFF_LINK, &GATEWAY_ABSENT, &NOBODY_THERE],
    look: Look::Along(look),
};

static GATEWAY_OFF_LINK: Code = Code {
    name: "gateway-off-link",
    title: "The gateway is in none of the link's networks",
    symptom: "'ip route' shows a default route, and no packet comes back; 'ip neighbour' shows the gateway as FAILED, or it answers \
              and its answers go elsewhere.",
    cause: "Address and gateway do not fit each other: a typing error in one of them, a prefix length that is too long, or the \
            address was changed and the route was not.",
    remedy: "Give the link an address in the gateway's network, or the route a gateway in the link's.",
    example: "ip -n red address add 192.168.200.2/24 dev eth0; ip -n red address del 192.168.100.2/24 dev eth0\n\
              netns-tool doctor red        # gateway-off-link\nip -n red address add 192.168.100.2/24 dev eth0",
};

static GATEWAY_ABSENT: Code = Code {
    name: "gateway-absent",
    title: "Nobody has the gateway's address",
    symptom: "'Destination Host Unreachable' after three seconds, from the netns' own address; 'ip neighbour' shows the gateway as \
              FAILED or INCOMPLETE.",
    cause: "The route names an address that nobody on this bridge or cable has: a typing error, or the bridge got another address.",
    remedy: "Let the route lead by the address that the bridge really has: 'ip route replace default via ADDRESS'.",
    example: "ip -n red route replace default via 192.168.100.254\nnetns-tool doctor red        # gateway-absent\n\
              ip -n red route replace default via 192.168.100.1",
};

static NOBODY_THERE: Code = Code {
    name: "nobody-there",
    title: "Nobody has the address that is asked for",
    symptom: "'Destination Host Unreachable' after three seconds, or silence.",
    cause: "The address is in the link's own network, so it is looked for on this wire, and nobody there has it: it is a typing \
            error, its owner lost it, or is on another wire although the networks are the same.",
    remedy: "Look who has which address: 'netns-tool list'. Two wires need two networks.",
    example: "netns-tool doctor red 192.168.100.77   # nobody-there",
};

fn look(scene: &Scene, followed: &Followed) -> Vec<Finding> {
    let mut findings = Vec::new();
    for crossing in crossings(scene, followed) {
        match off_link(&crossing) {
            Some(finding) => findings.push(finding),
            None => findings.extend(absent(&crossing)),
        }
    }
    findings
}

/// The gateway of the route that is used, if it is not taken for a neighbour by order.
fn gateway<'a>(crossing: &Crossing<'a>) -> Option<(&'a NextHop, IpAddr)> {
    let Way::Out { gateway: Some(gateway), link } = crossing.leg.routing.way else { return None };
    let route = crossing.stack().routes.get(crossing.leg.routing.route?)?;
    let hop = route.hops.iter().find(|hop| hop.gateway == Some(gateway) && hop.link == Some(link))?;
    Some((hop, gateway))
}

fn off_link(crossing: &Crossing<'_>) -> Option<Finding> {
    let (hop, gateway) = gateway(crossing)?;
    let link = crossing.leaving;
    let fits = hop.on_link
        || link.is_on_link(gateway)
        || is_link_local(gateway)
        || Family::of(gateway) != crossing.family()
        || is_routed_on_link(crossing, gateway);
    // A link without any address is a finding of its own.
    if fits || networks(link, crossing.family()).next().is_none() {
        return None;
    }
    let stack = crossing.stack();
    let own: Vec<String> = link
        .addresses
        .iter()
        .filter(|it| Family::of_net(&it.net) == crossing.family())
        .map(|it| it.net.to_string())
        .collect();
    let named = link_in(crossing.scene, crossing.leg.stack, link);
    let what = format!("gateway {gateway} is in no network of {named}");
    let finding = Finding::error(&GATEWAY_OFF_LINK, crossing.leg.stack, crossing.spot(), what)
        .seen(format!("{} route", stack.ip()), route_in_words(crossing, gateway))
        .seen(format!("{} address show {}", stack.ip(), link.name), own.join(", "))
        .why("neighbours answer to addresses of their own network; answers to another go where their routes lead");
    Some(finding.remedy(fitting(crossing, gateway)))
}

/// A route may say that an address is on the link, whatever the link's networks are.
fn is_routed_on_link(crossing: &Crossing<'_>, gateway: IpAddr) -> bool {
    crossing.stack().routes.iter().any(|route| {
        route.destination.prefix_len() > 0
            && route.destination.contains(&gateway)
            && route.hops.iter().any(|hop| hop.gateway.is_none() && hop.link == Some(crossing.leaving.index))
    })
}

/// Either the route gets a gateway that is there, or the link an address that fits it.
fn fitting(crossing: &Crossing<'_>, gateway: IpAddr) -> Remedy {
    if let Some(router) = router_near(crossing) {
        return replace(crossing, gateway, router);
    }
    let (ip, link) = (crossing.stack().ip(), &crossing.leaving.name);
    let network = crossing
        .members()
        .into_iter()
        .skip(1)
        .find_map(|it| networks(it.link, crossing.family()).find(|net| net.contains(&gateway)));
    match network.and_then(|network| free_in(crossing.scene, network)) {
        Some(free) => Remedy::command(format!("{ip} address add {free} dev {link}")),
        None => Remedy::note(format!("give link '{link}' an address in the network of {gateway}")),
    }
}

/// Somebody on the wire who could be the router: a bridge, or the only one at the other end.
fn router_near(crossing: &Crossing<'_>) -> Option<IpAddr> {
    let members = crossing.members();
    let others = || members.iter().skip(1);
    let bridge = others().find(|it| it.link.bridge.is_some());
    let only = others().next().filter(|_| others().count() == 1);
    let near = |net: &ipnet::IpNet| crossing.leaving.is_on_link(net.addr());
    let of = |it: &Member<'_>| networks(it.link, crossing.family()).find(near).map(|net| net.addr());
    bridge.and_then(of).or_else(|| only.and_then(of))
}

fn replace(crossing: &Crossing<'_>, gateway: IpAddr, router: IpAddr) -> Remedy {
    let ip = crossing.stack().ip();
    let to = destination_of(crossing);
    let flag = if router.is_ipv6() && to == "default" { " -6" } else { "" };
    Remedy::command(format!("{ip}{flag} route replace {to} via {router} dev {}", crossing.leaving.name))
        .because(format!("in place of {gateway}"))
}

fn destination_of(crossing: &Crossing<'_>) -> String {
    let route = crossing.leg.routing.route.and_then(|place| crossing.stack().routes.get(place));
    match route {
        Some(route) if route.destination.prefix_len() > 0 => route.destination.to_string(),
        _ => "default".to_owned(),
    }
}

fn route_in_words(crossing: &Crossing<'_>, gateway: IpAddr) -> String {
    format!("{} via {gateway} dev {}", destination_of(crossing), crossing.leaving.name)
}

/// Nobody on the wire has the next address, and no other check says why.
fn absent(crossing: &Crossing<'_>) -> Option<Finding> {
    let WireEnd::Nobody(meant) = crossing.departure.wire.end else { return None };
    let explained = unplugged(crossing).is_some()
        || bare(crossing).is_some()
        || bare_neighbour(crossing).is_some()
        || meant.is_some_and(|(stack, link)| {
            let link = crossing.scene.stack(stack).link(link);
            link.is_some_and(|link| is_answered_above(crossing, Member { stack, link }))
        });
    if explained {
        return None;
    }
    match (crossing.leads_to_router(), crossing.leg.direction) {
        (true, _) => Some(gateway_absent(crossing)),
        (false, Direction::There) => Some(nobody_there(crossing)),
        // Who asked has its own address, or will get one.
        (false, Direction::Back) => None,
    }
}

fn gateway_absent(crossing: &Crossing<'_>) -> Finding {
    let (stack, gateway) = (crossing.stack(), crossing.next());
    let named = link_in(crossing.scene, crossing.leg.stack, crossing.leaving);
    let what = format!("nobody on the wire of {named} has the gateway's address {gateway}");
    let finding = Finding::error(&GATEWAY_ABSENT, crossing.leg.stack, crossing.spot(), what)
        .seen(format!("{} route", stack.ip()), route_in_words(crossing, gateway))
        .seen("addresses on that wire", others_in_words(crossing))
        .why("packets wait for the answer to 'who has this address', and are dropped after three seconds");
    finding.remedy(match router_near(crossing) {
        Some(router) => replace(crossing, gateway, router),
        None => Remedy::note(format!("find out who should be the router, and give it {gateway}")),
    })
}

fn nobody_there(crossing: &Crossing<'_>) -> Finding {
    let (stack, address) = (crossing.stack(), crossing.next());
    let named = link_in(crossing.scene, crossing.leg.stack, crossing.leaving);
    let what = format!("nobody on the wire of {named} has {address}");
    let finding = Finding::error(&NOBODY_THERE, crossing.leg.stack, crossing.spot(), what)
        .seen(format!("{} route get {address}", stack.ip()), format!("dev {}", crossing.leaving.name))
        .seen("addresses on that wire", others_in_words(crossing));
    let elsewhere = crossing.scene.owners(address).next();
    match elsewhere {
        Some((id, link)) => {
            let owner = link_in(crossing.scene, id, link);
            finding
                .seen(
                    format!("{} address show {}", crossing.scene.stack(id).ip(), link.name),
                    address.to_string(),
                )
                .why(format!(
                    "{owner} has it, on another wire; the networks overlap, so it is looked for on this one"
                ))
                .remedy(Remedy::note(
                    "give one of the two wires another network, or connect both to the same bridge",
                ))
        }
        None => finding
            .why("the address is in the link's own network, so no router is asked for it")
            .remedy(Remedy::note("ask for an address that somebody has, or give it to whoever is meant")),
    }
}

/// A host may have many netns.
const MOST_SHOWN: usize = 6;

fn others_in_words(crossing: &Crossing<'_>) -> String {
    let words = crossing.members().into_iter().skip(1).map(|it| {
        let own: Vec<String> = networks(it.link, crossing.family()).map(|net| net.to_string()).collect();
        let own = if own.is_empty() { "none".to_owned() } else { own.join(", ") };
        format!("{}: {own}", link_in(crossing.scene, it.stack, it.link))
    });
    let mut words: Vec<String> = words.collect();
    let more = words.len().saturating_sub(MOST_SHOWN);
    words.truncate(MOST_SHOWN);
    if more > 0 {
        words.push(format!("and {more} more"));
    }
    if words.is_empty() { "none".to_owned() } else { words.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::{
        scene::{Link, Peer, Route},
        tests::lab::{
            BLUE, HOST, RED, WORLD, bridge, codes, connected, default_via, findings_on, lab, link, to,
        },
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
}
