//! Do the ports of a bridge let the packet pass from one to the other?

use super::{
    Check, Look,
    crossing::{Crossing, Member, crossings},
};
use crate::diagnose::{
    case::Followed,
    finding::{Code, Finding, Remedy},
    journey::{Role, Touch},
    scene::{Link, PortState, Scene, Vlan},
    words::link_in,
};

pub(super) const CHECK: Check = Check {
    question: "Do the ports of a bridge let it pass from one to the other?",
    codes: &[&PORT_BLOCKED, &PORT_VLAN, &PORT_ISOLATED],
    look: Look::Along(look),
};

static PORT_BLOCKED: Code = Code {
    name: "port-blocked",
    title: "A port of the bridge does not forward",
    symptom: "All links are up, and nothing passes the bridge; 'bridge link' shows the port as blocking, listening, learning or \
              disabled. With spanning tree it may work after 30 seconds.",
    cause: "The spanning tree protocol waits before it lets a new port forward (twice the forward delay, 15 s each), or found a \
            loop and shut the port. Or somebody set the state by hand.",
    remedy: "Wait; or, where there is no loop, switch the protocol off: 'ip link set BRIDGE type bridge stp_state 0'. A state set \
             by hand goes with 'bridge link set dev PORT state 3'.",
    example: "bridge link set dev veth-red state 0\nnetns-tool doctor red        # port-blocked\nbridge link set dev veth-red state 3",
};

static PORT_VLAN: Code = Code {
    name: "port-vlan",
    title: "The two ports of the bridge are in different VLANs",
    symptom: "All links are up, addresses are right, and ARP gets no answer; 'bridge vlan' shows other numbers at the two ports.",
    cause: "The bridge filters VLANs, and the one that frames from the first port belong to (its PVID) is not among those of the \
            second, or leaves it with a tag that the other end does not expect. Without a PVID, untagged frames are dropped.",
    remedy: "If the two should meet, put both into one VLAN: 'bridge vlan add dev PORT vid N pvid untagged'; for the bridge's own \
             address the same with 'self'. If they are kept apart on purpose, a router has to stand between them.",
    example: "ip link set br0 type bridge vlan_filtering 1\nbridge vlan add dev veth-red vid 10 pvid untagged\n\
              netns-tool doctor red blue      # port-vlan\nbridge vlan add dev veth-red vid 1 pvid untagged",
};

static PORT_ISOLATED: Code = Code {
    name: "port-isolated",
    title: "Both ports of the bridge are isolated",
    symptom: "Each netns reaches the gateway and the internet, but not its neighbour on the same bridge.",
    cause: "A bridge passes nothing between two ports that are both isolated. That is how guests are kept apart from each other.",
    remedy: "If these two may meet, free one of them: 'bridge link set dev PORT isolated off'.",
    example: "bridge link set dev veth-red isolated on; bridge link set dev veth-blue isolated on\n\
              netns-tool doctor red blue      # port-isolated\nbridge link set dev veth-blue isolated off",
};

fn look(scene: &Scene, followed: &Followed) -> Vec<Finding> {
    let mut findings = Vec::new();
    for crossing in crossings(scene, followed) {
        let ports = crossing.touches().filter(|(touch, _)| is_port(*touch));
        findings.extend(ports.filter_map(|(_, port)| blocked(&crossing, port)));
        for passage in passages(&crossing) {
            findings.extend(isolated(&crossing, &passage));
            // What mends one direction mends the other; to do both would part them again.
            if !findings.iter().any(|known| known.code == &PORT_VLAN) {
                findings.extend(vlan(&crossing, &passage));
            }
        }
    }
    findings
}

/// Returns whether a bridge on this wire stops what should pass it.
pub(super) fn stop(crossing: &Crossing<'_>) -> bool {
    let mut ports = crossing.touches().filter(|(touch, _)| is_port(*touch));
    ports.any(|(_, port)| blocked(crossing, port).is_some())
        || passages(crossing)
            .iter()
            .any(|it| isolated(crossing, it).is_some() || vlan(crossing, it).is_some())
}

fn is_port(touch: Touch) -> bool {
    matches!(touch.role, Role::InPort | Role::OutPort)
}

/// How a packet passes a bridge.
struct Passage<'a> {
    bridge: Member<'a>,
    /// The port it enters by; none if the bridge's own stack sends it.
    enters: Option<&'a Link>,
    /// The port it leaves by; none if the bridge's own stack takes it.
    leaves: Option<&'a Link>,
    /// Who is at the other end of that port, unless it is another bridge.
    receiver: Option<&'a Link>,
}

fn passages<'a>(crossing: &Crossing<'a>) -> Vec<Passage<'a>> {
    let touches: Vec<(Touch, Member<'a>)> = crossing.touches().collect();
    let mut passages = Vec::new();
    for (place, (touch, bridge)) in touches.iter().enumerate().filter(|(_, it)| it.1.link.bridge.is_some()) {
        let with_role = |place: Option<usize>, role: Role| {
            let (touch, member) = touches.get(place?)?;
            (touch.role == role).then_some(member.link)
        };
        let enters = with_role(place.checked_sub(1), Role::InPort);
        let leaves = with_role(Some(place + 1), Role::OutPort);
        let receiver = with_role(Some(place + 2), Role::Arrives);
        let whole = enters.is_some() || touch.role == Role::Leaves;
        if whole && (leaves.is_some() || touch.role == Role::Arrives) {
            passages.push(Passage { bridge: *bridge, enters, leaves, receiver });
        }
    }
    passages
}

fn blocked(crossing: &Crossing<'_>, port: Member<'_>) -> Option<Finding> {
    let stack = crossing.scene.stack(port.stack);
    let state = port.link.port.as_ref()?.state;
    let bridge = stack.link(port.link.master?)?;
    // A link that is off, or dark, is a finding of its own.
    if state == PortState::Forwarding || !port.link.up || !port.link.carrier {
        return None;
    }
    let (name, bridge_name) = (&port.link.name, &bridge.name);
    let by_protocol = bridge.bridge.is_some_and(|bridge| bridge.stp);
    let what = format!(
        "{} is a port that is {} in bridge '{bridge_name}'",
        link_in(crossing.scene, port.stack, port.link),
        word(state)
    );
    let finding = Finding::error(&PORT_BLOCKED, port.stack, crossing.spot(), what)
        .seen(stack.run(&format!("bridge link show dev {name}")), format!("state {}", word(state)))
        .why("only a port in state 'forwarding' lets frames pass");
    let by_hand = Remedy::command(stack.run(&format!("bridge link set dev {name} state 3")));
    let switch_off = format!("{} link set {bridge_name} type bridge stp_state 0", stack.ip());
    Some(match state {
        PortState::Listening | PortState::Learning => finding
            .remedy(Remedy::note("wait: spanning tree lets the port forward within 30 seconds"))
            .remedy(Remedy::command(switch_off).because("if there is no loop to be feared")),
        PortState::Blocking if by_protocol => finding.remedy(
            Remedy::command(switch_off).because("only after the second way between the bridges is gone"),
        ),
        _ => finding.remedy(by_hand),
    })
}

fn word(state: PortState) -> &'static str {
    match state {
        PortState::Disabled => "disabled",
        PortState::Listening => "listening",
        PortState::Learning => "learning",
        PortState::Forwarding => "forwarding",
        PortState::Blocking => "blocking",
    }
}

fn isolated(crossing: &Crossing<'_>, passage: &Passage<'_>) -> Option<Finding> {
    let is_isolated = |link: &&Link| link.port.as_ref().is_some_and(|port| port.isolated);
    let enters = passage.enters.filter(is_isolated)?;
    let leaves = passage.leaves.filter(is_isolated)?;
    let stack = crossing.scene.stack(passage.bridge.stack);
    let names = in_order(enters, leaves);
    let what = format!(
        "ports '{}' and '{}' of {} are both isolated",
        names[0],
        names[1],
        link_in(crossing.scene, passage.bridge.stack, passage.bridge.link)
    );
    let mut finding = Finding::error(&PORT_ISOLATED, passage.bridge.stack, crossing.spot(), what);
    for name in names {
        let read = format!("bridge -d link show dev {name}");
        finding = finding.seen(stack.run(&read), "isolated on");
    }
    let free = stack.run(&format!("bridge link set dev {} isolated off", leaves.name));
    Some(
        finding
            .why("a bridge passes nothing between two isolated ports; each reaches only those that are not")
            .remedy(Remedy::command(free).because("if these two were not kept apart on purpose")),
    )
}

/// There and back are the same two ports.
fn in_order<'a>(one: &'a Link, other: &'a Link) -> [&'a str; 2] {
    let mut names = [one.name.as_str(), other.name.as_str()];
    names.sort_unstable();
    names
}

fn vlan(crossing: &Crossing<'_>, passage: &Passage<'_>) -> Option<Finding> {
    let filters = passage.bridge.link.bridge.is_some_and(|bridge| bridge.vlan_filtering);
    // A VLAN link sends frames with a tag; which of them pass is another story.
    if !filters || crossing.leaving.kind == "vlan" {
        return None;
    }
    let entry = vlans(crossing, passage, passage.enters)?;
    let exit = vlans(crossing, passage, passage.leaves)?;
    let Some(own) = entry.iter().find(|vlan| vlan.pvid) else {
        return Some(apart(crossing, passage, None));
    };
    let passes = match exit.iter().find(|vlan| vlan.id == own.id) {
        None => false,
        Some(vlan) => vlan.untagged || !expects_no_tag(crossing, passage),
    };
    (!passes).then(|| apart(crossing, passage, Some(own.id)))
}

/// The VLANs of a port, or of the bridge itself; none if that was not read.
fn vlans<'a>(
    crossing: &Crossing<'a>,
    passage: &Passage<'a>,
    port: Option<&'a Link>,
) -> Option<&'a Vec<Vlan>> {
    match port {
        Some(port) => port.port.as_ref().map(|port| &port.vlans),
        None => crossing.scene.stack(passage.bridge.stack).bridge_vlans.get(&passage.bridge.link.index),
    }
}

/// The bridge itself takes frames with the VLAN it is in; at the end of a cable, the address says whether a
/// VLAN link takes the tag off.
fn expects_no_tag(crossing: &Crossing<'_>, passage: &Passage<'_>) -> bool {
    let taker = if passage.leaves.is_some() { passage.receiver } else { Some(passage.bridge.link) };
    taker.is_some_and(|link| link.has_address(crossing.next()))
}

fn apart(crossing: &Crossing<'_>, passage: &Passage<'_>, id: Option<u16>) -> Finding {
    let stack = crossing.scene.stack(passage.bridge.stack);
    let bridge = passage.bridge.link;
    let named = link_in(crossing.scene, passage.bridge.stack, bridge);
    let of = |port: Option<&Link>| {
        port.map_or_else(|| "the bridge itself".to_owned(), |it| format!("port '{}'", it.name))
    };
    let what = match id {
        Some(id) => {
            format!("{named} does not pass VLAN {id} of {} to {}", of(passage.enters), of(passage.leaves))
        }
        None => format!("{named} drops untagged frames of {}, which has no PVID", of(passage.enters)),
    };
    let name = |port: Option<&Link>| port.map_or(&bridge.name, |port| &port.name).clone();
    let mut finding = Finding::error(&PORT_VLAN, passage.bridge.stack, crossing.spot(), what);
    for port in [passage.enters, passage.leaves] {
        let read = stack.run(&format!("bridge vlan show dev {}", name(port)));
        let known = vlans(crossing, passage, port).map(|vlans| in_words(vlans)).unwrap_or_default();
        finding = finding.seen(read, known);
    }
    let (port, id) = match id {
        Some(id) => (passage.leaves, id),
        None => (passage.enters, 1),
    };
    let own = if port.is_none() { " self" } else { "" };
    let join = stack.run(&format!("bridge vlan add dev {} vid {id} pvid untagged{own}", name(port)));
    finding
        .why("a bridge that filters VLANs joins only ports of the same one")
        .remedy(Remedy::command(join).because("if they were not kept apart on purpose"))
}

fn in_words(vlans: &[Vlan]) -> String {
    let words = vlans.iter().map(|vlan| {
        let pvid = if vlan.pvid { " PVID" } else { "" };
        let untagged = if vlan.untagged { " untagged" } else { "" };
        format!("{}{pvid}{untagged}", vlan.id)
    });
    let words: Vec<String> = words.collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::{
        scene::Port,
        tests::lab::{BLUE, HOST, RED, WORLD, codes, findings_on, lab, to},
        way::Way,
    };

    const BLUES: &str = "192.168.100.3";

    fn found(scene: &Scene, way: Way) -> Vec<&'static str> {
        codes(&findings_on(&CHECK, scene, way))
    }

    fn port_of(scene: &mut Scene, place: usize) -> &mut Port {
        scene.stacks[HOST.0].links[place].port.as_mut().unwrap()
    }

    #[test]
    fn a_port_that_does_not_forward_is_named_with_its_state() {
        assert_eq!(found(&lab(), to(RED, BLUES)), [""; 0]);
        let mut scene = lab();
        port_of(&mut scene, 3).state = PortState::Disabled;
        let findings = findings_on(&CHECK, &scene, to(RED, WORLD));
        assert_eq!(codes(&findings), ["port-blocked"; 2], "there and back");
        assert_eq!(findings[0].what, findings[1].what);
        assert_eq!(findings[0].remedy[0].commands, ["bridge link set dev v-red state 3"]);
    }

    #[test]
    fn a_port_that_is_off_is_no_blocked_one() {
        let mut scene = lab();
        port_of(&mut scene, 3).state = PortState::Disabled;
        scene.stacks[HOST.0].links[3].up = false;
        assert_eq!(found(&scene, to(RED, WORLD)), [""; 0]);
    }

    #[test]
    fn spanning_tree_takes_its_time() {
        let mut scene = lab();
        port_of(&mut scene, 3).state = PortState::Listening;
        let findings = findings_on(&CHECK, &scene, to(RED, WORLD));
        assert!(findings[0].remedy[0].note.as_ref().unwrap().starts_with("wait"));
    }

    #[test]
    fn two_isolated_ports_do_not_meet_and_one_does() {
        let mut scene = lab();
        port_of(&mut scene, 3).isolated = true;
        assert_eq!(found(&scene, to(RED, BLUES)), [""; 0]);
        port_of(&mut scene, 4).isolated = true;
        let findings = findings_on(&CHECK, &scene, to(RED, BLUES));
        assert_eq!(codes(&findings), ["port-isolated"; 2]);
        assert_eq!(findings[0].what, findings[1].what, "there and back are one finding");
        assert_eq!(found(&scene, to(RED, WORLD)), [""; 0], "the bridge itself is not isolated");
    }

    fn in_vlans(red: &[(u16, bool)], blue: &[(u16, bool)]) -> Scene {
        let mut scene = lab();
        scene.stacks[HOST.0].links[2].bridge.as_mut().unwrap().vlan_filtering = true;
        let vlans = |of: &[(u16, bool)]| {
            let vlan = |(id, pvid): &(u16, bool)| Vlan { id: *id, pvid: *pvid, untagged: *pvid };
            of.iter().map(vlan).collect::<Vec<_>>()
        };
        port_of(&mut scene, 3).vlans = vlans(red);
        port_of(&mut scene, 4).vlans = vlans(blue);
        scene.stacks[HOST.0].bridge_vlans.insert(3, vlans(&[(1, true)]));
        scene
    }

    #[test]
    fn ports_meet_in_the_vlan_of_both() {
        assert_eq!(found(&in_vlans(&[(1, true)], &[(1, true)]), to(RED, BLUES)), [""; 0]);
        assert_eq!(found(&in_vlans(&[(1, true)], &[(1, true)]), to(RED, WORLD)), [""; 0]);
        let scene = in_vlans(&[(10, true)], &[(1, true)]);
        let findings = findings_on(&CHECK, &scene, to(RED, BLUES));
        assert_eq!(
            findings[0].what,
            "bridge 'br0' on the host does not pass VLAN 10 of port 'v-red' to port 'v-blue'"
        );
        assert_eq!(findings[0].remedy[0].commands, ["bridge vlan add dev v-blue vid 10 pvid untagged"]);
        let findings = findings_on(&CHECK, &scene, to(RED, WORLD));
        assert_eq!(findings[0].remedy[0].commands, ["bridge vlan add dev br0 vid 10 pvid untagged self"]);
    }

    #[test]
    fn a_tag_must_come_off_before_the_end() {
        let scene = in_vlans(&[(10, true)], &[(10, false), (1, true)]);
        assert_eq!(found(&scene, to(RED, BLUES))[0], "port-vlan");
    }

    #[test]
    fn without_a_pvid_untagged_frames_are_lost() {
        let scene = in_vlans(&[], &[(1, true)]);
        let findings = findings_on(&CHECK, &scene, to(RED, BLUES));
        assert!(findings[0].what.contains("no PVID"), "{}", findings[0].what);
    }

    #[test]
    fn a_bridge_that_does_not_filter_knows_no_vlans() {
        let mut scene = in_vlans(&[(10, true)], &[(1, true)]);
        scene.stacks[HOST.0].links[2].bridge.as_mut().unwrap().vlan_filtering = false;
        assert_eq!(found(&scene, to(RED, BLUES)), [""; 0]);
        assert_eq!(found(&scene, to(BLUE, "192.168.100.2")), [""; 0]);
    }
}
