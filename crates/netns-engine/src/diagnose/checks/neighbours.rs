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
    // Taken for a neighbour by order, it has to be one.
    let fits = hop.on_link && !matches!(crossing.departure.wire.end, WireEnd::Nobody(_))
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
            link.is_some_and(|link| is_answered_for(crossing, Member { stack, link }))
        })
        || crossing.leg.routed.redirected && crossing.leg.direction == Direction::There;
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

/// Somebody answers for addresses that it does not have, or a VLAN link on top has it.
fn is_answered_for(crossing: &Crossing<'_>, meant: Member<'_>) -> bool {
    let stack = crossing.scene.stack(meant.stack);
    let proxy = |of: &str| stack.setting(&format!("net/ipv4/conf/{of}/proxy_arp")) == Some(1);
    is_answered_above(crossing, meant) || proxy("all") || proxy(meant.link.name.as_str())
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
        None => of_other_networks(crossing, gateway),
    })
}

/// The router is there and its network is another one: either it has the wrong address, or who asks.
fn of_other_networks(crossing: &Crossing<'_>, gateway: IpAddr) -> Remedy {
    let members = crossing.members();
    let (ip, link) = (crossing.stack().ip(), &crossing.leaving.name);
    let routers = || members.iter().skip(1).filter(|it| it.link.bridge.is_some() || members.len() == 2);
    let router = routers().find_map(|it| Some((it, networks(it.link, crossing.family()).next()?)));
    let Some((router, network)) = router else {
        return Remedy::note(format!("find out who should be the router, and give it {gateway}"));
    };
    let agree = members.iter().skip(1).any(|it| it.link.bridge.is_none() && it.link.is_on_link(gateway));
    match (crossing.wanted().filter(|_| agree), free_in(crossing.scene, network)) {
        (Some(wanted), _) => {
            let there = crossing.scene.stack(router.stack).ip();
            Remedy::command(format!("{there} address add {wanted} dev {}", router.link.name))
                .because("as others on this wire are in that network, too")
        }
        (None, Some(free)) => Remedy::commands([
            format!("{ip} address add {free} dev {link}"),
            format!("{ip} route replace {} via {} dev {link}", destination_of(crossing), network.addr()),
        ]),
        (None, None) => Remedy::note(format!("give link '{link}' an address in {}", network.trunc())),
    }
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
mod tests;
