//! Which nodes of an edited topology need no look from within.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap, HashSet},
};

use super::{Plug, Scope};
use crate::{
    name::{LinkName, NetnsName},
    place::Place,
    record::{Record, RecordKey},
    topology::{Cable, Network, Node, Topology},
};

/// A node that an edit leaves as it was, and all that it hangs on.
#[derive(Clone, Debug)]
pub struct Untouched<'a> {
    /// The node.
    pub node: &'a Node,
    /// Its cables, all of them from the host, which is their first end; at least one.
    pub cables: Vec<&'a Cable>,
}

/// A topology as it was asked for last, and as it is to be.
#[derive(Clone, Copy, Debug)]
pub struct Edit<'a> {
    /// As it was; none if it was not there.
    pub former: Option<&'a Topology>,
    /// As it is to be.
    pub wanted: &'a Topology,
}

impl<'a> Edit<'a> {
    /// Returns the nodes that it does not touch, and that the host sees whole; none if it changes nothing.
    #[must_use]
    pub fn untouched(self) -> Vec<Untouched<'a>> {
        let Some(former) = self.former.filter(|former| *former != self.wanted) else { return Vec::new() };
        let before = Surroundings::of(former);
        let mut after = Surroundings::of(self.wanted);
        let nodes: HashMap<&NetnsName, &Node> = former.nodes.iter().map(|node| (&node.name, node)).collect();
        let same = self.wanted.nodes.iter().filter(|node| nodes.get(&node.name) == Some(node));
        let untouched = same.filter_map(|node| {
            let cables = after.cables.remove(&node.name)?;
            let same = before.cables.get(&node.name) == Some(&cables)
                && cables.iter().all(|cable| before.network_of(cable) == after.network_of(cable));
            (same && cables.iter().all(|cable| is_seen_by_host(cable))).then_some(Untouched { node, cables })
        });
        untouched.collect()
    }
}

impl Scope {
    /// Returns the topologies in it, each with what `records` know of it.
    #[must_use]
    pub fn edits<'a>(&'a self, records: &'a BTreeMap<RecordKey, Record>) -> Vec<Edit<'a>> {
        let edits = self.topologies.values().map(|wanted| {
            let former = match records.get(&RecordKey::Topology(wanted.name.clone())) {
                Some(Record::Topology(up)) => Some(&*up.topology),
                _ => None,
            };
            Edit { former, wanted }
        });
        edits.collect()
    }

    /// Also reads what `edit` is about, but what the nodes in `seen` consist of.
    pub(super) fn with_edit(self, edit: Edit<'_>, seen: &HashSet<NetnsName>) -> Self {
        let wanted = edit.wanted.beyond(seen);
        let mut scope = self.with_topology(&wanted);
        scope.forwarding_in.extend(wanted.nodes.iter().map(|node| node.name.clone()));
        let Some(former) = edit.former.map(|former| former.beyond(seen)) else { return scope };
        scope = scope.with_former(&former, &wanted);
        if let Cow::Owned(wanted) = wanted {
            let mut plugs = Surroundings::of(&wanted).cables;
            for node in wanted.nodes.iter().filter(|node| seen.contains(&node.name)) {
                let cables = plugs.remove(&node.name).unwrap_or_default();
                scope.outside.insert(node.name.clone(), cables.into_iter().map(plug).collect());
            }
        }
        scope
    }
}

/// The nodes of a topology that the host sees whole, with their cables, of those that are `asked` for.
pub fn seen_by_host(topology: &Topology, asked: impl Fn(&NetnsName) -> bool) -> Vec<Untouched<'_>> {
    let asked = topology.nodes.iter().filter(|node| asked(&node.name));
    let mut nodes: HashMap<_, _> =
        asked.map(|node| (&node.name, Untouched { node, cables: Vec::new() })).collect();
    for cable in &topology.cables {
        for netns in cable.netns() {
            if let Some(node) = nodes.get_mut(netns) {
                node.cables.push(cable);
            }
        }
    }
    let is_whole = |node: &Untouched<'_>| {
        !node.cables.is_empty() && node.cables.iter().all(|cable| is_seen_by_host(cable))
    };
    nodes.into_values().filter(is_whole).collect()
}

/// A cable between two nodes is seen from neither the host nor one of them.
fn is_seen_by_host(cable: &Cable) -> bool {
    let [outside, inside] = &cable.ends;
    outside.at.place == Place::Host && inside.at.place != Place::Host
}

fn plug(cable: &Cable) -> Plug {
    let [outside, inside] = &cable.ends;
    Plug { outside: outside.at.name.clone(), inside: inside.at.name.clone() }
}

/// What nodes hang on.
struct Surroundings<'a> {
    cables: HashMap<&'a NetnsName, Vec<&'a Cable>>,
    networks: HashMap<&'a LinkName, &'a Network>,
}

impl<'a> Surroundings<'a> {
    fn of(topology: &'a Topology) -> Self {
        let mut cables: HashMap<_, Vec<_>> = HashMap::with_capacity(topology.nodes.len());
        for cable in &topology.cables {
            for netns in cable.netns() {
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
