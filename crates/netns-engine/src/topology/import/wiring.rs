//! Who is connected to whom: ports of the host's bridges, and cables.

use std::collections::HashSet;

use super::{Netns, Numbers, Remarks};
use crate::view::{LinkView, PeerPlace, PeerView, StackView};

/// The connections of the netns that are written down.
#[derive(Default)]
pub(super) struct Wiring<'a> {
    /// The host's bridges that a netns hangs on, in the host's order.
    pub(super) bridges: Vec<&'a LinkView>,
    /// By netns: its links to bridges, at most one to each.
    pub(super) plugs: Vec<Vec<Plug<'a>>>,
    /// All other cables.
    pub(super) cables: Vec<[End<'a>; 2]>,
}

/// A netns' link to a bridge.
pub(super) struct Plug<'a> {
    pub(super) bridge: usize,
    pub(super) port: &'a LinkView,
    pub(super) link: &'a LinkView,
}

/// An end of a cable.
#[derive(Clone, Copy)]
pub(super) struct End<'a> {
    pub(super) seat: Seat,
    pub(super) link: &'a LinkView,
}

/// Where an end is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Seat {
    Host,
    /// A port of a bridge.
    Bridge(usize),
    Node(usize),
}

impl<'a> Wiring<'a> {
    pub(super) fn of(host: &'a StackView, nodes: &[Netns<'a>], remarks: &mut Remarks) -> Self {
        let mut wiring = Self { bridges: bridges(host, nodes), ..Self::default() };
        let numbers: Numbers<'_> = nodes.iter().enumerate().map(|(node, netns)| (netns.name, node)).collect();
        let mut seen = HashSet::new();
        for (node, netns) in nodes.iter().enumerate() {
            wiring.plugs.push(Vec::new());
            for link in netns.view.links.iter().filter(|link| is_worth_a_word(link)) {
                if seen.contains(&(node, link.index)) {
                    continue;
                }
                let this = End { seat: Seat::Node(node), link };
                match other_end(host, nodes, &numbers, link) {
                    Ok(other) => {
                        if let Seat::Node(other_node) = other.seat {
                            seen.insert((other_node, other.link.index));
                        }
                        wiring.connect(other, this, remarks, nodes);
                    }
                    Err(why) => {
                        remarks.add(format_args!("link '{}' of netns '{}': {why}", link.name, netns.name));
                    }
                }
            }
        }
        wiring.note_other_ports(host, remarks);
        wiring
    }

    fn connect(&mut self, other: End<'a>, this: End<'a>, remarks: &mut Remarks, nodes: &[Netns<'_>]) {
        for end in [&this, &other] {
            if !end.link.up {
                let whose = match end.seat {
                    Seat::Node(node) => format!("netns '{}'", nodes[node].name),
                    _ => "the host".to_owned(),
                };
                remarks.add(format_args!("link '{}' of {whose} is down: 'up' switches it on", end.link.name));
            }
        }
        let master = other.link.master.as_deref();
        let bridge = self.bridges.iter().position(|bridge| Some(bridge.name.as_str()) == master);
        match (other.seat, this.seat, bridge) {
            (Seat::Host, Seat::Node(node), Some(bridge)) => {
                let plug = Plug { bridge, port: other.link, link: this.link };
                self.plug(node, plug, &nodes[node]);
            }
            // The host's end stands first, and the earlier netns.
            (Seat::Host, ..) => self.cables.push([other, this]),
            _ => self.cables.push([this, other]),
        }
        self.note_masters(&[other, this], remarks, nodes);
    }

    /// Of several links to one bridge, that of the default route is the one that makes a node part of the
    /// network; the others become cables.
    fn plug(&mut self, node: usize, plug: Plug<'a>, netns: &Netns<'_>) {
        let plugs = &mut self.plugs[node];
        let Some(first) = plugs.iter_mut().find(|other| other.bridge == plug.bridge) else {
            return plugs.push(plug);
        };
        let routes = netns.view.routes.iter().filter(|route| route.destination == "default");
        let leads_out = routes.filter_map(|route| route.link.as_ref()).any(|link| *link == plug.link.name);
        let further = if leads_out { std::mem::replace(first, plug) } else { plug };
        let port = End { seat: Seat::Bridge(further.bridge), link: further.port };
        self.cables.push([port, End { seat: Seat::Node(node), link: further.link }]);
    }

    fn note_masters(&self, ends: &[End<'_>; 2], remarks: &mut Remarks, nodes: &[Netns<'_>]) {
        for End { seat, link } in ends {
            let Some(master) = &link.master else { continue };
            let is_known = self.bridges.iter().any(|bridge| bridge.name == *master);
            match seat {
                Seat::Node(node) => {
                    let netns = nodes[*node].name;
                    remarks
                        .add(format_args!("link '{}' of netns '{netns}' is a port of '{master}'", link.name));
                }
                _ if !is_known => {
                    remarks.add(format_args!("link '{}' of the host is a port of '{master}'", link.name));
                }
                _ => {}
            }
        }
    }

    /// Tells of ports that lead somewhere else than into the netns that are written down.
    fn note_other_ports(&self, host: &StackView, remarks: &mut Remarks) {
        let is_bridge = |name: &str| self.bridges.iter().any(|bridge| bridge.name == name);
        let ports = host.links.iter().filter(|link| link.master.as_deref().is_some_and(is_bridge));
        for port in ports.filter(|port| !self.leads_to_a_node(port)) {
            let bridge = port.master.as_deref().unwrap_or_default();
            remarks.add(format_args!("link '{}' of the host is a port of '{bridge}', too", port.name));
        }
    }

    /// The ports of a bridge by which a node hangs on it: one at least.
    pub(super) fn ports_of(&self, bridge: usize) -> impl Iterator<Item = &'a LinkView> {
        let plugs = self.plugs.iter().flatten().filter(move |plug| plug.bridge == bridge);
        let ends = self.cables.iter().flatten().filter(move |end| end.seat == Seat::Bridge(bridge));
        plugs.map(|plug| plug.port).chain(ends.map(|end| end.link))
    }

    fn leads_to_a_node(&self, port: &LinkView) -> bool {
        let is_other_end = |link: &LinkView| {
            link.peer
                .as_ref()
                .is_some_and(|peer| peer.place == PeerPlace::Host && peer.link.as_ref() == Some(&port.name))
        };
        let plugged = self.plugs.iter().flatten().any(|plug| is_other_end(plug.link));
        plugged || self.cables.iter().flatten().any(|end| is_other_end(end.link))
    }
}

/// The host's bridges that a netns hangs on.
fn bridges<'a>(host: &'a StackView, nodes: &[Netns<'a>]) -> Vec<&'a LinkView> {
    let links = nodes.iter().flat_map(|netns| &netns.view.links);
    let peers = links.filter_map(|link| link.peer.as_ref()).filter(|peer| peer.place == PeerPlace::Host);
    let ports = peers.filter_map(|peer| link_called(host, peer.link.as_deref()?));
    let masters: HashSet<_> = ports.filter_map(|port| port.master.as_deref()).collect();
    let known = |link: &&LinkView| link.kind == "bridge" && masters.contains(link.name.as_str());
    host.links.iter().filter(known).collect()
}

/// Leaves out the loopback link, and what some kernels put into every netns (`tunl0`, `sit0` …).
fn is_worth_a_word(link: &LinkView) -> bool {
    link.kind != "loopback" && (link.kind == "veth" || link.up || !link.addresses.is_empty())
}

fn other_end<'a>(
    host: &'a StackView,
    nodes: &[Netns<'a>],
    numbers: &Numbers<'_>,
    link: &LinkView,
) -> Result<End<'a>, String> {
    if link.kind != "veth" {
        return Err(format!("its kind is '{}'", link.kind));
    }
    let elsewhere = || "its other end is in a netns that is not written down".to_owned();
    let PeerView { link: name, place } = link.peer.as_ref().ok_or_else(elsewhere)?;
    let (seat, view) = match place {
        PeerPlace::Host => (Seat::Host, host),
        PeerPlace::Netns(name) => {
            let node = *numbers.get(name.as_str()).ok_or_else(elsewhere)?;
            (Seat::Node(node), nodes[node].view)
        }
        PeerPlace::Nameless => return Err("its other end is in a netns without a name".to_owned()),
        PeerPlace::Same => return Err("its other end is in the same netns".to_owned()),
    };
    let link = name.as_deref().and_then(|name| link_called(view, name)).ok_or_else(elsewhere)?;
    Ok(End { seat, link })
}

pub(super) fn link_called<'a>(view: &'a StackView, name: &str) -> Option<&'a LinkView> {
    view.links.iter().find(|link| link.name == name)
}
