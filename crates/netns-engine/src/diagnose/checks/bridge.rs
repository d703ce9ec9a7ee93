//! Does the bridge let the packet from one port to the next, and is everybody in it who should be?

use ipnet::IpNet;

use super::{
    Check, Look,
    cable::at,
    crossing::{Crossing, Member, crossings, far_end, free_in, members, networks},
};
use crate::{
    address::Family,
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
    example: "ip link set veth-red nomaster\nnetns-tool doctor red        # not-a-port\nip link set veth-red master br0",
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
    /// The bridge; none if that is gone.
    bridge: Option<&'a Link>,
}

/// Finds the cable that keeps the packet from the bridge, or the bridge from the packet.
pub(super) fn unplugged<'a>(crossing: &Crossing<'a>) -> Option<Unplugged<'a>> {
    beside_bridge(crossing).or_else(|| not_reached(crossing)).or_else(|| orphaned(crossing))
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
    Some(Unplugged { end, bridge: Some(fitting.next()?) })
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
        beside.then_some(Unplugged { end, bridge: Some(bridge.link) })
    })
}

/// Several cables into the same network that end side by side, without addresses: their bridge is gone.
fn orphaned<'a>(crossing: &Crossing<'a>) -> Option<Unplugged<'a>> {
    let WireEnd::Nobody(_) = crossing.departure.wire.end else { return None };
    let end = far_end(crossing.scene, crossing.leaving)?;
    (is_loose(crossing, end) && loose_ends(crossing, end).count() > 1)
        .then_some(Unplugged { end, bridge: None })
}

/// The ends beside `end` whose cables lead into the network that the packet leaves by.
fn loose_ends<'a>(crossing: &'a Crossing<'a>, end: Member<'a>) -> impl Iterator<Item = &'a Link> + 'a {
    let links = crossing.scene.stack(end.stack).links.iter();
    links.filter(move |link| {
        let far = far_end(crossing.scene, link);
        let joins = far.is_some_and(|far| {
            far.link.addresses.iter().any(|it| crossing.leaving.is_on_link(it.net.addr()))
        });
        joins && is_loose(crossing, Member { link, ..end })
    })
}

fn is_loose(crossing: &Crossing<'_>, end: Member<'_>) -> bool {
    end.link.master.is_none()
        && networks(end.link, crossing.family()).next().is_none()
        && !is_routed_to(crossing, end)
}

fn not_a_port(crossing: &Crossing<'_>, it: &Unplugged<'_>) -> Finding {
    let stack = crossing.scene.stack(it.end.stack);
    let end = &it.end.link.name;
    let named = link_in(crossing.scene, it.end.stack, it.end.link);
    let other = it.end.link.master.and_then(|master| stack.link(master));
    let whose =
        it.bridge.map_or_else(|| "any bridge".to_owned(), |bridge| format!("bridge '{}'", bridge.name));
    let (what, says) = match other {
        None => (format!("{named} is no port of {whose}"), "no 'master'".to_owned()),
        Some(other) => (
            format!("{named} is a port of '{}', not of {whose}", other.name),
            format!("master {}", other.name),
        ),
    };
    let finding = Finding::error(&NOT_A_PORT, it.end.stack, crossing.spot(), what)
        .seen(format!("{} link show {end}", stack.ip()), says);
    let Some(bridge) = it.bridge else {
        return finding
            .seen(format!("{} link show type bridge", stack.ip()), "no bridge with these cables")
            .why("cables of one network end side by side here: the bridge that joined them is gone")
            .remedy(Remedy::commands(new_bridge(crossing, it.end)).because("with a name of your own"));
    };
    let mend = at(stack, end)
        .filter(|_| other.is_none())
        .map(|at| Mend::Change(Operation::SetLink(at, LinkChange::Master(bridge.name.clone()))));
    finding
        .why(format!(
            "what comes out of the cable goes nowhere: those it is for are in bridge '{}'",
            bridge.name
        ))
        .remedy(Remedy::command(format!("{} link set {end} master {}", stack.ip(), bridge.name)))
        .mend(mend)
}

/// The commands that make the bridge anew.
fn new_bridge(crossing: &Crossing<'_>, end: Member<'_>) -> Vec<String> {
    let ip = crossing.scene.stack(end.stack).ip();
    let mut commands = vec![format!("{ip} link add br0 type bridge"), format!("{ip} link set br0 up")];
    commands.extend(
        crossing
            .wanted()
            .filter(|_| is_gateway(crossing))
            .map(|address| format!("{ip} address add {address} dev br0")),
    );
    let ends = loose_ends(crossing, end).map(|link| format!("{ip} link set {} master br0", link.name));
    commands.extend(ends);
    commands
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
        && is_bare(crossing, bridge)
        && is_gateway(crossing)
        && !is_answered_above(crossing, bridge)
        && another_router(crossing, bridge).is_none();
    let user = Member { stack: crossing.leg.stack, link: crossing.leaving };
    is_lacking.then_some(Bare { bridge, wanted, user })
}

/// A bridge with addresses of another network is right, perhaps, and those who send to it are wrong. IPv6
/// addresses go when a link is switched off, which is a finding of its own.
fn is_bare(crossing: &Crossing<'_>, bridge: Member<'_>) -> bool {
    let family = crossing.family();
    networks(bridge.link, family).next().is_none() && (bridge.link.up || family == Family::Ipv4)
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
    if !is_bare(crossing, bridge) {
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
mod tests;
