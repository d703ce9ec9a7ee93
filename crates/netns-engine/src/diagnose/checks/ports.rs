//! Is a port of the host led to somebody, and to nobody else?

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::{
    Check, Look,
    own_rules::{publish, suffix},
};
use crate::{
    address::Family,
    diagnose::{
        case::{Case, Followed},
        finding::{Code, Finding, Remedy, Severity, Spot, Step},
        journey::{Direction, Journey, Leg},
        packet::Packet,
        question::{HostPort, Question},
        scene::{Scene, Stack, StackId},
        way::Purpose,
    },
    firewall::Transport,
    place::Entrance,
    record::{PublishedRecord, Record},
    view::Socket,
};

pub(super) const CHECK: Check = Check {
    question: "Is the port led to somebody, and to nobody else?",
    codes: &[&NOT_PUBLISHED, &TAKEN],
    look: Look::Around(look),
};

static NOT_PUBLISHED: Code = Code {
    name: "port-not-published",
    title: "Nobody is behind this port of the host",
    symptom: "'Connection refused' on the host's address, though the program in the netns answers on its own.",
    cause: "A netns has addresses and ports of its own. A port of the host leads there only if a rule says so (DNAT), for this \
            port, this transport and this address; and no program on the host listens there either.",
    remedy: "'netns-tool publish PORT:NETNS:PORT'. Without an address it is for the host itself (127.0.0.1); '0.0.0.0:' in \
             front is for all.",
    example: "netns-tool doctor 8080       # port-not-published\nnetns-tool publish 8080:red:80",
};

static TAKEN: Code = Code {
    name: "port-taken",
    title: "A program on the host listens on a port that is forwarded",
    symptom: "A server on the host gets no connections any more, since a netns published the same port; or it gets those \
              that come one way, and the netns those that come another.",
    cause: "A port forward looks at packets before any socket does. What it takes, the program on the host never sees.",
    remedy: "Give one of them another port.",
    example: "python3 -m http.server 8080 &   # and once it runs:\niptables -t nat -A PREROUTING -p tcp --dport 8080 -j DNAT --to \
              192.168.100.2:80\nnetns-tool doctor 8080       # port-taken\niptables -t nat -D PREROUTING -p tcp --dport \
              8080 -j DNAT --to 192.168.100.2:80",
};

/// Programs that hold a port open only to show that it is in use, or to serve it where rules do not reach.
const PLACEHOLDERS: [&str; 5] = ["docker-proxy", "rootlessport", "conmon", "kube-proxy", "slirp4netns"];

fn look(case: &Case<'_>) -> Vec<Finding> {
    let mut findings = match case.question {
        Question::Port(port) => unpublished(case, port),
        Question::Host | Question::Path(_) => Vec::new(),
    };
    let there = case.ways.iter().flat_map(Followed::legs).filter(|leg| leg.direction == Direction::There);
    findings.extend(there.filter_map(|leg| taken(leg.stack_in(case.scene), leg)));
    findings
}

fn unpublished(case: &Case<'_>, port: &HostPort) -> Vec<Finding> {
    let host = case.scene.host();
    let asked =
        case.ways.iter().filter(|way| matches!(way.way.purpose, Purpose::Asked | Purpose::FromOutside));
    let (served, dead): (Vec<&Followed>, Vec<&Followed>) =
        asked.partition(|way| way.works() || is_served(host, port, way));
    let findings = dead.iter().filter_map(|way| {
        let severity = match (served.is_empty() || port.address.is_some(), way.way.purpose) {
            (true, _) if host.firewall.unread.is_empty() => Severity::Error,
            (false, Purpose::FromOutside) => Severity::Note,
            _ => Severity::Warning,
        };
        let leg = way.journey.legs.first()?;
        // Where it is dead altogether, saying it once is enough.
        let on = if served.is_empty() { port.address } else { Some(leg.packet.destination) };
        Some(Finding { severity, ..not_published(case.scene, port, leg, on) })
    });
    let mut findings: Vec<Finding> = findings.collect();
    findings.dedup_by(|later, first| later.is_same(first));
    findings
}

/// Whether a rule leads the packet on, or somebody on the host listens. On another address counts as well: that is
/// for the check of listeners to tell.
fn is_served(host: &Stack, port: &HostPort, way: &Followed) -> bool {
    let Some(leg) = way.journey.legs.first() else { return true };
    let listens = || listeners(host, port.port, port.transport).next().is_some();
    leg.redirection.is_some() || !leg.ends() || listens()
}

fn listeners(stack: &Stack, port: u16, transport: Transport) -> impl Iterator<Item = &Socket> {
    stack.listeners.iter().filter(move |socket| {
        socket.local.port() == port && socket.transport == transport && socket.remote.is_none()
    })
}

fn not_published(scene: &Scene, port: &HostPort, leg: &Leg, on: Option<IpAddr>) -> Finding {
    let spot = Spot { leg: leg.number, step: Step::Prerouting };
    let HostPort { port: number, transport, .. } = port;
    let what = match on {
        Some(address) => format!("nothing leads on from {}/{transport}", SocketAddr::new(address, *number)),
        None => format!("nothing leads on from port {number}/{transport} of the host"),
    };
    let filter = if *transport == Transport::Tcp { "ss -ltn" } else { "ss -lun" };
    let mut finding = Finding::error(&NOT_PUBLISHED, StackId::HOST, spot, what)
        .seen(
            "nft list ruleset",
            format!("no rule redirects {}", SocketAddr::new(leg.packet.destination, *number)),
        )
        .seen(format!("{filter} 'sport = :{number}'"), "no program on the host listens there")
        .why("a port of the host leads into a netns only where a rule says so");
    let elsewhere = elsewhere(scene, port);
    if !elsewhere.is_empty() {
        finding =
            finding.seen("the rules that redirect", format!("it is published on {}", elsewhere.join(", ")));
    }
    finding.remedy(remedy(scene, port, on))
}

/// Of a host's addresses, this many are tried.
const MOST_ADDRESSES: usize = 16;

/// Where else the same port is led on: on other addresses of the host, or for the other transport.
fn elsewhere(scene: &Scene, asked: &HostPort) -> Vec<String> {
    let links = &scene.host().links;
    let own = links.iter().flat_map(|link| link.addresses.iter().map(move |it| (link, it.net.addr())));
    let mut found = Vec::new();
    for (link, address) in own.filter(|(_, address)| !is_link_local(*address)).take(MOST_ADDRESSES) {
        for transport in [Transport::Tcp, Transport::Udp] {
            let unspecified = match address {
                IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
                IpAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
            };
            let packet = Packet::new(unspecified, address, transport.into(), Some(asked.port));
            let journey = if link.is_loopback() {
                Journey::follow(scene, StackId::HOST, packet)
            } else {
                Journey::follow_in(scene, StackId::HOST, link.index, packet)
            };
            if journey.legs.first().is_some_and(|leg| leg.redirection.is_some()) {
                found.push(format!("{}/{transport}", SocketAddr::new(address, asked.port)));
            }
        }
    }
    found
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

/// Publishes the port for whoever listens on it, if somebody is seen.
fn remedy(scene: &Scene, port: &HostPort, on: Option<IpAddr>) -> Remedy {
    let HostPort { port: number, transport, .. } = *port;
    let listen = match on {
        Some(address) if address == IpAddr::V4(Ipv4Addr::LOCALHOST) => number.to_string(),
        Some(address) => SocketAddr::new(address, number).to_string(),
        None => number.to_string(),
    };
    let command = |netns: &str, target: u16| {
        format!("netns-tool publish {listen}:{netns}:{target}{}", suffix(transport))
    };
    if let Some(record) = published(scene, number, transport) {
        let target = record.forward.target.port();
        return Remedy::command(command(record.netns.as_str(), target))
            .because(format!("as well as '{}'", publish(record)));
    }
    let inside = scene.stacks.iter().filter(|stack| listeners(stack, number, transport).next().is_some());
    let commands: Vec<String> = inside
        .filter_map(|stack| match &stack.entrance {
            Entrance::Named(name) => Some(command(name.as_str(), number)),
            Entrance::Host | Entrance::File(_) => None,
        })
        .collect();
    match commands.len() {
        0 => Remedy::command(command("NETNS", number))
            .because("with the netns, and the port that a program listens on in there"),
        1 => Remedy::commands(commands).because("a program listens there"),
        _ => Remedy::commands(commands).because("one of these: a program listens in each"),
    }
}

/// What this tool remembers of a port.
pub(super) fn published(scene: &Scene, port: u16, transport: Transport) -> Option<&PublishedRecord> {
    scene.host.records.iter().find_map(|record| match record {
        Record::Published(it)
            if (it.forward.published.port, it.forward.published.transport) == (port, transport) =>
        {
            Some(it)
        }
        _ => None,
    })
}

/// A program that waits for what a rule takes away.
fn taken(stack: &Stack, leg: &Leg) -> Option<Finding> {
    let redirection = leg.redirection.as_ref()?;
    let (port, transport) = (leg.packet.destination_port?, leg.packet.protocol.transport()?);
    let asked = leg.packet.destination;
    let same_family = |it: IpAddr| Family::of(it) == Family::of(asked) || it.is_ipv6();
    let loser = listeners(stack, port, transport).find(|socket| {
        let local = socket.local.ip();
        let hears = local == asked || local.is_unspecified() && same_family(local);
        hears && !is_placeholder(socket)
    })?;
    let is_the_target = leg.ends() && leg.routed.destination_port == Some(port);
    if is_the_target {
        return None;
    }
    let names: Vec<String> =
        loser.programs.iter().map(|it| format!("{} (pid {})", it.program.escape_debug(), it.pid)).collect();
    let who = if names.is_empty() { "a program".to_owned() } else { names.join(", ") };
    let target = leg.routed.destination_port.map_or_else(
        || leg.routed.destination.to_string(),
        |port| SocketAddr::new(leg.routed.destination, port).to_string(),
    );
    let spot = Spot { leg: leg.number, step: Step::Prerouting };
    let what =
        format!("{who} {} listens on {}, which is forwarded to {target}", stack.location(), loser.local);
    let show = if transport == Transport::Tcp { "ss -ltnp" } else { "ss -lunp" };
    Some(
        Finding::warning(&TAKEN, leg.stack, spot, what)
            .degrades()
            .seen(stack.run(&format!("{show} 'sport = :{port}'")), format!("{} {}", loser.local, loser.state))
            .seen(&redirection.by, &redirection.text)
            .why("rules take packets before any socket does: the program does not get these")
            .remedy(Remedy::note("give one of them another port: end the program, or publish another port")),
    )
}

fn is_placeholder(socket: &Socket) -> bool {
    !socket.programs.is_empty()
        && socket.programs.iter().all(|program| PLACEHOLDERS.contains(&program.program.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        diagnose::{
            tests::lab::{HOST, RED, codes, forwarding, lab},
            way,
        },
        view::Process,
    };

    #[test]
    fn a_published_port_is_well() {
        let scene = published_on(&["-p tcp --dport 8080"]);
        assert_eq!(codes(&on_port(&scene, None)), [""; 0]);
    }

    #[test]
    fn a_port_that_a_program_on_the_host_has_is_well() {
        let mut scene = lab();
        listen(&mut scene, HOST, "0.0.0.0:8080", "nginx");
        assert_eq!(codes(&on_port(&scene, None)), [""; 0]);
    }

    #[test]
    fn a_port_that_leads_nowhere_is_published_for_who_listens_inside() {
        let mut scene = lab();
        let found = on_port(&scene, None);
        assert_eq!((codes(&found), found[0].severity), (vec!["port-not-published"], Severity::Error));
        assert_eq!(found[0].remedy[0].commands, ["netns-tool publish 8080:NETNS:8080"]);
        listen(&mut scene, RED, "0.0.0.0:8080", "nc");
        assert_eq!(on_port(&scene, None)[0].remedy[0].commands, ["netns-tool publish 8080:red:8080"]);
    }

    #[test]
    fn a_port_for_the_host_alone_is_noted_and_an_error_where_the_other_address_is_asked() {
        let scene = published_on(&["-p tcp -d 127.0.0.1 --dport 8080"]);
        let found = on_port(&scene, None);
        assert_eq!((codes(&found), found[0].severity), (vec!["port-not-published"], Severity::Note));
        let outer = on_port(&scene, Some("198.51.100.2"));
        assert_eq!((codes(&outer), outer[0].severity), (vec!["port-not-published"; 1], Severity::Error));
        let elsewhere = &outer[0].evidence.last().unwrap().says;
        assert!(elsewhere.contains("127.0.0.1:8080/tcp"), "{elsewhere}");
    }

    #[test]
    fn a_port_of_the_other_transport_is_told() {
        let scene = published_on(&["-p udp --dport 8080"]);
        let found = on_port(&scene, None);
        assert_eq!((codes(&found), found[0].severity), (vec!["port-not-published"], Severity::Error));
        assert!(found[0].evidence.last().unwrap().says.contains("8080/udp"));
    }

    #[test]
    fn a_program_whose_port_is_forwarded_gets_nothing() {
        let mut scene = published_on(&["-p tcp --dport 8080"]);
        listen(&mut scene, HOST, "0.0.0.0:8080", "nginx");
        let found = on_port(&scene, Some("198.51.100.2"));
        assert_eq!((codes(&found)[0], found[0].severity), ("port-taken", Severity::Warning));
    }

    #[test]
    fn a_program_that_only_keeps_the_place_is_well() {
        let mut scene = published_on(&["-p tcp --dport 8080"]);
        listen(&mut scene, HOST, "0.0.0.0:8080", "docker-proxy");
        listen(&mut scene, HOST, "127.0.0.1:8081", "nginx");
        assert_eq!(codes(&on_port(&scene, Some("198.51.100.2"))), [""; 0]);
    }

    fn published_on(packets: &[&str]) -> Scene {
        let mut scene = lab();
        scene.stacks[HOST.0].firewall.chains.extend(forwarding(packets, "192.168.100.2:80"));
        scene
    }

    fn listen(scene: &mut Scene, stack: StackId, at: &str, program: &str) {
        scene.stacks[stack.0].listeners.push(Socket {
            transport: Transport::Tcp,
            local: at.parse().unwrap(),
            remote: None,
            state: "listening".to_owned(),
            programs: vec![Process { pid: 7, program: program.to_owned() }],
        });
    }

    fn on_port(scene: &Scene, address: Option<&str>) -> Vec<Finding> {
        let address = address.map(|address| address.parse().unwrap());
        let question = Question::Port(HostPort { address, port: 8080, transport: Transport::Tcp });
        let ways = way::ways(scene, &question, None);
        let ways = ways.into_iter().map(|way| Followed::new(scene, way, None)).collect();
        let mut found = look(&Case { scene, question: &question, ways });
        found.dedup_by(|later, first| later.is_same(first));
        found
    }
}
