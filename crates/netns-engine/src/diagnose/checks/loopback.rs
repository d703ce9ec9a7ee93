//! Can a stack talk to itself?

use super::{Check, Look, cable::at};
use crate::{
    diagnose::{
        case::Followed,
        finding::{Code, Finding, Remedy, Spot, Step},
        journey::Leg,
        mend::Mend,
        scene::{Link, Scene, StackId},
    },
    operation::{LinkChange, Operation},
};

pub(super) const CHECK: Check = Check {
    question: "Can each stack on the way talk to itself?",
    codes: &[&LOOPBACK_DOWN],
    look: Look::Along(look),
};

static LOOPBACK_DOWN: Code = Code {
    name: "loopback-down",
    title: "The loopback link is off, or lacks 127.0.0.1",
    symptom: "Inside, 'ping 127.0.0.1' says 'Network is unreachable', and so does a ping to the netns' own address; programs \
              that talk to themselves (databases, test suites, name servers on loopback) fail, while the way out works.",
    cause: "A new netns has a loopback link, but it is off; nothing switches it on by itself. The kernel gives it 127.0.0.1 \
            at that moment.",
    remedy: "Switch it on: 'ip -n NETNS link set lo up'. If it is on and only the address is gone, add that: \
             'ip -n NETNS address add 127.0.0.1/8 dev lo'.",
    example: "ip -n red link set lo down\nnetns-tool doctor red        # loopback-down\nip -n red link set lo up",
};

fn look(scene: &Scene, followed: &Followed) -> Vec<Finding> {
    let mut seen: Vec<StackId> = Vec::new();
    let mut findings = Vec::new();
    for leg in followed.legs() {
        if !seen.contains(&leg.stack) {
            seen.push(leg.stack);
            findings.extend(broken(scene, followed, leg));
        }
    }
    findings
}

fn broken(scene: &Scene, followed: &Followed, leg: &Leg) -> Option<Finding> {
    let stack = leg.stack_in(scene);
    let lo = stack.links.iter().find(|link| link.is_loopback())?;
    let finding = if lo.up { without_address(scene, leg, lo)? } else { switched_off(scene, leg, lo) };
    let finding = finding
        .why("programs that talk to their own machine, even by its own other addresses, go through lo");
    if leg.arrival.is_none() && leg.ends() {
        return Some(Finding { spot: Spot { leg: leg.number, step: Step::Link }, ..finding });
    }
    // A way that leads elsewhere does without it: then it comes after all that is on the way.
    Some(finding.degrades())
        .map(|it| Finding { spot: Spot { leg: followed.journey.legs.len(), step: Step::Socket }, ..it })
}

fn switched_off(scene: &Scene, leg: &Leg, lo: &Link) -> Finding {
    let stack = leg.stack_in(scene);
    let what = format!("link 'lo' is switched off {}", stack.location());
    let mend = at(stack, &lo.name).map(|at| Mend::Change(Operation::SetLink(at, LinkChange::Up)));
    Finding::error(&LOOPBACK_DOWN, leg.stack, Spot::default(), what)
        .seen(format!("{} link show lo", stack.ip()), "no UP among its flags")
        .remedy(Remedy::command(format!("{} link set lo up", stack.ip())))
        .mend(mend)
}

fn without_address(scene: &Scene, leg: &Leg, lo: &Link) -> Option<Finding> {
    if lo.addresses.iter().any(|address| address.net.addr().is_ipv4() && address.net.addr().is_loopback()) {
        return None;
    }
    let stack = leg.stack_in(scene);
    let what = format!("link 'lo' has no 127.0.0.1 {}", stack.location());
    let add = "127.0.0.1/8".parse().ok().zip(at(stack, &lo.name));
    let finding = Finding::error(&LOOPBACK_DOWN, leg.stack, Spot::default(), what)
        .seen(format!("{} -4 address show lo", stack.ip()), "nothing")
        .remedy(Remedy::command(format!("{} address add 127.0.0.1/8 dev lo", stack.ip())))
        .mend(add.map(|(net, at)| Mend::Change(Operation::AddAddress(at, net))));
    Some(finding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::{
        finding::Effect,
        tests::lab::{HOST, RED, WORLD, codes, findings_on, lab, to},
    };

    #[test]
    fn a_lo_that_is_on_is_no_finding() {
        for way in [to(RED, WORLD), to(HOST, "192.168.100.2"), to(RED, "127.0.0.1")] {
            assert_eq!(codes(&findings_on(&CHECK, &lab(), way)), [""; 0]);
        }
    }

    #[test]
    fn a_lo_that_is_off_stops_only_ways_to_oneself() {
        let mut scene = lab();
        scene.stacks[RED.0].links[0].up = false;
        scene.stacks[RED.0].links[0].addresses.clear();
        let out = findings_on(&CHECK, &scene, to(RED, WORLD));
        assert_eq!(codes(&out), ["loopback-down"]);
        assert_eq!(out[0].effect, Effect::Degrades);
        for own in ["127.0.0.1", "192.168.100.2"] {
            let own = findings_on(&CHECK, &scene, to(RED, own));
            assert_eq!(codes(&own), ["loopback-down"]);
            assert_eq!(own[0].effect, Effect::Blocks);
            assert_eq!(own[0].remedy[0].commands, ["ip -n red link set lo up"]);
            assert_eq!(own[0].mend.len(), 1);
        }
    }

    #[test]
    fn its_address_may_be_gone_alone() {
        let mut scene = lab();
        scene.stacks[HOST.0].links[0].addresses.clear();
        let findings = findings_on(&CHECK, &scene, to(RED, WORLD));
        assert_eq!(codes(&findings), ["loopback-down"]);
        assert_eq!(findings[0].remedy[0].commands, ["ip address add 127.0.0.1/8 dev lo"]);
    }

    #[test]
    fn other_loopback_addresses_do_as_well() {
        let mut scene = lab();
        scene.stacks[RED.0].links[0].addresses[0].net = "127.0.0.9/8".parse().unwrap();
        assert_eq!(codes(&findings_on(&CHECK, &scene, to(RED, WORLD))), [""; 0]);
    }
}
