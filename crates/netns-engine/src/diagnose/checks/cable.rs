//! Is there a cable, are both its ends switched on, and everything it passes?

use super::{Check, Look};
use crate::{
    diagnose::{
        case::Followed,
        finding::{Code, Finding, Remedy, Spot, Step},
        journey::{Leg, Role, Touch},
        mend::Mend,
        scene::{Link, Scene, Stack},
        words::link_in,
    },
    name::LinkName,
    operation::{LinkChange, Operation},
    place::{Entrance, LinkAt, Place},
};

pub(super) const CHECK: Check = Check {
    question: "Is there a cable, and is everything it passes switched on?",
    codes: &[&NO_LINK, &LINK_DOWN, &NO_CARRIER],
    look: Look::Along(look),
};

static NO_LINK: Code = Code {
    name: "no-link",
    title: "The netns has no cable",
    symptom: "'Network is unreachable' inside, for every address but its own; 'ip link' shows nothing but lo.",
    cause: "A new netns has a loopback link only. Its cable (veth pair) was never made, its inner end was not moved \
            into the netns, or was moved into another one, or the cable was deleted with the netns at its other end.",
    remedy: "Lay a cable: 'netns-tool connect NETNS BRIDGE', or step by step with 'ip link add … type veth'.",
    example: "ip netns add green\nnetns-tool doctor green      # no-link\nnetns-tool connect green br0",
};

static LINK_DOWN: Code = Code {
    name: "link-down",
    title: "A link is switched off",
    symptom: "'Network is unreachable', or silence; 'ip link' shows the link without UP.",
    cause: "Links are made switched off, and so is an end of a cable that was just moved into a netns. The kernel also \
            drops the routes of a link when it goes down, and only its own network's route comes back with it.",
    remedy: "Switch it on with 'ip link set LINK up'; then look whether the default route is still there.",
    example: "ip -n red link set eth0 down\nnetns-tool doctor red        # link-down, and no-route: it went with the link\nip -n red link set eth0 up; ip -n red route add default via 192.168.100.1",
};

static NO_CARRIER: Code = Code {
    name: "no-carrier",
    title: "Nobody is at the other end of a link",
    symptom: "'ip link' shows NO-CARRIER or LOWERLAYERDOWN; packets sent into the link vanish.",
    cause: "The other end of the cable is switched off, a bridge has no port that is up, or a tunnel or tap device has \
            no program behind it.",
    remedy: "Switch the other end on. For a bridge: connect something to it.",
    example: "# the router at the other end of eth0 is switched off\nnetns-tool doctor red        # no-carrier\n# mended over there",
};

fn look(scene: &Scene, followed: &Followed) -> Vec<Finding> {
    let mut findings: Vec<Finding> = followed.legs().filter_map(|leg| without_link(scene, leg)).collect();
    for leg in followed.legs() {
        let touches = leg.departure.iter().flat_map(|departure| &departure.wire.touches);
        findings.extend(touches.filter_map(|touch| off(scene, leg, *touch)));
    }
    findings
}

/// A stack that makes or takes packets, and has no link for them.
fn without_link(scene: &Scene, leg: &Leg) -> Option<Finding> {
    let stack = leg.stack_in(scene);
    let cut_off = leg.arrival.is_none()
        && stack.links.iter().all(Link::is_loopback)
        && !leg.routed.destination.is_loopback();
    if !cut_off || leg.ends() {
        return None;
    }
    let spot = Spot { leg: leg.number, step: Step::Routing };
    let finding =
        Finding::error(&NO_LINK, leg.stack, spot, format!("there is no link but lo {}", stack.location()))
            .seen(format!("{} link", stack.ip()), names(stack))
            .why("a netns is a room without doors until a cable leads into it");
    Some(match &stack.entrance {
        Entrance::Named(name) => finding.remedy(
            Remedy::command(format!("netns-tool connect {name} BRIDGE"))
                .because("with the bridge it should hang on; 'netns-tool list' and 'ip link show type bridge' show what there is"),
        ),
        _ => finding.remedy(Remedy::note("lay a veth pair into it, one end with 'netns' and its pid")),
    })
}

fn names(stack: &Stack) -> String {
    let names: Vec<&str> = stack.links.iter().map(|link| link.name.as_str()).collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

fn off(scene: &Scene, leg: &Leg, touch: Touch) -> Option<Finding> {
    let stack = scene.stack(touch.stack);
    let link = stack.link(touch.link)?;
    let spot = Spot { leg: leg.number, step: Step::Neighbour };
    let named = link_in(scene, touch.stack, link);
    if !link.up {
        let step = if touch.role == Role::Leaves { Step::Arrival } else { Step::Neighbour };
        let finding = Finding::error(
            &LINK_DOWN,
            touch.stack,
            Spot { step, ..spot },
            format!("{named} is switched off"),
        )
        .seen(format!("{} link show {}", stack.ip(), link.name), "no UP among its flags")
        .why("a link that is off takes no packets and gives none, and its routes are gone")
        .remedy(Remedy::command(format!("{} link set {} up", stack.ip(), link.name)));
        return Some(finding.mend(set_up(stack, &link.name)));
    }
    if link.carrier || other_end_is_off(scene, link) || touch.role == Role::Arrives && link.bridge.is_some() {
        return None;
    }
    Some(
        Finding::error(&NO_CARRIER, touch.stack, spot, format!("nobody is at the other end of {named}"))
            .seen(format!("{} link show {}", stack.ip(), link.name), "NO-CARRIER")
            .why("without a carrier, packets sent into the link are dropped")
            .remedy(Remedy::note(far_end(scene, link))),
    )
}

/// Then that end is named, and this one is only what follows.
fn other_end_is_off(scene: &Scene, link: &Link) -> bool {
    let far = link.peer.and_then(|peer| scene.stack(peer.stack?).link(peer.index));
    far.is_some_and(|far| !far.up)
}

fn far_end(scene: &Scene, link: &Link) -> String {
    let far = link.peer.and_then(|peer| Some((peer.stack?, scene.stack(peer.stack?).link(peer.index)?)));
    match far {
        Some((stack, far)) => format!("look at {}", link_in(scene, stack, far)),
        None if link.bridge.is_some() => {
            "a bridge is only there for its ports: connect something to it".to_owned()
        }
        None => "find out what should be at its other end: 'ip -d link show' tells what kind of link it is"
            .to_owned(),
    }
}

/// Switching a link on is ours to do where the stack has a name.
fn set_up(stack: &Stack, link: &LinkName) -> Option<Mend> {
    Some(Mend::Change(Operation::SetLink(at(stack, link)?, LinkChange::Up)))
}

/// Names a link for the engine; none in a netns without a name.
pub(super) fn at(stack: &Stack, link: &LinkName) -> Option<LinkAt> {
    Some(place(stack)?.link(link))
}

/// Names a stack for the engine; none for a netns without a name.
pub(super) fn place(stack: &Stack) -> Option<Place> {
    match &stack.entrance {
        Entrance::Host => Some(Place::Host),
        Entrance::Named(name) => Some(Place::Netns(name.clone())),
        Entrance::File(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::tests::lab::{HOST, RED, WORLD, codes, findings_on, lab, to};

    #[test]
    fn whatever_is_off_on_the_way_is_named_with_what_switches_it_on() {
        assert_eq!(codes(&findings_on(&CHECK, &lab(), to(RED, WORLD))), [""; 0]);
        for (stack, place, command) in [
            (RED, 1, "ip -n red link set eth0 up"),
            (HOST, 3, "ip link set v-red up"),
            (HOST, 2, "ip link set br0 up"),
            (HOST, 1, "ip link set eth0 up"),
        ] {
            let mut scene = lab();
            scene.stacks[stack.0].links[place].up = false;
            let findings = findings_on(&CHECK, &scene, to(RED, WORLD));
            assert_eq!(codes(&findings)[0], "link-down", "{command}");
            assert_eq!(findings[0].remedy[0].commands, [command]);
        }
    }

    #[test]
    fn a_netns_with_lo_alone_has_no_cable() {
        let mut scene = lab();
        scene.stacks[RED.0].links.pop();
        scene.stacks[RED.0].routes.clear();
        assert_eq!(codes(&findings_on(&CHECK, &scene, to(RED, WORLD))), ["no-link"]);
    }

    #[test]
    fn a_cable_into_the_dark_has_no_carrier() {
        let mut scene = lab();
        scene.stacks[HOST.0].links[1].carrier = false;
        assert_eq!(codes(&findings_on(&CHECK, &scene, to(RED, WORLD))), ["no-carrier"]);
    }
}
