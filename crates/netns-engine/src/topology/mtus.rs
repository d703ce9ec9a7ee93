//! How large packets may be on which cable.

use std::collections::BTreeMap;

use super::{Cable, Reach, Topology};
use crate::name::LinkName;

/// What a cable takes where nobody says otherwise, in bytes.
pub const ETHERNET_MTU: u32 = 1500;

/// The MTU of cables, by the bridge they are plugged into.
#[derive(Debug)]
pub struct Mtus<'a> {
    by_bridge: BTreeMap<&'a LinkName, u32>,
}

impl<'a> Mtus<'a> {
    /// A network that leads to the internet takes no larger packets than the uplink.
    #[must_use]
    pub fn of(topology: &'a Topology, uplink: Option<u32>) -> Self {
        let by_bridge = topology.networks.iter().filter_map(|network| {
            let leads_out = matches!(network.reach, Reach::Internet { .. });
            let mtu_bytes = network.mtu_bytes.or_else(|| uplink.filter(|_| leads_out))?;
            Some((&network.bridge, mtu_bytes))
        });
        Self { by_bridge: by_bridge.collect() }
    }

    /// Returns the MTU of both ends in bytes, if it is to be another than Ethernet's.
    #[must_use]
    pub fn of_cable(&self, cable: &Cable) -> Option<u32> {
        let bridges = cable.ends.iter().filter_map(|end| end.bridge.as_ref());
        let of_bridges = bridges.filter_map(|bridge| self.by_bridge.get(bridge).copied()).min();
        cable.mtu_bytes.or(of_bridges)
    }

    /// Returns the MTU in bytes of the smallest of the cables that are plugged into each bridge.
    #[must_use]
    pub fn by_bridge<'b>(&self, topology: &'b Topology) -> BTreeMap<&'b LinkName, u32> {
        let mut smallest = BTreeMap::new();
        for cable in &topology.cables {
            let mtu_bytes = self.of_cable(cable).unwrap_or(ETHERNET_MTU);
            for bridge in cable.ends.iter().filter_map(|end| end.bridge.as_ref()) {
                let known = smallest.entry(bridge).or_insert(mtu_bytes);
                *known = mtu_bytes.min(*known);
            }
        }
        smallest
    }
}
