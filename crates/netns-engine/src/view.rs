//! What there is to see, for people: richer than [`crate::observed`], and good for nothing but
//! being shown.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{firewall::Transport, resolver::ResolvConf};

/// One netns in a list.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct NetnsSummary {
    /// Its file name under `/run/netns`, which may hold anything; none if it has no name there.
    pub name: Option<String>,
    /// What the file really is.
    pub state: SummaryState,
    /// The inode by which `lsns` and `/proc/PID/ns/net` know it.
    pub inode: Option<u64>,
    /// Whether this tool made it.
    pub ours: bool,
    /// Who is inside.
    pub processes: Vec<Process>,
    /// Addresses that other machines, or the host, can reach it by.
    pub addresses: Vec<IpNet>,
    /// Other paths it is mounted at, such as Docker's under `/run/docker/netns`.
    pub mounts: Vec<String>,
    /// The container its first process belongs to, told from the name of its control group.
    pub container: Option<String>,
}

/// What a listed netns is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SummaryState {
    /// A network namespace.
    Live,
    /// A name without a namespace: its creation was killed midway, or hidden by a private mount.
    HalfMade,
}

/// A running program.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Process {
    /// Its process id.
    pub pid: u32,
    /// The name it gives itself.
    pub program: String,
}

/// One network stack in full.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct StackView {
    /// Links, in the order they were made.
    pub links: Vec<LinkView>,
    /// Routes, `main` table first, without those every stack has.
    pub routes: Vec<RouteView>,
    /// Neighbours whose link-layer address was asked for.
    pub neighbours: Vec<NeighbourView>,
    /// TCP and UDP sockets, listening ones first.
    pub sockets: Vec<Socket>,
    /// Packet filtering and translation.
    pub firewall: FirewallView,
    /// Whether packets are forwarded between links.
    pub forwarding: Forwarding,
    /// Who is inside.
    pub processes: Vec<Process>,
    /// The netns' own `resolv.conf`.
    pub resolver: Option<ResolvConf>,
}

/// A link with what it carries.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct LinkView {
    /// Its number in its netns.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// `loopback`, `bridge`, `veth`, … or `physical`.
    pub kind: String,
    /// Whether it is switched on.
    pub up: bool,
    /// Whether there is somebody at the other end.
    pub carrier: bool,
    /// Link-layer address.
    pub mac: Option<String>,
    /// Largest packet, in bytes.
    pub mtu_bytes: u32,
    /// The bridge it is a port of.
    pub master: Option<String>,
    /// The other end of a veth pair.
    pub peer: Option<PeerView>,
    /// Whether this tool made it.
    pub ours: bool,
    /// All addresses, link-local ones too.
    pub addresses: Vec<IpNet>,
    /// What came in.
    pub received: Counters,
    /// What went out.
    pub sent: Counters,
}

/// The other end of a veth pair.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct PeerView {
    /// Its name, where it may be known.
    pub link: Option<String>,
    /// Where it is.
    pub place: PeerPlace,
}

/// Where the other end of a veth pair is.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PeerPlace {
    /// In the same stack.
    Same,
    /// On the host.
    Host,
    /// In a named netns.
    Netns(String),
    /// In a netns without a name.
    Nameless,
}

/// Counters of one direction of a link.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Counters {
    /// Octets.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
    /// Packets that were broken.
    pub errors: u64,
    /// Packets that were dropped.
    pub dropped: u64,
}

/// A route of any table.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct RouteView {
    /// `main`, or the number of another table.
    pub table: String,
    /// `default`, a network, or an address.
    pub destination: String,
    /// `unicast`, `blackhole`, `unreachable`, `prohibit`, …
    pub kind: String,
    /// The next router.
    pub gateway: Option<IpAddr>,
    /// The link packets leave through.
    pub link: Option<String>,
    /// Source address packets get that have none yet.
    pub source: Option<IpAddr>,
    /// Smaller wins.
    pub metric: Option<u32>,
    /// Who made it: `kernel`, `boot`, `netns-tool`, …
    pub protocol: String,
}

/// An address on a neighbouring stack, and what is known of it.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct NeighbourView {
    /// The link it is a neighbour on.
    pub link: String,
    /// Its address.
    pub address: Option<IpAddr>,
    /// Its link-layer address, once it answered.
    pub mac: Option<String>,
    /// `reachable`, `stale`, `failed`, … (`ip-neighbour(8)`).
    pub state: String,
}

/// A TCP or UDP socket.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Socket {
    /// TCP or UDP.
    pub transport: Transport,
    /// Its own address and port.
    pub local: SocketAddr,
    /// The other end's, unless it only listens.
    pub remote: Option<SocketAddr>,
    /// `listening`, `established`, … for TCP; `open` or `connected` for UDP.
    pub state: String,
    /// Who has it open; nobody if it is the kernel's, or may not be known.
    pub programs: Vec<Process>,
}

/// What filters and translates packets.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct FirewallView {
    /// nftables tables with their chains; tables of iptables-nft are among them.
    pub tables: Vec<TableView>,
    /// Tables of the old iptables (`/proc/net/ip_tables_names`), which nftables does not show.
    pub legacy_tables: Vec<String>,
    /// Rules of the iptables family in `nat` and `filter`, as the arguments that would add them.
    pub iptables_rules: Vec<String>,
    /// What the own table does, an entry a line.
    pub own_entries: Vec<String>,
}

/// A table of nftables.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct TableView {
    /// `ip`, `ip6`, `inet`, `bridge`, `arp` or `netdev`.
    pub family: String,
    /// Its name.
    pub name: String,
    /// Its chains.
    pub chains: Vec<ChainView>,
}

/// A chain of nftables.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct ChainView {
    /// Its name.
    pub name: String,
    /// Where packets enter it: `forward`, `postrouting`, …; none if only other chains lead here.
    pub hook: Option<String>,
    /// What becomes of a packet that no rule decides on.
    pub policy: Option<String>,
    /// How many rules it has.
    pub rules: usize,
}

/// Whether a stack is a router.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Forwarding {
    /// `net.ipv4.ip_forward`; none where it cannot be read.
    pub ipv4: Option<bool>,
    /// `net.ipv6.conf.all.forwarding`; none where it cannot be read.
    pub ipv6: Option<bool>,
}
