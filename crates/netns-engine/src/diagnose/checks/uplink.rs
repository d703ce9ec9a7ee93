//! Does the host itself have a way to the world?

use super::{Check, Look, managers};
use crate::{
    address::Family,
    check::Outcome,
    diagnose::{
        case::{Case, Followed},
        finding::{Code, Finding, Remedy, Spot, Step},
        journey::{self, Direction, End, Leg},
        scene::{Link, Route, Scene, StackId},
        way::Purpose,
        words::link_in,
    },
};

pub(super) const CHECK: Check = Check {
    question: "Does the host itself have a way to the world?",
    codes: &[&NO_UPLINK, &UPLINK_DOWN, &HOST_OFFLINE],
    look: Look::Around(look),
};

static NO_UPLINK: Code = Code {
    name: "no-uplink",
    title: "The host has no default route",
    symptom: "The netns reaches the host, and nothing beyond; on the host itself 'Network is unreachable'.",
    cause: "The host does not know where the world is: no cable, no answer of a DHCP server, no router advertisement, \
            or a default route that was deleted. What it forwards it has nowhere to send to.",
    remedy: "Connect the host first ('ip route add default via ROUTER dev LINK', or whatever manages its network), then \
             look again.",
    example: "ip route del default\nnetns-tool doctor red        # no-uplink\nip route add default via 198.51.100.1 dev \
              eth0",
};

static UPLINK_DOWN: Code = Code {
    name: "uplink-down",
    title: "The link of the host's default route is dead",
    symptom: "Everything within the host works, nothing beyond; 'ip route' shows 'linkdown' or 'dead' behind the \
              default route.",
    cause: "The cable is out, the other end is switched off, or the wireless network is gone. The route stays, and \
            leads into a link that takes no packets.",
    remedy: "Switch the link on, or plug the cable in.",
    example: "ip link set eth0 down\nnetns-tool doctor red        # uplink-down\nip link set eth0 up\nip route add default via 198.51.100.1 dev eth0",
};

static HOST_OFFLINE: Code = Code {
    name: "host-offline",
    title: "The host itself does not get there",
    symptom: "The netns does not reach the internet, and neither does the host.",
    cause: "The fault lies beyond the host, or between it and its router: no network, a router without a way on, a \
            filter outside, or a server that is down. Nothing between netns and host can mend that.",
    remedy: "Connect the host first: 'ping' its router, then look what the router does.",
    example: "ip route replace default via 198.51.100.99 dev eth0    # nobody has that address\nnetns-tool doctor \
              red        # host-offline\nip route replace default via 198.51.100.1 dev eth0",
};

fn look(case: &Case<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = case.ways.iter().filter_map(|way| dead_end(case.scene, way)).collect();
    findings.extend(case.ways.iter().filter_map(|way| offline(case, way)));
    findings
}

/// The last leg there, if it is on the host and was to lead into the world.
fn out_of_the_host(way: &Followed) -> Option<&Leg> {
    let leg = way.journey.last_there()?;
    let outward = matches!(way.journey.end, End::World(_) | End::Stuck(_) | End::Nobody(_));
    (leg.stack == StackId::HOST && outward && !leg.ends()).then_some(leg)
}

fn dead_end(scene: &Scene, way: &Followed) -> Option<Finding> {
    let leg = out_of_the_host(way)?;
    let family = leg.routed.family();
    let defaults: Vec<&Route> = defaults(scene, family).collect();
    let is_lost = leg.routing.way == journey::Way::Nowhere;
    // A server in the host's own network is reached all the same, and stands for the whole internet.
    let stands_for_all = matches!(way.way.purpose, Purpose::Internet | Purpose::Control);
    if defaults.is_empty() {
        let is_cut_off = (is_lost && way.is_suspect()) || stands_for_all;
        if family == Family::Ipv6 && managers::ipv6_was_lost(scene) {
            return None;
        }
        // A link that goes down takes its routes along, and keeps its addresses.
        let took_it_along =
            scene.host().links.iter().find(|link| is_outer(link) && !link.up && speaks(link, family));
        return is_cut_off.then(|| match took_it_along {
            Some(link) => uplink_down(scene, leg, link).degrades(),
            None => no_uplink(scene, leg, family),
        });
    }
    let links = || defaults.iter().flat_map(|route| &route.hops).filter_map(|hop| Some((hop, hop.link?)));
    let any_alive = links().any(|(hop, link)| !hop.dead && scene.host().link(link).is_some_and(is_on));
    if !is_lost || any_alive || !way.is_suspect() {
        return None;
    }
    let (_, link) = links().next()?;
    Some(uplink_down(scene, leg, scene.host().link(link)?))
}

/// Default routes of any table; a VPN may put two halves in place of the whole.
fn defaults(scene: &Scene, family: Family) -> impl Iterator<Item = &Route> {
    scene.host().routes.iter().filter(move |route| {
        route.destination.prefix_len() <= 1
            && Family::of_net(&route.destination) == family
            && !route.hops.is_empty()
    })
}

fn is_on(link: &Link) -> bool {
    link.up && link.carrier
}

fn no_uplink(scene: &Scene, leg: &Leg, family: Family) -> Finding {
    let (ip, everything) = match family {
        Family::Ipv4 => ("ip", "0.0.0.0/0"),
        Family::Ipv6 => ("ip -6", "::/0"),
    };
    let spot = Spot { leg: leg.number, step: Step::Routing };
    let what = format!("the host has no {family} default route");
    let mut finding = Finding::error(&NO_UPLINK, StackId::HOST, spot, what)
        .degrades()
        .seen(format!("{ip} route show {everything}"), "nothing")
        .why("it has nowhere to send packets for the world to, its own as little as others'");
    for link in scene.host().links.iter().filter(|link| is_outer(link) && !is_on(link)) {
        let says = if link.up { "NO-CARRIER" } else { "no UP among its flags" };
        finding = finding.seen(format!("ip link show {}", link.name), says);
    }
    finding.remedy(
        Remedy::command(format!("{ip} route add default via ROUTER dev LINK"))
            .because("with the router of the host's network; a DHCP client or network manager does the same"),
    )
}

fn speaks(link: &Link, family: Family) -> bool {
    link.addresses.iter().any(|address| Family::of_net(&address.net) == family)
}

/// Whether a link may lead out of the host.
fn is_outer(link: &Link) -> bool {
    link.bridge.is_none() && !link.is_loopback() && link.kind != "veth"
}

fn uplink_down(scene: &Scene, leg: &Leg, uplink: &Link) -> Finding {
    let spot = Spot { leg: leg.number, step: Step::Link };
    let named = link_in(scene, StackId::HOST, uplink);
    let (what, says, remedy) = if !uplink.up {
        let remedy = Remedy::command(format!("ip link set {} up", uplink.name))
            .because("then look whether the default route came back");
        (format!("the way to the world, {named}, is switched off"), "no UP among its flags", remedy)
    } else if !uplink.carrier {
        let remedy = Remedy::note("plug its cable in, or switch on what is at the other end");
        (format!("nobody is at the other end of the way to the world, {named}"), "NO-CARRIER", remedy)
    } else {
        let remedy = Remedy::commands([format!("ip route show default dev {}", uplink.name)]);
        (format!("the kernel takes the default route by {named} for dead"), "dead", remedy)
    };
    Finding::error(&UPLINK_DOWN, StackId::HOST, spot, what)
        .seen(format!("ip link show {}; ip route show default", uplink.name), says)
        .why("the default route needs a link that takes packets, and is gone or dead without it")
        .remedy(remedy)
}

/// The host tried the same, and did not get there either.
fn offline(case: &Case<'_>, control: &Followed) -> Option<Finding> {
    let says = match &control.outcome {
        Some(Outcome::NoAnswer) => "no answer".to_owned(),
        Some(Outcome::Unreachable(refusal)) => refusal.to_string(),
        _ => return None,
    };
    let same = |way: &&Followed| {
        way.way.purpose != Purpose::Control && way.way.to == control.way.to && way.is_suspect()
    };
    if control.way.purpose != Purpose::Control {
        return None;
    }
    let way = case.ways.iter().find(same)?;
    let legs = || way.journey.legs.iter().filter(|leg| leg.direction == Direction::There);
    let leg = legs().rfind(|leg| leg.stack == StackId::HOST).or_else(|| legs().next_back())?;
    let to = control.way.to;
    let service = match control.way.service() {
        Some((port, transport)) => format!("{to}, port {port}/{transport}"),
        None => to.to_string(),
    };
    let finding = Finding::error(
        &HOST_OFFLINE,
        StackId::HOST,
        Spot { leg: leg.number, step: Step::Neighbour },
        format!("the host itself does not reach {service}"),
    )
    .seen(format!("a try from the host to {service}"), says)
    .why("what the host does not reach, no netns reaches through it")
    .remedy(
        Remedy::command(format!("ip route get {to}"))
            .because("first bring the host itself online: this shows the link and router it would use"),
    );
    Some(finding)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::diagnose::{
        packet::Protocol,
        question::{Destination, Path, Question},
        tests::lab::{HOST, RED, WORLD, codes, findings_on, lab, to},
        way::Way,
    };

    #[test]
    fn a_host_with_an_uplink_is_well() {
        assert_eq!(codes(&findings_on(&CHECK, &lab(), to(RED, WORLD))), [""; 0]);
        assert_eq!(codes(&findings_on(&CHECK, &lab(), to(HOST, WORLD))), [""; 0]);
    }

    #[test]
    fn a_host_without_default_route_has_no_uplink() {
        let mut scene = lab();
        scene.stacks[HOST.0].routes.retain(|route| route.destination.prefix_len() != 0);
        assert_eq!(codes(&findings_on(&CHECK, &scene, to(RED, WORLD))), ["no-uplink"]);
        assert_eq!(codes(&findings_on(&CHECK, &scene, to(RED, "192.168.100.3"))), [""; 0]);
        assert_eq!(codes(&findings_on(&CHECK, &scene, to(RED, "192.168.100.1"))), [""; 0]);
    }

    #[test]
    fn a_server_in_the_own_network_is_not_the_internet() {
        let mut scene = lab();
        scene.stacks[HOST.0].routes.retain(|route| route.destination.prefix_len() != 0);
        let near = |purpose| Way { purpose, ..to(RED, "198.51.100.1") };
        assert_eq!(codes(&findings_on(&CHECK, &scene, near(Purpose::Internet))), ["no-uplink"]);
        assert_eq!(codes(&findings_on(&CHECK, &scene, near(Purpose::Asked))), [""; 0]);
    }

    #[test]
    fn a_link_that_is_off_took_its_route_along() {
        let mut scene = lab();
        let host = &mut scene.stacks[HOST.0];
        host.links[1].up = false;
        host.routes.retain(|route| route.hops[0].link != Some(2));
        let found = findings_on(&CHECK, &scene, to(RED, WORLD));
        assert_eq!(codes(&found), ["uplink-down"]);
        assert_eq!(found[0].remedy[0].commands, ["ip link set eth0 up"]);
    }

    #[test]
    fn a_default_route_by_a_dead_link_is_no_help() {
        let mut scene = lab();
        scene.stacks[HOST.0].links[1].carrier = false;
        assert_eq!(codes(&findings_on(&CHECK, &scene, to(RED, WORLD))), [""; 0], "the cable's check says so");
        scene.stacks[HOST.0].routes[1].hops[0].dead = true;
        assert_eq!(codes(&findings_on(&CHECK, &scene, to(RED, WORLD))), ["uplink-down"]);
    }

    #[test]
    fn one_of_two_uplinks_is_enough() {
        let mut scene = lab();
        let host = &mut scene.stacks[HOST.0];
        let mut second = host.routes[1].clone();
        second.metric = 100;
        second.hops[0].link = Some(9);
        host.routes.push(second);
        host.links.push(crate::diagnose::tests::lab::link(9, "eth1", "physical", &["198.51.100.3/24"]));
        host.routes[1].hops[0].dead = true;
        host.links[1].carrier = false;
        assert_eq!(codes(&findings_on(&CHECK, &scene, to(RED, WORLD))), [""; 0]);
    }

    #[test]
    fn what_the_host_does_not_reach_is_not_the_fault_of_the_netns() {
        assert_eq!(tried(Outcome::NoAnswer, Outcome::NoAnswer), ["host-offline"]);
        assert_eq!(tried(Outcome::NoAnswer, Outcome::Refused), [""; 0], "somebody was there");
        assert_eq!(tried(Outcome::NoAnswer, reached()), [""; 0]);
        assert_eq!(tried(reached(), Outcome::NoAnswer), [""; 0]);
    }

    fn reached() -> Outcome {
        Outcome::Reached { after: Duration::from_millis(1) }
    }

    fn tried(inside: Outcome, control: Outcome) -> Vec<&'static str> {
        let scene = lab();
        let way = |purpose, from| Way { purpose, protocol: Protocol::Udp, port: Some(53), ..to(from, WORLD) };
        let question = Question::Path(Path {
            from: scene.stack(RED).entrance.clone(),
            to: Destination::Internet,
            protocol: Protocol::Udp,
            port: None,
        });
        let ways = vec![
            Followed::new(&scene, way(Purpose::Internet, RED), Some(inside)),
            Followed::new(&scene, way(Purpose::Control, HOST), Some(control)),
        ];
        codes(&look(&Case { scene: &scene, question: &question, ways }))
    }
}
