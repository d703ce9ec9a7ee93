//! What connects two network stacks.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::Shaping;
use crate::{
    address::MacAddress,
    name::{LinkName, NetnsName},
    place::LinkAt,
    record::goes_without_saying,
};

/// A veth pair: two ends, each in the host or in a node.
///
/// A node hangs on a network by a cable whose first end is a port of the bridge.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Cable {
    /// The ends; where one is on the host, it is the first.
    pub ends: [CableEnd; 2],
    /// MTU of both ends, in bytes; that of the network, or 1500, if not given.
    #[serde(default, skip_serializing_if = "goes_without_saying")]
    pub mtu_bytes: Option<u32>,
}

/// One end of a [`Cable`].
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct CableEnd {
    /// Where, and its name.
    pub at: LinkAt,
    /// Its link-layer address.
    pub mac: MacAddress,
    /// The bridge it is a port of.
    #[serde(default, skip_serializing_if = "goes_without_saying")]
    pub bridge: Option<LinkName>,
    /// Whether other isolated ports of that bridge reach it.
    #[serde(default, skip_serializing_if = "goes_without_saying")]
    pub isolation: Isolation,
    /// Its addresses.
    #[serde(default, skip_serializing_if = "goes_without_saying")]
    pub addresses: Vec<IpNet>,
    /// What happens to packets that leave through it.
    #[serde(default, skip_serializing_if = "goes_without_saying")]
    pub shaping: Option<Shaping>,
}

/// Whether a port of a bridge talks to the other isolated ports (`IFLA_BRPORT_ISOLATED`).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub enum Isolation {
    /// To every port.
    #[default]
    Off,
    /// Only to ports that are not isolated, and to the host.
    On,
}

impl Cable {
    /// The nodes it leads to.
    pub fn netns(&self) -> impl Iterator<Item = &NetnsName> {
        self.ends.iter().filter_map(|end| end.at.place.netns())
    }
}
