//! `networks:`.

use schemars::{JsonSchema, json_schema};
use serde::{Deserialize, de::MapAccess};

use super::{
    Located, Text, Texts, Truth,
    forms::{Forms, read_map, written_in_forms},
};

/// A switch on the host.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::topology) struct NetworkBody {
    /// Its subnet, or one of each family; the first host address is the gateway. Without one it is a plain
    /// switch that the host takes no part in.
    pub(in crate::topology) subnet: Texts,
    /// The host's address on it, or one for each subnet, where that is not the first one.
    pub(in crate::topology) gateway: Texts,
    /// Whether its nodes reach the internet, and through which link of the host.
    pub(in crate::topology) nat: Option<Located<Nat>>,
    /// Whether its nodes reach nobody but each other.
    pub(in crate::topology) internal: Option<bool>,
    /// Whether its nodes reach the host, but not each other.
    pub(in crate::topology) isolated: Option<bool>,
    /// The largest packet, in bytes.
    pub(in crate::topology) mtu: Option<Located<u32>>,
    /// Other hosts with the same network, reached by VXLAN; goes with `vni`.
    pub(in crate::topology) remote: Texts,
    /// VXLAN network identifier, 1 to 16777215; goes with `remote`.
    pub(in crate::topology) vni: Option<Located<u32>>,
    /// The bridge's name on the host; the network's own if not given.
    pub(in crate::topology) bridge: Option<Text>,
    /// How many bits a second each node sends and gets at most, such as 10mbit.
    pub(in crate::topology) rate: Option<Text>,
    /// How much later each packet arrives, such as 10ms.
    pub(in crate::topology) delay: Option<Text>,
    /// How much the delay varies, such as 2ms.
    pub(in crate::topology) jitter: Option<Text>,
    /// How many packets get lost, such as 1%.
    pub(in crate::topology) loss: Option<Text>,
}

/// The key `nat`.
#[derive(Clone, Debug)]
pub(in crate::topology) enum Nat {
    Flag(Truth),
    Through(NatBody),
}

/// Through which link of the host the nodes reach the internet.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::topology) struct NatBody {
    /// The host's link to the internet; that of the default route if not given.
    pub(in crate::topology) uplink: Option<Text>,
}

impl Forms for Nat {
    const EXPECTED: &'static str = "true, or a map with the key 'uplink'";

    fn from_flag(flag: Truth) -> Option<Self> {
        Some(Self::Flag(flag))
    }

    fn from_map<'de, A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        read_map(map).map(Self::Through)
    }
}

written_in_forms!(Nat, "Nat", |generator| {
    let body = generator.subschema_for::<NatBody>();
    json_schema!({ "anyOf": [{ "type": "boolean" }, body] })
});
