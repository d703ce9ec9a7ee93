//! Which nodes of an edited topology need no look from within.

use std::collections::BTreeMap;

use super::{Asked, Plug, Scope};
use crate::{
    name::{LinkName, NetnsName},
    place::Place,
    topology::{Cable, Network, Node, Topology},
};

impl Scope {
    /// Lets the nodes that the edit does not touch be seen from outside, if that is asked for.
    pub(super) fn with_untouched_from_outside(mut self, former: &Topology, wanted: &Topology) -> Self {
        if self.untouched_from_outside == Asked::Yes && former != wanted {
            self.outside.extend(untouched(former, wanted));
        }
        self
    }
}

/// The nodes that are the same in both, with all that they hang on, and with the cables by which the
/// host sees them.
fn untouched(former: &Topology, wanted: &Topology) -> BTreeMap<NetnsName, Vec<Plug>> {
    let (before, after) = (Surroundings::of(former), Surroundings::of(wanted));
    let nodes: BTreeMap<&NetnsName, &Node> = former.nodes.iter().map(|node| (&node.name, node)).collect();
    let same = wanted.nodes.iter().filter(|node| nodes.get(&node.name) == Some(node));
    let plugs = same.filter_map(|node| {
        let cables =
            after.cables.get(&node.name).filter(|cables| before.cables.get(&node.name) == Some(*cables))?;
        let plugs: Option<Vec<Plug>> = cables
            .iter()
            .filter(|cable| before.network_of(cable) == after.network_of(cable))
            .map(|cable| plug(cable))
            .collect();
        Some((node.name.clone(), plugs.filter(|plugs| plugs.len() == cables.len())?))
    });
    plugs.collect()
}

/// A cable between two nodes is seen from neither the host nor one of them.
fn plug(cable: &Cable) -> Option<Plug> {
    let [outside, inside] = &cable.ends;
    let leads_in = outside.at.place == Place::Host && inside.at.place != Place::Host;
    leads_in.then(|| Plug { outside: outside.at.name.clone(), inside: inside.at.name.clone() })
}

/// What nodes hang on.
struct Surroundings<'a> {
    cables: BTreeMap<&'a NetnsName, Vec<&'a Cable>>,
    networks: BTreeMap<&'a LinkName, &'a Network>,
}

impl<'a> Surroundings<'a> {
    fn of(topology: &'a Topology) -> Self {
        let mut cables: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for cable in &topology.cables {
            for netns in cable.ends.iter().filter_map(|end| end.at.place.netns()) {
                cables.entry(netns).or_default().push(cable);
            }
        }
        let networks = topology.networks.iter().map(|network| (&network.bridge, network)).collect();
        Self { cables, networks }
    }

    fn network_of(&self, cable: &Cable) -> Option<&'a Network> {
        let bridge = cable.ends.iter().find_map(|end| end.bridge.as_ref())?;
        self.networks.get(bridge).copied()
    }
}
