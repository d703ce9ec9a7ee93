//! Which ways a question comes down to: from where, to which address, with what.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::Serialize;

use super::{
    journey::Journey,
    packet::{Packet, Protocol},
    question::{Destination, HostPort, Path, Question},
    scene::{Link, Scene, Stack, StackId},
};
use crate::{address::Family, firewall::Transport, record::Record};

/// The port of name servers (RFC 1035).
const DNS: u16 = 53;
/// Who is asked where the host names no name server of its own: Quad9 (<https://quad9.net>).
const PUBLIC_NAME_SERVERS: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(9, 9, 9, 9)), IpAddr::V6(Ipv6Addr::new(0x2620, 0xfe, 0, 0, 0, 0, 0, 0xfe))];
/// Looking at a whole host, this many of each kind of thing are followed.
const MOST_OF_A_KIND: usize = 8;

/// One way to be followed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Way {
    /// What it is followed for.
    pub purpose: Purpose,
    /// The stack it begins in, or comes to from outside.
    pub from: StackId,
    /// From outside: index of the link it comes in by.
    pub enters_by: Option<u32>,
    /// Where it leads.
    pub to: IpAddr,
    /// What is sent.
    pub protocol: Protocol,
    /// The port there; none for a ping.
    pub port: Option<u16>,
}

/// What a way is followed for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// It is what was asked.
    Asked,
    /// To see whether the internet is reached.
    Internet,
    /// To see whether names can be looked up.
    NameServer,
    /// To see whether the host itself gets there: if not, the fault is not on the way to the host.
    Control,
    /// To see what becomes of somebody from outside; it cannot be tried from here.
    FromOutside,
}

impl Way {
    /// Returns the packet that is followed; its source is left to its stack.
    #[must_use]
    pub fn packet(&self) -> Packet {
        let unspecified: IpAddr = match self.to {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        Packet::new(unspecified, self.to, self.protocol, self.port)
    }

    /// Returns where it leads through the scene, and back.
    #[must_use]
    pub fn follow(&self, scene: &Scene) -> Journey {
        match self.enters_by {
            None => Journey::follow(scene, self.from, self.packet()),
            Some(link) => Journey::follow_in(scene, self.from, link, self.packet()),
        }
    }

    /// Returns port and transport, unless it is a ping.
    #[must_use]
    pub fn service(&self) -> Option<(u16, Transport)> {
        self.port.zip(self.protocol.transport())
    }

    /// Returns whether another way is the same, whatever it is followed for.
    fn leads_as(&self, other: &Self) -> bool {
        (self.from, self.to, self.service()) == (other.from, other.to, other.service())
    }

    /// Returns whether it can be tried from here.
    #[must_use]
    pub fn can_be_tried(&self) -> bool {
        self.enters_by.is_none()
    }
}

/// Returns the ways that answer `question`; `resolved` is what name servers said of a name in it.
#[must_use]
pub fn ways(scene: &Scene, question: &Question, resolved: Option<IpAddr>) -> Vec<Way> {
    match question {
        Question::Host => of_host(scene),
        Question::Port(port) => to_port(scene, port),
        Question::Path(path) => along(scene, path, resolved),
    }
}

fn along(scene: &Scene, path: &Path, resolved: Option<IpAddr>) -> Vec<Way> {
    let Some(from) = scene.find(&path.from) else { return Vec::new() };
    let asked = |to| Way {
        purpose: Purpose::Asked,
        from,
        enters_by: None,
        to,
        protocol: path.protocol,
        port: path.port,
    };
    match &path.to {
        Destination::Internet => out(scene, from),
        Destination::Address(address) => vec![asked(*address)],
        Destination::Stack(entrance) => {
            let to = scene.find(entrance).and_then(|to| nearest_address(scene, from, to));
            to.map(asked).into_iter().collect()
        }
        Destination::Name(_) => {
            let asked = resolved.map(asked);
            asked.into_iter().chain(name_servers(scene, from)).collect()
        }
    }
}

/// To the internet in each family that the stack has addresses of, and to its name servers.
fn out(scene: &Scene, from: StackId) -> Vec<Way> {
    let stack = scene.stack(from);
    let mut families: Vec<Family> =
        [Family::Ipv4, Family::Ipv6].into_iter().filter(|family| speaks(stack, *family)).collect();
    if families.is_empty() {
        families.push(Family::Ipv4);
    }
    let mut ways = Vec::new();
    for family in families {
        let way = |purpose, from| Way {
            purpose,
            from,
            enters_by: None,
            to: server_beyond(scene, stack, family),
            protocol: Protocol::Udp,
            port: Some(DNS),
        };
        ways.push(way(Purpose::Internet, from));
        if from != StackId::HOST {
            ways.push(way(Purpose::Control, StackId::HOST));
        }
    }
    for server in name_servers(scene, from) {
        if !ways.iter().any(|way| way.leads_as(&server)) {
            let control = Way { purpose: Purpose::Control, from: StackId::HOST, ..server.clone() };
            ways.push(server);
            ways.extend((from != StackId::HOST).then_some(control));
        }
    }
    ways
}

/// Whether a stack has an address of the family that reaches beyond a link.
fn speaks(stack: &Stack, family: Family) -> bool {
    let links = stack.links.iter().filter(|link| !link.is_loopback());
    links.flat_map(|link| &link.addresses).map(|address| address.net.addr()).any(|address| match address {
        IpAddr::V4(_) => family == Family::Ipv4,
        IpAddr::V6(address) => family == Family::Ipv6 && !address.is_unicast_link_local(),
    })
}

/// Somebody who should answer and is not on this host: the host's name server, the stack's own, or a public one.
fn server_beyond(scene: &Scene, stack: &Stack, family: Family) -> IpAddr {
    let own = scene.host().resolver.upstream.iter().chain(&stack.resolver.servers);
    let mut beyond = own.filter(|server| {
        Family::of(**server) == family && !server.is_loopback() && scene.owners(**server).next().is_none()
    });
    let public = PUBLIC_NAME_SERVERS[usize::from(family == Family::Ipv6)];
    beyond.next().copied().unwrap_or(public)
}

fn name_servers(scene: &Scene, from: StackId) -> impl Iterator<Item = Way> {
    let servers = scene.stack(from).resolver.servers.iter().take(crate::resolver::ResolvConf::MOST_SERVERS);
    servers.filter(|server| !server.is_loopback()).map(move |server| Way {
        purpose: Purpose::NameServer,
        from,
        enters_by: None,
        to: *server,
        protocol: Protocol::Udp,
        port: Some(DNS),
    })
}

/// The address of `to` that `from` reaches without a router, else its first one.
fn nearest_address(scene: &Scene, from: StackId, to: StackId) -> Option<IpAddr> {
    let links = |stack: StackId| scene.stack(stack).links.iter().filter(|link: &&Link| !link.is_loopback());
    let usable =
        |address: &IpAddr| !matches!(address, IpAddr::V6(address) if address.is_unicast_link_local());
    let addresses = || links(to).flat_map(|link| &link.addresses).map(|it| it.net.addr()).filter(usable);
    let near = addresses().find(|address| links(from).any(|link| link.is_on_link(*address)));
    near.or_else(|| addresses().next())
}

fn to_port(scene: &Scene, port: &HostPort) -> Vec<Way> {
    let address = port.address.unwrap_or_else(|| likely_address(scene, port));
    let asked = from_host_to(address, port);
    let outside =
        if address.is_loopback() && port.address.is_some() { None } else { from_outside(scene, &asked) };
    let for_others_alone = outside.as_ref().is_some_and(|way| is_led_on(scene, way))
        && !is_led_on(scene, &asked)
        && !is_heard(scene.host(), asked.to, port);
    // Then the host's own try would only show that it was not meant.
    let asked = (!for_others_alone).then_some(asked);
    asked.into_iter().chain(outside).collect()
}

fn from_host_to(address: IpAddr, port: &HostPort) -> Way {
    Way {
        purpose: Purpose::Asked,
        from: StackId::HOST,
        enters_by: None,
        to: address,
        protocol: port.transport.into(),
        port: Some(port.port),
    }
}

/// The first of the host's addresses where the port leads somewhere: into a netns, or to a program.
fn likely_address(scene: &Scene, port: &HostPort) -> IpAddr {
    let of_links =
        scene.host().links.iter().filter(|link| !link.is_loopback()).flat_map(|link| &link.addresses);
    let own = of_links.map(|address| address.net.addr()).filter(IpAddr::is_ipv4);
    let localhost = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let leads_somewhere = |address: &IpAddr| {
        is_led_on(scene, &from_host_to(*address, port)) || is_heard(scene.host(), *address, port)
    };
    std::iter::once(localhost).chain(own).find(leads_somewhere).unwrap_or(localhost)
}

fn is_heard(host: &Stack, address: IpAddr, port: &HostPort) -> bool {
    host.listeners.iter().any(|socket| {
        let bound = socket.local.ip();
        (socket.transport, socket.local.port()) == (port.transport, port.port)
            && (bound == address || bound.is_unspecified())
    })
}

/// Whether a port forward takes the first packet.
fn is_led_on(scene: &Scene, way: &Way) -> bool {
    way.follow(scene).legs.first().is_some_and(|leg| leg.redirection.is_some())
}

/// The same from outside: by the uplink, to the host's address there.
fn from_outside(scene: &Scene, asked: &Way) -> Option<Way> {
    let uplink = uplink(scene.host(), Family::of(asked.to))?;
    let own = uplink.addresses.iter().map(|address| address.net.addr());
    let to = if asked.to.is_loopback() {
        own.into_iter().find(|address| Family::of(*address) == Family::of(asked.to))?
    } else {
        asked.to
    };
    Some(Way { purpose: Purpose::FromOutside, enters_by: Some(uplink.index), to, ..asked.clone() })
}

/// Returns the link of the host's default route.
#[must_use]
pub fn uplink(host: &Stack, family: Family) -> Option<&Link> {
    let defaults = host.routes.iter().filter(|route| {
        route.table == 254
            && route.destination.prefix_len() == 0
            && Family::of_net(&route.destination) == family
    });
    let best = defaults.min_by_key(|route| route.metric)?;
    host.link(best.hops.first()?.link?)
}

/// Out of each bridge that was given NAT.
fn of_host(scene: &Scene) -> Vec<Way> {
    let bridges = scene.host.records.iter().filter_map(|record| match record {
        Record::Nat(nat) => scene.host().link_named(&nat.bridge),
        _ => None,
    });
    let users = bridges.filter_map(|bridge| {
        let mut ports = scene.host().ports(bridge.index);
        ports.find_map(|port| port.peer?.stack).filter(|stack| *stack != StackId::HOST)
    });
    let internet = |from| out(scene, from).into_iter().filter(|way| way.purpose == Purpose::Internet);
    users.take(MOST_OF_A_KIND).flat_map(internet).collect()
}
