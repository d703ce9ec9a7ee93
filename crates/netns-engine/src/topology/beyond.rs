//! What of a topology is left to look at.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashSet},
};

use super::{Cable, KnownHosts, Node, Topology};
use crate::name::NetnsName;

impl Topology {
    /// Returns the topology without those of the nodes in `seen` that are nothing but netns on cables, and
    /// without these cables: all of it is as it should be. What else belongs to a node is on the host, and
    /// is still to be looked at. Nor does it hold names that no node is told, and checks.
    #[must_use]
    pub fn beyond(&self, seen: &HashSet<NetnsName>) -> Cow<'_, Self> {
        if seen.is_empty() {
            return Cow::Borrowed(self);
        }
        let on_host = self.nodes.iter().filter(|node| has_something_on_host(node)).map(|node| &node.name);
        let limited = self.cables.iter().filter(|cable| is_limited(cable)).flat_map(Cable::netns);
        // Few in most topologies, so that a node costs no more than a look into `seen`.
        let open: HashSet<&NetnsName> = on_host.chain(limited).collect();
        let is_left = |node: &&Node| !seen.contains(&node.name) || open.contains(&node.name);
        let nodes: Vec<Node> = self.nodes.iter().filter(is_left).cloned().collect();
        // Few after most edits, and a cable is sooner looked for among few.
        let left: BTreeSet<&NetnsName> = nodes.iter().map(|node| &node.name).collect();
        let cables = self.cables.iter().filter(|cable| cable.netns().all(|netns| left.contains(netns)));
        let cables = cables.cloned().collect();
        let are_told = nodes.iter().any(|node| node.hosts == KnownHosts::OfTopology);
        Cow::Owned(Self {
            name: self.name.clone(),
            networks: self.networks.clone(),
            cables,
            hosts: if are_told { self.hosts.clone() } else { Vec::new() },
            checks: Vec::new(),
            nodes,
        })
    }
}

fn is_limited(cable: &Cable) -> bool {
    cable.ends.iter().any(|end| end.shaping.is_some())
}

fn has_something_on_host(node: &Node) -> bool {
    !node.ports.is_empty()
        || !node.programs.is_empty()
        || node.resolver.is_some()
        || node.hosts == KnownHosts::OfTopology
}
