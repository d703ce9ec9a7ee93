//! Do other programs manage what the path needs: links, the default route of IPv6, forwarding?

use super::{Check, Look};
use crate::{
    address::Family,
    diagnose::{
        case::{Case, Followed},
        finding::{Code, Finding, Remedy, Spot, Step},
        journey::{End, Leg, Role, Way},
        mend::Mend,
        question::Question,
        scene::{Link, Scene, Stack, StackId},
        way::uplink,
        words::link_in,
    },
    operation::Operation,
    place::Place,
    record::Record,
    sysctl::Sysctl,
};

pub(super) const CHECK: Check = Check {
    question: "Did another program take a link, a route or forwarding away, or is it about to?",
    codes: &[&TOOK_LINK, &LOST_IPV6, &OFF_AT_BOOT],
    look: Look::Around(look),
};

static TOOK_LINK: Code = Code {
    name: "manager-took-link",
    title: "A network manager has its hands on a link of the path",
    symptom: "A bridge or veth loses its address, its bridge, or its UP some time after it was made, again and again.",
    cause: "NetworkManager, systemd-networkd and DHCP clients set up links they find. A configuration that matches all \
            links ('Name=*', a default wired connection) also matches bridges and veth ends that others made.",
    remedy: "Tell the manager to keep off: 'unmanaged-devices' in a file under /etc/NetworkManager/conf.d, or a .network file \
             with 'Unmanaged=yes' under /etc/systemd/network. Then put the link right again.",
    example: "printf '[Match]\\nName=br*\\n[Network]\\nDHCP=yes\\n' > /etc/systemd/network/10-all.network\nnetworkctl \
              reload\nnetns-tool doctor red        # manager-took-link\nrm /etc/systemd/network/10-all.network\nnetworkctl \
              reload",
};

static LOST_IPV6: Code = Code {
    name: "host-lost-ipv6",
    title: "The host lost its IPv6 default route when forwarding was switched on",
    symptom: "The host's own IPv6 stops, some time after something switched IPv6 forwarding on; IPv4 goes on.",
    cause: "A router does not listen to routers: with net.ipv6.conf.all.forwarding=1 the kernel ignores router advertisements \
            (RFC 4861) on links whose accept_ra is 1, and drops the default route that it had from one.",
    remedy: "Set accept_ra of the uplink to 2: listen all the same. The next advertisement brings the route back.",
    example: "sysctl -w net.ipv6.conf.all.forwarding=1    # where eth0 has its address by router advertisement\nnetns-tool \
              doctor red        # host-lost-ipv6\nsysctl -w net.ipv6.conf.eth0.accept_ra=2",
};

static OFF_AT_BOOT: Code = Code {
    name: "forwarding-off-at-boot",
    title: "A file switches forwarding off at the next boot",
    symptom: "It works, and does not after a reboot, or after 'sysctl --system'.",
    cause: "Files of sysctl.d(5) are applied at every boot, and by whoever runs 'sysctl --system'; the last one that names a \
            setting wins. One of them says that this host forwards nothing.",
    remedy: "Change the line, or see to it that a later file says 1.",
    example: "echo net.ipv4.ip_forward=0 > /etc/sysctl.d/60-hardening.conf\nnetns-tool doctor red        # \
              forwarding-off-at-boot\nrm /etc/sysctl.d/60-hardening.conf",
};

fn look(case: &Case<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> =
        inner_links(case).into_iter().filter_map(|(link, leg)| took(case, link, leg)).collect();
    findings.extend(lost_ipv6(case));
    findings.extend(case.scene.host.forwarding_off_in.iter().filter_map(|line| off_at_boot(case, line)));
    findings
}

/// The host's links on the ways that are nobody's business but of whoever made them, with the leg. The uplink is
/// the managers' own.
fn inner_links<'a>(case: &Case<'a>) -> Vec<(&'a Link, usize)> {
    let host: &'a Stack = case.scene.host();
    let uplinks: Vec<u32> =
        [Family::Ipv4, Family::Ipv6].iter().filter_map(|it| uplink(host, *it)).map(|it| it.index).collect();
    let mut links: Vec<(&Link, usize)> = Vec::new();
    for leg in case.ways.iter().flat_map(Followed::legs) {
        let touches = leg.departure.iter().flat_map(|departure| &departure.wire.touches);
        for touch in touches.filter(|touch| touch.stack == StackId::HOST) {
            let Some(link) = host.link(touch.link) else { continue };
            let is_inner = link.bridge.is_some() || link.kind == "veth";
            let is_known = links.iter().any(|(known, _)| known.index == link.index);
            if is_inner && !is_known && !uplinks.contains(&link.index) {
                links.push((link, leg.number));
            }
        }
    }
    links
}

fn took(case: &Case<'_>, link: &Link, leg: usize) -> Option<Finding> {
    let scene = case.scene;
    let by = scene.host.managed.iter().find(|managed| managed.link == link.name);
    let spot = Spot { leg, step: Step::Link };
    let named = link_in(scene, StackId::HOST, link);
    let finding = match (by, trouble(case, link)) {
        (Some(by), Some(trouble)) => {
            let what = format!("{} manages {named}, which {trouble}", by.by);
            Finding::warning(&TOOK_LINK, StackId::HOST, spot, what).seen(&by.file, "managed")
        }
        (Some(by), None) => {
            let what = format!("{} manages {named}", by.by);
            Finding::note(&TOOK_LINK, StackId::HOST, spot, what).seen(&by.file, "managed")
        }
        (None, Some(trouble)) => {
            let manager = scene.host.managers.iter().find(|it| can_keep_off(&it.program).is_some())?;
            let what = format!("{} may have taken {named}, which {trouble}", manager.program);
            Finding::warning(&TOOK_LINK, StackId::HOST, spot, what)
                .seen(format!("/proc/{}/comm", manager.pid), &manager.program)
        }
        (None, None) => return None,
    };
    let mut running = scene.host.managers.iter().map(|it| it.program.as_str());
    let program = by.map(|it| it.by.as_str()).or_else(|| running.find(|it| can_keep_off(it).is_some()))?;
    let finding = finding
        .degrades()
        .why("a manager that thinks a link its own sets it up as it sees fit, now or at its next restart");
    Some(match can_keep_off(program) {
        Some(manager) => finding.remedy(keep_off(manager, link)),
        None => finding,
    })
}

/// What a manager typically does to a link; none if the link is as it should be.
fn trouble(case: &Case<'_>, link: &Link) -> Option<&'static str> {
    let host = case.scene.host();
    let suspects = || case.ways.iter().filter(|way| way.is_suspect()).flat_map(Followed::legs);
    if !suspects().any(|leg| touches(leg, link)) {
        return None;
    }
    if !link.up {
        return Some("is switched off");
    }
    let is_gateway = suspects().any(|leg| {
        leg.departure.as_ref().is_some_and(|departure| {
            let arrives = departure.wire.touches.last().filter(|it| it.role != Role::Leaves);
            arrives.is_some_and(|it| it.stack == StackId::HOST && it.link == link.index)
                && departure.next != leg.routed.destination
        })
    });
    if link.bridge.is_some() && link.addresses.is_empty() && is_gateway {
        return Some("has no address");
    }
    let is_bare = link.kind == "veth" && link.master.is_none() && link.addresses.is_empty();
    (is_bare && host.links.iter().any(|it| it.bridge.is_some())).then_some("is a port of no bridge")
}

fn touches(leg: &Leg, link: &Link) -> bool {
    let mut touches = leg.departure.iter().flat_map(|departure| &departure.wire.touches);
    touches.any(|touch| touch.stack == StackId::HOST && touch.link == link.index)
}

/// Those whose words for "keep off" are known.
#[derive(Clone, Copy)]
enum Manager {
    NetworkManager,
    Networkd,
}

/// By the name a process gives itself (15 bytes) or its whole one.
fn can_keep_off(program: &str) -> Option<Manager> {
    match program {
        "NetworkManager" => Some(Manager::NetworkManager),
        "systemd-networkd" | "systemd-network" => Some(Manager::Networkd),
        _ => None,
    }
}

fn keep_off(manager: Manager, link: &Link) -> Remedy {
    let name = &link.name;
    let commands = match manager {
        Manager::NetworkManager => [
            format!(
                "printf '[keyfile]\\nunmanaged-devices+=interface-name:{name}\\n' > \
                 /etc/NetworkManager/conf.d/90-{name}.conf"
            ),
            "nmcli general reload".to_owned(),
        ],
        Manager::Networkd => [
            format!(
                "printf '[Match]\\nName={name}\\n[Link]\\nUnmanaged=yes\\n' > /etc/systemd/network/05-{name}.network"
            ),
            "networkctl reload".to_owned(),
        ],
    };
    Remedy::commands(commands).because("tell it to keep off")
}

const FORWARDING: &str = "net/ipv6/conf/all/forwarding";

/// Returns the host's link on which forwarding made the kernel deaf for router advertisements, if the default
/// route went for that.
pub(super) fn deaf_link(scene: &Scene) -> Option<&Link> {
    let host = scene.host();
    if host.setting(FORWARDING) != Some(1) || uplink(host, Family::Ipv6).is_some() {
        return None;
    }
    host.links.iter().find(|link| {
        let accepts = host.setting(&format!("net/ipv6/conf/{}/accept_ra", link.name)) == Some(1);
        let is_outer = link.bridge.is_none() && link.master.is_none() && !link.is_loopback() && !link.ours;
        let leads_inside = link.kind == "veth" && link.peer.is_some_and(|peer| peer.stack.is_some());
        accepts && is_outer && !leads_inside && has_global_ipv6(link)
    })
}

fn lost_ipv6(case: &Case<'_>) -> Option<Finding> {
    let host = case.scene.host();
    let link = deaf_link(case.scene)?;
    let stuck = case.ways.iter().find_map(|way| {
        let leg = way.journey.last_there().filter(|leg| leg.stack == StackId::HOST)?;
        let lost = way.is_suspect() && leg.routed.family() == Family::Ipv6 && leg.routing.way == Way::Nowhere;
        (lost && !matches!(way.journey.end, End::Arrived(_))).then_some(leg.number)
    });
    let what = format!(
        "the host has no IPv6 default route, and is deaf for router advertisements on '{}'",
        link.name
    );
    let spot = Spot { leg: stuck.unwrap_or(0), step: Step::Routing };
    let finding = match stuck {
        Some(_) => Finding::error(&LOST_IPV6, StackId::HOST, spot, what),
        None if *case.question == Question::Host => {
            Finding::warning(&LOST_IPV6, StackId::HOST, spot, what).degrades()
        }
        None => return None,
    };
    let setting = Sysctl::AcceptRa(link.name.clone());
    Some(
        finding
            .seen("ip -6 route show default", "nothing")
            .seen(host.file_of(FORWARDING), "1")
            .seen(host.file_of(&setting.path()), "1")
            .why(
                "a host that forwards takes no route from a router, unless it is told to listen all the same",
            )
            .remedy(Remedy::command(host.set(&setting.path(), 2)).because(
                "the route comes back with the router's next advertisement, in some minutes at most",
            ))
            .mend([Mend::Change(Operation::SetSysctl(Place::Host, setting, 2))]),
    )
}

fn has_global_ipv6(link: &Link) -> bool {
    link.addresses.iter().any(|address| {
        matches!(address.net.addr(), std::net::IpAddr::V6(it) if !it.is_unicast_link_local() && !it.is_loopback())
    })
}

fn off_at_boot(case: &Case<'_>, (file, line): &(String, String)) -> Option<Finding> {
    let family = if line.contains("ipv6") { Family::Ipv6 } else { Family::Ipv4 };
    let leg = needs_forwarding(case, family)?;
    let setting = Sysctl::forwarding(family);
    let spot = Spot { leg, step: Step::Forwarding };
    let (shown, line) = (file.escape_debug(), line.escape_debug());
    let later = if file.ends_with("/sysctl.conf") {
        Remedy::note(format!("change the line to '{setting}=1' in {shown}, which is read last"))
    } else {
        let command = format!("echo {setting}=1 > /etc/sysctl.d/99-zz-forwarding.conf");
        Remedy::command(command)
            .because(format!("let a later file say otherwise, or change the line in {shown}"))
    };
    Some(
        Finding::warning(
            &OFF_AT_BOOT,
            StackId::HOST,
            spot,
            format!("{shown} switches {family} forwarding off at the next boot"),
        )
        .degrades()
        .seen(shown.to_string(), line.to_string())
        .why("what works now stops after a reboot, or when somebody runs 'sysctl --system'")
        .remedy(later),
    )
}

/// The first leg on which the host passes something on; on the whole, what has NAT needs it.
fn needs_forwarding(case: &Case<'_>, family: Family) -> Option<usize> {
    let on_the_way = case
        .ways
        .iter()
        .flat_map(Followed::legs)
        .find(|leg| leg.stack == StackId::HOST && leg.forwards() && leg.packet.family() == family);
    let has_nat = |scene: &Scene| {
        scene.host.records.iter().any(|record| match record {
            Record::Nat(nat) => nat.subnets.iter().any(|subnet| Family::of_net(subnet) == family),
            _ => false,
        })
    };
    let on_the_whole = *case.question == Question::Host && has_nat(case.scene);
    on_the_way.map(|leg| leg.number).or_else(|| on_the_whole.then_some(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        diagnose::{
            finding::Severity,
            scene::Managed,
            tests::lab::{HOST, RED, WORLD, codes, default_via, findings_on, lab, link, to},
        },
        name::LinkName,
        view::Process,
    };

    const WORLD_6: &str = "2001:db8:9::8";

    #[test]
    fn managers_that_keep_off_are_well() {
        let scene = with_manager("NetworkManager");
        assert_eq!(codes(&findings_on(&CHECK, &scene, to(RED, WORLD))), [""; 0]);
    }

    #[test]
    fn a_bridge_that_lost_something_may_have_been_taken() {
        for program in ["NetworkManager", "systemd-network"] {
            let mut scene = with_manager(program);
            scene.stacks[HOST.0].links[2].addresses.clear();
            let found = findings_on(&CHECK, &scene, to(RED, WORLD));
            assert_eq!((codes(&found), found[0].severity), (vec!["manager-took-link"], Severity::Warning));
            assert!(found[0].remedy[0].commands[0].contains("br0"));
            scene.host.managers.clear();
            assert_eq!(
                codes(&findings_on(&CHECK, &scene, to(RED, WORLD))),
                [""; 0],
                "nobody is there to blame"
            );
        }
    }

    #[test]
    fn a_port_that_lost_its_bridge_may_have_been_taken() {
        let mut scene = with_manager("NetworkManager");
        scene.stacks[HOST.0].links[3].master = None;
        assert_eq!(codes(&findings_on(&CHECK, &scene, to(RED, WORLD))), ["manager-took-link"]);
    }

    #[test]
    fn a_managed_link_that_is_well_is_only_noted() {
        let mut scene = with_manager("NetworkManager");
        let managed = |name: &str| Managed {
            link: LinkName::new(name).unwrap(),
            by: "NetworkManager".to_owned(),
            file: "/run/NetworkManager/devices/3".to_owned(),
        };
        scene.host.managed = ["br0", "eth0"].map(managed).into();
        let found = findings_on(&CHECK, &scene, to(RED, WORLD));
        assert_eq!((codes(&found), found[0].severity), (vec!["manager-took-link"], Severity::Note));
        scene.stacks[HOST.0].links[2].up = false;
        assert_eq!(findings_on(&CHECK, &scene, to(RED, WORLD))[0].severity, Severity::Warning);
    }

    #[test]
    fn a_host_that_forwards_and_lost_its_ipv6_route_is_told_to_listen() {
        let scene = deaf();
        let found = findings_on(&CHECK, &scene, to(HOST, WORLD_6));
        assert_eq!((codes(&found), found[0].severity), (vec!["host-lost-ipv6"], Severity::Error));
        assert_eq!(found[0].remedy[0].commands, ["sysctl -w net.ipv6.conf.eth0.accept_ra=2"]);
        assert_eq!(found[0].mend.len(), 1);
        assert_eq!(codes(&findings_on(&CHECK, &scene, to(RED, WORLD))), [""; 0], "IPv4 is another matter");
    }

    #[test]
    fn a_host_that_listens_or_has_a_route_is_well() {
        let mut scene = deaf();
        scene.stacks[HOST.0].settings.insert("net/ipv6/conf/eth0/accept_ra".to_owned(), 2);
        assert_eq!(codes(&findings_on(&CHECK, &scene, to(HOST, WORLD_6))), [""; 0]);
        let mut routed = deaf();
        routed.stacks[HOST.0].routes.push(default_via("fe80::1", 2));
        assert_eq!(codes(&findings_on(&CHECK, &routed, to(HOST, WORLD_6))), [""; 0]);
    }

    #[test]
    fn a_file_that_switches_forwarding_off_is_named_where_it_is_needed() {
        let mut scene = lab();
        let file = "/etc/sysctl.d/60-hardening.conf".to_owned();
        scene.host.forwarding_off_in = vec![(file, "net.ipv4.ip_forward=0".to_owned())];
        let found = findings_on(&CHECK, &scene, to(RED, WORLD));
        assert_eq!((codes(&found), found[0].severity), (vec!["forwarding-off-at-boot"], Severity::Warning));
        assert_eq!(codes(&findings_on(&CHECK, &scene, to(RED, "192.168.100.3"))), [""; 0]);
        scene.host.forwarding_off_in[0].1 = "net.ipv6.conf.all.forwarding = 0".to_owned();
        assert_eq!(codes(&findings_on(&CHECK, &scene, to(RED, WORLD))), [""; 0], "another family");
    }

    fn with_manager(program: &str) -> Scene {
        let mut scene = lab();
        scene.host.managers = vec![Process { pid: 812, program: program.to_owned() }];
        scene
    }

    /// The uplink has an address by router advertisement, and forwarding is on.
    fn deaf() -> Scene {
        let mut scene = lab();
        let host = &mut scene.stacks[HOST.0];
        host.links[1] = link(2, "eth0", "physical", &["198.51.100.2/24", "2001:db8::2/64"]);
        host.settings.insert("net/ipv6/conf/all/forwarding".to_owned(), 1);
        host.settings.insert("net/ipv6/conf/eth0/accept_ra".to_owned(), 1);
        scene
    }
}
