//! Does a program take the packet where it ends?

use std::net::{IpAddr, SocketAddr};

use super::{Check, Look, cable::place};
use crate::{
    address::Family,
    check::Outcome,
    diagnose::{
        case::Followed,
        finding::{Code, Finding, Remedy, Spot, Step},
        journey::{End, Leg},
        mend::Mend,
        packet::Protocol,
        scene::{Scene, Stack, StackId},
    },
    firewall::Transport,
    operation::Operation,
    sysctl::{NamedSetting, Sysctl},
    view::Socket,
};

pub(super) const CHECK: Check = Check {
    question: "Does a program take the packet where it ends?",
    codes: &[&NOTHING_LISTENS, &LISTENS_ELSEWHERE, &PING_IGNORED],
    look: Look::Along(look),
};

static NOTHING_LISTENS: Code = Code {
    name: "nothing-listens",
    title: "No program listens on the port",
    symptom: "'Connection refused' at once (TCP), while ping works; for UDP an ICMP 'port unreachable', or silence.",
    cause: "The program is not running there, died, or listens on another port. The network did its work: \
            the stack that was asked refuses.",
    remedy: "Start the program in that netns: 'netns-tool exec NETNS PROGRAM', or 'ip netns exec'. \
             'ss -ltnp' (for UDP 'ss -lunp'), run inside, shows who listens on what.",
    example: "netns-tool doctor red blue:80   # nothing-listens\nip netns exec blue python3 -m http.server 80 &",
};

static LISTENS_ELSEWHERE: Code = Code {
    name: "listens-elsewhere",
    title: "The program listens, but not there",
    symptom: "'Connection refused' from outside, while the same port answers on the program's own machine.",
    cause: "The program is bound to another address of its stack (127.0.0.1 by default, for many of them), takes IPv6 only, or \
            runs in another network stack than it was meant for: started without 'ip netns exec', it listens on the host.",
    remedy: "Let it listen on 0.0.0.0 (or ::, or the very address), or start it in the netns that is asked.",
    example: "ip netns exec blue python3 -m http.server 80 --bind 127.0.0.1 &   # and once it runs:\n\
              netns-tool doctor red blue:80   # listens-elsewhere\nkill %1\n\
              ip netns exec blue python3 -m http.server 80 --bind 0.0.0.0 &",
};

static PING_IGNORED: Code = Code {
    name: "ping-ignored",
    title: "The stack does not answer pings",
    symptom: "Ping gets no answer; TCP and UDP work.",
    cause: "'icmp_echo_ignore_all' is 1 there: the kernel throws echo requests away. Hardening guides ask for it.",
    remedy: "Try a TCP or UDP port instead ('netns-tool doctor NETNS DEST:PORT'), or write 0 to the setting.",
    example: "ip netns exec blue sysctl -w net.ipv4.icmp_echo_ignore_all=1\n\
              netns-tool doctor red blue      # ping-ignored\n\
              ip netns exec blue sysctl -w net.ipv4.icmp_echo_ignore_all=0",
};

fn look(scene: &Scene, followed: &Followed) -> Vec<Finding> {
    let End::Arrived(stack) = followed.journey.end else { return Vec::new() };
    let Some(leg) = followed.journey.last_there() else { return Vec::new() };
    let asked = Asked { stack, leg, outcome: followed.outcome.as_ref() };
    match followed.way.protocol.transport() {
        None => ping_ignored(scene, &asked).into_iter().collect(),
        Some(transport) => unheard(scene, &asked, transport).into_iter().collect(),
    }
}

/// What comes to the stack at the end of the way.
struct Asked<'a> {
    stack: StackId,
    leg: &'a Leg,
    outcome: Option<&'a Outcome>,
}

impl Asked<'_> {
    fn spot(&self) -> Spot {
        Spot { leg: self.leg.number, step: Step::Socket }
    }

    fn address(&self) -> IpAddr {
        self.leg.routed.destination
    }
}

fn unheard(scene: &Scene, asked: &Asked<'_>, transport: Transport) -> Option<Finding> {
    let port = asked.leg.routed.destination_port?;
    let there: Vec<&Socket> = listeners(scene.stack(asked.stack), transport, port).collect();
    if let Some(socket) = there.iter().find(|socket| takes(socket.local.ip(), asked.address())) {
        return only_ipv6(scene, asked, socket);
    }
    let what = format!(
        "nothing listens on {} port {port} of {} {}",
        word(transport),
        asked.address(),
        scene.stack(asked.stack).location()
    );
    if let Some(socket) = there.first() {
        return Some(at_other_address(scene, asked, socket, &what));
    }
    let elsewhere = other_stack(scene, asked.stack, transport, port);
    Some(match elsewhere {
        Some((stack, socket)) => in_other_stack(scene, asked, (stack, socket), &what),
        None => nowhere(scene, asked, transport, what),
    })
}

fn listeners(stack: &Stack, transport: Transport, port: u16) -> impl Iterator<Item = &Socket> {
    let waiting = move |it: &&Socket| it.transport == transport && it.remote.is_none();
    stack.listeners.iter().filter(waiting).filter(move |it| it.local.port() == port)
}

/// Whether a socket bound to `own` takes what is sent to `address`: `::` takes IPv4 as well (ipv6(7)).
fn takes(own: IpAddr, address: IpAddr) -> bool {
    let own = own.to_canonical();
    own == address || own.is_unspecified() && (Family::of(own) == Family::of(address) || own.is_ipv6())
}

/// Where a program was most likely started by mistake: on the host; or in the only netns that has one on that
/// port, if it is the host that is asked. In others it may well be another program of the same kind.
fn other_stack(scene: &Scene, asked: StackId, transport: Transport, port: u16) -> Option<(StackId, &Socket)> {
    let elsewhere = |id: StackId| Some((id, listeners(scene.stack(id), transport, port).next()?));
    if asked != StackId::HOST {
        return elsewhere(StackId::HOST);
    }
    let mut netns = scene.numbered().skip(1).filter_map(|(id, _)| elsewhere(id));
    let first = netns.next()?;
    netns.next().is_none().then_some(first)
}

fn nowhere(scene: &Scene, asked: &Asked<'_>, transport: Transport, what: String) -> Finding {
    let stack = scene.stack(asked.stack);
    let start = stack.run("PROGRAM");
    Finding::error(&NOTHING_LISTENS, asked.stack, asked.spot(), what)
        .seen(stack.run(list(transport)), on_port(stack, asked, transport))
        .why(silence(transport))
        .remedy(Remedy::note(format!("start the program there: '{start}'")))
}

fn at_other_address(scene: &Scene, asked: &Asked<'_>, socket: &Socket, what: &str) -> Finding {
    let stack = scene.stack(asked.stack);
    let bound = socket.local;
    let wanted =
        if asked.address().is_ipv4() { "0.0.0.0 (all IPv4 addresses)" } else { ":: (all addresses)" };
    let why = if bound.ip().is_loopback() {
        "a program on a loopback address only hears who is in the same stack"
    } else {
        "a program that is bound to one address does not hear what is sent to others"
    };
    Finding::error(
        &LISTENS_ELSEWHERE,
        asked.stack,
        asked.spot(),
        format!("{what}; {} does on {bound}", who(socket)),
    )
    .seen(stack.run(list(socket.transport)), shown(socket))
    .why(why)
    .remedy(Remedy::note(format!("let {} listen on {wanted}, or on {}", who(socket), asked.address())))
}

fn in_other_stack(scene: &Scene, asked: &Asked<'_>, (id, socket): (StackId, &Socket), what: &str) -> Finding {
    let stack = scene.stack(asked.stack);
    let there = scene.stack(id);
    let start = stack.run("PROGRAM");
    Finding::error(
        &LISTENS_ELSEWHERE,
        asked.stack,
        asked.spot(),
        format!("{what}; {} does {}", who(socket), there.location()),
    )
    .seen(stack.run(list(socket.transport)), on_port(stack, asked, socket.transport))
    .seen(there.run(list(socket.transport)), shown(socket))
    .why("each network stack has its own ports; a program belongs to the one it was started in")
    .remedy(Remedy::note(format!("start it where it is asked for: '{start}'")))
}

/// `::` takes IPv4 unless the program said `IPV6_V6ONLY`; a refusal says that it did, or that a filter refused.
fn only_ipv6(scene: &Scene, asked: &Asked<'_>, socket: &Socket) -> Option<Finding> {
    let refused = asked.outcome == Some(&Outcome::Refused);
    if !refused || asked.address().is_ipv6() || !socket.local.is_ipv6() || !socket.local.ip().is_unspecified()
    {
        return None;
    }
    let stack = scene.stack(asked.stack);
    let what = format!(
        "{} listens on {} {} and refuses IPv4: it takes IPv6 only, or a filter refuses",
        who(socket),
        socket.local,
        stack.location()
    );
    let finding = Finding::warning(&LISTENS_ELSEWHERE, asked.stack, asked.spot(), what)
        .seen(stack.run(list(socket.transport)), shown(socket))
        .seen("an attempt to connect", "connection refused")
        .why("a socket on :: takes IPv4 as well, unless its program switched that off (IPV6_V6ONLY)")
        .remedy(Remedy::note("let it listen on 0.0.0.0 as well, or ask it by IPv6"));
    Some(finding)
}

fn silence(transport: Transport) -> &'static str {
    match transport {
        Transport::Tcp => "the kernel answers the first packet to such a port with a reset",
        Transport::Udp => "the kernel answers a datagram to such a port with 'port unreachable', at most",
    }
}

fn list(transport: Transport) -> &'static str {
    match transport {
        Transport::Tcp => "ss -ltnp",
        Transport::Udp => "ss -lunp",
    }
}

fn word(transport: Transport) -> &'static str {
    match transport {
        Transport::Tcp => "TCP",
        Transport::Udp => "UDP",
    }
}

/// What else listens there, for who has the wrong port.
fn on_port(stack: &Stack, asked: &Asked<'_>, transport: Transport) -> String {
    let others = stack.listeners.iter().filter(|it| it.transport == transport && it.remote.is_none());
    let mut others: Vec<String> =
        others.filter(|it| takes(it.local.ip(), asked.address())).map(shown).collect();
    others.dedup();
    others.truncate(MOST_SHOWN);
    if others.is_empty() { "nothing".to_owned() } else { format!("only {}", others.join(", ")) }
}

/// A host may have many programs.
const MOST_SHOWN: usize = 5;

fn shown(socket: &Socket) -> String {
    let local: SocketAddr = socket.local;
    if socket.programs.is_empty() { local.to_string() } else { format!("{local} {}", who(socket)) }
}

fn who(socket: &Socket) -> String {
    match socket.programs.first() {
        Some(process) => format!("'{}' (pid {})", process.program.escape_debug(), process.pid),
        None => "a program".to_owned(),
    }
}

fn ping_ignored(scene: &Scene, asked: &Asked<'_>) -> Option<Finding> {
    debug_assert_eq!(asked.leg.routed.protocol, Protocol::Icmp, "all else has a transport");
    let setting = match Family::of(asked.address()) {
        Family::Ipv4 => "net.ipv4.icmp_echo_ignore_all",
        Family::Ipv6 => "net.ipv6.icmp.echo_ignore_all",
    };
    let stack = scene.stack(asked.stack);
    let path = setting.replace('.', "/");
    if stack.setting(&path) != Some(1) {
        return None;
    }
    let mend = place(stack).zip(NamedSetting::new(setting).ok());
    let mend =
        mend.map(|(place, setting)| Mend::Change(Operation::SetSysctl(place, Sysctl::Named(setting), 0)));
    let what = format!("pings are ignored {}", stack.location());
    let finding = Finding::error(&PING_IGNORED, asked.stack, asked.spot(), what)
        .seen(stack.file_of(&path), "1")
        .why("a ping without an answer looks like a broken way, though all else may get through")
        .remedy(Remedy::command(stack.set(setting, 0)))
        .mend(mend);
    Some(finding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        diagnose::{
            tests::lab::{BLUE, HOST, RED, codes, findings_on, lab, to},
            way::Way,
        },
        view::Process,
    };

    const BLUES: &str = "192.168.100.3";

    fn listener(address: &str) -> Socket {
        Socket {
            transport: Transport::Tcp,
            local: address.parse().unwrap(),
            remote: None,
            state: "listening".to_owned(),
            programs: vec![Process { pid: 42, program: "nginx".to_owned() }],
        }
    }

    fn with(stack: StackId, address: &str) -> Scene {
        let mut scene = lab();
        scene.stacks[stack.0].listeners.push(listener(address));
        scene
    }

    #[test]
    fn whoever_listens_on_all_addresses_is_found() {
        for address in ["0.0.0.0:80", "[::]:80", "192.168.100.3:80", "[::ffff:192.168.100.3]:80"] {
            assert_eq!(codes(&findings_on(&CHECK, &with(BLUE, address), to(RED, BLUES))), [""; 0]);
        }
    }

    #[test]
    fn a_port_that_nobody_has_is_said_with_those_that_somebody_has() {
        let findings = findings_on(&CHECK, &with(BLUE, "0.0.0.0:8080"), to(RED, BLUES));
        assert_eq!(codes(&findings), ["nothing-listens"]);
        assert_eq!(findings[0].evidence[0].read, "ip netns exec blue ss -ltnp");
        assert_eq!(findings[0].evidence[0].says, "only 0.0.0.0:8080 'nginx' (pid 42)");
    }

    #[test]
    fn a_port_of_the_other_transport_is_another() {
        let mut scene = with(BLUE, "0.0.0.0:80");
        scene.stacks[BLUE.0].listeners[0].transport = Transport::Udp;
        assert_eq!(codes(&findings_on(&CHECK, &scene, to(RED, BLUES))), ["nothing-listens"]);
    }

    #[test]
    fn a_program_on_loopback_is_named() {
        let findings = findings_on(&CHECK, &with(BLUE, "127.0.0.1:80"), to(RED, BLUES));
        assert_eq!(codes(&findings), ["listens-elsewhere"]);
        assert!(findings[0].what.contains("'nginx' (pid 42) does on 127.0.0.1:80"), "{}", findings[0].what);
    }

    #[test]
    fn a_program_that_was_started_on_the_host_is_named() {
        let findings = findings_on(&CHECK, &with(HOST, "0.0.0.0:80"), to(RED, BLUES));
        assert_eq!(codes(&findings), ["listens-elsewhere"]);
        assert!(findings[0].what.ends_with("'nginx' (pid 42) does on the host"), "{}", findings[0].what);
    }

    #[test]
    fn a_program_in_another_netns_is_meant_only_by_who_asks_the_host() {
        let mut scene = with(RED, "0.0.0.0:80");
        assert_eq!(codes(&findings_on(&CHECK, &scene, to(RED, BLUES))), ["nothing-listens"]);
        assert_eq!(codes(&findings_on(&CHECK, &scene, to(HOST, "127.0.0.1"))), ["listens-elsewhere"]);
        scene.stacks[BLUE.0].listeners.push(listener("0.0.0.0:80"));
        assert_eq!(codes(&findings_on(&CHECK, &scene, to(HOST, "127.0.0.1"))), ["nothing-listens"]);
    }

    #[test]
    fn a_refusal_betrays_who_takes_ipv6_only() {
        let scene = with(BLUE, "[::]:80");
        let look = |outcome| look(&scene, &Followed::new(&scene, to(RED, BLUES), outcome));
        assert_eq!(codes(&look(Some(Outcome::Refused))), ["listens-elsewhere"]);
        assert_eq!(codes(&look(Some(Outcome::NoAnswer))), [""; 0]);
    }

    #[test]
    fn a_stack_may_ignore_pings() {
        let ping = || Way { protocol: Protocol::Icmp, port: None, ..to(RED, BLUES) };
        let mut scene = lab();
        assert_eq!(codes(&findings_on(&CHECK, &scene, ping())), [""; 0]);
        scene.stacks[BLUE.0].settings.insert("net/ipv4/icmp_echo_ignore_all".to_owned(), 1);
        let findings = findings_on(&CHECK, &scene, ping());
        assert_eq!(codes(&findings), ["ping-ignored"]);
        assert_eq!(
            findings[0].remedy[0].commands,
            ["ip netns exec blue sysctl -w net.ipv4.icmp_echo_ignore_all=0"]
        );
        assert_eq!(findings[0].mend.len(), 1);
    }
}
