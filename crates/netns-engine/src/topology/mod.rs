//! A whole network: what a topology file says once every name, address and MAC address is settled.
//!
//! Plain data, close to the kernel and in the order of the file. [`crate::plan`] decides what must change
//! for it; the note on a topology that is up holds one of these, so that the next change knows what was
//! asked for last.

mod beyond;
mod cable;
mod check;
mod clab;
mod error;
mod file;
mod generate;
mod import;
pub mod likeness;
mod mistake;
mod mtus;
mod network;
mod node;
mod position;
mod read;
mod resolve;
mod schema;
mod shaping;
#[cfg(test)]
mod tests;
mod warning;

use std::collections::BTreeSet;

pub use cable::{Cable, CableEnd, Isolation};
pub use check::{Check, Expectation, Prober, Target};
pub use error::{Excerpt, TopologyError};
pub use import::{Details, Document, Limit, Names, Sight, import};
pub use mistake::Mistake;
pub use mtus::{ETHERNET_MTU, Mtus};
pub use network::{Network, Reach, Tunnel};
pub use node::{Forwarding, HostEntry, KnownHosts, Macvlan, MacvlanMode, Node, Program, ProgramKey};

pub use position::Position;
pub use read::{MAX_BYTES, likely_name, read};
pub use schema::json_schema;
use serde::{Deserialize, Serialize};
pub use shaping::{Loss, Shaping};
pub use warning::Warning;

use crate::{address::Family, name::NetnsName};

/// The name of a topology, by the same rules as that of a netns.
pub type TopologyName = NetnsName;

/// A network of bridges, netns and cables.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Topology {
    /// Its name, unique on a host.
    pub name: TopologyName,
    /// Switches on the host.
    pub networks: Vec<Network>,
    /// Netns.
    pub nodes: Vec<Node>,
    /// What connects them: nodes to networks, and nodes to each other or to the host.
    pub cables: Vec<Cable>,
    /// The names of the nodes, and further ones the file gives; none if no node wants to know them.
    pub hosts: Vec<HostEntry>,
    /// What should work once it is up.
    pub checks: Vec<Check>,
}

impl Topology {
    /// A topology of nothing.
    #[must_use]
    pub fn new(name: TopologyName) -> Self {
        Self {
            name,
            networks: Vec::new(),
            nodes: Vec::new(),
            cables: Vec::new(),
            hosts: Vec::new(),
            checks: Vec::new(),
        }
    }

    /// Returns whether nothing of it is in the kernel or on file.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty() && self.nodes.is_empty() && self.cables.is_empty()
    }

    /// Returns the programs of all nodes, each with what it is known by.
    pub fn programs(&self) -> impl Iterator<Item = (ProgramKey, &Program)> {
        self.nodes.iter().flat_map(|node| {
            node.programs.iter().zip(1..).map(|(program, number)| {
                let key = ProgramKey { topology: self.name.clone(), netns: node.name.clone(), number };
                (key, program)
            })
        })
    }

    /// Returns the families that the host must forward for it.
    #[must_use]
    pub fn forwarded_families(&self) -> BTreeSet<Family> {
        let leads_out = |network: &&Network| matches!(network.reach, Reach::Internet { .. });
        let of_networks = self.networks.iter().filter(leads_out).flat_map(|network| &network.addresses);
        let forwards = self.nodes.iter().flat_map(|node| &node.ports);
        let for_others = forwards.filter(|forward| !forward.published.is_for_this_host_only());
        let of_ports = for_others.map(|forward| Family::of(forward.published.address));
        of_networks.map(Family::of_net).chain(of_ports).collect()
    }
}
