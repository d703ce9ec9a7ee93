//! What there is to see around a path: every stack on it, as plain data.
//!
//! The kernel fills it (`kernel/examine/`), a test may write it by hand or load a recorded one. It is
//! richer than [`crate::observed`], which plans are made from: a diagnosis also looks at what this
//! tool never changes.

mod link;
mod routing;
mod services;

use std::{collections::BTreeMap, net::IpAddr};

pub use link::{Address, Bridge, Link, Peer, Port, PortState, Vlan};
pub use routing::{Neighbour, NextHop, PolicyAction, PolicyRule, Route, RouteKind};
use serde::{Deserialize, Serialize};
pub use services::{Flow, HostNotes, Managed, Nameless, Resolver, Tuple};

use super::firewall::Ruleset;
use crate::{
    name::LinkName,
    place::Entrance,
    view::{Process, Socket},
};

/// Everything that was looked at for one diagnosis.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Scene {
    /// Every stack that was looked at; the first one is the host.
    pub stacks: Vec<Stack>,
    /// Other ways into some of them: a netns may have several names, and processes inside.
    pub also: Vec<(Entrance, StackId)>,
    /// What is known of the host beside its stack.
    pub host: HostNotes,
}

/// A stack of a [`Scene`], by its place in the list.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct StackId(pub usize);

impl StackId {
    /// The host: the netns the tool was started in.
    pub const HOST: Self = Self(0);
}

/// One network stack.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Stack {
    /// How it is entered, which is also what it is called.
    pub entrance: Entrance,
    /// Links, in the order of their indices.
    pub links: Vec<Link>,
    /// The VLANs of bridges that filter, by the bridge's index: those their own addresses are in.
    pub bridge_vlans: BTreeMap<u32, Vec<Vlan>>,
    /// The rules that choose a routing table (`ip rule`), in the order of their priorities.
    pub policy: Vec<PolicyRule>,
    /// Routes of all tables, `local` as well.
    pub routes: Vec<Route>,
    /// What is known of neighbours' link-layer addresses.
    pub neighbours: Vec<Neighbour>,
    /// Kernel settings by their path below `/proc/sys`, such as `net/ipv4/ip_forward`.
    pub settings: BTreeMap<String, i64>,
    /// Packet filtering and translation.
    pub firewall: Ruleset,
    /// TCP and UDP sockets that wait for others.
    pub listeners: Vec<Socket>,
    /// How names are looked up.
    pub resolver: Resolver,
    /// Counters of `/proc/net/netstat` and `/proc/net/snmp` by name, such as `IPReversePathFilter`.
    pub counters: BTreeMap<String, u64>,
    /// Tracked connections that the question is about.
    pub flows: Vec<Flow>,
    /// Who is inside.
    pub processes: Vec<Process>,
}

impl Scene {
    /// Returns a stack.
    ///
    /// # Panics
    ///
    /// Panics if the number is none of this scene.
    #[must_use]
    pub fn stack(&self, id: StackId) -> &Stack {
        &self.stacks[id.0]
    }

    /// Returns the host's stack.
    #[must_use]
    pub fn host(&self) -> &Stack {
        self.stack(StackId::HOST)
    }

    /// Returns the stacks with their numbers.
    pub fn numbered(&self) -> impl Iterator<Item = (StackId, &Stack)> {
        self.stacks.iter().enumerate().map(|(number, stack)| (StackId(number), stack))
    }

    /// Returns the stack that is entered this way, if it was looked at.
    #[must_use]
    pub fn find(&self, entrance: &Entrance) -> Option<StackId> {
        let found = self.numbered().find(|(_, stack)| stack.entrance == *entrance).map(|(id, _)| id);
        found.or_else(|| self.also.iter().find(|(other, _)| other == entrance).map(|(_, id)| *id))
    }

    /// Returns every stack that has `address`, and the link it is on.
    pub fn owners(&self, address: IpAddr) -> impl Iterator<Item = (StackId, &Link)> {
        self.numbered().flat_map(move |(id, stack)| {
            stack.links.iter().filter(move |link| link.has_address(address)).map(move |link| (id, link))
        })
    }
}

impl Stack {
    /// Returns a link by its index.
    #[must_use]
    pub fn link(&self, index: u32) -> Option<&Link> {
        self.links.iter().find(|link| link.index == index)
    }

    /// Returns a link by its name.
    #[must_use]
    pub fn link_named(&self, name: &LinkName) -> Option<&Link> {
        self.links.iter().find(|link| link.name == *name)
    }

    /// Returns the ports of a bridge.
    pub fn ports(&self, bridge: u32) -> impl Iterator<Item = &Link> {
        self.links.iter().filter(move |link| link.master == Some(bridge))
    }

    /// Returns a setting; none if the kernel or the link lacks it, or it was not read.
    #[must_use]
    pub fn setting(&self, path: &str) -> Option<i64> {
        self.settings.get(path).copied()
    }
}
