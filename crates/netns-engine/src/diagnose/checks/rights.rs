//! May this process see and change what it needs to?

use super::{Check, Look};
use crate::{
    address::Family,
    diagnose::{
        case::{Case, Followed},
        finding::{Code, Finding, Remedy, Spot, Step},
        scene::{Scene, StackId},
    },
};

pub(super) const CHECK: Check = Check {
    question: "May this process see, and set, what it needs to?",
    codes: &[&NOT_PERMITTED, &SETTINGS_READ_ONLY],
    look: Look::Around(look),
};

static NOT_PERMITTED: Code = Code {
    name: "not-permitted",
    title: "Not everything could be looked at",
    symptom: "'Operation not permitted' from ip, iptables and sysctl; a diagnosis that finds nothing although nothing \
              works.",
    cause: "Packet filters, other netns and tracked connections are shown only to who may change networks \
            (CAP_NET_ADMIN, and CAP_SYS_ADMIN to enter a netns): root on the host, or in a user namespace of its own.",
    remedy: "Ask again with sudo. In a container: '--cap-add NET_ADMIN'. On Ubuntu, a user namespace of one's own has no \
             such rights unless an AppArmor profile of the program says so \
             (kernel.apparmor_restrict_unprivileged_userns).",
    example: "netns-tool doctor red        # not-permitted, as an ordinary user\nsudo netns-tool doctor red",
};

static SETTINGS_READ_ONLY: Code = Code {
    name: "settings-read-only",
    title: "Kernel settings can only be read here",
    symptom: "'sysctl: permission denied', or 'Read-only file system', also for root.",
    cause: "Containers get /proc/sys mounted read-only, so that nothing inside changes how the host works. Forwarding \
            cannot be switched on from in there.",
    remedy: "Set it where the container is started ('docker run --sysctl net.ipv4.ip_forward=1 …'), or in a privileged \
             container 'mount -o remount,rw /proc/sys'.",
    example: "docker run -it --cap-add NET_ADMIN --sysctl net.ipv4.ip_forward=0 debian\nnetns-tool doctor red        # \
              settings-read-only\n# mended where it is started: docker run --sysctl net.ipv4.ip_forward=1 …",
};

fn look(case: &Case<'_>) -> Vec<Finding> {
    not_permitted(case.scene).into_iter().chain(read_only(case)).collect()
}

fn not_permitted(scene: &Scene) -> Option<Finding> {
    if scene.host.may_change {
        return None;
    }
    let mut finding =
        Finding::note(&NOT_PERMITTED, StackId::HOST, Spot::default(), "not everything could be looked at")
            .seen("/proc/self/status, CapEff", "no CAP_NET_ADMIN");
    for (_, stack) in scene.numbered() {
        for unread in &stack.firewall.unread {
            finding = finding.seen(format!("packet filters {}", stack.location()), unread);
        }
    }
    Some(
        finding
            .why("what is not seen cannot be found: filters, tracked connections, other netns")
            .remedy(Remedy::note("ask the same again with 'sudo'")),
    )
}

/// Matters only where something would have to be set.
fn read_only(case: &Case<'_>) -> Option<Finding> {
    if !case.scene.host.settings_read_only {
        return None;
    }
    let (leg, switch) = case.ways.iter().find_map(|way| unset_on(case.scene, way))?;
    let dotted = switch.replace('/', ".");
    Some(
        Finding::warning(
            &SETTINGS_READ_ONLY,
            StackId::HOST,
            Spot { leg, step: Step::Forwarding },
            "forwarding is off, and cannot be switched on from here",
        )
        .degrades()
        .seen("/proc/self/mountinfo", "/proc/sys is mounted read-only")
        .seen(case.scene.host().file_of(switch), "0")
        .why("a container may look at kernel settings, but not change them")
        .remedy(Remedy::note(format!(
            "set it where the container is started: 'docker run --sysctl {dotted}=1 …'"
        )))
        .remedy(
            Remedy::command("mount -o remount,rw /proc/sys")
                .because("or, in a privileged container, allow it"),
        ),
    )
}

/// A leg through the host that lacks forwarding, and the switch for it.
fn unset_on(scene: &Scene, way: &Followed) -> Option<(usize, &'static str)> {
    let host = scene.host();
    way.legs().filter(|leg| leg.stack == StackId::HOST && leg.forwards()).find_map(|leg| {
        let (version, switch) = match leg.packet.family() {
            Family::Ipv4 => ("ipv4", "net/ipv4/ip_forward"),
            Family::Ipv6 => ("ipv6", "net/ipv6/conf/all/forwarding"),
        };
        let of_link = leg
            .arrival_in(scene)
            .and_then(|link| host.setting(&format!("net/{version}/conf/{}/forwarding", link.name)));
        (of_link.or_else(|| host.setting(switch))? == 0).then_some((leg.number, switch))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::{
        finding::Severity,
        tests::lab::{HOST, RED, WORLD, codes, findings_on, lab, to},
    };

    #[test]
    fn root_on_a_host_may_do_it_all() {
        assert_eq!(codes(&findings_on(&CHECK, &lab(), to(RED, WORLD))), [""; 0]);
    }

    #[test]
    fn what_an_ordinary_user_cannot_see_is_noted() {
        let mut scene = lab();
        scene.host.may_change = false;
        scene.stacks[HOST.0].firewall.unread = vec!["nftables: operation not permitted".to_owned()];
        let found = findings_on(&CHECK, &scene, to(RED, WORLD));
        assert_eq!((codes(&found), found[0].severity), (vec!["not-permitted"], Severity::Note));
        assert_eq!(found[0].evidence.len(), 2);
    }

    #[test]
    fn read_only_settings_matter_where_something_is_to_be_set() {
        let mut scene = lab();
        scene.host.settings_read_only = true;
        assert_eq!(codes(&findings_on(&CHECK, &scene, to(RED, WORLD))), [""; 0], "forwarding is on");
        scene.stacks[HOST.0].settings.insert("net/ipv4/conf/br0/forwarding".to_owned(), 0);
        assert_eq!(codes(&findings_on(&CHECK, &scene, to(RED, WORLD))), ["settings-read-only"]);
        assert_eq!(
            codes(&findings_on(&CHECK, &scene, to(RED, "192.168.100.3"))),
            [""; 0],
            "neighbours need no forwarding"
        );
    }
}
