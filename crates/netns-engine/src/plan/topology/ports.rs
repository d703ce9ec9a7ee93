//! The published ports of a topology.

use std::collections::BTreeMap;

use crate::{
    plan::{
        Conflict, Draft,
        port_forward::{self, Wanted},
    },
    topology::Topology,
};

/// Publishes what is missing, all of it in one transaction.
pub(super) fn publish(draft: &mut Draft, wanted: &Topology) -> Result<(), Conflict> {
    // The bridge's port that leads to a node, by bridge and node.
    let plugs: BTreeMap<_, _> = wanted
        .cables
        .iter()
        .filter_map(|cable| {
            let [main, peer] = &cable.ends;
            Some(((main.bridge.as_ref()?, peer.at.place.netns()?), &main.at.name))
        })
        .collect();
    let forwards = wanted.nodes.iter().flat_map(|node| node.ports.iter().map(move |forward| (node, forward)));
    let forwards: Vec<_> = forwards
        .map(|(node, forward)| Wanted {
            forward: forward.clone(),
            netns: node.name.clone(),
            port: plugs.get(&(&forward.bridge, &node.name)).map(|port| (*port).clone()),
        })
        .collect();
    if forwards.is_empty() { Ok(()) } else { port_forward::publish(draft, &forwards) }
}
