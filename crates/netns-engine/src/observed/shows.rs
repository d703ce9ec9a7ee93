//! Whether a state that was read back shows what an operation did.

use std::collections::HashSet;

use super::{LinkKind, Observed, project::same_route};
use crate::{
    firewall::{IptablesRule, RuleChange, TableEntry},
    operation::{LinkChange, NewBridge, NewLink, Operation},
    place::{LinkAt, Place},
    route::Route,
    sysctl::Sysctl,
};

impl Observed {
    /// Returns whether this state, read back from the kernel, shows what `operation` did.
    ///
    /// `expected` is the state that the whole plan leads to: a later step may have changed the
    /// object again.
    #[must_use]
    pub fn shows(&self, operation: &Operation, expected: &Self) -> bool {
        match operation {
            Operation::CreateNetns(name) | Operation::DeleteNetns(name) => {
                self.netns.get(name).map(|entry| entry.state)
                    == expected.netns.get(name).map(|entry| entry.state)
            }
            Operation::SetLink(at, LinkChange::Mtu(_)) => self.same_mtu(at, expected),
            Operation::AddBridge(NewBridge { at, .. })
            | Operation::AddLink(NewLink { at, .. })
            | Operation::DeleteLink(at)
            | Operation::SetLink(at, _) => self.same_link(at, expected),
            Operation::DeleteLinks(links) => {
                links.iter().all(|link| self.same_link(&LinkAt::on_host(link.clone()), expected))
            }
            Operation::SetShaping(at, _) | Operation::ClearShaping(at) => self.same_shaping(at, expected),
            Operation::WriteHosts(..)
            | Operation::RemoveHosts(_)
            | Operation::ShareHosts(..)
            | Operation::UnshareHosts(_)
            | Operation::WriteResolver(..)
            | Operation::RemoveResolver(_)
            | Operation::WriteBootFile(..)
            | Operation::RemoveBootFile(_) => self.same_file(operation, expected),
            Operation::AddVeth(veth) => {
                self.same_link(&veth.main.at, expected) && self.same_link(&veth.peer.at, expected)
            }
            Operation::AddAddress(at, address) | Operation::DeleteAddress(at, address) => {
                let has = |state: &Self| state.link(at).is_some_and(|link| link.addresses.contains(address));
                has(self) == has(expected)
            }
            Operation::AddRoute(place, route) | Operation::DeleteRoute(place, route) => {
                self.has_route(place, route) == expected.has_route(place, route)
            }
            Operation::RestoreRoute(at, address) => {
                let lacks = |state: &Self| state.link(at).is_some_and(|link| link.lacks_route_of(*address));
                lacks(self) == lacks(expected)
            }
            Operation::SetSysctl(place, sysctl, _) => self.same_setting(place, sysctl, expected),
            Operation::Iptables(changes) => {
                let (is, should) = (self.rules(), expected.rules());
                changes.iter().map(RuleChange::rule).all(|rule| is.contains(rule) == should.contains(rule))
            }
            Operation::AddTable | Operation::DeleteTable => {
                self.firewall.table.is_some() == expected.firewall.table.is_some()
            }
            Operation::RestoreRules => self.firewall.rules == expected.firewall.rules,
            Operation::AddEntries(entries) | Operation::DeleteEntries(entries) => {
                entries.iter().all(|entry| self.has_entry(entry) == expected.has_entry(entry))
            }
            Operation::StartProgram(..)
            | Operation::StopProgram(_)
            | Operation::StopStrays(_)
            | Operation::KillProcesses(..)
            | Operation::ForgetFlows(_)
            | Operation::Remember(_)
            | Operation::Forget(_)
            | Operation::ForgetNetns(_) => true,
        }
    }

    fn same_setting(&self, place: &Place, sysctl: &Sysctl, expected: &Self) -> bool {
        self.went_with_ipv6(place, sysctl) || self.sysctl(place, sysctl) == expected.sysctl(place, sysctl)
    }

    fn has_entry(&self, entry: &TableEntry) -> bool {
        self.firewall.table.as_ref().is_some_and(|table| table.contains(entry))
    }

    /// Whether the file that `operation` is about says what is expected.
    fn same_file(&self, operation: &Operation, expected: &Self) -> bool {
        match operation {
            Operation::WriteHosts(topology, _) | Operation::RemoveHosts(topology) => {
                self.hosts.get(topology) == expected.hosts.get(topology)
            }
            Operation::WriteBootFile(file, _) | Operation::RemoveBootFile(file) => {
                self.boot_files.get(file) == expected.boot_files.get(file)
            }
            Operation::ShareHosts(netns, _) | Operation::UnshareHosts(netns) => {
                self.shared_hosts.get(netns) == expected.shared_hosts.get(netns)
            }
            Operation::WriteResolver(netns, _) | Operation::RemoveResolver(netns) => {
                self.resolvers.get(netns) == expected.resolvers.get(netns)
            }
            _ => true,
        }
    }

    fn same_mtu(&self, at: &LinkAt, expected: &Self) -> bool {
        let mtu = |state: &Self| state.link(at).map(|link| link.mtu_bytes);
        mtu(self) == mtu(expected) && self.same_link(at, expected)
    }

    fn same_shaping(&self, at: &LinkAt, expected: &Self) -> bool {
        let shaping = |state: &Self| state.link(at).and_then(|link| link.shaping.clone());
        shaping(self) == shaping(expected)
    }

    /// Compares what an operation can set; the kernel may choose a MAC address by itself, and the MTU of a
    /// bridge follows its smallest port until it is set by hand (`br_mtu_auto_adjust` in
    /// `net/bridge/br_if.c`).
    fn same_link(&self, at: &LinkAt, expected: &Self) -> bool {
        match (self.link(at), expected.link(at)) {
            (Some(is), Some(should)) => {
                (&is.kind, is.up, &is.master, is.hairpin, is.isolation)
                    == (&should.kind, should.up, &should.master, should.hairpin, should.isolation)
                    && (is.kind == LinkKind::Bridge || is.mtu_bytes == should.mtu_bytes)
                    && (should.mac.is_none() || is.mac == should.mac)
            }
            (is, should) => is.is_none() == should.is_none(),
        }
    }

    pub(super) fn has_route(&self, place: &Place, route: &Route) -> bool {
        self.stack(place).is_some_and(|stack| stack.routes.iter().any(|known| same_route(known, route)))
    }

    fn rules(&self) -> HashSet<&IptablesRule> {
        self.firewall.iptables.iter().flat_map(|iptables| &iptables.rules).collect()
    }
}
