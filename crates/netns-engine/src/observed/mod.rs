//! What exists: the kernel's state in the same words as what is desired.
//!
//! [`Observed`] is plain data. The kernel fills it, a test may write it by hand, and
//! `project` (in `project.rs`) tells how an [`Operation`](crate::operation::Operation) changes it, by
//! the kernel's own rules: that one model lets plans look ahead, lets `apply` read back, and is
//! the fake kernel of the tests.

mod boot;
mod connected;
mod doomed;
mod entries;
mod firewall;
mod holder;
mod narrow;
mod new_link;
mod outside;
mod ports;
mod programs;
mod project;
mod published;
mod scope;
mod settings;
mod shaping;
mod shows;
mod topology;
mod undo;

pub use doomed::Doomed;
pub use holder::{Hold, Holder, NetnsEntry, NetnsState};

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

pub use firewall::{Firewall, ForeignChain, Iptables, TableRules};
use ipnet::IpNet;
pub use outside::{Edit, Untouched, seen_by_host};
pub use scope::{Asked, Plug, Scope, Selection, TableSelection};

use crate::{
    address::{Family, MacAddress},
    boot::{BootFile, BootFileState},
    firewall::Transport,
    name::{LinkName, NetnsName},
    place::{LinkAt, Place},
    record::{Record, RecordKey},
    resolver::ResolvConf,
    route::{OtherRoute, Route},
    sysctl::Sysctl,
    topology::{ETHERNET_MTU, HostEntry, Isolation, ProgramKey, Shaping, TopologyName},
};

/// The part of the machine's state that a [`Scope`] asked for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Observed {
    /// Named netns, and half-made files under `/run/netns`.
    pub netns: BTreeMap<NetnsName, NetnsEntry>,
    /// Those of them that were seen from outside only: the host's ends of their cables lead there; what
    /// is in them was not read.
    pub outside: Arc<HashSet<NetnsName>>,
    /// Network stacks by place.
    pub stacks: BTreeMap<Place, Stack>,
    /// Packet filtering and translation on the host.
    pub firewall: Firewall,
    /// What `/etc/netns/NAME/resolv.conf` says.
    pub resolvers: BTreeMap<NetnsName, ResolvConf>,
    /// The names that the nodes of a topology may share.
    pub hosts: BTreeMap<TopologyName, Vec<HostEntry>>,
    /// Netns whose `/etc/netns/NAME/hosts` is that of a topology.
    pub shared_hosts: BTreeMap<NetnsName, TopologyName>,
    /// Netns whose `/etc/netns/NAME/hosts` somebody else wrote.
    pub foreign_hosts: BTreeSet<NetnsName>,
    /// Files that let topologies return after a reboot.
    pub boot_files: BTreeMap<BootFile, BootFileState>,
    /// Programs of topologies that are running in their nodes.
    pub programs: BTreeSet<ProgramKey>,
    /// Programs of topologies that are running elsewhere: somebody deleted the name of their netns.
    pub strays: BTreeSet<ProgramKey>,
    /// The host's `resolv.conf`: the first one that names more than stubs on loopback addresses.
    pub upstream: ResolvConf,
    /// Addresses in use by whatever hangs on a bridge, in any netns.
    pub bridge_users: BTreeMap<LinkName, BTreeSet<IpAddr>>,
    /// Ports that programs on the host listen on.
    pub listeners: BTreeSet<Listener>,
    /// Routes of the host that are in neither `main` nor `local`.
    pub other_routes: BTreeSet<OtherRoute>,
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
    /// Routes of the main table that no address brought with it; those are told by [`Link::unrouted`].
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
    /// Whether the other isolated ports of its bridge do not reach it (`IFLA_BRPORT_ISOLATED`).
    pub isolation: Isolation,
    /// The limits for what leaves through it, where they were asked for.
    pub shaping: Option<Shaping>,
    /// The other end of a veth pair, if it is in an observed place.
    pub peer: Option<LinkAt>,
    /// Whether it carries this tool's mark (link alias).
    pub ours: bool,
    /// Addresses with prefix length, without link-local ones the kernel made by itself.
    pub addresses: BTreeSet<IpNet>,
    /// The networks of its addresses to which somebody took the route away that came with them.
    pub unrouted: BTreeSet<IpNet>,
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

    /// The MTU in bytes that both ends of a cable need so that nothing has to be fragmented on the way out;
    /// none for Ethernet's.
    ///
    /// With 1500 inside and less outside, and ICMP filtered on the way, uploads stall for good.
    #[must_use]
    pub fn uplink_mtu(&self) -> Option<u32> {
        let host = self.stack(&Place::Host)?;
        let uplink = host.routes.iter().find(|route| route.is_default())?.link.as_ref()?;
        let mtu = host.links.get(uplink)?.mtu_bytes;
        (mtu < ETHERNET_MTU).then_some(mtu)
    }

    fn stack_mut(&mut self, place: &Place) -> &mut Stack {
        self.stacks.entry(place.clone()).or_default()
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
            isolation: Isolation::Off,
            shaping: None,
            peer: None,
            ours: false,
            addresses: BTreeSet::new(),
            unrouted: BTreeSet::new(),
        }
    }

    /// Leaves the bridge, and with it what was said about the link as its port.
    fn unplug(&mut self) {
        (self.master, self.hairpin, self.isolation) = (None, false, Isolation::Off);
    }
}
