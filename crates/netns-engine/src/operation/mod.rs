//! One change of the kernel, as data.

mod words;

use std::net::IpAddr;

use ipnet::IpNet;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::{
    address::{LEAST_IPV6_MTU_BYTES, MacAddress},
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
    SetShaping(LinkAt, LinkLimits),
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
    /// Puts the route back that an address brought with it, as the kernel made it.
    RestoreRoute(LinkAt, IpNet),
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
    /// Ends what of these programs runs elsewhere than in the netns that is their node now.
    StopStrays(Vec<ProgramKey>),
    /// Changes iptables rules: one `iptables-restore` per family.
    Iptables(Vec<RuleChange>),
    /// Makes the own nftables table with its chains, sets and maps, all empty.
    AddTable,
    /// Deletes the own nftables table with all that is in it.
    DeleteTable,
    /// Puts the rules of the own table back in place of those that are there; its entries stay.
    RestoreRules,
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

/// Limits for what leaves through a link.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct LinkLimits {
    /// The limits.
    pub shaping: Shaping,
    /// The link's MTU in bytes: a packet of that size must get through.
    pub mtu_bytes: u32,
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
    /// Whether the kernel gives it an IPv6 link-local address when it comes up.
    pub link_local: LinkLocal,
}

/// What a [`NewLink`] is.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub enum NewLinkKind {
    /// A VXLAN tunnel to other hosts (RFC 7348).
    Vxlan {
        /// VXLAN network identifier, 1 to 16,777,215.
        vni: u32,
        /// The other hosts, of one family: what has no known place goes to each of them.
        remotes: Vec<IpAddr>,
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

impl LinkLocal {
    /// The same for a link of this MTU: where IPv6 has no room, there is nothing to be left out.
    #[must_use]
    pub fn at_mtu(self, mtu_bytes: Option<u32>) -> Self {
        if mtu_bytes.is_some_and(|bytes| bytes < LEAST_IPV6_MTU_BYTES) { Self::Generated } else { self }
    }
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
            | Self::DeleteAddress(at, _)
            | Self::RestoreRoute(at, _) => vec![&at.place],
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
    /// is that of a link made by the same plan, and goes with it. Rules that somebody else took from the own
    /// table are no state to go back to.
    #[must_use]
    pub fn leaves_a_trace(&self) -> bool {
        match self {
            Self::ForgetFlows(_) | Self::ForgetNetns(_) | Self::RestoreRules => false,
            Self::SetSysctl(_, sysctl, _) => sysctl.link().is_none(),
            _ => true,
        }
    }

    /// Returns whether a refusal with `errno` says that there was nothing left to take away, or to bring back:
    /// with `keep_addr_on_down` (`ip-sysctl.rst`) the IPv6 addresses of a link outlast it being down.
    #[must_use]
    pub fn is_moot_after(&self, errno: Errno) -> bool {
        if matches!(self, Self::AddAddress(..)) && errno == Errno::EXIST {
            return true;
        }
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
