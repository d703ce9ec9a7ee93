//! `generate:`.

use schemars::{JsonSchema, json_schema};
use serde::{Deserialize, de::MapAccess};

use super::{
    Located, Text,
    forms::{Forms, read_map, written_in_forms},
};

/// Networks and nodes made by a rule: switches s1, s2 …, nodes n1, n2 …
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::topology) struct Generate {
    /// A tree of switches with nodes as its leaves.
    pub(in crate::topology) tree: Option<Located<Tree>>,
    /// Switches in a row, each with one node.
    pub(in crate::topology) linear: Option<Located<Joined>>,
    /// Nodes around one switch.
    pub(in crate::topology) star: Option<Located<Joined>>,
    /// Nodes, each with a cable to each other one.
    pub(in crate::topology) mesh: Option<Located<Joined>>,
}

/// A tree of switches with nodes as its leaves.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::topology) struct Tree {
    /// How many switches lie on the way from the root to a node, root included.
    pub(in crate::topology) depth: u64,
    /// How many switches, or nodes, hang below each switch.
    pub(in crate::topology) fanout: u64,
    /// Where the addresses come from.
    pub(in crate::topology) subnet: Option<Text>,
    /// Whether the nodes reach the internet.
    pub(in crate::topology) nat: Option<bool>,
}

/// How many nodes, and where their addresses come from.
#[derive(Clone, Debug)]
pub(in crate::topology) struct Joined(pub(in crate::topology) Size);

/// How many nodes, and where their addresses come from.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::topology) struct Size {
    /// How many nodes.
    pub(in crate::topology) nodes: u64,
    /// Where the addresses come from.
    pub(in crate::topology) subnet: Option<Text>,
    /// Whether the nodes reach the internet; not for a mesh, which has no switch.
    pub(in crate::topology) nat: Option<bool>,
}

impl Forms for Joined {
    const EXPECTED: &'static str = "a number of nodes, or a map with the key 'nodes'";

    fn from_number(nodes: u64) -> Option<Self> {
        Some(Self(Size { nodes, subnet: None, nat: None }))
    }

    fn from_map<'de, A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        read_map(map).map(Self)
    }
}

written_in_forms!(Joined, "Joined", |generator| {
    let body = generator.subschema_for::<Size>();
    json_schema!({ "anyOf": [{ "type": "integer", "minimum": 1 }, body] })
});
