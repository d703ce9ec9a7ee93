//! From a topology to its picture: names resolved, addresses and limits in words.

use std::time::Duration;

use netns_engine::{
    firewall::PortForward,
    place::Place,
    topology::{Cable, CableEnd, Forwarding, Isolation, Network, Node, Reach, Shaping, Topology},
};

use super::picture::{
    Audience, Bar, Card, HostLink, LinkRow, Named, Picture, Purpose, Role, Spot, Tag, TunnelTag, WayOut,
    Wire, WireEnd,
};

/// What stands for the link of the default route where no uplink is named.
const DEFAULT_UPLINK: &str = "uplink";

/// Takes in a topology.
pub(crate) fn picture(topology: &Topology) -> Picture {
    let mut surveyor = Surveyor::new(topology);
    let mut networks: Vec<Bar> = topology.networks.iter().map(|network| surveyor.bar(network)).collect();
    let mut nodes: Vec<Card> = topology.nodes.iter().map(card).collect();
    let cables: Vec<Wire> = topology.cables.iter().filter_map(|cable| surveyor.wire(cable)).collect();
    plug_in(&mut nodes, &cables);
    name_subnets(&mut networks, &topology.networks, &topology.cables);
    for (card, node) in nodes.iter_mut().zip(&topology.nodes) {
        card.links.extend(surveyor.macvlans(node));
    }
    let ports = topology.nodes.iter().enumerate().flat_map(|(index, node)| {
        let named = Named { index, name: node.name.to_string() };
        node.ports.iter().map(move |forward| tag(named.clone(), forward))
    });
    Picture {
        name: topology.name.to_string(),
        networks,
        nodes,
        cables,
        host_links: surveyor.host_links,
        ports: ports.collect(),
        checks: topology.checks.iter().map(|check| check.text.clone()).collect(),
    }
}

/// Knows who is called what.
struct Surveyor<'a> {
    bridges: std::collections::HashMap<&'a str, Named>,
    nodes: std::collections::HashMap<&'a str, usize>,
    host_links: Vec<HostLink>,
}

impl<'a> Surveyor<'a> {
    fn new(topology: &'a Topology) -> Self {
        let bridges = topology.networks.iter().enumerate();
        let nodes = topology.nodes.iter().enumerate();
        Self {
            bridges: bridges
                .map(|(index, network)| {
                    (network.bridge.as_str(), Named { index, name: network.name.clone() })
                })
                .collect(),
            nodes: nodes.map(|(index, node)| (node.name.as_str(), index)).collect(),
            host_links: Vec::new(),
        }
    }

    fn bar(&mut self, network: &Network) -> Bar {
        let ways = network.tunnel.iter().flat_map(|tunnel| tunnel.remotes.iter().map(move |to| (tunnel, to)));
        let tunnels = ways.map(|(tunnel, remote)| TunnelTag {
            link: tunnel.link.to_string(),
            vni: tunnel.vni,
            remote: remote.to_string(),
        });
        Bar {
            name: network.name.clone(),
            bridge: network.bridge.to_string(),
            gateways: network.addresses.iter().map(ToString::to_string).collect(),
            subnets: network.addresses.iter().map(|address| address.trunc().to_string()).collect(),
            way_out: self.way_out(&network.reach),
            tunnels: tunnels.collect(),
        }
    }

    fn way_out(&mut self, reach: &Reach) -> WayOut {
        match reach {
            Reach::Internal => WayOut::Internal,
            Reach::Host => WayOut::Host,
            Reach::Internet { uplink } => {
                let name = uplink.as_ref().map_or(DEFAULT_UPLINK, |link| link.as_str());
                WayOut::Nat(self.host_link(name, Purpose::Uplink))
            }
        }
    }

    fn host_link(&mut self, name: &str, purpose: Purpose) -> Named {
        let known = self.host_links.iter().position(|link| link.name == name);
        let index = known.unwrap_or(self.host_links.len());
        if known.is_none() {
            self.host_links.push(HostLink { name: name.to_owned(), purpose });
        }
        Named { index, name: name.to_owned() }
    }

    fn wire(&self, cable: &Cable) -> Option<Wire> {
        let [one, other] = &cable.ends;
        Some(Wire { ends: [self.wire_end(one)?, self.wire_end(other)?] })
    }

    fn wire_end(&self, end: &CableEnd) -> Option<WireEnd> {
        Some(WireEnd {
            at: self.spot(end)?,
            link: end.at.name.to_string(),
            addresses: end.addresses.iter().map(ToString::to_string).collect(),
            shaping: end.shaping.as_ref().map(limits),
            isolated: end.isolation == Isolation::On,
        })
    }

    fn spot(&self, end: &CableEnd) -> Option<Spot> {
        match (&end.at.place, &end.bridge) {
            (Place::Netns(netns), _) => {
                let index = *self.nodes.get(netns.as_str())?;
                Some(Spot::Node(Named { index, name: netns.to_string() }))
            }
            (Place::Host, Some(bridge)) => {
                let known = self.bridges.get(bridge.as_str()).cloned();
                Some(known.map_or(Spot::Host, Spot::Network))
            }
            (Place::Host, None) => Some(Spot::Host),
        }
    }

    fn macvlans(&mut self, node: &Node) -> Vec<LinkRow> {
        let rows = node.macvlans.iter().map(|macvlan| LinkRow {
            name: macvlan.link.to_string(),
            addresses: macvlan.addresses.iter().map(ToString::to_string).collect(),
            to: Spot::HostLink(self.host_link(macvlan.parent.as_str(), Purpose::Shared)),
            outwards: None,
            inwards: None,
        });
        rows.collect()
    }
}

fn card(node: &Node) -> Card {
    let (default, others): (Vec<_>, Vec<_>) = node.routes.iter().partition(|route| route.is_default());
    let way = |route: &&netns_engine::route::Route| match (route.gateway, &route.link) {
        (Some(gateway), _) => gateway.to_string(),
        (None, Some(link)) => format!("dev {link}"),
        (None, None) => "nowhere".to_owned(),
    };
    Card {
        name: node.name.to_string(),
        role: if node.forwarding == Forwarding::On { Role::Router } else { Role::Node },
        loopback: node.addresses.iter().map(ToString::to_string).collect(),
        links: Vec::new(),
        gateways: default.iter().map(way).collect(),
        routes: others.iter().map(ToString::to_string).collect(),
        programs: node.programs.iter().map(|program| program.command.join(" ")).collect(),
    }
}

/// Names the subnets of networks on which the host has no address.
fn name_subnets(bars: &mut [Bar], networks: &[Network], cables: &[Cable]) {
    for (bar, network) in bars.iter_mut().zip(networks).filter(|(bar, _)| bar.gateways.is_empty()) {
        let plugged = cables.iter().filter(|cable| cable.ends[0].bridge.as_ref() == Some(&network.bridge));
        for subnet in
            plugged.flat_map(|cable| &cable.ends[1].addresses).map(|address| address.trunc().to_string())
        {
            if !bar.subnets.contains(&subnet) {
                bar.subnets.push(subnet);
            }
        }
    }
}

/// Gives each node the ends of cables that are in it.
fn plug_in(nodes: &mut [Card], cables: &[Wire]) {
    for cable in cables {
        let [one, other] = &cable.ends;
        for (here, there) in [(one, other), (other, one)] {
            if let Spot::Node(node) = &here.at {
                let from_node = matches!(there.at, Spot::Node(_));
                nodes[node.index].links.push(LinkRow {
                    name: here.link.clone(),
                    addresses: here.addresses.clone(),
                    to: there.at.clone(),
                    outwards: here.shaping.clone(),
                    inwards: if from_node { None } else { there.shaping.clone() },
                });
            }
        }
    }
}

fn tag(node: Named, forward: &PortForward) -> Tag {
    let published = &forward.published;
    let everywhere = published.address.is_unspecified();
    Tag {
        published: if everywhere && published.address.is_ipv4() {
            format!("{}/{}", published.port, published.transport)
        } else {
            published.to_string()
        },
        audience: if published.is_for_this_host_only() { Audience::ThisHost } else { Audience::Everybody },
        node,
        target: forward.target.to_string(),
        target_port: forward.target.port(),
    }
}

/// `10 Mbit/s, 20 ms ± 5 ms, 1 % lost`.
fn limits(shaping: &Shaping) -> String {
    let mut words = Vec::new();
    words.extend(shaping.rate_bits.map(rate));
    words.extend(shaping.delay.map(|delay| match shaping.jitter {
        Some(jitter) => format!("{} ± {}", time(delay), time(jitter)),
        None => time(delay),
    }));
    words.extend(shaping.loss.map(|loss| {
        let (whole, rest) = (loss.per_million / 10_000, loss.per_million % 10_000);
        let digits = format!("{whole}.{rest:04}");
        format!("{} % lost", digits.trim_end_matches('0').trim_end_matches('.'))
    }));
    words.join(", ")
}

fn time(time: Duration) -> String {
    if time.subsec_nanos() == 0 {
        format!("{} s", time.as_secs())
    } else if time.subsec_nanos().is_multiple_of(1_000_000) {
        format!("{} ms", time.as_millis())
    } else {
        format!("{} µs", time.as_micros())
    }
}

/// In the largest unit that needs no fraction.
fn rate(bits: u64) -> String {
    let units = [(1_000_000_000, "Gbit/s"), (1_000_000, "Mbit/s"), (1_000, "kbit/s")];
    let fitting = units.iter().find(|(size, _)| bits >= *size && bits.is_multiple_of(*size));
    fitting.map_or_else(|| format!("{bits} bit/s"), |(size, unit)| format!("{} {unit}", bits / size))
}
