//! The MTU of bridges for which none is asked: that of their smallest port, as the kernel has it by itself.
//!
//! It does so until somebody sets the MTU by hand, or a file asks for one, and then never again
//! (`br_mtu_auto_adjust` in `net/bridge/br_if.c`): after that, this does.

use std::collections::{BTreeMap, HashSet};

use super::networks::set_mtu;
use crate::{
    name::LinkName,
    observed::Observed,
    place::{LinkAt, Place},
    plan::Draft,
    topology::{ETHERNET_MTU, Mtus, Network, Topology},
};

/// Gives bridges that are there the MTU that the ports which they are to have give them; a new one gets it with
/// its ports.
///
/// Of nodes that were seen from outside, the cables are only in `topology`, which must be all that is asked for.
pub(super) fn follow_ports(draft: &mut Draft, topology: &Topology) {
    let follows = |network: &&Network| {
        let bridge = LinkAt::on_host(network.bridge.clone());
        // What a tunnel takes is up to the kernel, which knows by which link its packets leave.
        network.mtu_bytes.is_none() && network.tunnel.is_none() && draft.state().link(&bridge).is_some()
    };
    let bridges: Vec<_> = topology.networks.iter().filter(follows).map(|network| &network.bridge).collect();
    if bridges.is_empty() {
        return;
    }
    let cables = Mtus::of(topology, draft.state().uplink_mtu()).by_bridge(topology);
    let others = by_other_ports(draft.state(), topology);
    for bridge in bridges {
        let smallest = cables.get(bridge).into_iter().chain(others.get(bridge)).min().copied();
        set_mtu(draft, &LinkAt::on_host(bridge.clone()), Some(smallest.unwrap_or(ETHERNET_MTU)));
    }
}

/// The MTU of the smallest port that somebody else plugged into each bridge.
fn by_other_ports(state: &Observed, topology: &Topology) -> BTreeMap<LinkName, u32> {
    let ends = topology.cables.iter().flat_map(|cable| &cable.ends);
    let ours: HashSet<_> = ends.filter(|end| end.at.place == Place::Host).map(|end| &end.at.name).collect();
    let mut smallest = BTreeMap::new();
    for (name, link) in state.stack(&Place::Host).into_iter().flat_map(|host| &host.links) {
        if let Some(bridge) = &link.master
            && !ours.contains(name)
        {
            let known = smallest.entry(bridge.clone()).or_insert(link.mtu_bytes);
            *known = link.mtu_bytes.min(*known);
        }
    }
    smallest
}
