//! The topology file as it is written: keys, forms and places, nothing decided yet.
//!
//! The doc comments of the fields are the descriptions in the JSON Schema.

mod forms;
mod generate;
mod link;
mod located;
mod network;
mod node;

pub(super) use forms::{Entries, Texts, Truth};
pub(super) use generate::{Generate, Size, Tree};
pub(super) use link::{LinkBody, LinkEntry, LinkForm};
pub(super) use located::{Located, Text};
pub(super) use network::{Nat, NetworkBody};
pub(super) use node::{
    Command, MacvlanEntry, Membership, Memberships, Nameservers, NodeBody, RouteEntry, Run,
};
use schemars::{JsonSchema, json_schema};
use serde::{Deserialize, de::MapAccess};

use forms::{Forms, read_entries, written_in_forms};

/// A network of netns: switches, nodes and cables, and what should work between them.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "netns-tool topology")]
pub(super) struct File {
    /// What the topology is called; unique on a host.
    pub(super) name: Text,
    /// Switches on the host, by name.
    #[serde(default)]
    pub(super) networks: Entries<NetworkBody>,
    /// Netns, by name.
    #[serde(default)]
    pub(super) nodes: Entries<NodeBody>,
    /// Cables: between two nodes, between a node and a network, or to the host.
    #[serde(default)]
    pub(super) links: Option<Vec<LinkForm>>,
    /// What should work: `ns1 reaches ns2`, `ns1 reaches ns2:80`, `ns1 does not reach ns2:22/udp`.
    #[serde(default)]
    pub(super) checks: Option<Vec<Text>>,
    /// Networks and nodes made by a rule, beside those written out.
    pub(super) generate: Option<Generate>,
    /// Whether all nodes know each other by name, or further names they know, with their addresses.
    pub(super) hosts: Option<Hosts>,
}

/// The top-level `hosts`.
#[derive(Clone, Debug)]
pub(super) enum Hosts {
    Flag(Truth),
    Further(Entries<Texts>),
}

impl Forms for Hosts {
    const EXPECTED: &'static str = "true, or a map from names to addresses";

    fn from_flag(flag: Truth) -> Option<Self> {
        Some(Self::Flag(flag))
    }

    fn from_map<'de, A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        read_entries(map).map(Self::Further)
    }
}

written_in_forms!(Hosts, "Hosts", |generator| {
    let further = generator.subschema_for::<Entries<Texts>>();
    json_schema!({ "anyOf": [{ "type": "boolean" }, further] })
});
