//! A router between two netns, real packets through it, and what the rules are judged to do with them.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr, TcpListener, UdpSocket},
    time::Duration,
};

use netns_engine::{
    diagnose::{
        firewall::{Certainty, Culprit, Hook, Judgement, Passage, Ruleset},
        packet::{ConnectionState, Packet, Protocol},
    },
    kernel::examine::ruleset_of,
    name::LinkName,
    place::Entrance,
};
use netns_testkit::{Sandbox, sh};

/// Long enough for any packet that passes, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to look whether a packet that should not arrive does: a longer look would only find more mistakes.
const GLANCE: Duration = Duration::from_millis(100);

/// TCP ports that somebody listens on in every netns.
pub(crate) const TCP_PORTS: [u16; 3] = [22, 80, 8080];
/// UDP port that somebody listens on in every netns.
pub(crate) const UDP_PORT: u16 = 53;

/// The sandbox as a router: `red` (`10.1.0.2`, `fd01::2`) behind `vr`, `blue` (`10.2.0.2`, `fd02::2`) behind `vb`.
pub(crate) struct Lab<'a> {
    host: &'a Sandbox,
    /// The kernel answers for them; nobody ever accepts.
    listeners: Vec<TcpListener>,
    servers: BTreeMap<Node, Vec<UdpSocket>>,
}

/// Who sends and receives.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Node {
    Red,
    Blue,
    Router,
}

/// A try to reach somebody.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Try {
    pub(crate) from: Node,
    pub(crate) to: SocketAddr,
    pub(crate) protocol: Protocol,
}

impl Node {
    fn name(self) -> Option<&'static str> {
        match self {
            Self::Red => Some("red"),
            Self::Blue => Some("blue"),
            Self::Router => None,
        }
    }

    /// The router's link towards it.
    fn link(self) -> LinkName {
        LinkName::new(match self {
            Self::Red => "vr",
            Self::Blue => "vb",
            Self::Router => "lo",
        })
        .unwrap()
    }

    pub(crate) fn address(self) -> IpAddr {
        match self {
            Self::Red => "10.1.0.2".parse().unwrap(),
            Self::Blue => "10.2.0.2".parse().unwrap(),
            Self::Router => "10.1.0.1".parse().unwrap(),
        }
    }

    pub(crate) fn address6(self) -> IpAddr {
        match self {
            Self::Red => "fd01::2".parse().unwrap(),
            Self::Blue => "fd02::2".parse().unwrap(),
            Self::Router => "fd01::1".parse().unwrap(),
        }
    }

    fn of(address: IpAddr) -> Self {
        [Self::Red, Self::Blue]
            .into_iter()
            .find(|node| [node.address(), node.address6()].contains(&address))
            .unwrap_or(Self::Router)
    }
}

impl<'a> Lab<'a> {
    pub(crate) fn new(host: &'a Sandbox) -> Self {
        sh("ip netns add red; ip netns add blue
            ip link add vr type veth peer name eth0 netns red
            ip link add vb type veth peer name eth0 netns blue
            for name in red:vr:1 blue:vb:2; do
                node=${name%%:*}; number=${name##*:}; link=${name#*:}; link=${link%:*}
                ip -n $node link set lo up; ip -n $node link set eth0 up; ip link set $link up
                ip address add 10.$number.0.1/24 dev $link
                ip -n $node address add 10.$number.0.2/24 dev eth0
                ip address add fd0$number::1/64 dev $link nodad
                ip -n $node address add fd0$number::2/64 dev eth0 nodad
                ip -n $node route add default via 10.$number.0.1
                ip -n $node route add default via fd0$number::1
            done
            echo 1 > /proc/sys/net/ipv4/ip_forward
            echo 1 > /proc/sys/net/ipv6/conf/all/forwarding");
        let mut lab = Self { host, listeners: Vec::new(), servers: BTreeMap::new() };
        for node in [Node::Red, Node::Blue, Node::Router] {
            let (listeners, server) = lab.inside(node, || {
                let any: IpAddr = "::".parse().unwrap();
                let listeners = TCP_PORTS.map(|port| TcpListener::bind((any, port)).unwrap());
                (listeners, UdpSocket::bind((any, UDP_PORT)).unwrap())
            });
            lab.listeners.extend(listeners);
            lab.servers.insert(node, vec![server]);
        }
        lab
    }

    fn inside<T: Send>(&self, node: Node, work: impl FnOnce() -> T + Send) -> T {
        match node.name() {
            Some(name) => self.host.inside(name, work),
            None => work(),
        }
    }

    /// Reads the rules, tries all, and insists that what was judged is what happens.
    #[track_caller]
    pub(crate) fn check(&self, rules: &str) -> Ruleset {
        self.check_some(rules, &all_tries())
    }

    #[track_caller]
    pub(crate) fn check_some(&self, rules: &str, tries: &[Try]) -> Ruleset {
        let ruleset = ruleset_of(&Entrance::Host).unwrap();
        for one in tries {
            forget_connections();
            let culprits = culprits(&ruleset, one);
            assert!(
                culprits.iter().all(|culprit| culprit.certainty == Certainty::Certain),
                "{one:?} cannot be told: {culprits:?}\n{rules}"
            );
            let passes = culprits.is_empty();
            let did = self.reaches(one, if passes { PATIENCE } else { GLANCE });
            assert_eq!(did, passes, "{one:?} gets through; culprits: {culprits:#?}\n{rules}\n{ruleset:#?}");
        }
        ruleset
    }

    /// Whether it gets an answer.
    pub(crate) fn reaches(&self, one: &Try, limit: Duration) -> bool {
        match one.protocol {
            Protocol::Icmp => pings(one, limit),
            Protocol::Tcp => {
                self.inside(one.from, || std::net::TcpStream::connect_timeout(&one.to, limit).is_ok())
            }
            Protocol::Udp => self.is_answered(one, limit),
        }
    }

    fn is_answered(&self, one: &Try, limit: Duration) -> bool {
        let any: IpAddr = if one.to.is_ipv4() { "0.0.0.0" } else { "::" }.parse().unwrap();
        let client = self.inside(one.from, || UdpSocket::bind((any, 0)).unwrap());
        client.set_read_timeout(Some(limit)).unwrap();
        if client.send_to(b"hello", one.to).is_err() {
            return false;
        }
        let server = &self.servers[&Node::of(one.to.ip())][0];
        server.set_read_timeout(Some(limit)).unwrap();
        let mut buffer = [0; 16];
        let Ok((_, from)) = server.recv_from(&mut buffer) else { return false };
        server.send_to(b"hello yourself", from).is_ok() && client.recv_from(&mut buffer).is_ok()
    }
}

fn pings(one: &Try, limit: Duration) -> bool {
    let inside = one.from.name().map(|name| format!("ip netns exec {name} ")).unwrap_or_default();
    let (address, limit) = (one.to.ip(), limit.as_secs_f32());
    sh(&format!("{inside}ping -n -q -c 1 -W {limit} {address} >/dev/null 2>&1 && echo yes || echo no"))
        == "yes\n"
}

/// What was tried before must not count as established.
pub(crate) fn forget_connections() {
    sh("conntrack -F >/dev/null 2>&1 || true");
}

pub(crate) fn all_tries() -> Vec<Try> {
    let mut tries = Vec::new();
    for (from, to) in [(Node::Red, Node::Blue), (Node::Blue, Node::Red), (Node::Red, Node::Router)] {
        for address in [to.address(), to.address6()] {
            let tcp = TCP_PORTS.map(|port| (Protocol::Tcp, port));
            for (protocol, port) in tcp.into_iter().chain([(Protocol::Udp, UDP_PORT), (Protocol::Icmp, 0)]) {
                tries.push(Try { from, to: SocketAddr::new(address, port), protocol });
            }
        }
    }
    tries
}

/// Everybody who stops a packet on its way there, or its answer.
pub(crate) fn culprits(ruleset: &Ruleset, one: &Try) -> Vec<Culprit> {
    let source = if one.to.is_ipv4() { one.from.address() } else { one.from.address6() };
    let port = (one.protocol != Protocol::Icmp).then_some(one.to.port());
    let mut packet = Packet::new(source, one.to.ip(), one.protocol, port);
    packet.source_port = port.map(|_| 40_000);
    let to = Node::of(one.to.ip());
    let mut found = Vec::new();
    for (packet, from, to) in [(packet, one.from, to), (packet.answer(), to, one.from)] {
        for hook in hooks(from, to) {
            found.extend(judge(ruleset, &packet, (hook, from, to)).culprits);
        }
    }
    found
}

fn hooks(from: Node, to: Node) -> Vec<Hook> {
    match (from, to) {
        (Node::Router, _) => vec![Hook::Output, Hook::Postrouting, Hook::Egress],
        (_, Node::Router) => vec![Hook::Ingress, Hook::Prerouting, Hook::Input],
        _ => vec![Hook::Ingress, Hook::Prerouting, Hook::Forward, Hook::Postrouting, Hook::Egress],
    }
}

pub(crate) fn judge(ruleset: &Ruleset, packet: &Packet, (hook, from, to): (Hook, Node, Node)) -> Judgement {
    let (incoming, outgoing) = (from.link(), to.link());
    let comes = from != Node::Router;
    let leaves = matches!(hook, Hook::Forward | Hook::Output | Hook::Postrouting | Hook::Egress);
    assert!(packet.state == ConnectionState::New || packet.state == ConnectionState::Established);
    ruleset.judge(&Passage {
        packet,
        hook,
        incoming: comes.then_some(&incoming),
        outgoing: leaves.then_some(&outgoing),
        incoming_port: None,
        outgoing_port: None,
        for_this_stack: to == Node::Router,
        from_this_stack: from == Node::Router,
    })
}
