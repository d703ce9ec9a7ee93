//! What to look at: nothing is read that nobody asked for.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::Doomed;
use crate::{
    address::Family,
    firewall::{Published, TableEntry},
    name::{LinkName, NetnsName},
    operation::{NewBridge, NewLink, NewVeth, Operation},
    place::{LinkAt, Place},
    record::RecordKey,
    sysctl::Sysctl,
    topology::{Topology, TopologyName},
};

/// What to read: the cost of observing follows the scope, not the host.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Scope {
    /// Whether these names exist under `/run/netns`.
    pub netns: BTreeSet<NetnsName>,
    /// Who holds these netns beside their names (walks `/proc`).
    pub holders: BTreeSet<NetnsName>,
    /// Stacks to read, and which of their links.
    pub stacks: BTreeMap<Place, Selection>,
    /// Settings to read.
    pub sysctls: BTreeSet<(Place, Sysctl)>,
    /// Whether these netns pass packets on: both switches, and the links that do otherwise than theirs says.
    pub forwarding_in: BTreeSet<NetnsName>,
    /// The host's forwarding switch of these families, with all that it drags along: settings of
    /// every link, and what is configured for the next boot.
    pub link_forwarding: BTreeSet<Family>,
    /// The same where forwarding is off and may have to be switched on; where it is on, that alone.
    pub forwarding_wanted: BTreeSet<Family>,
    /// Links of the host that want forwarding for the families of their addresses.
    pub forwarding_wanted_by: BTreeSet<LinkName>,
    /// `RouteLocalnet` of the host's links that are read.
    pub route_localnet: Asked,
    /// What is to be deleted: reads every setting that goes with it.
    pub doomed: BTreeSet<Doomed>,
    /// Bridges whose users' addresses are needed.
    pub bridge_users: BTreeSet<LinkName>,
    /// The iptables rules (starts `iptables-save`).
    pub iptables: Asked,
    /// The own nftables table, and which entries of it.
    pub table: TableSelection,
    /// Ports whose forward in the own table is needed, wherever it leads; with the table's guards, and
    /// with the notes on this port on any address and on forwarding.
    pub published: BTreeSet<Published>,
    /// Netns whose published ports are to be taken back: reads all that this touches.
    pub ports_of: BTreeSet<NetnsName>,
    /// Ports whose listening programs on the host are needed (searches `/proc` if there are any).
    pub listeners: BTreeSet<u16>,
    /// `/etc/netns/NAME/resolv.conf` of these.
    pub resolvers: BTreeSet<NetnsName>,
    /// The names that topologies share among their nodes, of these.
    pub hosts: BTreeSet<TopologyName>,
    /// Whether `/etc/netns/NAME/hosts` of these is that of a topology.
    pub shared_hosts: BTreeSet<NetnsName>,
    /// Files that let these topologies return after a reboot.
    pub boot_files: BTreeSet<TopologyName>,
    /// Topologies as they are to be; all that was made for them before is read, as their notes tell.
    pub topologies: BTreeMap<TopologyName, Arc<Topology>>,
    /// Whether nodes that an edit of these topologies does not touch may be seen from outside.
    pub untouched_from_outside: Asked,
    /// Netns that were seen from outside and need not be entered, with the host's cables to them.
    pub outside: BTreeMap<NetnsName, Vec<Plug>>,
    /// Programs of topologies that run in these, or ran there (walks `/proc`).
    pub programs: BTreeSet<NetnsName>,
    /// Netns of this tool's that are to go: whether somebody else deleted them first.
    pub stale_marks: BTreeSet<NetnsName>,
    /// The limits of links that are read.
    pub shaping: Asked,
    /// The host's own name servers.
    pub upstream: Asked,
    /// The host's routes that are in neither `main` nor `local`.
    pub other_routes: Asked,
    /// Everything this tool remembers.
    pub records: Asked,
    /// Single notes that are needed.
    pub noted: BTreeSet<RecordKey>,
}

/// A cable from the host into a netns: the names of its ends.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Plug {
    /// On the host.
    pub outside: LinkName,
    /// In the netns.
    pub inside: LinkName,
}

/// Whether something is to be read.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Asked {
    /// Leave it.
    #[default]
    No,
    /// Read it, unless a cheaper look shows that there is nothing to see.
    IfInUse,
    /// Read it.
    Yes,
}

/// Which links of a stack to read. Routes of the main table are always read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Selection {
    /// Every link.
    All,
    /// These, their peers and masters, and the links of routes.
    Links(BTreeSet<LinkName>),
}

/// Which entries of the own table to read.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum TableSelection {
    /// Do not even ask whether the table exists.
    #[default]
    Nothing,
    /// Whether the table exists, and which of these entries are in it.
    Entries(BTreeSet<TableEntry>),
    /// Everything in it but the port forwards, of which there may be many.
    WithoutForwards,
    /// Everything in it.
    All,
}

impl Scope {
    /// Returns what must be read to see what `operations` changed.
    #[must_use]
    pub fn covering<'a>(operations: impl IntoIterator<Item = &'a Operation>) -> Self {
        operations.into_iter().fold(Self::default(), Self::with_effect_of)
    }

    fn with_effect_of(mut self, operation: &Operation) -> Self {
        match operation {
            Operation::CreateNetns(name) | Operation::DeleteNetns(name) => {
                self.netns.insert(name.clone());
                self
            }
            Operation::AddBridge(NewBridge { at, .. })
            | Operation::AddLink(NewLink { at, .. })
            | Operation::DeleteLink(at)
            | Operation::SetLink(at, _)
            | Operation::AddAddress(at, _)
            | Operation::DeleteAddress(at, _)
            | Operation::RestoreRoute(at, _) => self.with_link(at),
            Operation::DeleteLinks(links) => links.iter().fold(self, Self::with_host_link),
            Operation::SetShaping(at, _) | Operation::ClearShaping(at) => {
                self.shaping = Asked::Yes;
                self.with_link(at)
            }
            Operation::AddVeth(NewVeth { main, peer }) => self.with_link(&main.at).with_link(&peer.at),
            Operation::AddRoute(place, _) | Operation::DeleteRoute(place, _) => {
                self.stacks.entry(place.clone()).or_insert_with(|| Selection::Links(BTreeSet::new()));
                self
            }
            Operation::SetSysctl(place, sysctl, _) => self.with_sysctl(place, sysctl.clone()),
            Operation::WriteResolver(netns, _) | Operation::RemoveResolver(netns) => {
                self.resolvers.insert(netns.clone());
                self
            }
            Operation::WriteHosts(topology, _) | Operation::RemoveHosts(topology) => {
                self.hosts.insert(topology.clone());
                self
            }
            Operation::ShareHosts(netns, _) | Operation::UnshareHosts(netns) => {
                self.shared_hosts.insert(netns.clone());
                self
            }
            Operation::WriteBootFile(file, _) | Operation::RemoveBootFile(file) => {
                self.boot_files.insert(file.topology.clone());
                self
            }
            Operation::Iptables(_) => Self { iptables: Asked::Yes, ..self },
            Operation::AddTable | Operation::DeleteTable | Operation::RestoreRules => self.with_entries(&[]),
            Operation::AddEntries(entries) | Operation::DeleteEntries(entries) => self.with_entries(entries),
            // A program may end at any moment, also well: that it was started is all there is to see.
            Operation::StartProgram(..)
            | Operation::StopProgram(_)
            | Operation::StopStrays(_)
            | Operation::KillProcesses(..)
            | Operation::ForgetFlows(_)
            | Operation::Remember(_)
            | Operation::Forget(_)
            | Operation::ForgetNetns(_) => self,
        }
    }

    fn with_entries(mut self, entries: &[TableEntry]) -> Self {
        match &mut self.table {
            TableSelection::Nothing => {
                self.table = TableSelection::Entries(entries.iter().cloned().collect());
            }
            TableSelection::Entries(wanted) => wanted.extend(entries.iter().cloned()),
            TableSelection::WithoutForwards | TableSelection::All => {}
        }
        self
    }

    /// Also reads whether `name` exists, and its whole stack.
    #[must_use]
    pub fn with_netns(mut self, name: &NetnsName) -> Self {
        self.netns.insert(name.clone());
        self.stacks.insert(Place::Netns(name.clone()), Selection::All);
        self
    }

    /// Also reads one link of the host, with the host's routes.
    #[must_use]
    pub fn with_host_link(self, name: &LinkName) -> Self {
        self.with_link(&LinkAt::on_host(name.clone()))
    }

    /// Also reads one link, with the routes of its place.
    #[must_use]
    pub fn with_link(mut self, at: &LinkAt) -> Self {
        if let Some(netns) = at.place.netns() {
            self.netns.insert(netns.clone());
        }
        let selection =
            self.stacks.entry(at.place.clone()).or_insert_with(|| Selection::Links(BTreeSet::new()));
        if let Selection::Links(links) = selection {
            links.insert(at.name.clone());
        }
        self
    }

    /// Also reads one setting.
    #[must_use]
    pub fn with_sysctl(mut self, place: &Place, sysctl: Sysctl) -> Self {
        self.sysctls.insert((place.clone(), sysctl));
        self
    }

    /// Also reads what the tool remembers.
    #[must_use]
    pub fn with_records(mut self) -> Self {
        self.records = Asked::Yes;
        self
    }
}
