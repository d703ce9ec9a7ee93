//! What exists: the kernel's state in the same words as what is desired.
//!
//! [`Observed`] is plain data. The kernel fills it, a test may write it by hand, and
//! `project` (in `project.rs`) tells how an [`Operation`](crate::plan::Operation) changes it, by
//! the kernel's own rules: that one model lets plans look ahead, lets `apply` read back, and is
//! the fake kernel of the tests.

mod iptables;
mod project;
mod scope;
mod settings;
mod undo;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::{IpAddr, SocketAddr},
};

use ipnet::IpNet;
pub use scope::{Asked, Scope, Selection, TableSelection};

use crate::{
    address::{Family, MacAddress},
    firewall::{IptablesRule, TableEntry, Transport},
    name::{LinkName, NetnsName},
    place::{LinkAt, Place},
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
}

/// A file under `/run/netns`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NetnsEntry {
    /// Whether a netns is really mounted there.
    pub state: NetnsState,
    /// Whether this tool made it (known by its `SO_NETNS_COOKIE`).
    pub ours: bool,
    /// Who keeps it alive beside its name.
    pub holders: Vec<Holder>,
}

/// What a file under `/run/netns` really is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NetnsState {
    /// A mounted network namespace.
    Live,
    /// An ordinary file: the creation was killed midway, or happened in another mount namespace.
    HalfMade,
}

/// Something that keeps a netns alive after its name is gone.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// Its command name (`/proc/PID/comm`).
    pub program: String,
    /// How it holds on.
    pub by: Hold,
}

/// How a process holds a netns.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Hold {
    /// It, or one of its threads, runs inside.
    Inside,
    /// It has the netns open as a file, by this descriptor number.
    OpenFile(u32),
    /// It has a socket open that belongs to the netns, by this descriptor number.
    Socket(u32),
    /// It sees another mount of the netns, at this path.
    Mount(String),
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A program may call itself anything.
        let program = self.program.escape_debug();
        match &self.by {
            Hold::Inside => write!(f, "{program} (pid {}, inside)", self.pid),
            Hold::OpenFile(number) => write!(f, "{program} (pid {}, open file {number})", self.pid),
            Hold::Socket(number) => write!(f, "{program} (pid {}, socket {number})", self.pid),
            Hold::Mount(path) => {
                write!(f, "the mount '{}' that {program} (pid {}) sees", path.escape_debug(), self.pid)
            }
        }
    }
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

/// Packet filtering and translation on the host, as far as it was asked for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Firewall {
    /// The iptables side, where the program works for at least one family.
    pub iptables: Option<Iptables>,
    /// Why the program does not work for these families.
    pub iptables_missing: BTreeMap<Family, String>,
    /// Whether the kernel speaks nftables.
    pub nftables: bool,
    /// Entries of the own table; none where it does not exist.
    pub table: Option<BTreeSet<TableEntry>>,
    /// Base chains of other nftables tables that may drop forwarded packets.
    pub foreign_chains: Vec<ForeignChain>,
}

/// The rules that a working `iptables` shows.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Iptables {
    /// Rules of the tables `nat` and `filter`, both families, in order.
    pub rules: Vec<IptablesRule>,
    /// Families whose `FORWARD` chain drops packets: by policy, or by a rule of its own.
    pub forward_drops: BTreeSet<Family>,
}

/// Another program's base chain on a hook that forwarded packets pass.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ForeignChain {
    /// Family and table, such as `inet firewalld`.
    pub table: String,
    /// The chain.
    pub chain: String,
    /// `filter`, `nat` or `route`.
    pub kind: String,
    /// The hook, such as `forward`.
    pub hook: String,
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

    fn stack_mut(&mut self, place: &Place) -> &mut Stack {
        self.stacks.entry(place.clone()).or_default()
    }
}

impl Firewall {
    /// Returns the iptables side for one family.
    ///
    /// # Errors
    ///
    /// Tells why the program does not work for it.
    pub fn iptables_for(&self, family: Family) -> Result<&Iptables, &str> {
        match (&self.iptables, self.iptables_missing.get(&family)) {
            (_, Some(reason)) => Err(reason),
            (None, None) => Err("it was not looked for"),
            (Some(iptables), None) => Ok(iptables),
        }
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
