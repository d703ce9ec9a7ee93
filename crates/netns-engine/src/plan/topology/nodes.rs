//! The nodes of a topology: netns, with their cables, routes, files and programs.
//!
//! Node by node, each with the cables that can be laid by then, so that whoever carries the plan out
//! stays in one netns for a while.

use std::collections::BTreeMap;

use super::cables;
use crate::{
    address::Family,
    name::{LinkName, NetnsName},
    observed::Observed,
    place::{LinkAt, Place},
    plan::{
        Conflict, Draft, NewLink, NewLinkKind, Operation,
        address::{add_address, ipv6_probe, restore_route},
        netns::switch_loopback_on,
        veth::{link_local_for, switch_on},
    },
    route::Route,
    sysctl::Sysctl,
    topology::{Cable, Forwarding, KnownHosts, Macvlan, Mtus, Node, Topology},
};

/// Makes what is missing of all nodes and cables.
pub(super) fn make(draft: &mut Draft, wanted: &Topology) -> Result<(), Conflict> {
    let mtus = Mtus::of(wanted, draft.state().uplink_mtu());
    let numbers: BTreeMap<_, _> = wanted.nodes.iter().map(|node| &node.name).zip(0..).collect();
    let mut cables = CablesByNode::of(wanted, &numbers);
    write_hosts(draft, wanted);
    for cable in &cables.of_host_alone {
        cables::lay(draft, cable, mtus.of_cable(cable))?;
    }
    for (number, node) in wanted.nodes.iter().enumerate() {
        let looked_into = !draft.state().outside.contains(&node.name);
        if looked_into {
            make_netns(draft, node);
        }
        for cable in cables.due.remove(&number).into_iter().flatten() {
            cables::lay(draft, cable, mtus.of_cable(cable))?;
        }
        for macvlan in node.macvlans.iter().filter(|_| looked_into) {
            add_macvlan(draft, node, macvlan)?;
        }
        write_files(draft, node, wanted)?;
        for done in cables.complete.remove(&number).into_iter().flatten() {
            if let Some(node) = wanted.nodes.get(done)
                && !draft.state().outside.contains(&node.name)
            {
                // Settings of links are there when their links are.
                change_settings(draft, node, belongs_to_cable);
                add_routes(draft, node)?;
            }
        }
    }
    Ok(())
}

/// Starts the programs that are not running.
pub(super) fn start_programs(draft: &mut Draft, wanted: &Topology) {
    for (key, program) in wanted.programs() {
        if !draft.state().programs.contains(&key) {
            draft.then(
                Operation::StartProgram(key, program.clone()),
                "The program runs in the node until the topology is taken down.",
            );
        }
    }
}

/// Which cables can be laid once which node is there, counted from the front.
struct CablesByNode<'a> {
    of_host_alone: Vec<&'a Cable>,
    /// Cables by the later one of their nodes.
    due: BTreeMap<usize, Vec<&'a Cable>>,
    /// Nodes by the node after which all their cables are laid.
    complete: BTreeMap<usize, Vec<usize>>,
}

impl<'a> CablesByNode<'a> {
    fn of(wanted: &'a Topology, numbers: &BTreeMap<&NetnsName, usize>) -> Self {
        let mut cables = Self { of_host_alone: Vec::new(), due: BTreeMap::new(), complete: BTreeMap::new() };
        let mut last: Vec<usize> = (0..wanted.nodes.len()).collect();
        for cable in &wanted.cables {
            let nodes = cable.ends.iter().filter_map(|end| numbers.get(end.at.place.netns()?).copied());
            let nodes: Vec<usize> = nodes.collect();
            let Some(later) = nodes.iter().max().copied() else {
                cables.of_host_alone.push(cable);
                continue;
            };
            cables.due.entry(later).or_default().push(cable);
            for node in nodes {
                if let Some(last) = last.get_mut(node) {
                    *last = later.max(*last);
                }
            }
        }
        for (node, last) in last.into_iter().enumerate() {
            cables.complete.entry(last).or_default().push(node);
        }
        cables
    }
}

fn make_netns(draft: &mut Draft, node: &Node) {
    let place = Place::Netns(node.name.clone());
    if !draft.state().netns.contains_key(&node.name) {
        draft.then(
            Operation::CreateNetns(node.name.clone()),
            "A network namespace is a network stack of its own: links, addresses, routes, firewall.",
        );
    }
    switch_loopback_on(draft, &node.name);
    switch_forwarding(draft, node);
    // What is copied to the links comes before what is said of one of them, and before what they may lose by it.
    change_settings(draft, node, Sysctl::is_copied);
    change_settings(draft, node, |setting| !setting.is_copied() && !belongs_to_cable(setting));
    let loopback = place.link(&LinkName::from_kernel("lo"));
    for address in &node.addresses {
        add_address(draft, &loopback, *address, "An address of the node itself, whichever link is up.");
    }
}

fn switch_forwarding(draft: &mut Draft, node: &Node) {
    let place = Place::Netns(node.name.clone());
    let value = i32::from(node.forwarding == Forwarding::On);
    for family in families(draft.state()) {
        let setting = Sysctl::forwarding(family);
        let is = draft.state().sysctl(&place, &setting);
        // A new netns does not forward.
        if is.unwrap_or(0) != value {
            set(draft, &place, &setting, value);
        }
    }
    for setting in links_that_differ(draft.state(), node, value) {
        set(draft, &place, &setting, value);
    }
}

/// IPv4 packets that come in by a link are passed on if that link says so; with IPv6 the switch decides for all
/// (`ip6_forward` in `net/ipv6/ip6_output.c`).
fn links_that_differ(state: &Observed, node: &Node, value: i32) -> Vec<Sysctl> {
    let Some(stack) = state.stack(&Place::Netns(node.name.clone())) else { return Vec::new() };
    let is_ours = |name: &LinkName| stack.links.get(name).is_some_and(|link| link.ours);
    let is_asked = |setting: &Sysctl| node.settings.iter().any(|(asked, _)| asked == setting);
    let differs = |(setting, is): &(&Sysctl, &i32)| {
        matches!(setting, Sysctl::LinkForwarding(Family::Ipv4, link) if is_ours(link))
            && **is != value
            && !is_asked(setting)
    };
    stack.sysctls.iter().filter(differs).map(|(setting, _)| setting.clone()).collect()
}

fn change_settings(draft: &mut Draft, node: &Node, which: impl Fn(&Sysctl) -> bool) {
    let place = Place::Netns(node.name.clone());
    for (setting, value) in node.settings.iter().filter(|(setting, _)| which(setting)) {
        if draft.state().sysctl(&place, setting) != Some(*value) {
            set(draft, &place, setting, *value);
        }
    }
}

/// The loopback link comes with the netns, and `default` is none.
fn belongs_to_cable(setting: &Sysctl) -> bool {
    setting.link().is_some_and(|link| !matches!(link.as_str(), "lo" | "default"))
}

/// The families that the kernel speaks.
fn families(state: &Observed) -> impl Iterator<Item = Family> + use<> {
    let ipv6 = state.sysctl(&Place::Host, &ipv6_probe()).map(|_| Family::Ipv6);
    std::iter::once(Family::Ipv4).chain(ipv6)
}

fn set(draft: &mut Draft, place: &Place, setting: &Sysctl, value: i32) {
    let why = match (setting, value) {
        (Sysctl::IpForward | Sysctl::Ipv6Forwarding | Sysctl::LinkForwarding(..), 0) => {
            "What is no router passes nothing on: nobody reaches one network through it from another."
        }
        (Sysctl::IpForward | Sysctl::Ipv6Forwarding, _) => "A router passes on packets that are for others.",
        _ => "Each netns has settings of its own.",
    };
    draft.then(Operation::SetSysctl(place.clone(), setting.clone(), value), why);
}

fn add_macvlan(draft: &mut Draft, node: &Node, macvlan: &Macvlan) -> Result<(), Conflict> {
    let at = LinkAt::inside(node.name.clone(), macvlan.link.clone());
    let parent = LinkAt::on_host(macvlan.parent.clone());
    if draft.state().link(&parent).is_none() {
        return Err(Conflict::NoLink(parent));
    }
    if draft.state().link(&at).is_none() {
        draft.then(
            Operation::AddLink(new_macvlan(&node.name, macvlan)),
            format!("A second link-layer address on '{}', for the node alone.", macvlan.parent),
        );
    }
    for address in &macvlan.addresses {
        add_address(draft, &at, *address, "An address in the network of the host's link.");
        restore_route(draft, &at, *address)?;
    }
    switch_on(draft, &at, "A new link is down.");
    Ok(())
}

pub(super) fn new_macvlan(netns: &NetnsName, macvlan: &Macvlan) -> NewLink {
    NewLink {
        at: LinkAt::inside(netns.clone(), macvlan.link.clone()),
        kind: NewLinkKind::Macvlan { parent: macvlan.parent.clone(), mode: macvlan.mode },
        mac: macvlan.mac,
        mtu_bytes: macvlan.mtu_bytes,
        master: None,
        link_local: link_local_for(&macvlan.addresses).at_mtu(macvlan.mtu_bytes),
    }
}

fn add_routes(draft: &mut Draft, node: &Node) -> Result<(), Conflict> {
    let place = Place::Netns(node.name.clone());
    for route in &node.routes {
        if let Some(other) = other_route(draft.state(), &place, route) {
            let why = "It leads elsewhere than what was asked for.";
            draft.then(Operation::DeleteRoute(place.clone(), other), why);
        }
        let why = if route.is_default() {
            "Everything outside the node's own networks goes to this gateway."
        } else {
            "The route tells which neighbour to hand packets for that network to."
        };
        crate::plan::route::add_route(draft, &place, route, why)?;
    }
    Ok(())
}

/// A route with the same destination that is not the one asked for.
fn other_route(state: &Observed, place: &Place, asked: &Route) -> Option<Route> {
    let routes = &state.stack(place)?.routes;
    let known =
        routes.iter().find(|known| known.destination == asked.destination && known.metric == asked.metric)?;
    let same = known.gateway == asked.gateway && (asked.link.is_none() || known.link == asked.link);
    (!same).then(|| known.clone())
}

fn write_hosts(draft: &mut Draft, wanted: &Topology) {
    let asked = wanted.nodes.iter().any(|node| node.hosts == KnownHosts::OfTopology);
    if asked && draft.state().hosts.get(&wanted.name) != Some(&wanted.hosts) {
        draft.then(
            Operation::WriteHosts(wanted.name.clone(), wanted.hosts.clone()),
            "One list of names and addresses for all nodes that want to know them.",
        );
    }
}

fn write_files(draft: &mut Draft, node: &Node, wanted: &Topology) -> Result<(), Conflict> {
    if let Some(resolver) = &node.resolver {
        let is = draft.state().resolvers.get(&node.name);
        if is.is_some_and(|file| !file.is_ours()) {
            return Err(Conflict::ResolverTaken(node.name.clone()));
        }
        if is != Some(resolver) {
            draft.then(
                Operation::WriteResolver(node.name.clone(), resolver.clone()),
                "'ip netns exec' and 'netns-tool exec' show this file to programs as /etc/resolv.conf.",
            );
        }
    }
    let shared = draft.state().shared_hosts.get(&node.name) == Some(&wanted.name);
    if node.hosts == KnownHosts::OfTopology && !shared {
        if draft.state().foreign_hosts.contains(&node.name) {
            return Err(Conflict::HostsTaken(node.name.clone()));
        }
        draft.then(
            Operation::ShareHosts(node.name.clone(), wanted.name.clone()),
            "'ip netns exec' and 'netns-tool exec' show this file to programs as /etc/hosts.",
        );
    }
    Ok(())
}
