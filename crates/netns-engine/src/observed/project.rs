//! How an operation changes the state, by the kernel's own rules.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ipnet::IpNet;
use rustix::io::Errno;

use super::{Hold, Link, LinkKind, NetnsEntry, NetnsState, Observed, Stack};
use crate::{
    firewall::RuleChange,
    kernel::Refusal,
    name::{LinkName, NetnsName},
    operation::{LinkChange, LinkLocal, NewBridge, NewVeth, NewVethEnd, Operation},
    place::{LinkAt, Place},
    route::Route,
    sysctl::Sysctl,
    topology::Isolation,
};

impl Observed {
    /// Changes this state as the kernel would.
    ///
    /// # Errors
    ///
    /// Refuses what the kernel refuses, with the kernel's error number; the state is then
    /// unchanged.
    pub fn project(&mut self, operation: &Operation) -> Result<(), Refusal> {
        self.refuse_missing_places(operation)?;
        match operation {
            Operation::CreateNetns(name) => self.create_netns(name),
            Operation::DeleteNetns(name) => self.delete_netns(name),
            Operation::KillProcesses(name, pids) => self.kill(name, pids),
            Operation::AddBridge(bridge) => self.add_bridge(bridge),
            Operation::AddVeth(veth) => self.add_veth(veth),
            Operation::AddLink(link) => self.add_link(link),
            Operation::DeleteLink(at) => self.delete_link(at),
            Operation::DeleteLinks(links) => self.delete_links(links),
            Operation::SetShaping(at, limits) => self.set_shaping(at, &limits.shaping),
            Operation::ClearShaping(at) => self.clear_shaping(at),
            Operation::WriteHosts(topology, entries) => {
                self.hosts.insert(topology.clone(), entries.clone());
                Ok(())
            }
            Operation::RemoveHosts(topology) => existing(self.hosts.remove(topology), Errno::NOENT),
            Operation::ShareHosts(netns, _) if self.foreign_hosts.contains(netns) => Err(Errno::EXIST.into()),
            Operation::ShareHosts(netns, topology) => {
                self.shared_hosts.insert(netns.clone(), topology.clone());
                Ok(())
            }
            Operation::UnshareHosts(netns) => existing(self.shared_hosts.remove(netns), Errno::NOENT),
            Operation::WriteBootFile(file, text) => self.write_boot_file(file, text),
            Operation::RemoveBootFile(file) => self.remove_boot_file(file),
            Operation::StartProgram(key, _) => self.start_program(key),
            Operation::StopProgram(key) => self.stop_program(key),
            Operation::StopStrays(keys) => {
                self.stop_strays(keys);
                Ok(())
            }
            Operation::SetLink(at, change) => self.set_link(at, change),
            Operation::AddAddress(at, address) => self.add_address(at, *address),
            Operation::DeleteAddress(at, address) => self.delete_address(at, *address),
            Operation::AddRoute(place, route) => self.add_route(place, route),
            Operation::DeleteRoute(place, route) => self.delete_route(place, route),
            Operation::RestoreRoute(at, address) => self.restore_route(at, *address),
            Operation::SetSysctl(place, sysctl, value) => self.set_sysctl(place, sysctl, *value),
            Operation::WriteResolver(netns, file) => {
                self.resolvers.insert(netns.clone(), file.clone());
                Ok(())
            }
            Operation::RemoveResolver(netns) => existing(self.resolvers.remove(netns), Errno::NOENT),
            Operation::Iptables(changes) => self.change_rules(changes),
            Operation::AddTable => self.add_table(),
            Operation::DeleteTable => self.delete_table(),
            Operation::RestoreRules => self.restore_rules(),
            Operation::AddEntries(entries) => self.add_entries(entries),
            Operation::DeleteEntries(entries) => self.delete_entries(entries),
            Operation::ForgetFlows(_) => Ok(()),
            Operation::Remember(record) => {
                self.records.insert(record.key(), record.clone());
                Ok(())
            }
            Operation::Forget(key) => existing(self.records.remove(key), Errno::NOENT),
            Operation::ForgetNetns(name) => existing(self.stale_marks.take(name), Errno::NOENT),
        }
    }

    /// Whatever is to be done in a netns, its name is looked up first.
    fn refuse_missing_places(&self, operation: &Operation) -> Result<(), Refusal> {
        let missing = |place: &Place| place.netns().is_some_and(|netns| !self.netns.contains_key(netns));
        if operation.places().into_iter().any(missing) { Err(Errno::NOENT.into()) } else { Ok(()) }
    }

    fn create_netns(&mut self, name: &NetnsName) -> Result<(), Refusal> {
        if self.netns.contains_key(name) {
            return Err(Errno::EXIST.into());
        }
        self.stale_marks.remove(name);
        self.netns
            .insert(name.clone(), NetnsEntry { state: NetnsState::Live, ours: true, holders: Vec::new() });
        let loopback = Link::new(LinkKind::Loopback);
        let stack = Stack {
            links: [(LinkName::from_kernel("lo"), loopback)].into(),
            routes: BTreeSet::new(),
            sysctls: [(Sysctl::IpForward, 0), (Sysctl::Ipv6Forwarding, 0)].into(),
        };
        self.stacks.insert(Place::Netns(name.clone()), stack);
        Ok(())
    }

    fn delete_netns(&mut self, name: &NetnsName) -> Result<(), Refusal> {
        existing(self.netns.remove(name), Errno::NOENT)?;
        let place = Place::Netns(name.clone());
        let stack = self.stacks.remove(&place).unwrap_or_default();
        self.remove_links(stack.links.into_values().filter_map(|link| link.peer));
        Ok(())
    }

    fn kill(&mut self, name: &NetnsName, pids: &[u32]) -> Result<(), Refusal> {
        let entry = self.netns.get_mut(name).ok_or(Errno::NOENT)?;
        entry.holders.retain(|holder| !pids.contains(&holder.pid) || matches!(holder.by, Hold::Mount(_)));
        Ok(())
    }

    fn add_bridge(&mut self, bridge: &NewBridge) -> Result<(), Refusal> {
        self.refuse_taken(&bridge.at)?;
        let link = Link { mac: Some(bridge.mac), ours: true, ..Link::new(LinkKind::Bridge) };
        let stack = self.stack_mut(&bridge.at.place);
        stack.links.insert(bridge.at.name.clone(), link);
        stack.sysctls.insert(Sysctl::RouteLocalnet(bridge.at.name.clone()), 0);
        stack.start_as_default(&bridge.at.name);
        Ok(())
    }

    fn add_veth(&mut self, veth: &NewVeth) -> Result<(), Refusal> {
        self.refuse_taken(&veth.main.at)?;
        self.refuse_taken(&veth.peer.at)?;
        if veth.main.at == veth.peer.at {
            return Err(Errno::EXIST.into());
        }
        let end = |end: &NewVethEnd, peer: &NewVethEnd| Link {
            mac: end.mac,
            mtu_bytes: end.mtu_bytes.unwrap_or(1500),
            master: end.master.clone(),
            peer: Some(peer.at.clone()),
            ours: true,
            ..Link::new(LinkKind::Veth)
        };
        for (new, other) in [(&veth.main, &veth.peer), (&veth.peer, &veth.main)] {
            let stack = self.stack_mut(&new.at.place);
            stack.add_link(new.at.name.clone(), end(new, other));
            stack.start_without_ipv6(&new.at.name);
            if new.link_local == LinkLocal::None {
                stack.sysctls.insert(Sysctl::AddrGenMode(new.at.name.clone()), 1);
            }
        }
        Ok(())
    }

    /// All or none: they are looked up before the first one goes.
    fn delete_links(&mut self, links: &[LinkName]) -> Result<(), Refusal> {
        let mut gone = Vec::new();
        for link in links {
            gone.extend(self.goes_with(&LinkAt::on_host(link.clone()))?);
        }
        self.remove_links(gone);
        Ok(())
    }

    pub(super) fn refuse_taken(&self, at: &LinkAt) -> Result<(), Refusal> {
        if self.link(at).is_some() { Err(Errno::EXIST.into()) } else { Ok(()) }
    }

    fn delete_link(&mut self, at: &LinkAt) -> Result<(), Refusal> {
        let gone: Vec<_> = self.goes_with(at)?.collect();
        self.remove_links(gone);
        Ok(())
    }

    /// A link that can be deleted, and its peer.
    fn goes_with(&self, at: &LinkAt) -> Result<impl Iterator<Item = LinkAt> + use<>, Refusal> {
        let link = self.link(at).ok_or(Errno::NODEV)?;
        if link.kind == LinkKind::Loopback {
            return Err(Errno::OPNOTSUPP.into());
        }
        Ok([at.clone()].into_iter().chain(link.peer.clone()))
    }

    /// Removes links with everything that names them, in one pass over each stack: there may be a
    /// thousand of them among a thousand others.
    fn remove_links(&mut self, gone: impl IntoIterator<Item = LinkAt>) {
        let mut names: BTreeMap<Place, BTreeSet<LinkName>> = BTreeMap::new();
        for at in gone {
            names.entry(at.place).or_default().insert(at.name);
        }
        for (place, names) in names {
            if let Some(stack) = self.stacks.get_mut(&place) {
                stack.remove_links(&names);
            }
        }
    }

    pub(super) fn change_link(&mut self, at: &LinkAt, change: &LinkChange) -> Result<(), Refusal> {
        if let LinkChange::Master(bridge) = change {
            let bridge = self.link(&at.place.link(bridge)).ok_or(Errno::NODEV)?;
            if bridge.kind != LinkKind::Bridge {
                return Err(Errno::OPNOTSUPP.into());
            }
            // br_add_if in net/bridge/br_if.c
            match self.link(at).map(|port| &port.kind) {
                Some(LinkKind::Bridge) => return Err(Errno::LOOP.into()),
                Some(LinkKind::Loopback) => return Err(Errno::INVAL.into()),
                _ => {}
            }
        }
        let stack = self.stacks.get_mut(&at.place).ok_or(Errno::NODEV)?;
        let link = stack.links.get_mut(&at.name).ok_or(Errno::NODEV)?;
        match change {
            LinkChange::Up => link.up = true,
            // Groups are not looked at.
            LinkChange::DefaultGroup => {}
            LinkChange::Down => {
                link.up = false;
                // IPv6 addresses go with the link's state unless keep_addr_on_down is set (ip-sysctl.rst).
                link.addresses.retain(|address| matches!(address, IpNet::V4(_)));
                link.unrouted.clear();
                stack.routes.retain(|route| route.link.as_ref() != Some(&at.name));
            }
            LinkChange::Master(bridge) if link.master.as_ref() == Some(bridge) => {}
            LinkChange::Master(bridge) => {
                link.unplug();
                link.master = Some(bridge.clone());
                link.unrouted.clear();
            }
            LinkChange::NoMaster => link.unplug(),
            LinkChange::HairpinOn
            | LinkChange::HairpinOff
            | LinkChange::IsolatedOn
            | LinkChange::IsolatedOff
                if link.master.is_none() =>
            {
                return Err(Errno::OPNOTSUPP.into());
            }
            LinkChange::IsolatedOn => link.isolation = Isolation::On,
            LinkChange::IsolatedOff => link.isolation = Isolation::Off,
            LinkChange::HairpinOn => link.hairpin = true,
            LinkChange::HairpinOff => link.hairpin = false,
            LinkChange::Mtu(bytes) => stack.set_mtu(&at.name, *bytes),
            LinkChange::Mac(mac) => link.mac = Some(*mac),
        }
        Ok(())
    }

    fn add_address(&mut self, at: &LinkAt, address: IpNet) -> Result<(), Refusal> {
        let stack = self.stacks.get_mut(&at.place).ok_or(Errno::NODEV)?;
        let link = stack.links.get_mut(&at.name).ok_or(Errno::NODEV)?;
        if matches!(address, IpNet::V6(_)) && !link.has_room_for_ipv6() {
            return Err(Errno::INVAL.into());
        }
        if !link.addresses.insert(address) {
            return Err(Errno::EXIST.into());
        }
        link.route_new_address(address);
        Ok(())
    }

    fn delete_address(&mut self, at: &LinkAt, address: IpNet) -> Result<(), Refusal> {
        let stack = self.stacks.get_mut(&at.place).ok_or(Errno::NODEV)?;
        let link = stack.links.get_mut(&at.name).ok_or(Errno::NODEV)?;
        if !link.addresses.remove(&address) {
            return Err(Errno::ADDRNOTAVAIL.into());
        }
        link.forget_routes();
        // With its last IPv4 address a link loses every IPv4 route (fib_disable_ip in fib_frontend.c).
        let is_v4 = |net: &IpNet| matches!(net, IpNet::V4(_));
        if is_v4(&address) && !link.addresses.iter().any(is_v4) {
            stack.routes.retain(|route| route.link.as_ref() != Some(&at.name) || !is_v4(&route.destination));
        }
        Ok(())
    }

    fn add_route(&mut self, place: &Place, route: &Route) -> Result<(), Refusal> {
        let stack = self.stacks.get_mut(place).ok_or(Errno::NODEV)?;
        let out = match (&route.link, route.gateway) {
            (Some(link), _) => link.clone(),
            (None, Some(gateway)) => link_towards(stack, gateway).ok_or_else(|| unreachable(gateway))?,
            (None, None) => return Err(Errno::NODEV.into()),
        };
        let link = stack.links.get(&out).ok_or(Errno::NODEV)?;
        if !link.up {
            return Err(Errno::NETDOWN.into());
        }
        if let Some(gateway) = route.gateway
            && !link.reaches(gateway)
        {
            return Err(unreachable(gateway).into());
        }
        let clashes = |known: &Route| known.destination == route.destination && known.metric == route.metric;
        if stack.routes.iter().any(clashes) {
            return Err(Errno::EXIST.into());
        }
        stack.routes.insert(Route { link: Some(out), ..route.clone() });
        Ok(())
    }

    fn delete_route(&mut self, place: &Place, route: &Route) -> Result<(), Refusal> {
        let stack = self.stacks.get_mut(place).ok_or(Errno::SRCH)?;
        match stack.routes.iter().find(|known| same_route(known, route)).cloned() {
            Some(known) => drop(stack.routes.remove(&known)),
            None => stack.take_connected(route)?,
        }
        Ok(())
    }

    fn change_rules(&mut self, changes: &[RuleChange]) -> Result<(), Refusal> {
        let iptables = self.firewall.iptables.as_mut().ok_or(Errno::NOENT)?;
        let mut after = iptables.clone();
        after.change_all(changes)?;
        *iptables = after;
        Ok(())
    }
}

impl Stack {
    fn remove_links(&mut self, gone: &BTreeSet<LinkName>) {
        let is_gone = |link: Option<&LinkName>| link.is_some_and(|link| gone.contains(link));
        let masters = gone.iter().filter_map(|name| self.links.get(name)?.master.as_ref());
        let losing: BTreeSet<_> = masters.filter(|bridge| !gone.contains(*bridge)).collect();
        let following = self.following(losing);
        let mut only_cables = true;
        for name in gone {
            only_cables &= self.links.remove(name).is_some_and(|link| link.kind == LinkKind::Veth);
        }
        self.routes.retain(|route| !is_gone(route.link.as_ref()));
        self.sysctls.retain(|sysctl, _| !is_gone(sysctl.link()));
        // A cable has no ports.
        if !only_cables {
            self.links.values_mut().filter(|port| is_gone(port.master.as_ref())).for_each(Link::unplug);
        }
        self.follow_ports(&following);
    }
}

/// A route is deleted by destination, metric, and whatever else was named.
pub(super) fn same_route(known: &Route, asked: &Route) -> bool {
    known.destination == asked.destination
        && known.metric == asked.metric
        && (asked.gateway.is_none() || known.gateway == asked.gateway)
        && (asked.link.is_none() || known.link == asked.link)
}

/// The two families disagree (`fib_check_nh_v4_gw`, `ip6_route_check_nh`).
fn unreachable(gateway: IpAddr) -> Errno {
    if gateway.is_ipv4() { Errno::NETUNREACH } else { Errno::HOSTUNREACH }
}

fn link_towards(stack: &Stack, gateway: IpAddr) -> Option<LinkName> {
    let reaches = |link: &Link| link.up && link.reaches(gateway);
    stack.links.iter().find(|(_, link)| reaches(link)).map(|(name, _)| name.clone())
}

pub(super) fn existing<T>(removed: Option<T>, otherwise: Errno) -> Result<(), Refusal> {
    removed.map(drop).ok_or_else(|| otherwise.into())
}
