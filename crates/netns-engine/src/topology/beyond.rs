//! What of a topology is left to look at.

use std::{borrow::Cow, collections::HashSet};

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
        let is_done = |netns: &NetnsName| seen.contains(netns) && !open.contains(netns);
        let nodes: Vec<Node> = self.nodes.iter().filter(|node| !is_done(&node.name)).cloned().collect();
        let are_told = nodes.iter().any(|node| node.hosts == KnownHosts::OfTopology);
        Cow::Owned(Self {
            name: self.name.clone(),
            networks: self.networks.clone(),
            nodes,
            cables: self.cables.iter().filter(|cable| !cable.netns().any(is_done)).cloned().collect(),
            hosts: if are_told { self.hosts.clone() } else { Vec::new() },
            checks: Vec::new(),
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
