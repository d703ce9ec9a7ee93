//! What takes an operation back, fixed while the old state is still known.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, Ipv6Addr},
};

use ipnet::IpNet;

use super::{Link, LinkKind, NetnsState, Observed, Stack};
use crate::{
    address::LEAST_IPV6_MTU_BYTES,
    boot::BootFileState,
    name::{LinkName, NetnsName},
    operation::{LinkChange, LinkLimits, LinkLocal, NewBridge, NewLink, NewVeth, NewVethEnd, Operation},
    place::{LinkAt, Place},
    record::RecordKey,
    route::Route,
    sysctl::Sysctl,
    topology::Isolation,
};

impl Observed {
    /// Returns the operations that lead back from the state after `operation` to this one.
    ///
    /// Deletions are only imitated: a link comes back with the same name, address, ports, routes, and
    /// the settings that were read, but with a new index.
    #[must_use]
    pub fn undo_of(&self, operation: &Operation) -> Vec<Operation> {
        match operation {
            Operation::CreateNetns(name) => vec![Operation::DeleteNetns(name.clone())],
            Operation::DeleteNetns(name) => self.rebuild_netns(name),
            Operation::AddBridge(NewBridge { at, .. }) | Operation::AddLink(NewLink { at, .. }) => {
                vec![Operation::DeleteLink(at.clone())]
            }
            Operation::AddVeth(veth) => {
                let mut undo = vec![Operation::DeleteLink(veth.main.at.clone())];
                undo.extend(self.ipv6_of_bridges_made_narrow(veth));
                undo
            }
            Operation::DeleteLink(at) => self.rebuild_link(at),
            Operation::DeleteLinks(links) => self.rebuild_links(links),
            Operation::SetShaping(at, _) | Operation::ClearShaping(at) => vec![self.undo_shaping(at)],
            Operation::WriteResolver(..)
            | Operation::RemoveResolver(_)
            | Operation::WriteHosts(..)
            | Operation::RemoveHosts(_)
            | Operation::ShareHosts(..)
            | Operation::UnshareHosts(_)
            | Operation::WriteBootFile(..)
            | Operation::RemoveBootFile(_) => self.undo_of_file(operation).into_iter().collect(),
            Operation::StartProgram(key, _) => vec![Operation::StopProgram(key.clone())],
            Operation::StopProgram(key) => self.start_again(key).into_iter().collect(),
            Operation::SetLink(at, change) => self.undo_link_change(at, change),
            Operation::AddAddress(at, address) => vec![Operation::DeleteAddress(at.clone(), *address)],
            Operation::DeleteAddress(at, address) => {
                let mut undo = vec![Operation::AddAddress(at.clone(), *address)];
                undo.extend(self.routes_lost_by(operation, &at.place));
                undo.extend(self.undo_routes_of(at));
                undo
            }
            Operation::AddRoute(place, route) => vec![Operation::DeleteRoute(place.clone(), route.clone())],
            Operation::DeleteRoute(place, route) => vec![self.undo_of_deleted(place, route)],
            Operation::RestoreRoute(at, address) => {
                let route = Route::connected(address.trunc(), at.name.clone());
                vec![Operation::DeleteRoute(at.place.clone(), route)]
            }
            Operation::SetSysctl(place, sysctl, value) => self.undo_sysctl(place, sysctl, *value),
            Operation::Iptables(changes) => {
                let iptables = self.firewall.iptables.iter();
                iptables.map(|iptables| Operation::Iptables(iptables.undo_of(changes))).collect()
            }
            Operation::AddTable => vec![Operation::DeleteTable],
            Operation::DeleteTable => self.rebuild_table(),
            Operation::AddEntries(entries) => vec![Operation::DeleteEntries(entries.clone())],
            Operation::DeleteEntries(entries) => vec![Operation::AddEntries(entries.clone())],
            Operation::Remember(record) => {
                vec![self.note_on(&record.key()).unwrap_or_else(|| Operation::Forget(record.key()))]
            }
            Operation::Forget(key) => self.note_on(key).into_iter().collect(),
            // What is dead stays dead; a forgotten flow is re-learned from its next packet.
            Operation::RestoreRules
            | Operation::KillProcesses(..)
            | Operation::StopStrays(_)
            | Operation::ForgetFlows(_)
            | Operation::ForgetNetns(_) => Vec::new(),
        }
    }

    fn undo_shaping(&self, at: &LinkAt) -> Operation {
        match self.link(at).and_then(limits_of) {
            Some(limits) => Operation::SetShaping(at.clone(), limits),
            None => Operation::ClearShaping(at.clone()),
        }
    }

    /// What is remembered under `key`, to be remembered again.
    fn note_on(&self, key: &RecordKey) -> Option<Operation> {
        self.records.get(key).map(|old| Operation::Remember(old.clone()))
    }

    /// A file is written anew as it was, or removed.
    fn undo_of_file(&self, operation: &Operation) -> Option<Operation> {
        match operation {
            Operation::WriteResolver(netns, _) | Operation::RemoveResolver(netns) => {
                Some(match self.resolvers.get(netns) {
                    Some(file) => Operation::WriteResolver(netns.clone(), file.clone()),
                    None => Operation::RemoveResolver(netns.clone()),
                })
            }
            Operation::WriteHosts(topology, _) | Operation::RemoveHosts(topology) => {
                Some(match self.hosts.get(topology) {
                    Some(entries) => Operation::WriteHosts(topology.clone(), entries.clone()),
                    None => Operation::RemoveHosts(topology.clone()),
                })
            }
            Operation::WriteBootFile(file, _) | Operation::RemoveBootFile(file) => {
                Some(match self.boot_files.get(file) {
                    Some(BootFileState::Ours(text)) => Operation::WriteBootFile(file.clone(), text.clone()),
                    _ => Operation::RemoveBootFile(file.clone()),
                })
            }
            Operation::ShareHosts(netns, _) | Operation::UnshareHosts(netns) => {
                Some(match self.shared_hosts.get(netns) {
                    Some(topology) => Operation::ShareHosts(netns.clone(), topology.clone()),
                    None => Operation::UnshareHosts(netns.clone()),
                })
            }
            _ => None,
        }
    }

    fn undo_link_change(&self, at: &LinkAt, change: &LinkChange) -> Vec<Operation> {
        let Some(link) = self.link(at) else { return Vec::new() };
        let back = match change {
            LinkChange::Up | LinkChange::Down if link.up => LinkChange::Up,
            LinkChange::Up | LinkChange::Down => LinkChange::Down,
            LinkChange::Master(_) | LinkChange::NoMaster => match &link.master {
                Some(bridge) => LinkChange::Master(bridge.clone()),
                None => LinkChange::NoMaster,
            },
            LinkChange::HairpinOn | LinkChange::HairpinOff if link.hairpin => LinkChange::HairpinOn,
            LinkChange::HairpinOn | LinkChange::HairpinOff => LinkChange::HairpinOff,
            LinkChange::IsolatedOn | LinkChange::IsolatedOff if link.isolation == Isolation::On => {
                LinkChange::IsolatedOn
            }
            LinkChange::IsolatedOn | LinkChange::IsolatedOff => LinkChange::IsolatedOff,
            LinkChange::Mtu(_) => LinkChange::Mtu(link.mtu_bytes),
            LinkChange::DefaultGroup => return Vec::new(),
            LinkChange::Mac(_) => match link.mac {
                Some(mac) => LinkChange::Mac(mac),
                None => return Vec::new(),
            },
        };
        let mut operations = vec![Operation::SetLink(at.clone(), back)];
        match change {
            LinkChange::Down => {
                operations.extend(ipv6_addresses(at, link));
                operations.extend(self.routes_through(at, |_| true));
                operations.extend(self.undo_routes_of(at));
            }
            LinkChange::Mtu(bytes) if *bytes < LEAST_IPV6_MTU_BYTES => {
                operations.extend(self.ipv6_lost_by(at));
            }
            _ => {}
        }
        operations
    }

    /// A narrow port takes IPv6 off its bridge; when it goes, the bridge begins with it anew.
    fn ipv6_of_bridges_made_narrow(&self, veth: &NewVeth) -> Vec<Operation> {
        let is_narrow = |end: &&NewVethEnd| end.mtu_bytes.is_some_and(|bytes| bytes < LEAST_IPV6_MTU_BYTES);
        let narrow = [&veth.main, &veth.peer].into_iter().filter(is_narrow);
        let bridges = narrow.filter_map(|end| Some(end.at.place.link(end.master.as_ref()?)));
        bridges.flat_map(|bridge| self.ipv6_lost_by(&bridge)).collect()
    }

    /// What is given back to a link that had room for IPv6, and has it again.
    fn ipv6_lost_by(&self, at: &LinkAt) -> Vec<Operation> {
        let Some(link) = self.link(at).filter(|link| link.has_room_for_ipv6()) else { return Vec::new() };
        let settings = self.stack(&at.place).into_iter().flat_map(|stack| stack.ipv6_settings_of(&at.name));
        let settings =
            settings.map(|(sysctl, value)| Operation::SetSysctl(at.place.clone(), sysctl.clone(), value));
        settings.chain(self.ipv6_through(at, link)).collect()
    }

    pub(super) fn ipv6_through(&self, at: &LinkAt, link: &Link) -> Vec<Operation> {
        let addresses = ipv6_addresses(at, link);
        addresses.chain(self.routes_through(at, |route| matches!(route.destination, IpNet::V6(_)))).collect()
    }

    fn rebuild_table(&self) -> Vec<Operation> {
        let entries: Vec<_> = self.firewall.table.iter().flatten().cloned().collect();
        let mut operations = vec![Operation::AddTable];
        if !entries.is_empty() {
            operations.push(Operation::AddEntries(entries));
        }
        operations
    }

    /// Bridges come first; cables that go with them are plugged in when they are made.
    fn rebuild_links(&self, names: &[LinkName]) -> Vec<Operation> {
        let deleted: BTreeSet<_> = names.iter().collect();
        let is_bridge = |at: &LinkAt| self.link(at).is_some_and(|link| link.kind == LinkKind::Bridge);
        let links = names.iter().map(|name| LinkAt::on_host(name.clone()));
        let (bridges, others): (Vec<_>, Vec<_>) = links.partition(is_bridge);
        let is_deleted = |port: &LinkAt| port.place == Place::Host && deleted.contains(&port.name);
        let of_bridges = bridges.iter().filter_map(|at| Some((at, self.link(at)?)));
        let of_bridges = of_bridges.flat_map(|(at, link)| self.rebuild_bridge(at, link, &is_deleted));
        let mut operations: Vec<_> = of_bridges.collect();
        // A process killed just before the deletion leaves them in the group that was to be deleted.
        let back = |at: &LinkAt| Operation::SetLink(at.clone(), LinkChange::DefaultGroup);
        let mut regrouped: Vec<_> = bridges.iter().map(back).collect();
        for at in &others {
            let rebuilt = self.rebuild_link(at);
            // What cannot be made again is not there to be put back.
            regrouped.extend((!rebuilt.is_empty()).then(|| back(at)));
            operations.extend(rebuilt);
        }
        operations.extend(regrouped);
        operations
    }

    /// What is in a netns: `lo`, bridges, and cables to places that are there.
    fn rebuild_netns(&self, name: &NetnsName) -> Vec<Operation> {
        // A name that led to an ordinary file cannot be made like that again, and nobody misses it.
        if self.netns.get(name).is_some_and(|entry| entry.state == NetnsState::HalfMade) {
            return Vec::new();
        }
        let mut operations = vec![Operation::CreateNetns(name.clone())];
        let place = Place::Netns(name.clone());
        let Some(stack) = self.stack(&place) else { return operations };
        let of_stack = stack.sysctls.iter().filter(|(sysctl, _)| sysctl.link().is_none());
        operations.extend(
            of_stack.map(|(sysctl, value)| Operation::SetSysctl(place.clone(), sysctl.clone(), *value)),
        );
        for (name, link) in &stack.links {
            let at = place.link(name);
            match &link.kind {
                LinkKind::Loopback => operations.extend(self.refurnish(&at, &without_localhost(link))),
                LinkKind::Bridge => operations.extend(self.rebuild_bridge(&at, link, &|_| false)),
                LinkKind::Veth => operations.extend(self.rebuild_veth_of_netns(&at, link)),
                LinkKind::Other(_) => {}
            }
        }
        operations
    }

    fn rebuild_link(&self, at: &LinkAt) -> Vec<Operation> {
        let Some(link) = self.link(at) else { return Vec::new() };
        match (&link.kind, &link.peer) {
            (LinkKind::Bridge, _) => self.rebuild_bridge(at, link, &|_| false),
            (LinkKind::Veth, Some(peer)) => self.rebuild_veth(at, peer),
            _ => Vec::new(),
        }
    }

    /// Of a pair inside one netns, the first end makes both.
    fn rebuild_veth_of_netns(&self, at: &LinkAt, link: &Link) -> Vec<Operation> {
        match &link.peer {
            Some(peer) if peer.place != at.place => {
                // After its netns, the other end goes by itself, but a moment later.
                let mut operations = vec![Operation::DeleteLink(peer.clone())];
                operations.extend(self.rebuild_veth(at, peer));
                operations
            }
            Some(peer) if at.name < peer.name => self.rebuild_veth(at, peer),
            _ => Vec::new(),
        }
    }

    /// A bridge with its ports, but for those that are made later.
    fn rebuild_bridge(
        &self,
        at: &LinkAt,
        link: &Link,
        is_made_later: &dyn Fn(&LinkAt) -> bool,
    ) -> Vec<Operation> {
        let Some(mac) = link.mac else { return Vec::new() };
        let mut operations = vec![Operation::AddBridge(NewBridge { at: at.clone(), mac })];
        let stack = self.stack(&at.place);
        let ports = stack.into_iter().flat_map(|stack| &stack.links);
        for (port, link) in ports.filter(|(_, port)| port.master.as_ref() == Some(&at.name)) {
            let port = at.place.link(port);
            if is_made_later(&port) {
                continue;
            }
            operations.push(Operation::SetLink(port.clone(), LinkChange::Master(at.name.clone())));
            if link.hairpin {
                operations.push(Operation::SetLink(port.clone(), LinkChange::HairpinOn));
            }
            if link.isolation == Isolation::On {
                operations.push(Operation::SetLink(port, LinkChange::IsolatedOn));
            }
        }
        operations.extend(self.refurnish(at, link));
        operations
    }

    fn rebuild_veth(&self, at: &LinkAt, peer: &LinkAt) -> Vec<Operation> {
        let (Some(main_link), Some(peer_link)) = (self.link(at), self.link(peer)) else { return Vec::new() };
        let end = |at: &LinkAt, link: &Link| NewVethEnd {
            at: at.clone(),
            mac: link.mac,
            mtu_bytes: Some(link.mtu_bytes),
            master: link.master.clone(),
            link_local: LinkLocal::Generated,
        };
        let mut operations =
            vec![Operation::AddVeth(NewVeth { main: end(at, main_link), peer: end(peer, peer_link) })];
        operations.extend(self.refurnish(at, main_link));
        operations.extend(self.refurnish(peer, peer_link));
        operations
    }

    /// Settings, addresses, state and routes of a link that was made anew.
    fn refurnish(&self, at: &LinkAt, link: &Link) -> Vec<Operation> {
        let stack = self.stack(&at.place);
        let value_of = |sysctl: &Sysctl| stack.and_then(|stack| stack.sysctls.get(sysctl)).copied();
        // By name: the host may have a thousand links, each with settings of its own.
        let mut operations: Vec<_> = Sysctl::of_link(&at.name)
            .into_iter()
            .filter_map(|sysctl| Some((value_of(&sysctl)?, sysctl)))
            .map(|(value, sysctl)| Operation::SetSysctl(at.place.clone(), sysctl, value))
            .collect();
        operations.extend(link.addresses.iter().map(|address| Operation::AddAddress(at.clone(), *address)));
        if link.hairpin {
            operations.push(Operation::SetLink(at.clone(), LinkChange::HairpinOn));
        }
        if link.isolation == Isolation::On {
            operations.push(Operation::SetLink(at.clone(), LinkChange::IsolatedOn));
        }
        operations.extend(limits_of(link).map(|limits| Operation::SetShaping(at.clone(), limits)));
        if link.up {
            operations.push(Operation::SetLink(at.clone(), LinkChange::Up));
        }
        operations.extend(self.routes_through(at, |_| true));
        operations.extend(self.undo_routes_of(at));
        operations
    }

    /// With the last address of a family, every route through the link goes.
    fn routes_lost_by(&self, operation: &Operation, place: &Place) -> Vec<Operation> {
        let mut after = self.only(place);
        // What is refused loses nothing.
        drop(after.project(operation));
        let left = after.stack(place);
        let is_lost = |route: &&Route| !left.is_some_and(|stack| stack.routes.contains(*route));
        let before = self.stack(place).into_iter().flat_map(|stack| &stack.routes);
        before.filter(is_lost).map(|route| Operation::AddRoute(place.clone(), route.clone())).collect()
    }

    /// This place and nothing else: a copy of all that is known would cost as much as the largest network.
    pub(super) fn only(&self, place: &Place) -> Self {
        let netns = place.netns().and_then(|netns| self.netns.get_key_value(netns));
        let stack = self.stacks.get_key_value(place);
        let copy = |(place, stack): (&Place, &Stack)| (place.clone(), stack.clone());
        Self {
            netns: netns.map(|(name, entry)| (name.clone(), entry.clone())).into_iter().collect(),
            stacks: stack.map(copy).into_iter().collect(),
            ..Self::default()
        }
    }

    fn routes_through(&self, at: &LinkAt, is_wanted: impl Fn(&Route) -> bool) -> Vec<Operation> {
        let routes = self.stack(&at.place).into_iter().flat_map(|stack| &stack.routes);
        routes
            .filter(|route| route.link.as_ref() == Some(&at.name))
            .filter(|route| is_wanted(route))
            .map(|route| Operation::AddRoute(at.place.clone(), route.clone()))
            .collect()
    }
}

fn ipv6_addresses(at: &LinkAt, link: &Link) -> impl Iterator<Item = Operation> {
    let addresses = link.addresses.iter().filter(|address| matches!(address, IpNet::V6(_)));
    addresses.map(|address| Operation::AddAddress(at.clone(), *address))
}

/// `lo` without the addresses that the kernel gives it whenever it comes up.
fn without_localhost(lo: &Link) -> Link {
    let mut lo = lo.clone();
    lo.addresses.retain(|address| {
        !matches!(address, IpNet::V4(v4) if v4.addr() == Ipv4Addr::LOCALHOST && v4.prefix_len() == 8)
            && !matches!(address, IpNet::V6(v6) if v6.addr() == Ipv6Addr::LOCALHOST)
    });
    lo
}

/// The limits that a link has.
fn limits_of(link: &Link) -> Option<LinkLimits> {
    Some(LinkLimits { shaping: link.shaping.clone()?, mtu_bytes: link.mtu_bytes })
}
