//! One change of the kernel, as data.

use std::{fmt, net::IpAddr};

use ipnet::IpNet;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::{
    address::MacAddress,
    boot::BootFile,
    firewall::{PortForward, RuleChange, TableEntry},
    name::{LinkName, NetnsName},
    place::{LinkAt, Place},
    record::{Record, RecordKey},
    resolver::ResolvConf,
    route::Route,
    sysctl::Sysctl,
    topology::{HostEntry, MacvlanMode, Program, ProgramKey, Shaping, TopologyName},
};

/// One change that the kernel, or a file it is read through, can undergo.
///
/// Each variant says all there is to know: performing it looks nothing up but indices.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Operation {
    /// Makes a named netns: file, mount, forwarding off.
    CreateNetns(NetnsName),
    /// Removes the name of a netns, and the mark that it is ours.
    DeleteNetns(NetnsName),
    /// Ends processes that keep a nameless netns alive (SIGKILL).
    KillProcesses(NetnsName, Vec<u32>),
    /// Makes a bridge, down.
    AddBridge(NewBridge),
    /// Makes both ends of a veth pair.
    AddVeth(NewVeth),
    /// Makes a link of another kind.
    AddLink(NewLink),
    /// Deletes a link; of a veth pair, both ends.
    DeleteLink(LinkAt),
    /// Deletes links of the host together, which costs one wait in the kernel instead of one each. No
    /// two of them may be ends of one pair.
    DeleteLinks(Vec<LinkName>),
    /// Changes one property of a link.
    SetLink(LinkAt, LinkChange),
    /// Gives a link limits for what leaves through it, in place of what it had.
    SetShaping(LinkAt, Shaping),
    /// Takes the limits of a link away.
    ClearShaping(LinkAt),
    /// Adds an address to a link.
    AddAddress(LinkAt, IpNet),
    /// Takes an address from a link.
    DeleteAddress(LinkAt, IpNet),
    /// Adds a route to the main table.
    AddRoute(Place, Route),
    /// Deletes a route from the main table.
    DeleteRoute(Place, Route),
    /// Writes a kernel setting.
    SetSysctl(Place, Sysctl, i32),
    /// Writes `/etc/netns/NAME/resolv.conf`.
    WriteResolver(NetnsName, ResolvConf),
    /// Removes `/etc/netns/NAME/resolv.conf`, and the folder if it is then empty.
    RemoveResolver(NetnsName),
    /// Writes the names that the nodes of a topology may share.
    WriteHosts(TopologyName, Vec<HostEntry>),
    /// Removes the names that the nodes of a topology share.
    RemoveHosts(TopologyName),
    /// Lets `/etc/netns/NAME/hosts` be the names of a topology.
    ShareHosts(NetnsName, TopologyName),
    /// Removes `/etc/netns/NAME/hosts`, and the folder if it is then empty.
    UnshareHosts(NetnsName),
    /// Writes a file that lets a topology return after a reboot.
    WriteBootFile(BootFile, String),
    /// Removes a file that lets a topology return after a reboot.
    RemoveBootFile(BootFile),
    /// Starts a program in a netns, in the background, with its output in a file.
    StartProgram(ProgramKey, Program),
    /// Ends a program, and what it started, if it is still running.
    StopProgram(ProgramKey),
    /// Changes iptables rules: one `iptables-restore` per family.
    Iptables(Vec<RuleChange>),
    /// Makes the own nftables table with its chains, sets and maps, all empty.
    AddTable,
    /// Deletes the own nftables table with all that is in it.
    DeleteTable,
    /// Adds entries to the own table, in one transaction.
    AddEntries(Vec<TableEntry>),
    /// Deletes entries from the own table, in one transaction.
    DeleteEntries(Vec<TableEntry>),
    /// Deletes connection-tracking entries that still lead to the targets of these forwards.
    ForgetFlows(Vec<PortForward>),
    /// Remembers a change of ours.
    Remember(Record),
    /// Drops what was remembered.
    Forget(RecordKey),
    /// Drops the mark that a netns was ours, after somebody else deleted it.
    ForgetNetns(NetnsName),
}

/// A bridge to be made, in the host's stack or in a netns.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct NewBridge {
    /// Where, and its name.
    pub at: LinkAt,
    /// Fixed, because a bridge without one takes over the lowest of its ports' addresses, and
    /// changes it as ports come and go.
    pub mac: MacAddress,
}

/// A link to be made that is neither a bridge nor a veth pair.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct NewLink {
    /// Where, and its name.
    pub at: LinkAt,
    /// What it is.
    pub kind: NewLinkKind,
    /// Its link-layer address.
    pub mac: MacAddress,
    /// MTU in bytes; what the kernel chooses for the kind if not given.
    pub mtu_bytes: Option<u32>,
    /// The bridge it becomes a port of.
    pub master: Option<LinkName>,
}

/// What a [`NewLink`] is.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub enum NewLinkKind {
    /// A VXLAN tunnel to one other host (RFC 7348).
    Vxlan {
        /// VXLAN network identifier, 1 to 16,777,215.
        vni: u32,
        /// The other host.
        remote: IpAddr,
        /// UDP port.
        port: u16,
    },
    /// A link that shares a link of the host.
    Macvlan {
        /// The host's link.
        parent: LinkName,
        /// Who may talk to whom.
        mode: MacvlanMode,
    },
}

impl NewLinkKind {
    /// Returns the kernel's word for it (`IFLA_INFO_KIND`).
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Vxlan { .. } => "vxlan",
            Self::Macvlan { .. } => "macvlan",
        }
    }
}

/// A veth pair to be made by one message.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct NewVeth {
    /// The end made in its own place; may be a port of a bridge at birth.
    pub main: NewVethEnd,
    /// The other end; becomes a port of a bridge, if it is to be one, right after its birth.
    pub peer: NewVethEnd,
}

/// One end of a [`NewVeth`].
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct NewVethEnd {
    /// Where, and its name.
    pub at: LinkAt,
    /// Drawn at random by the kernel if not given.
    pub mac: Option<MacAddress>,
    /// 1500 if not given.
    pub mtu_bytes: Option<u32>,
    /// The bridge it becomes a port of.
    pub master: Option<LinkName>,
    /// Whether the kernel gives it an IPv6 link-local address when it comes up.
    pub link_local: LinkLocal,
}

/// Whether a link gets an IPv6 link-local address when it comes up (`IFLA_INET6_ADDR_GEN_MODE`).
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub enum LinkLocal {
    /// As the kernel does by default.
    Generated,
    /// None: nobody asked for IPv6, and each one costs a flood of multicast.
    None,
}

/// One property of a link.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub enum LinkChange {
    /// Switch it on.
    Up,
    /// Switch it off.
    Down,
    /// Make it a port of a bridge.
    Master(LinkName),
    /// Take it off its bridge.
    NoMaster,
    /// Largest packet, in bytes.
    Mtu(u32),
    /// Link-layer address.
    Mac(MacAddress),
    /// Let its bridge send frames back through the port they came in by.
    HairpinOn,
    /// Let its bridge send no frame back where it came from, as is the rule.
    HairpinOff,
    /// Let isolated ports of its bridge not reach it.
    IsolatedOn,
    /// Let all ports of its bridge reach it, as is the rule.
    IsolatedOff,
    /// Put it back into the group that every link starts in.
    DefaultGroup,
}

impl NewVethEnd {
    /// An end with the kernel's defaults.
    #[must_use]
    pub fn new(at: LinkAt) -> Self {
        Self { at, mac: None, mtu_bytes: None, master: None, link_local: LinkLocal::Generated }
    }
}

impl Operation {
    /// Returns whether this only concerns the tool's own notes, which no shell command keeps.
    #[must_use]
    pub fn is_bookkeeping(&self) -> bool {
        matches!(self, Self::Remember(_) | Self::Forget(_) | Self::ForgetNetns(_))
    }

    /// Returns the network stacks it acts on.
    #[must_use]
    pub fn places(&self) -> Vec<&Place> {
        match self {
            Self::AddBridge(NewBridge { at, .. })
            | Self::AddLink(NewLink { at, .. })
            | Self::DeleteLink(at)
            | Self::SetLink(at, _)
            | Self::SetShaping(at, _)
            | Self::ClearShaping(at)
            | Self::AddAddress(at, _)
            | Self::DeleteAddress(at, _) => vec![&at.place],
            Self::AddVeth(veth) => vec![&veth.main.at.place, &veth.peer.at.place],
            Self::AddRoute(place, _) | Self::DeleteRoute(place, _) | Self::SetSysctl(place, ..) => {
                vec![place]
            }
            _ => Vec::new(),
        }
    }

    /// Returns whether it changes something that stays changed without an undo.
    ///
    /// A forgotten flow is tracked again with its next packet. A link's setting without an undo
    /// is that of a link made by the same plan, and goes with it.
    #[must_use]
    pub fn leaves_a_trace(&self) -> bool {
        match self {
            Self::ForgetFlows(_) | Self::ForgetNetns(_) => false,
            Self::SetSysctl(_, sysctl, _) => sysctl.link().is_none(),
            _ => true,
        }
    }

    /// Returns whether a refusal with `errno` says that there was nothing left to take away.
    #[must_use]
    pub fn is_moot_after(&self, errno: Errno) -> bool {
        let takes_away = matches!(
            self,
            Self::DeleteNetns(_)
                | Self::DeleteLink(_)
                | Self::DeleteLinks(_)
                | Self::ClearShaping(_)
                | Self::RemoveHosts(_)
                | Self::UnshareHosts(_)
                | Self::StopProgram(_)
                | Self::DeleteAddress(..)
                | Self::DeleteRoute(..)
                | Self::RemoveResolver(_)
                | Self::DeleteTable
                | Self::Forget(_)
        );
        takes_away && matches!(errno, Errno::NOENT | Errno::NODEV | Errno::SRCH | Errno::ADDRNOTAVAIL)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateNetns(name) => write!(f, "create netns '{name}'"),
            Self::DeleteNetns(name) => write!(f, "delete netns '{name}'"),
            Self::KillProcesses(name, pids) => {
                write!(f, "end {} holding netns '{name}'", count(pids, "process"))
            }
            Self::AddBridge(bridge) => write!(f, "add bridge {}", bridge.at),
            Self::AddVeth(veth) => write!(f, "add veth pair {} – {}", veth.main.at, veth.peer.at),
            Self::AddLink(link) => write!(f, "add {} {}", link.kind.word(), link.at),
            Self::DeleteLink(link) => write!(f, "delete {link}"),
            Self::DeleteLinks(links) => match links.as_slice() {
                [link] => write!(f, "delete link '{link}'"),
                links => write!(f, "delete {} of the host together", count(links, "link")),
            },
            Self::SetLink(link, change) => write_link_change(f, link, change),
            Self::SetShaping(link, shaping) => write!(f, "limit {link} to {shaping}"),
            Self::ClearShaping(link) => write!(f, "take the limits of {link} away"),
            Self::AddAddress(link, address) => write!(f, "add address '{address}' to {link}"),
            Self::DeleteAddress(link, address) => write!(f, "delete address '{address}' from {link}"),
            Self::AddRoute(place, route) => write!(f, "add route '{route}' {}", place.location()),
            Self::DeleteRoute(place, route) => write!(f, "delete route '{route}' {}", place.location()),
            Self::SetSysctl(place, sysctl, value) => {
                write!(f, "set {sysctl} to {value} {}", place.location())
            }
            Self::WriteResolver(netns, file) => {
                let servers = count(&file.servers, "name server");
                write!(f, "write {servers} into /etc/netns/{netns}/resolv.conf")
            }
            Self::RemoveResolver(netns) => write!(f, "remove /etc/netns/{netns}/resolv.conf"),
            Self::WriteHosts(topology, _) => write!(f, "write the host names of topology '{topology}'"),
            Self::RemoveHosts(topology) => write!(f, "remove the host names of topology '{topology}'"),
            Self::ShareHosts(netns, topology) => {
                write!(f, "let /etc/netns/{netns}/hosts be the host names of topology '{topology}'")
            }
            Self::UnshareHosts(netns) => write!(f, "remove /etc/netns/{netns}/hosts"),
            Self::WriteBootFile(file, _) => write!(f, "write {file}"),
            Self::RemoveBootFile(file) => write!(f, "remove {file}"),
            Self::StartProgram(key, program) => {
                write!(f, "start '{}' in netns '{}'", program.command.join(" ").escape_debug(), key.netns)
            }
            Self::StopProgram(key) => write!(f, "end {key}"),
            Self::Iptables(changes) => write_rule_changes(f, changes),
            Self::AddTable => f.write_str("add nftables table 'inet netns_tool'"),
            Self::DeleteTable => f.write_str("delete nftables table 'inet netns_tool'"),
            Self::AddEntries(entries) => {
                write!(f, "add {} to table 'inet netns_tool'", entries_in_words(entries))
            }
            Self::DeleteEntries(entries) => {
                write!(f, "delete {} from table 'inet netns_tool'", entries_in_words(entries))
            }
            Self::ForgetFlows(forwards) => match forwards.as_slice() {
                [forward] => {
                    write!(f, "forget tracked flows from {} to {}", forward.published, forward.target)
                }
                forwards => write!(f, "forget tracked flows from {}", count(forwards, "published port")),
            },
            Self::Remember(record) => write!(f, "note {} in /run/netns-tool", record.key()),
            Self::ForgetNetns(name) => write!(f, "drop the mark of netns '{name}' from /run/netns-tool"),
            Self::Forget(key) => write!(f, "drop the note on {key} from /run/netns-tool"),
        }
    }
}

fn write_link_change(f: &mut fmt::Formatter<'_>, link: &LinkAt, change: &LinkChange) -> fmt::Result {
    match change {
        LinkChange::Up => write!(f, "set {link} up"),
        LinkChange::Down => write!(f, "set {link} down"),
        LinkChange::Master(bridge) => write!(f, "make {link} a port of bridge '{bridge}'"),
        LinkChange::NoMaster => write!(f, "take {link} off its bridge"),
        LinkChange::Mtu(bytes) => write!(f, "set MTU of {link} to {bytes}"),
        LinkChange::Mac(mac) => write!(f, "set MAC address of {link} to {mac}"),
        LinkChange::HairpinOn => write!(f, "let the bridge of {link} send frames back through it"),
        LinkChange::HairpinOff => write!(f, "let the bridge of {link} send no frame back through it"),
        LinkChange::IsolatedOn => write!(f, "isolate {link} from the other isolated ports of its bridge"),
        LinkChange::IsolatedOff => write!(f, "let all ports of its bridge reach {link}"),
        LinkChange::DefaultGroup => write!(f, "put {link} into the default group"),
    }
}

fn write_rule_changes(f: &mut fmt::Formatter<'_>, changes: &[RuleChange]) -> fmt::Result {
    let is_deletion = |change: &RuleChange| matches!(change, RuleChange::Delete(_));
    let kind = |change| (is_deletion(change), change.rule().program());
    let Some((deletes, program)) = changes.first().map(kind) else { return f.write_str("change no rule") };
    if changes.iter().any(|change| kind(change) != (deletes, program)) {
        return write!(f, "change {}", count(changes, "iptables rule"));
    }
    let verb = if deletes { "delete" } else { "add" };
    let noun = if changes.len() == 1 { "rule" } else { "rules" };
    let words: Vec<_> = changes.iter().map(|change| format!("'{change}'")).collect();
    write!(f, "{verb} {program} {noun} {}", words.join(", "))
}

/// Which entries, as long as they can be taken in at a glance.
fn entries_in_words(entries: &[TableEntry]) -> String {
    const AT_A_GLANCE: usize = 4;
    if entries.len() > AT_A_GLANCE {
        return count(entries, "entry");
    }
    let words: Vec<_> = entries.iter().map(|entry| format!("'{entry}'")).collect();
    words.join(", ")
}

/// "1 rule", "2 rules", "2 entries", "2 processes".
fn count<T>(items: &[T], noun: &str) -> String {
    match (items.len(), noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (number, Some(stem)) => format!("{number} {stem}ies"),
        (number, None) if noun.ends_with('s') => format!("{number} {noun}es"),
        (number, None) => format!("{number} {noun}s"),
    }
}
