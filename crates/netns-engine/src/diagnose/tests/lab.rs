//! A healthy network to break: two netns on a bridge, with NAT.
//!
//! ```text
//!   red 192.168.100.2 ──┐
//!                       br0 192.168.100.1 [host] eth0 198.51.100.2 ── 198.51.100.1 (world)
//!   blue 192.168.100.3 ─┘
//! ```

use std::path::PathBuf;

use crate::{
    address::Family,
    diagnose::{
        case::{Case, Followed},
        checks::{Check, Look},
        finding::Finding,
        firewall::{
            Base, Chain, ChainFamily, ChainKind, Field, Hook, Match, Origin, Policy, Rule, Values, Verdict,
        },
        packet::Protocol,
        question::{Destination, Path, Question},
        scene::{
            Address, Bridge, Link, Neighbour, NextHop, Peer, Port, Resolver, Route, RouteKind, Scene, Stack,
            StackId,
        },
        way::{Purpose, Way},
    },
    name::{LinkName, NetnsName},
    place::Entrance,
};

pub(in crate::diagnose) const HOST: StackId = StackId::HOST;
pub(in crate::diagnose) const RED: StackId = StackId(1);
pub(in crate::diagnose) const BLUE: StackId = StackId(2);
/// Somebody out there.
pub(in crate::diagnose) const WORLD: &str = "203.0.113.8";

/// The network of the picture, all well.
pub(in crate::diagnose) fn lab() -> Scene {
    let mut host = stack(Entrance::Host, "198.51.100.1");
    host.links = vec![
        link(1, "lo", "loopback", &["127.0.0.1/8"]),
        link(2, "eth0", "physical", &["198.51.100.2/24"]),
        bridge(3, "br0", &["192.168.100.1/24"]),
        port(4, "v-red", 3, Peer { stack: Some(RED), index: 2 }),
        port(5, "v-blue", 3, Peer { stack: Some(BLUE), index: 2 }),
    ];
    host.routes = vec![
        connected("198.51.100.0/24", 2),
        default_via("198.51.100.1", 2),
        connected("192.168.100.0/24", 3),
    ];
    host.neighbours = vec![neighbour(2, "198.51.100.1", "02:00:00:00:01:01")];
    for name in ["net/ipv4/ip_forward", "net/ipv4/conf/all/forwarding"] {
        host.settings.insert(name.to_owned(), 1);
    }
    for name in ["br0", "eth0"] {
        host.settings.insert(format!("net/ipv4/conf/{name}/forwarding"), 1);
        host.settings.insert(format!("net/ipv4/conf/{name}/rp_filter"), 0);
    }
    host.firewall.chains.push(masquerade("192.168.100.0/24", "eth0"));
    let red = inner("red", "192.168.100.2/24", Peer { stack: Some(HOST), index: 4 });
    let blue = inner("blue", "192.168.100.3/24", Peer { stack: Some(HOST), index: 5 });
    Scene {
        also: Vec::new(),
        stacks: vec![host, red, blue],
        host: crate::diagnose::scene::HostNotes { may_change: true, ..Default::default() },
    }
}

/// A netns with `eth0` and a default route by the bridge.
fn inner(name: &str, address: &str, peer: Peer) -> Stack {
    let mut inner = stack(Entrance::Named(NetnsName::new(name).unwrap()), "198.51.100.1");
    inner.links = vec![
        link(1, "lo", "loopback", &["127.0.0.1/8"]),
        Link { peer: Some(peer), ..link(2, "eth0", "veth", &[address]) },
    ];
    inner.routes = vec![connected("192.168.100.0/24", 2), default_via("192.168.100.1", 2)];
    inner
}

fn stack(entrance: Entrance, server: &str) -> Stack {
    let servers = vec![server.parse().unwrap()];
    let resolver = Resolver {
        file: PathBuf::from("/etc/resolv.conf").display().to_string(),
        exists: true,
        servers: servers.clone(),
        nsswitch_hosts: Some("files dns".to_owned()),
        upstream: servers,
    };
    Stack { entrance, resolver, ..Stack::default() }
}

/// A link that is up, with a MAC address made of its index.
pub(in crate::diagnose) fn link(index: u32, name: &str, kind: &str, addresses: &[&str]) -> Link {
    let net = |text: &&str| Address { net: text.parse().unwrap(), tentative: false, duplicate: false };
    Link {
        index,
        name: LinkName::new(name).unwrap(),
        kind: kind.to_owned(),
        up: true,
        carrier: true,
        arp: true,
        mac: None,
        mtu_bytes: 1500,
        master: None,
        peer: None,
        bridge: None,
        port: None,
        addresses: addresses.iter().map(net).collect(),
        ours: false,
    }
}

/// A bridge that is up.
pub(in crate::diagnose) fn bridge(index: u32, name: &str, addresses: &[&str]) -> Link {
    Link { bridge: Some(Bridge::default()), ..link(index, name, "bridge", addresses) }
}

/// A veth end in a bridge.
pub(in crate::diagnose) fn port(index: u32, name: &str, bridge: u32, peer: Peer) -> Link {
    Link {
        master: Some(bridge),
        peer: Some(peer),
        port: Some(Port::default()),
        ..link(index, name, "veth", &[])
    }
}

/// The route that comes with an address.
pub(in crate::diagnose) fn connected(network: &str, link: u32) -> Route {
    route(network, NextHop { link: Some(link), ..NextHop::default() })
}

/// A default route.
pub(in crate::diagnose) fn default_via(gateway: &str, link: u32) -> Route {
    let gateway: std::net::IpAddr = gateway.parse().unwrap();
    let everything = if gateway.is_ipv4() { "0.0.0.0/0" } else { "::/0" };
    route(everything, NextHop { gateway: Some(gateway), link: Some(link), ..NextHop::default() })
}

fn route(destination: &str, hop: NextHop) -> Route {
    Route {
        table: 254,
        kind: RouteKind::Unicast,
        destination: destination.parse().unwrap(),
        metric: 0,
        source: None,
        hops: vec![hop],
        mtu_bytes: None,
        protocol: "boot".to_owned(),
    }
}

/// A neighbour that answered.
pub(in crate::diagnose) fn neighbour(link: u32, address: &str, mac: &str) -> Neighbour {
    Neighbour {
        link,
        address: address.parse().unwrap(),
        mac: mac.parse().ok(),
        state: "reachable".to_owned(),
    }
}

/// A chain of a table `ip t`, with rules.
pub(in crate::diagnose) fn chain(
    name: &str,
    kind: ChainKind,
    hook: Hook,
    rules: Vec<(Vec<Match>, Verdict)>,
) -> Chain {
    let numbered = rules.into_iter().zip(1..).map(|((matches, verdict), number)| Rule {
        number,
        handle: Some(number as u64 + 10),
        text: format!("rule {number}"),
        matches,
        marks: false,
        verdict,
    });
    Chain {
        origin: Origin::Nftables,
        family: ChainFamily::Ip,
        table: "t".to_owned(),
        name: name.to_owned(),
        base: Some(Base { kind, hook, priority: 0, policy: Policy::Accept, devices: Vec::new() }),
        rules: numbered.collect(),
    }
}

/// What NAT does for a subnet.
pub(in crate::diagnose) fn masquerade(subnet: &str, uplink: &str) -> Chain {
    let net: ipnet::IpNet = subnet.parse().unwrap();
    let matches = vec![
        Match::Is(Field::Source, Values::Addresses(vec![(net.network(), net.broadcast())])),
        Match::Is(Field::OutgoingLink, Values::Words(vec![uplink.to_owned()])),
    ];
    chain("post", ChainKind::Nat, Hook::Postrouting, vec![(matches, Verdict::Masquerade)])
}

/// From one stack to an address, by TCP port 80 unless told otherwise.
pub(in crate::diagnose) fn to(from: StackId, address: &str) -> Way {
    Way {
        purpose: Purpose::Asked,
        from,
        enters_by: None,
        to: address.parse().unwrap(),
        protocol: Protocol::Tcp,
        port: Some(80),
    }
}

/// Asks one check about one way that was not tried.
#[expect(clippy::needless_pass_by_value, reason = "a way is made for each call")]
pub(in crate::diagnose) fn findings_on(check: &Check, scene: &Scene, way: Way) -> Vec<Finding> {
    let followed = Followed::new(scene, way.clone(), None);
    let path = Path {
        from: scene.stack(way.from).entrance.clone(),
        to: Destination::Address(way.to),
        protocol: way.protocol,
        port: way.port,
    };
    let question = Question::Path(path);
    match check.look {
        Look::Along(look) => look(scene, &followed),
        Look::Around(look) => look(&Case { scene, question: &question, ways: vec![followed] }),
        Look::Afterwards(look) => look(&Case { scene, question: &question, ways: vec![followed] }, &[]),
    }
}

/// The names of what was found, in order.
pub(in crate::diagnose) fn codes(findings: &[Finding]) -> Vec<&'static str> {
    findings.iter().map(|finding| finding.code.name).collect()
}

/// What a port forward of iptables is: the same rules for what comes in, and for what the host itself asks.
pub(in crate::diagnose) fn forwarding(packets: &[&str], target: &str) -> [Chain; 2] {
    [("PREROUTING", Hook::Prerouting), ("OUTPUT", Hook::Output)].map(|(name, hook)| {
        let numbered = packets.iter().zip(1..).map(|(packets, number)| {
            let line =
                format!("-A {name} {packets} -m addrtype --dst-type LOCAL -j DNAT --to-destination {target}");
            Rule::from_words(Family::Ipv4, number, &line)
        });
        Chain {
            origin: Origin::Iptables,
            family: ChainFamily::Ip,
            table: "nat".to_owned(),
            name: name.to_owned(),
            base: Some(Base {
                kind: ChainKind::Nat,
                hook,
                priority: -100,
                policy: Policy::Accept,
                devices: Vec::new(),
            }),
            rules: numbered.collect(),
        }
    })
}
