//! What an earlier version of a topology had, and the new one has not.
//!
//! Ports and ways out go first, then cables, then netns: an undo can only imitate what is deleted. A network stays
//! closed until its bridge is off, or nothing hangs on it.

mod links;

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

pub(super) use links::delete_link;

use crate::{
    address::{Family, LEAST_IPV6_MTU_BYTES},
    desired::OnHolders,
    firewall::PortForward,
    name::{LinkName, NetnsName},
    observed::{NetnsState, Observed},
    place::{LinkAt, Place},
    plan::{
        Conflict, Draft, LinkChange, Operation,
        address::delete_address,
        forwarding,
        nat::removal,
        netns::{delete_netns, release},
        own_table::{self, StillClosed},
        port_forward::removal::take_back,
    },
    record::{Record, RecordKey},
    route::RouteProtocol,
    topology::{Cable, CableEnd, KnownHosts, Network, Node, Program, ProgramKey, Reach, Topology},
};

/// Takes away what `wanted` has no more of `before`, but for its programs.
pub(super) fn retire(
    draft: &mut Draft,
    before: &Topology,
    wanted: &Topology,
    on_holders: OnHolders,
) -> Result<(), Conflict> {
    let kept = Kept::of(before, wanted);
    kept.release_nodes(draft, before, on_holders)?;
    kept.unpublish(draft, before);
    kept.withdraw_nat(draft, before)?;
    kept.empty_links(draft, before);
    kept.switch_bridges_off(draft, before);
    // Whoever closes a socket soon after a deletion of nftables waits in the kernel for what is under way:
    // so this goes before the links, which take longer than that.
    kept.lift_guards(draft, before, is_off);
    kept.delete_links(draft, before);
    kept.lift_guards(draft, before, |_, _| true);
    kept.delete_files(draft, before, wanted);
    for node in before.nodes.iter().filter(|node| !kept.nodes.contains_key(&node.name)) {
        if !is_foreign(draft.state(), &node.name) {
            delete_netns(draft, &node.name);
        }
        if draft.state().stale_marks.contains(&node.name) {
            let why = "Somebody else deleted this netns of ours.";
            draft.then(Operation::ForgetNetns(node.name.clone()), why);
        }
    }
    Ok(())
}

/// Ends the programs that `wanted` does not ask for, and those that run where their nodes are no more. This comes
/// first: they hold their nodes.
pub(super) fn stop_programs(draft: &mut Draft, before: &Topology, wanted: &Topology) {
    let kept = Kept::of(before, wanted);
    kept.stop_strays(draft, before);
    kept.stop_programs(draft, before);
}

/// Switches forwarding of families off that no part of the topology needs any more.
pub(super) fn stop_forwarding(draft: &mut Draft, before: &Topology, wanted: &Topology) {
    for family in before.forwarded_families().difference(&wanted.forwarded_families()) {
        let later = draft.state().clone();
        forwarding::switch_off(draft, *family, &later);
    }
}

/// What stays, by what it is known by.
struct Kept<'a> {
    nodes: BTreeMap<&'a NetnsName, &'a Node>,
    networks: BTreeMap<&'a LinkName, &'a Network>,
    /// Cables by their two ends, in order.
    cables: BTreeMap<[&'a LinkAt; 2], &'a Cable>,
    ports: BTreeSet<&'a PortForward>,
}

impl<'a> Kept<'a> {
    fn of(before: &'a Topology, wanted: &'a Topology) -> Self {
        let old: BTreeMap<_, _> = before.nodes.iter().map(|node| (&node.name, node)).collect();
        let stays = |node: &&Node| old.get(&node.name).is_none_or(|old| can_become(old, node));
        let nodes: BTreeMap<_, _> =
            wanted.nodes.iter().filter(stays).map(|node| (&node.name, node)).collect();
        let in_kept_node = |cable: &&Cable| {
            cable.ends.iter().filter_map(|end| end.at.place.netns()).all(|netns| nodes.contains_key(netns))
        };
        let old_cables: BTreeMap<_, _> = before.cables.iter().map(|cable| (ends(cable), cable)).collect();
        let stays =
            |cable: &&Cable| old_cables.get(&ends(cable)).is_none_or(|old| speaks_the_same(old, cable));
        let cables = wanted.cables.iter().filter(in_kept_node).filter(stays);
        let cables = cables.map(|cable| (ends(cable), cable)).collect();
        let networks = wanted.networks.iter().map(|network| (&network.bridge, network)).collect();
        let ports = nodes.values().flat_map(|node| &node.ports).collect();
        Self { nodes, networks, cables, ports }
    }

    fn release_nodes(
        &self,
        draft: &mut Draft,
        before: &Topology,
        on_holders: OnHolders,
    ) -> Result<(), Conflict> {
        for node in before.nodes.iter().filter(|node| !self.nodes.contains_key(&node.name)) {
            if is_foreign(draft.state(), &node.name) {
                continue;
            }
            release(draft, &node.name, on_holders).map_err(|conflict| match conflict {
                Conflict::NetnsHeld { name, holders } => {
                    Conflict::NodeHeld { name, topology: before.name.clone(), holders }
                }
                other => other,
            })?;
        }
        Ok(())
    }

    fn stop_programs(&self, draft: &mut Draft, before: &Topology) {
        for (key, program) in before.programs() {
            if !self.asks_for(&key, program) && draft.state().programs.contains(&key) {
                draft.then(Operation::StopProgram(key), "The program is asked for no more.");
            }
        }
    }

    /// What a program that runs as asked sent elsewhere stays.
    fn stop_strays(&self, draft: &mut Draft, before: &Topology) {
        let state = draft.state();
        let runs_well =
            |key: &ProgramKey, program| self.asks_for(key, program) && state.programs.contains(key);
        let strays =
            before.programs().filter(|(key, program)| state.strays.contains(key) && !runs_well(key, program));
        let strays: Vec<_> = strays.map(|(key, _)| key).collect();
        if !strays.is_empty() {
            let why = "Somebody else deleted the netns that they ran in: nobody reaches them there.";
            draft.then(Operation::StopStrays(strays), why);
        }
    }

    fn asks_for(&self, key: &ProgramKey, program: &Program) -> bool {
        let index = usize::try_from(key.number).ok().and_then(|number| number.checked_sub(1));
        let node = self.nodes.get(&key.netns);
        node.zip(index).and_then(|(node, index)| node.programs.get(index)) == Some(program)
    }

    /// Somebody may have taken some back by hand.
    fn unpublish(&self, draft: &mut Draft, before: &Topology) {
        let ports = before.nodes.iter().flat_map(|node| &node.ports);
        let gone = ports.filter(|forward| !self.ports.contains(forward));
        let gone = gone.map(|forward| forward.published.clone()).collect();
        take_back(draft, &gone, &bridges_of(before));
    }

    fn withdraw_nat(&self, draft: &mut Draft, before: &Topology) -> Result<(), Conflict> {
        for network in &before.networks {
            let stays = self.networks.get(&network.bridge).is_some_and(|kept| kept.reach == network.reach);
            let leads_out = matches!(network.reach, Reach::Internet { .. });
            let key = RecordKey::Nat(network.bridge.clone());
            if let Some(Record::Nat(record)) = draft.state().records.get(&key).cloned()
                && leads_out
                && !stays
            {
                removal::remove(draft, &record, &bridges_of(before))?;
            }
        }
        Ok(())
    }

    /// Takes addresses and routes from what stays.
    fn empty_links(&self, draft: &mut Draft, before: &Topology) {
        for node in &before.nodes {
            if let Some(kept) = self.nodes.get(&node.name) {
                delete_routes(draft, node, kept);
                let loopback = lo_of(&node.name);
                delete_addresses(draft, &loopback, &node.addresses, &kept.addresses);
            }
        }
        for cable in &before.cables {
            let Some(kept) = self.cables.get(&ends(cable)) else { continue };
            let end_by_end = cable.ends.iter().zip(&kept.ends);
            for (CableEnd { at, addresses, .. }, kept) in end_by_end {
                delete_addresses(draft, at, addresses, &kept.addresses);
            }
        }
        for network in &before.networks {
            if let Some(kept) = self.networks.get(&network.bridge) {
                let bridge = LinkAt::on_host(network.bridge.clone());
                delete_addresses(draft, &bridge, &network.addresses, &kept.addresses);
            }
        }
    }

    fn gone_bridges<'b>(&self, before: &'b Topology) -> impl Iterator<Item = &'b LinkName> {
        let bridges = before.networks.iter().map(|network| &network.bridge);
        bridges.filter(|bridge| !self.networks.contains_key(*bridge))
    }

    /// A bridge that is off passes nothing on, guarded or not.
    fn switch_bridges_off(&self, draft: &mut Draft, before: &Topology) {
        for bridge in self.gone_bridges(before) {
            let at = LinkAt::on_host(bridge.clone());
            let goes = draft.state().link(&at).is_some_and(|link| link.ours && link.up);
            if goes && own_table::closes(draft.state(), bridge) {
                let why = "What passes nothing on needs no guard any more.";
                draft.then(Operation::SetLink(at, LinkChange::Down), why);
            }
        }
    }

    fn lift_guards(
        &self,
        draft: &mut Draft,
        before: &Topology,
        may_go: impl Fn(&Observed, &LinkName) -> bool,
    ) {
        let bridges: Vec<_> =
            self.gone_bridges(before).filter(|bridge| may_go(draft.state(), bridge)).collect();
        own_table::open(draft, &bridges, &before.name);
    }

    fn delete_files(&self, draft: &mut Draft, before: &Topology, wanted: &Topology) {
        for node in &before.nodes {
            let kept = self.nodes.get(&node.name);
            let ours = |file: &crate::resolver::ResolvConf| file.is_ours();
            if node.resolver.is_some()
                && kept.is_none_or(|kept| kept.resolver.is_none())
                && draft.state().resolvers.get(&node.name).is_some_and(ours)
            {
                let why = "The next netns of that name would be given these name servers.";
                draft.then(Operation::RemoveResolver(node.name.clone()), why);
            }
            let shares = draft.state().shared_hosts.get(&node.name) == Some(&before.name);
            if shares && kept.is_none_or(|kept| kept.hosts == KnownHosts::OfHost) {
                let why = "The node knows the host's names again.";
                draft.then(Operation::UnshareHosts(node.name.clone()), why);
            }
        }
        let used = wanted.nodes.iter().any(|node| node.hosts == KnownHosts::OfTopology);
        if !used && draft.state().hosts.contains_key(&before.name) {
            draft.then(Operation::RemoveHosts(before.name.clone()), "No node asks for these names.");
        }
    }
}

/// Whether somebody else gave a netns of theirs the name of a node, after deleting ours.
fn is_foreign(state: &Observed, name: &NetnsName) -> bool {
    state.netns.get(name).is_some_and(|entry| entry.state == NetnsState::Live && !entry.ours)
}

/// Whether a bridge is there, and passes nothing on.
fn is_off(state: &Observed, bridge: &LinkName) -> bool {
    state.link(&LinkAt::on_host(bridge.clone())).is_some_and(|link| !link.up)
}

/// Whether a node can be changed into another: a setting that is asked for no more leaves no trace of
/// what it was, so such a node is made anew.
fn can_become(old: &Node, new: &Node) -> bool {
    old.settings.iter().all(|(setting, _)| new.settings.iter().any(|(kept, _)| kept == setting))
}

/// Whether each end has IPv6 in both or in neither, and room for it in both or in neither: how a link starts with
/// it, or does without, is settled when it is made.
fn speaks_the_same(old: &Cable, new: &Cable) -> bool {
    let is_narrow = |cable: &Cable| cable.mtu_bytes.is_some_and(|bytes| bytes < LEAST_IPV6_MTU_BYTES);
    is_narrow(old) == is_narrow(new)
        && old.ends.iter().zip(&new.ends).all(|(old, new)| has_ipv6(old) == has_ipv6(new))
}

fn has_ipv6(end: &CableEnd) -> bool {
    end.addresses.iter().any(|address| Family::of_net(address) == Family::Ipv6)
}

/// All that were closed when they were made; those that go are opened when they are off.
fn bridges_of(topology: &Topology) -> StillClosed<'_> {
    topology.networks.iter().map(|network| &network.bridge).collect()
}

fn ends(cable: &Cable) -> [&LinkAt; 2] {
    let [first, second] = &cable.ends;
    [&first.at, &second.at]
}

fn lo_of(netns: &NetnsName) -> LinkAt {
    LinkAt::inside(netns.clone(), LinkName::from_kernel("lo"))
}

fn delete_routes(draft: &mut Draft, before: &Node, kept: &Node) {
    let place = Place::Netns(before.name.clone());
    for route in before.routes.iter().filter(|route| !kept.routes.contains(route)) {
        let routes = draft.state().stack(&place).into_iter().flat_map(|stack| &stack.routes);
        let same = |known: &&crate::route::Route| {
            known.destination == route.destination
                && known.metric == route.metric
                && known.gateway == route.gateway
                && known.protocol == RouteProtocol::Ours
        };
        if let Some(known) = routes.into_iter().find(same).cloned() {
            draft.then(Operation::DeleteRoute(place.clone(), known), "The route is asked for no more.");
        }
    }
}

fn delete_addresses(draft: &mut Draft, at: &LinkAt, before: &[IpNet], kept: &[IpNet]) {
    for address in before.iter().filter(|address| !kept.contains(address)) {
        if draft.state().link(at).is_some_and(|link| link.addresses.contains(address)) {
            delete_address(draft, at, *address, "The address is asked for no more.");
        }
    }
}
