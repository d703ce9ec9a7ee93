//! What must be read to publish a port, to take it back, or to delete the netns it leads to.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashSet},
};

use super::{Asked, LinkKind, Scope, Selection, Stack};
use crate::{
    address::Family,
    firewall::Published,
    name::{LinkName, NetnsName},
    place::Place,
    record::{Record, RecordKey},
    sysctl::Sysctl,
};

impl Scope {
    /// Also reads what publishing `published` touches: nothing of other ports, and of the host's links
    /// all only to look for an address.
    #[must_use]
    pub fn with_port_to_publish(mut self, published: &Published) -> Self {
        let is_on_one_link = !published.address.is_loopback() && !published.address.is_unspecified();
        let links = if is_on_one_link { Selection::All } else { Selection::Links(BTreeSet::new()) };
        self.stacks.insert(Place::Host, links);
        self.route_localnet = Asked::Yes;
        self.published.insert(published.clone());
        self.listeners.insert(published.port);
        if !published.is_for_this_host_only() {
            self.iptables = Asked::Yes;
            self.forwarding_wanted.insert(Family::of(published.address));
        }
        self
    }

    /// Returns the families that may have to be switched on, given what was read of the host.
    #[must_use]
    pub fn forwarding_wanted_on(&self, host: &Stack) -> BTreeSet<Family> {
        let links = self.forwarding_wanted_by.iter().filter_map(|name| host.links.get(name));
        let of_links = links.flat_map(|link| &link.addresses).map(Family::of_net);
        self.forwarding_wanted.iter().copied().chain(of_links).collect()
    }

    /// Returns the switches by which the host's bridges that were read stop what comes in by them, though IPv4
    /// forwarding is wanted and on; with that of `default`, which a bridge yet to be made starts with.
    #[must_use]
    pub fn bridge_forwarding_wanted_on(&self, host: &Stack) -> BTreeSet<Sysctl> {
        let family = Family::Ipv4;
        if !self.forwarding_wanted_on(host).contains(&family) {
            return BTreeSet::new();
        }
        let bridges = host.links.iter().filter(|(_, link)| link.kind == LinkKind::Bridge);
        let networks = self.topologies.values().flat_map(|topology| &topology.networks);
        let is_made = networks.map(|network| &network.bridge).any(|name| !host.links.contains_key(name));
        let default = is_made.then(|| LinkName::from_kernel("default"));
        let links = bridges.map(|(name, _)| name.clone()).chain(default);
        links.map(|link| Sysctl::LinkForwarding(family, link)).collect()
    }

    /// Returns whether the note under `key` is asked for, be it by its key or as one on a port.
    #[must_use]
    pub fn asks_for_note(&self, key: &RecordKey) -> bool {
        self.records == Asked::Yes
            || self.noted.contains(key)
            || match key {
                RecordKey::Published(noted) => self.published.iter().any(|asked| asked.is_same_port(noted)),
                RecordKey::Forwarding(_) => !self.published.is_empty(),
                RecordKey::Nat(_) | RecordKey::Topology(_) => false,
            }
    }

    /// Also reads what taking `published` back touches: all other ports may go on needing what it did.
    #[must_use]
    pub fn with_published(mut self, published: &Published) -> Self {
        self.stacks.insert(Place::Host, Selection::All);
        self.route_localnet = Asked::Yes;
        self.published.insert(published.clone());
        if !published.is_for_this_host_only() {
            self.iptables = Asked::Yes;
            self.link_forwarding.insert(Family::of(published.address));
        }
        self.with_records()
    }

    /// Returns the scope with what the ports published into [`Scope::ports_of`] touch, and with what
    /// [`Scope::topologies`] consist of, but for nodes in `seen`, which were seen from outside: only the notes
    /// tell which those are.
    #[must_use]
    pub fn widened_by<'a>(
        &'a self,
        records: &BTreeMap<RecordKey, Record>,
        seen: &HashSet<NetnsName>,
    ) -> Cow<'a, Self> {
        let mut widened = Cow::Borrowed(self);
        for record in records.values() {
            if let Record::Published(port) = record
                && self.ports_of.contains(&port.netns)
            {
                widened = Cow::Owned(widened.into_owned().with_published(&port.forward.published));
            }
        }
        for edit in self.edits(records) {
            if edit.former.is_some() || !edit.wanted.is_empty() {
                widened = Cow::Owned(widened.into_owned().with_edit(edit, seen));
            }
        }
        widened
    }
}
