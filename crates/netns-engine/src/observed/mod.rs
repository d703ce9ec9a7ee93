//! What exists: the kernel's state in the same words as what is desired.
//!
//! [`Observed`] is plain data. The kernel fills it, a test may write it by hand, and
//! `project` (in `project.rs`) tells how an [`Operation`](crate::plan::Operation) changes it, by
//! the kernel's own rules: that one model lets plans look ahead, lets `apply` read back, and is
//! the fake kernel of the tests.

mod firewall;
mod holder;
mod project;
mod published;
mod settings;
mod undo;

pub use holder::{Hold, Holder, NetnsEntry, NetnsState};

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
};

pub use firewall::{Firewall, ForeignChain, Iptables};
use ipnet::IpNet;

use crate::{
    address::{Family, MacAddress},
    firewall::{Published, TableEntry, Transport},
    name::{LinkName, NetnsName},
    place::{LinkAt, Place},
    plan::{NewBridge, NewVeth, Operation, Plan},
    record::{Record, RecordKey},
    resolver::ResolvConf,
    route::Route,
    sysctl::Sysctl,
};

/// The part of the machine's state that a [`Scope`] asked for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Observed {
    /// Named netns, and half-made files under `/run/netns`.
    pub netns: BTreeMap<NetnsName, NetnsEntry>,
    /// Network stacks by place.
    pub stacks: BTreeMap<Place, Stack>,
    /// Packet filtering and translation on the host.
    pub firewall: Firewall,
    /// What `/etc/netns/NAME/resolv.conf` says.
    pub resolvers: BTreeMap<NetnsName, ResolvConf>,
    /// The host's `resolv.conf`: the first one that names more than stubs on loopback addresses.
    pub upstream: ResolvConf,
    /// Addresses in use by whatever hangs on a bridge, in any netns.
    pub bridge_users: BTreeMap<LinkName, BTreeSet<IpAddr>>,
    /// Ports that programs on the host listen on.
    pub listeners: BTreeSet<Listener>,
    /// Families whose forwarding the host's `sysctl.d(5)` files switch on at boot.
    pub configured_forwarding: BTreeSet<Family>,
    /// What this tool remembers of its own changes.
    pub records: BTreeMap<RecordKey, Record>,
    /// Names of netns it made that somebody else deleted.
    pub stale_marks: BTreeSet<NetnsName>,
}

/// One network stack.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Stack {
    /// Links by name.
    pub links: BTreeMap<LinkName, Link>,
    /// Routes of the main table that no address brought with it.
    pub routes: BTreeSet<Route>,
    /// Settings that were asked for.
    pub sysctls: BTreeMap<Sysctl, i32>,
}

/// One link.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Link {
    /// What it is.
    pub kind: LinkKind,
    /// Whether it is switched on (`IFF_UP`).
    pub up: bool,
    /// Link-layer address, where it has one.
    pub mac: Option<MacAddress>,
    /// Largest packet, in bytes.
    pub mtu_bytes: u32,
    /// The bridge it is a port of.
    pub master: Option<LinkName>,
    /// Whether its bridge sends frames back through it (`IFLA_BRPORT_MODE`).
    pub hairpin: bool,
    /// The other end of a veth pair, if it is in an observed place.
    pub peer: Option<LinkAt>,
    /// Whether it carries this tool's mark (link alias).
    pub ours: bool,
    /// Addresses with prefix length, without link-local ones the kernel made by itself.
    pub addresses: BTreeSet<IpNet>,
}

/// What a link is (`IFLA_INFO_KIND`).
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum LinkKind {
    /// `lo`.
    Loopback,
    /// A bridge.
    Bridge,
    /// One end of a veth pair.
    Veth,
    /// Anything else: its kind, or `physical` where the kernel names none.
    Other(String),
}

/// A program listening on the host.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Listener {
    /// TCP or UDP.
    pub transport: Transport,
    /// Address and port; the unspecified address listens on all of its family.
    pub address: SocketAddr,
    /// Process and program, if they may be known.
    pub program: Option<(u32, String)>,
}

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
    /// The host's forwarding switch of these families, with all that it drags along: settings of
    /// every link, and what is configured for the next boot.
    pub link_forwarding: BTreeSet<Family>,
    /// `RouteLocalnet` of the host's links that are read.
    pub route_localnet: Asked,
    /// Bridges whose users' addresses are needed.
    pub bridge_users: BTreeSet<LinkName>,
    /// The iptables rules (starts `iptables-save`).
    pub iptables: Asked,
    /// The own nftables table, and which entries of it.
    pub table: TableSelection,
    /// Ports whose forward in the own table is needed, wherever it leads; with the table's guards.
    pub published: BTreeSet<Published>,
    /// Netns whose published ports are to be taken back: reads all that this touches.
    pub ports_of: BTreeSet<NetnsName>,
    /// Ports whose listening programs on the host are needed (searches `/proc` if there are any).
    pub listeners: BTreeSet<u16>,
    /// `/etc/netns/NAME/resolv.conf` of these.
    pub resolvers: BTreeSet<NetnsName>,
    /// The host's own name servers.
    pub upstream: Asked,
    /// What this tool remembers.
    pub records: Asked,
}

/// Whether something is to be read.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Asked {
    /// Leave it.
    #[default]
    No,
    /// Read it.
    Yes,
}

/// Which links of a stack to read. Routes of the main table are always read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Selection {
    /// Every link.
    All,
    /// These, and the links of default routes.
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
    /// Everything in it.
    All,
}

impl Observed {
    /// Returns the stack of `place`, if it exists and was read.
    #[must_use]
    pub fn stack(&self, place: &Place) -> Option<&Stack> {
        self.stacks.get(place)
    }

    /// Returns a link, if it exists and was read.
    #[must_use]
    pub fn link(&self, at: &LinkAt) -> Option<&Link> {
        self.stack(&at.place)?.links.get(&at.name)
    }

    /// Returns a setting, if it exists and was read.
    #[must_use]
    pub fn sysctl(&self, place: &Place, sysctl: &Sysctl) -> Option<i32> {
        self.stack(place)?.sysctls.get(sysctl).copied()
    }

    fn stack_mut(&mut self, place: &Place) -> &mut Stack {
        self.stacks.entry(place.clone()).or_default()
    }
}

impl Scope {
    /// Returns what must be read to see what `plan` changed.
    #[must_use]
    pub fn covering(plan: &Plan) -> Self {
        plan.steps.iter().fold(Self::default(), |scope, step| scope.with_effect_of(&step.operation))
    }

    fn with_effect_of(mut self, operation: &Operation) -> Self {
        match operation {
            Operation::CreateNetns(name) | Operation::DeleteNetns(name) => {
                self.netns.insert(name.clone());
                self
            }
            Operation::AddBridge(NewBridge { at, .. })
            | Operation::DeleteLink(at)
            | Operation::SetLink(at, _)
            | Operation::AddAddress(at, _)
            | Operation::DeleteAddress(at, _) => self.with_link(at),
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
            Operation::Iptables(_) => Self { iptables: Asked::Yes, ..self },
            Operation::AddTable | Operation::DeleteTable => self.with_entries(&[]),
            Operation::AddEntries(entries) | Operation::DeleteEntries(entries) => self.with_entries(entries),
            Operation::KillProcesses(..)
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
            TableSelection::All => {}
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

impl Link {
    /// A link as it is just after its creation.
    #[must_use]
    pub fn new(kind: LinkKind) -> Self {
        Self {
            mtu_bytes: if kind == LinkKind::Loopback { 65536 } else { 1500 },
            kind,
            up: false,
            mac: None,
            master: None,
            hairpin: false,
            peer: None,
            ours: false,
            addresses: BTreeSet::new(),
        }
    }
}
