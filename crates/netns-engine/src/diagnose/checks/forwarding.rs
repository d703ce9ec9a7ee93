//! Does every stack in the middle pass on what is not for itself?

use super::{Check, Look, cable::place};
use crate::{
    address::Family,
    diagnose::{
        case::Followed,
        finding::{Code, Finding, Remedy, Spot, Step},
        journey::Leg,
        mend::Mend,
        scene::Scene,
    },
    name::LinkName,
    operation::Operation,
    sysctl::Sysctl,
};

pub(super) const CHECK: Check = Check {
    question: "Does every stack in the middle pass on what is not for itself?",
    codes: &[&FORWARDING_OFF],
    look: Look::Along(look),
};

static FORWARDING_OFF: Code = Code {
    name: "forwarding-off",
    title: "Packets for others are not passed on",
    symptom: "The gateway answers a ping, nobody behind it does.",
    cause: "A Linux host passes packets from one link to another only if forwarding is on for the link they come in by. It is \
            off by default, and 'sysctl --system' or a reboot sets it as the files in /etc/sysctl.d say.",
    remedy: "Switch it on: 'sysctl -w net.ipv4.ip_forward=1' for all links, or net/ipv4/conf/LINK/forwarding for one. Each \
             netns has a switch of its own. To keep it: a file in /etc/sysctl.d, or 'netns-tool enable' for a topology.",
    example: "sysctl -w net.ipv4.ip_forward=0\nnetns-tool doctor red        # forwarding-off\nsysctl -w net.ipv4.ip_forward=1",
};

fn look(scene: &Scene, followed: &Followed) -> Vec<Finding> {
    followed.legs().filter(|leg| leg.forwards()).filter_map(|leg| off(scene, followed, leg)).collect()
}

/// The switch of the link that a packet comes in by decides (`IN_DEV_FORWARD` in `net/ipv4/route.c`,
/// `net/ipv6/ip6_output.c`).
fn off(scene: &Scene, followed: &Followed, leg: &Leg) -> Option<Finding> {
    let stack = leg.stack_in(scene);
    let link = &leg.arrival_in(scene)?.name;
    let family = leg.packet.family();
    let per_link = path_of(family, link);
    let global = Sysctl::forwarding(family).path();
    if stack.setting(&per_link)? != 0 {
        return None;
    }
    let everywhere = stack.setting(&global) == Some(0);
    let what = if everywhere {
        format!("{} is no {family} router: forwarding is off", stack.entrance)
    } else {
        format!("{} does not forward {family} packets that come in by link '{link}'", stack.entrance)
    };
    let setting =
        if everywhere { Sysctl::forwarding(family) } else { Sysctl::LinkForwarding(family, link.clone()) };
    let path = setting.path();
    let spot = Spot { leg: leg.number, step: Step::Forwarding };
    let finding = Finding::error(&FORWARDING_OFF, leg.stack, spot, what).seen(stack.file_of(&per_link), "0");
    let finding = if everywhere { finding.seen(stack.file_of(&path), "0") } else { finding };
    Some(
        finding
            .why("a stack is no router until it is told to be: what is not for itself, it drops")
            .remedy(Remedy::command(stack.set(&path, 1)))
            .mend(
                place(stack)
                    .filter(|_| is_a_router_on_purpose(scene, followed, leg))
                    .map(|place| Mend::Change(Operation::SetSysctl(place, setting, 1))),
            ),
    )
}

/// A netns that packets are only led to by a rule before the main table may not be meant to pass them on.
fn is_a_router_on_purpose(scene: &Scene, followed: &Followed, leg: &Leg) -> bool {
    /// `RT_TABLE_MAIN` of `linux/rtnetlink.h`.
    const MAIN: u32 = 254;
    let before = followed.legs().filter(|before| before.number < leg.number).last();
    let led_by = before.and_then(|before| before.stack_in(scene).routes.get(before.routing.route?));
    led_by.is_none_or(|route| route.table == MAIN)
}

fn path_of(family: Family, link: &LinkName) -> String {
    Sysctl::LinkForwarding(family, link.clone()).path()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::tests::lab::{HOST, RED, WORLD, codes, findings_on, lab, to};

    #[test]
    fn only_who_passes_on_must_forward() {
        let mut scene = lab();
        assert_eq!(codes(&findings_on(&CHECK, &scene, to(RED, WORLD))), [""; 0]);
        scene.stacks[HOST.0].settings.insert("net/ipv4/conf/br0/forwarding".to_owned(), 0);
        assert_eq!(codes(&findings_on(&CHECK, &scene, to(RED, WORLD))), ["forwarding-off"]);
        assert_eq!(
            codes(&findings_on(&CHECK, &scene, to(RED, "192.168.100.3"))),
            [""; 0],
            "a bridge is no router"
        );
        assert_eq!(codes(&findings_on(&CHECK, &scene, to(HOST, WORLD))), [""; 0]);
    }

    #[test]
    fn the_answers_link_must_forward_as_well() {
        let mut scene = lab();
        scene.stacks[HOST.0].settings.insert("net/ipv4/conf/eth0/forwarding".to_owned(), 0);
        let findings = findings_on(&CHECK, &scene, to(RED, WORLD));
        assert_eq!(codes(&findings), ["forwarding-off"]);
        assert_eq!(findings[0].remedy[0].commands, ["sysctl -w net.ipv4.conf.eth0.forwarding=1"]);
    }

    #[test]
    fn where_the_whole_host_does_not_forward_the_whole_host_is_told_to() {
        let mut scene = lab();
        for (name, value) in &mut scene.stacks[HOST.0].settings {
            if name.contains("forward") {
                *value = 0;
            }
        }
        let findings = findings_on(&CHECK, &scene, to(RED, WORLD));
        assert_eq!(codes(&findings)[0], "forwarding-off");
        assert_eq!(findings[0].remedy[0].commands, ["sysctl -w net.ipv4.ip_forward=1"]);
    }
}
