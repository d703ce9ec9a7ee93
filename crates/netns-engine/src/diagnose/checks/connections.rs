//! Is there room for another tracked connection, and do the tracked ones lead where they should?

use std::net::{IpAddr, SocketAddr};

use super::{Check, Look};
use crate::{
    diagnose::{
        case::Case,
        finding::{Code, Finding, Remedy, Spot, Step},
        firewall::Certainty,
        journey::{self, Direction, Leg, Way},
        mend::Mend,
        packet::Packet,
        scene::{Flow, Stack, StackId},
    },
    firewall::{PortForward, Published, Transport},
    operation::Operation,
};

pub(super) const CHECK: Check = Check {
    question: "Is there room for another connection, and do the known ones lead where they should?",
    codes: &[&CONNTRACK_FULL, &CONNTRACK_STALE],
    look: Look::Around(look),
};

static CONNTRACK_FULL: Code = Code {
    name: "conntrack-full",
    title: "The table of tracked connections is full",
    symptom: "Connections that exist go on, new ones hang or fail at random; the kernel's log says \
              'nf_conntrack: table full, dropping packet'.",
    cause: "Translation and stateful filters note every connection. The table has a limit for each netns, and a packet \
            whose connection finds no room in it is dropped. A scan, a flood of DNS queries, or many short \
            connections fill it.",
    remedy: "Find out who opens so many ('conntrack -L'), and raise net.netfilter.nf_conntrack_max: an entry takes about \
             300 bytes. Only the host's first netns can set it.",
    example: "sysctl -w net.netfilter.nf_conntrack_max=1\nnetns-tool doctor red        # conntrack-full\nsysctl -w \
              net.netfilter.nf_conntrack_max=65536",
};

static CONNTRACK_STALE: Code = Code {
    name: "conntrack-stale",
    title: "A tracked connection still leads to where a port was forwarded before",
    symptom: "A published UDP port was moved to another netns, and the old one still gets the packets of clients that \
              were there before; new clients reach the new one.",
    cause: "Rules of a nat chain are asked once, for the first packet of a connection. What they decided is noted with \
            the connection, and holds until that is forgotten: for UDP after 30 seconds of silence, or two minutes \
            if there were answers. Whoever keeps sending keeps it alive.",
    remedy: "Delete the entry with 'conntrack -D'; the client's next packet asks the rules anew. Established TCP \
             connections stay where they are, as they should: a new connection is a new entry.",
    example: "iptables -t nat -A PREROUTING -p udp --dport 5353 -j DNAT --to 192.168.100.2:53\n# a client keeps asking; \
              then\niptables -t nat -R PREROUTING 1 -p udp --dport 5353 -j DNAT --to 192.168.100.3:53\nnetns-tool \
              doctor 5353/udp   # conntrack-stale\nconntrack -D -p udp --orig-port-dst 5353 --reply-src 192.168.100.2",
};

const COUNT: &str = "net/netfilter/nf_conntrack_count";
const LIMIT: &str = "net/netfilter/nf_conntrack_max";
/// From here on, in percent, a burst fills the rest.
const ALMOST: i64 = 95;

fn look(case: &Case<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> =
        case.stacks().into_iter().filter_map(|stack| full(case, stack)).collect();
    for way in &case.ways {
        findings.extend(way.legs().flat_map(|leg| stale(leg.stack_in(case.scene), leg)));
    }
    findings
}

fn full(case: &Case<'_>, id: StackId) -> Option<Finding> {
    let stack = case.scene.stack(id);
    let (count, limit) = (stack.setting(COUNT)?, stack.setting(LIMIT)?);
    // Zero is no limit (`__nf_conntrack_alloc` in `net/netfilter/nf_conntrack_core.c`).
    if limit <= 0 || count * 100 < limit * ALMOST {
        return None;
    }
    let (spot, place) = (case.spot_in(id, Step::Prerouting), stack.location());
    let finding = if count >= limit {
        Finding::error(&CONNTRACK_FULL, id, spot, format!("the table of tracked connections {place} is full"))
    } else {
        let what = format!("the table of tracked connections {place} is almost full");
        Finding::warning(&CONNTRACK_FULL, id, spot, what)
    };
    // The limit is one for all netns, and only the first can write it.
    let raise = Remedy::command(case.scene.host().set(LIMIT, limit.saturating_mul(4)))
        .because("make room, after a look at who opens so many connections");
    Some(
        finding
            .degrades()
            .seen(stack.file_of(COUNT), count.to_string())
            .seen(stack.file_of(LIMIT), limit.to_string())
            .why("a new connection that finds no room in the table loses its packets")
            .remedy(Remedy::command(stack.run("conntrack -L")))
            .remedy(raise),
    )
}

/// Flows to where this leg's packet goes, whose answers come from somewhere else than its answer will.
fn stale(stack: &Stack, leg: &Leg) -> Vec<Finding> {
    let (Some(transport), Some(asked), Some(today)) =
        (leg.packet.protocol.transport(), destination(&leg.packet), destination(&leg.routed))
    else {
        return Vec::new();
    };
    let is_known = match &leg.redirection {
        Some(redirection) => redirection.certainty == Certainty::Certain,
        None => leg.ends() && stack.firewall.unread.is_empty(),
    };
    if leg.direction == Direction::Back || !is_known {
        return Vec::new();
    }
    let astray = stack.flows.iter().filter(|flow| {
        flow.transport == transport
            && flow.original.destination == asked
            && flow.reply.source != today
            && came_by(stack, flow, leg)
    });
    let mut old: Vec<(SocketAddr, usize)> = Vec::new();
    for flow in astray {
        match old.iter_mut().find(|(target, _)| *target == flow.reply.source) {
            Some((_, count)) => *count += 1,
            None => old.push((flow.reply.source, 1)),
        }
    }
    let asked = Published { address: asked.ip(), port: asked.port(), transport };
    old.into_iter().map(|(target, count)| to_old_target(stack, leg, &asked, (target, count))).collect()
}

fn destination(packet: &Packet) -> Option<SocketAddr> {
    packet.destination_port.map(|port| SocketAddr::new(packet.destination, port))
}

/// Rules may forward what comes by one link only: a flow counts if it came the same way as the packet.
fn came_by(stack: &Stack, flow: &Flow, leg: &Leg) -> bool {
    let back = Packet::new(
        flow.original.destination.ip(),
        flow.original.source.ip(),
        leg.packet.protocol,
        Some(flow.original.source.port()),
    );
    match journey::route(stack, &back, None).way {
        Way::Here => leg.arrival.is_none(),
        Way::Out { link, .. } => leg.arrival == Some(link),
        Way::Stopped(_) | Way::Nowhere => false,
    }
}

fn to_old_target(
    stack: &Stack,
    leg: &Leg,
    asked: &Published,
    (target, count): (SocketAddr, usize),
) -> Finding {
    let what = format!("{target} still gets {} to {asked} {}", flows(count), stack.location());
    let spot = Spot { leg: leg.number, step: Step::Prerouting };
    let finding = match asked.transport {
        Transport::Udp => Finding::error(&CONNTRACK_STALE, leg.stack, spot, what).why(
            "rules are asked for the first packet of a connection only: who keeps sending keeps going there",
        ),
        Transport::Tcp => Finding::note(&CONNTRACK_STALE, leg.stack, spot, what)
            .why("a TCP connection stays where it was made; only new ones go where the rules say today"),
    };
    let Published { address, port, transport } = asked;
    let list = format!("conntrack -L -p {transport} --orig-dst {address} --orig-port-dst {port}");
    let delete = format!(
        "conntrack -D -p {transport} --orig-dst {address} --orig-port-dst {port} --reply-src {}",
        target.ip()
    );
    let today = SocketAddr::new(leg.routed.destination, leg.routed.destination_port.unwrap_or(*port));
    finding
        .degrades()
        .seen(stack.run(&list), format!("answers are awaited from {target}; today's rules say {today}"))
        .remedy(Remedy::command(stack.run(&delete)))
        .mend(forget(stack, leg, asked, target))
}

fn flows(count: usize) -> String {
    if count == 1 { "a tracked connection".to_owned() } else { format!("{count} tracked connections") }
}

/// Forgetting flows is ours to do on the host.
fn forget(stack: &Stack, leg: &Leg, asked: &Published, target: SocketAddr) -> Option<Mend> {
    if leg.stack != StackId::HOST {
        return None;
    }
    let towards =
        |address: IpAddr| stack.links.iter().find(|link| !link.is_loopback() && link.is_on_link(address));
    let link = towards(target.ip()).or_else(|| stack.link(leg.departure.as_ref()?.link))?;
    let forward = PortForward { published: asked.clone(), target, bridge: link.name.clone() };
    Some(Mend::Change(Operation::ForgetFlows(vec![forward])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::{
        case::Followed,
        finding::Severity,
        firewall::{NatTarget, Translation},
        packet::Protocol,
        question::{HostPort, Question},
        scene::{Scene, Tuple},
        tests::lab::{HOST, RED, WORLD, codes, findings_on, lab, to},
        way,
    };

    #[test]
    fn an_empty_table_is_well() {
        assert_eq!(codes(&findings_on(&CHECK, &lab(), to(RED, WORLD))), [""; 0]);
        let mut scene = with_table(94, 100);
        assert_eq!(codes(&findings_on(&CHECK, &scene, to(RED, WORLD))), [""; 0]);
        scene.stacks[HOST.0].settings.insert(LIMIT.to_owned(), 0);
        assert_eq!(codes(&findings_on(&CHECK, &scene, to(RED, WORLD))), [""; 0], "zero is no limit");
    }

    #[test]
    fn a_full_table_is_an_error_and_an_almost_full_one_a_warning() {
        let full = findings_on(&CHECK, &with_table(100, 100), to(RED, WORLD));
        assert_eq!((codes(&full), full[0].severity), (vec!["conntrack-full"], Severity::Error));
        let almost = findings_on(&CHECK, &with_table(95, 100), to(RED, WORLD));
        assert_eq!((codes(&almost), almost[0].severity), (vec!["conntrack-full"], Severity::Warning));
    }

    #[test]
    fn a_flow_to_the_old_netns_is_stale() {
        let mut scene = lab();
        scene.stacks[HOST.0].flows = vec![flow(Transport::Udp, "192.168.100.2:53")];
        let found = on_port(&scene, Transport::Udp, Some("192.168.100.3"));
        assert_eq!((codes(&found), found[0].severity), (vec!["conntrack-stale"], Severity::Error));
        assert_eq!(
            found[0].remedy[0].commands,
            ["conntrack -D -p udp --orig-dst 198.51.100.2 --orig-port-dst 53 --reply-src 192.168.100.2"]
        );
        let [Mend::Change(Operation::ForgetFlows(forwards))] = found[0].mend.as_slice() else { panic!() };
        assert_eq!(forwards[0].bridge.as_str(), "br0");
    }

    #[test]
    fn a_flow_whose_rule_is_gone_is_stale() {
        let mut scene = lab();
        scene.stacks[HOST.0].flows = vec![flow(Transport::Udp, "192.168.100.2:53")];
        assert_eq!(codes(&on_port(&scene, Transport::Udp, None)), ["conntrack-stale"]);
    }

    #[test]
    fn an_old_tcp_connection_is_only_noted() {
        let mut scene = lab();
        scene.stacks[HOST.0].flows = vec![flow(Transport::Tcp, "192.168.100.2:53")];
        let found = on_port(&scene, Transport::Tcp, Some("192.168.100.3"));
        assert_eq!(found[0].severity, Severity::Note);
    }

    #[test]
    fn flows_that_go_where_they_should_are_well() {
        let mut scene = lab();
        scene.stacks[HOST.0].flows = vec![flow(Transport::Udp, "192.168.100.3:53")];
        assert_eq!(codes(&on_port(&scene, Transport::Udp, Some("192.168.100.3"))), [""; 0]);
        assert_eq!(codes(&on_port(&scene, Transport::Tcp, None)), [""; 0], "another transport");
        let mut from_inside = flow(Transport::Udp, "192.168.100.2:53");
        from_inside.original.source = "192.168.100.3:40000".parse().unwrap();
        scene.stacks[HOST.0].flows = vec![from_inside];
        assert_eq!(
            codes(&on_port(&scene, Transport::Udp, Some("192.168.100.3"))),
            [""; 0],
            "it came another way, for which other rules may hold"
        );
    }

    fn with_table(count: i64, limit: i64) -> Scene {
        let mut scene = lab();
        let settings = &mut scene.stacks[HOST.0].settings;
        settings.insert(COUNT.to_owned(), count);
        settings.insert(LIMIT.to_owned(), limit);
        scene
    }

    fn flow(transport: Transport, target: &str) -> Flow {
        let (client, port) = ("203.0.113.8:40000".parse().unwrap(), "198.51.100.2:53".parse().unwrap());
        Flow {
            transport,
            original: Tuple { source: client, destination: port },
            reply: Tuple { source: target.parse().unwrap(), destination: client },
            answered: true,
        }
    }

    /// Port 53 of the host from outside, redirected to a target by a rule that today's filters are taken to have.
    fn on_port(scene: &Scene, transport: Transport, target: Option<&str>) -> Vec<Finding> {
        let question = Question::Port(HostPort { address: None, port: 53, transport });
        let outside = way::Way {
            purpose: way::Purpose::FromOutside,
            enters_by: Some(2),
            protocol: Protocol::from(transport),
            port: Some(53),
            ..to(HOST, "198.51.100.2")
        };
        let mut followed = Followed::new(scene, outside, None);
        if let Some(target) = target {
            let address = Some(target.parse().unwrap());
            let leg = &mut followed.journey.legs[0];
            leg.redirection = Some(Translation {
                to_this_stack: false,
                text: String::new(),
                target: NatTarget { address, port: None },
                by: "a rule".to_owned(),
                certainty: Certainty::Certain,
            });
            leg.routed.destination = target.parse().unwrap();
        }
        look(&Case { scene, question: &question, ways: vec![followed] })
    }
}
