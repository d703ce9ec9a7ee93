//! Decides how a whole network comes to be, how it changes, and how it goes.
//!
//! The order keeps every state on the way as closed as the tighter one of both ends: what is wanted no more
//! goes first; then switches and their guards, then forwarding, then nodes and cables, then published ports.

mod bridge_mtu;
mod cables;
mod expiry;
mod networks;
mod nodes;
mod ports;
mod removal;
mod retirement;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use super::{Conflict, Desired, Draft, Operation, Plan};
use crate::{
    desired::{Look, TopologyUp},
    name::LinkName,
    observed::{Asked, NetnsEntry, NetnsState, Observed, Scope},
    place::{LinkAt, Place},
    record::{Record, RecordKey, TopologyRecord},
    topology::{Topology, TopologyName},
};

impl Desired for TopologyUp {
    fn scope(&self) -> Scope {
        let mut scope = Scope::default();
        scope.noted.insert(RecordKey::Topology(self.topology.name.clone()));
        scope.topologies.insert(self.topology.name.clone(), self.topology.shared());
        if self.untouched == Look::FromOutside {
            scope.untouched_from_outside = Asked::Yes;
        }
        scope
    }

    fn plan(&self, observed: &Observed) -> Result<Plan, Conflict> {
        let record = record_of(observed, &self.topology.name);
        let wanted = &*self.topology.beyond(&observed.outside);
        let before = record.map(|record| record.topology.beyond(&observed.outside));
        let before = before.as_deref();
        refuse_taken_netns(observed, wanted, before)?;
        refuse_taken_links(observed, wanted, before)?;
        let mut draft = Draft::from(observed);
        if let Some(before) = before {
            // Before the note changes: it tells how to start a program again that was ended too early.
            retirement::stop_programs(&mut draft, before, wanted);
        }
        self.note(&mut draft, record);
        if let Some(before) = before {
            retirement::retire(&mut draft, before, wanted, self.on_holders)?;
        }
        bridge_mtu::follow_ports(&mut draft, &self.topology);
        networks::make(&mut draft, wanted)?;
        if let Some(before) = before {
            retirement::stop_forwarding(&mut draft, before, wanted);
        }
        nodes::make(&mut draft, wanted)?;
        ports::publish(&mut draft, wanted)?;
        nodes::start_programs(&mut draft, wanted);
        Ok(draft.finish())
    }

    /// Makes the text of the note.
    fn prepare(&self) {
        // What has no text is told when it is to be written.
        self.topology.text().ok();
    }

    fn settles(&self) -> Option<&Topology> {
        Some(&self.topology)
    }
}

impl TopologyUp {
    fn note(&self, draft: &mut Draft, before: Option<&TopologyRecord>) {
        let lifetime = self.lifetime.or_else(|| before.map(|record| record.lifetime)).unwrap_or_default();
        let record = TopologyRecord { topology: self.topology.clone(), lifetime };
        if before != Some(&record) {
            draft.then(
                Operation::Remember(Record::Topology(record)),
                "What is asked for is noted, so that the next change knows what was there on whose behalf.",
            );
        }
    }
}

/// Returns the note on a topology that is up.
fn record_of<'a>(observed: &'a Observed, name: &TopologyName) -> Option<&'a TopologyRecord> {
    match observed.records.get(&RecordKey::Topology(name.clone()))? {
        Record::Topology(record) => Some(record),
        _ => None,
    }
}

/// Refuses a netns that is there already, but not for this topology.
fn refuse_taken_netns(
    observed: &Observed,
    wanted: &Topology,
    before: Option<&Topology>,
) -> Result<(), Conflict> {
    let known: BTreeSet<_> =
        before.into_iter().flat_map(|before| &before.nodes).map(|node| &node.name).collect();
    for name in wanted.nodes.iter().map(|node| &node.name) {
        match observed.netns.get(name) {
            Some(NetnsEntry { state: NetnsState::HalfMade, .. }) => {
                return Err(Conflict::HalfMadeNetns(name.clone()));
            }
            Some(NetnsEntry { ours: false, .. }) => return Err(Conflict::NetnsTaken(name.clone())),
            Some(_) if !known.contains(name) => {
                let topology = wanted.name.clone();
                return Err(Conflict::NotOfTopology { name: name.clone(), topology });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Refuses a link of the host that is there already, but not for this topology.
fn refuse_taken_links(
    observed: &Observed,
    wanted: &Topology,
    before: Option<&Topology>,
) -> Result<(), Conflict> {
    let known = before.map(links_of_host).unwrap_or_default();
    for name in links_of_host(wanted) {
        let at = LinkAt::on_host(name.clone());
        let Some(link) = observed.link(&at) else { continue };
        let taken =
            |difference: &str| Conflict::LinkTaken { at: at.clone(), difference: difference.to_owned() };
        if !link.ours {
            return Err(taken("it was not made by netns-tool"));
        }
        if !known.contains(name) {
            return Err(taken(&format!("it is not part of topology '{}'", wanted.name)));
        }
    }
    Ok(())
}

/// The links that a topology has on the host.
fn links_of_host(topology: &Topology) -> BTreeSet<&LinkName> {
    let of_networks = topology.networks.iter().flat_map(|network| {
        std::iter::once(&network.bridge).chain(network.tunnel.iter().map(|tunnel| &tunnel.link))
    });
    let ends = topology.cables.iter().flat_map(|cable| &cable.ends);
    let of_cables = ends.filter(|end| end.at.place == Place::Host).map(|end| &end.at.name);
    of_networks.chain(of_cables).collect()
}
