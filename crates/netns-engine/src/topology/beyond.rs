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
        let limited: HashSet<&NetnsName> =
            self.cables.iter().filter(|cable| is_limited(cable)).flat_map(Cable::netns).collect();
        let is_done = |node: &Node| {
            seen.contains(&node.name) && has_nothing_on_host(node) && !limited.contains(&node.name)
        };
        let done: HashSet<&NetnsName> =
            self.nodes.iter().filter(|node| is_done(node)).map(|node| &node.name).collect();
        let is_open = |cable: &&Cable| !cable.netns().any(|netns| done.contains(netns));
        let nodes: Vec<Node> = self.nodes.iter().filter(|node| !done.contains(&node.name)).cloned().collect();
        let are_told = nodes.iter().any(|node| node.hosts == KnownHosts::OfTopology);
        Cow::Owned(Self {
            name: self.name.clone(),
            networks: self.networks.clone(),
            nodes,
            cables: self.cables.iter().filter(is_open).cloned().collect(),
            hosts: if are_told { self.hosts.clone() } else { Vec::new() },
            checks: Vec::new(),
        })
    }
}

fn is_limited(cable: &Cable) -> bool {
    cable.ends.iter().any(|end| end.shaping.is_some())
}

fn has_nothing_on_host(node: &Node) -> bool {
    node.ports.is_empty()
        && node.programs.is_empty()
        && node.resolver.is_none()
        && node.hosts == KnownHosts::OfHost
}
