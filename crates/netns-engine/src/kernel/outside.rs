//! Nodes seen from outside: by their seal, that name and cables are those that were looked into, and by the
//! host's ends of the cables, that these are as they should be.
//!
//! To enter a netns and to read it takes as long as a hundred looks from here.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use super::{
    LinuxKernel, Refusal,
    rtnetlink::{Carrier, Port, Rtnetlink},
    seal::{self, Inodes, Numbers, Seal},
    stacks,
};
use crate::{
    name::{LinkName, NetnsName},
    observed::{Asked, Edit, Observed, Scope, Selection, Untouched, seen_by_host},
    place::Place,
    record::{Record, RecordKey},
    topology::{CableEnd, ETHERNET_MTU, Mtus, Topology, TopologyName},
};

/// Up to here it is cheaper to ask for each link than to list all ports of bridges.
const FEW: usize = 8;

/// What was seen from outside, and needs no further look.
#[derive(Debug, Default)]
pub(super) struct Outside {
    pub(super) seen: Arc<HashSet<NetnsName>>,
    numbers: HashMap<NetnsName, Numbers>,
    /// The indices of all links.
    links: Vec<u32>,
}

/// The links of the host that are still to be looked at, by their indices.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) indices: BTreeSet<u32>,
    /// How many links need no further look.
    pub(super) done: usize,
}

/// What the kernel says to a seal, before anybody asks what it should be.
#[derive(Debug)]
pub(super) struct Glance {
    topology: TopologyName,
    /// Of the nodes whose names lead where they led.
    numbers: HashMap<NetnsName, Numbers>,
    /// In the order of their indices.
    ports: Vec<Port>,
    /// The indices of all links, where there was time to list them.
    pub(super) links: Option<Vec<u32>>,
}

impl Glance {
    /// Looks for what a topology's seal tells of; none if it has no seal.
    pub(super) fn at(talk: &mut Rtnetlink, topology: &TopologyName) -> Result<Option<Self>, Refusal> {
        let (Some(seal), Some(inodes)) = (Seal::read(topology), Inodes::of_this_host()) else {
            return Ok(None);
        };
        let lead_there = seal.0.into_iter().filter(|(name, numbers)| inodes.of(name) == Some(numbers.netns));
        let numbers = lead_there.collect();
        let ports = talk.ports_of_bridges()?;
        Ok(Some(Self { topology: topology.clone(), numbers, ports, links: None }))
    }
}

/// Looks at the nodes that edits do not touch, of which one may have been looked at already.
pub(super) fn look(
    kernel: &mut LinuxKernel,
    scope: &Scope,
    records: &BTreeMap<RecordKey, Record>,
    mut early: Option<Glance>,
) -> Result<Outside, Refusal> {
    let mut outside = Outside::default();
    if scope.untouched_from_outside != Asked::Yes {
        return Ok(outside);
    }
    for edit in scope.edits(records) {
        let untouched = edit.untouched();
        if untouched.is_empty() {
            continue;
        }
        let talk = kernel.talk(&Place::Host)?;
        let glance = match early.take().filter(|early| early.topology == edit.wanted.name) {
            Some(early) => Some(early),
            None => Glance::at(talk, &edit.wanted.name)?,
        };
        if let Some(glance) = glance {
            outside.look_at(talk, edit, &untouched, glance)?;
        }
    }
    Ok(outside)
}

impl Outside {
    fn look_at(
        &mut self,
        talk: &mut Rtnetlink,
        edit: Edit<'_>,
        untouched: &[Untouched<'_>],
        Glance { mut numbers, ports, links, .. }: Glance,
    ) -> Result<(), Refusal> {
        self.links = links.map_or_else(|| talk.indices(), Ok)?;
        let expected = Expected::of(talk, edit.wanted, ports)?;
        let seen = Arc::make_mut(&mut self.seen);
        seen.reserve(untouched.len());
        self.numbers.reserve(untouched.len());
        for Untouched { node, cables } in untouched {
            let Some(numbers) = numbers.remove(&node.name) else { continue };
            let whole = numbers.cables.len() == cables.len()
                && cables.iter().zip(&numbers.cables).all(|(cable, indices)| {
                    let [end, _] = &cable.ends;
                    let mtu_bytes = expected.mtus.of_cable(cable).unwrap_or(ETHERNET_MTU);
                    expected.is_met(talk, end, mtu_bytes, *indices)
                });
            if whole {
                seen.insert(node.name.clone());
                self.numbers.insert(node.name.clone(), numbers);
            }
        }
        Ok(())
    }

    /// The links that are still to be looked at: all but those of nodes that are known again and not in `scope`.
    /// None if no node is: then each link is to be looked at.
    pub(super) fn open(&self, scope: &Scope) -> Option<Open> {
        let beyond = self.numbers.iter().filter(|(name, _)| !scope.outside.contains_key(*name));
        let done: HashSet<u32> =
            beyond.flat_map(|(_, numbers)| &numbers.cables).map(|[outside, _]| *outside).collect();
        let indices = || self.links.iter().copied().filter(|index| !done.contains(index)).collect();
        (!done.is_empty()).then(|| Open { indices: indices(), done: done.len() })
    }

    /// Puts a seal on a topology that is as described, unless it has one.
    pub(super) fn seal(self, talk: &mut Rtnetlink, topology: &Topology) -> Result<(), Refusal> {
        if seal::is_on(&topology.name) {
            return Ok(());
        }
        let Some(inodes) = Inodes::of_this_host() else { return Ok(()) };
        let mut numbers = self.numbers;
        let open = seen_by_host(topology, |name| !numbers.contains_key(name));
        let links = links_of(talk, &open)?;
        for Untouched { node, cables } in open {
            let indices = cables.iter().map(|cable| {
                let port = links.get(&cable.ends[0].at.name)?;
                Some([port.index, port.peer])
            });
            if let (Some(netns), Some(cables)) = (inodes.of(&node.name), indices.collect()) {
                numbers.insert(node.name.clone(), Numbers { netns, cables });
            }
        }
        let in_order = topology.nodes.iter().filter_map(|node| numbers.remove_entry(&node.name));
        Seal(in_order.collect()).put_on(&topology.name)
    }
}

/// The host's ends of the cables of these nodes.
fn links_of(talk: &mut Rtnetlink, nodes: &[Untouched<'_>]) -> Result<HashMap<LinkName, Port>, Refusal> {
    let ends = || nodes.iter().flat_map(|node| &node.cables).map(|cable| &cable.ends[0]);
    let mut links: HashMap<LinkName, Port> = HashMap::new();
    if ends().count() > FEW {
        links.extend(talk.ports_of_bridges()?.into_iter().map(|port| (port.name.clone(), port)));
    }
    for end in ends().filter(|end| !links.contains_key(&end.at.name)).collect::<Vec<_>>() {
        links.extend(talk.link(&end.at.name)?.map(|link| (link.name.clone(), link.into())));
    }
    Ok(links)
}

/// What the host's ends of cables should be, and what is there.
struct Expected<'a> {
    mtus: Mtus<'a>,
    bridges: HashMap<&'a LinkName, u32>,
    /// In the order of their indices.
    ports: Vec<Port>,
}

impl<'a> Expected<'a> {
    fn of(talk: &mut Rtnetlink, wanted: &'a Topology, ports: Vec<Port>) -> Result<Self, Refusal> {
        let (host, _) = stacks::read(talk, &Selection::Links(BTreeSet::new()))?;
        let observed = Observed { stacks: [(Place::Host, host)].into(), ..Observed::default() };
        let mut bridges = HashMap::new();
        for network in &wanted.networks {
            bridges.extend(talk.link(&network.bridge)?.map(|link| (&network.bridge, link.index)));
        }
        Ok(Self { mtus: Mtus::of(wanted, observed.uplink_mtu()), bridges, ports })
    }

    /// Whether a cable's end is there, with these indices of both ends, as described and both ends up.
    fn is_met(&self, talk: &mut Rtnetlink, end: &CableEnd, mtu_bytes: u32, indices: [u32; 2]) -> bool {
        let [index, other] = indices;
        let asked: Port;
        let link = match self.ports.binary_search_by_key(&index, |port| port.index) {
            Ok(at) => &self.ports[at],
            Err(_) => match talk.link_by_index(index) {
                Ok(Some(link)) => {
                    asked = link.into();
                    &asked
                }
                _ => return false,
            },
        };
        let bridge = end.bridge.as_ref().map(|bridge| self.bridges.get(bridge).copied());
        link.name == end.at.name
            && link.carrier == Carrier::On
            && link.mac == Some(end.mac)
            && link.mtu_bytes == mtu_bytes
            && bridge.is_none_or(|bridge| bridge.is_some())
            && link.master == bridge.flatten()
            && link.isolation == end.isolation
            && link.peer == other
    }
}
