//! `links:`.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de::MapAccess};

use super::{
    Located, Text, Texts,
    forms::{self, Forms, read_map},
};

/// A cable and where it stands in the file.
#[derive(Clone, Debug)]
pub(in crate::topology) struct LinkForm {
    pub(in crate::topology) at: super::super::Position,
    pub(in crate::topology) entry: LinkEntry,
}

/// A cable, in a word or with all it has.
#[derive(Clone, Debug)]
pub(in crate::topology) enum LinkEntry {
    Short(String),
    Long(Box<LinkBody>),
}

/// A cable between two ends.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::topology) struct LinkBody {
    /// Its two ends: NODE, NODE:LINK, NETWORK, or host:LINK.
    pub(in crate::topology) endpoints: Vec<Text>,
    /// The address, or list of addresses, of each end, in the order of the ends.
    pub(in crate::topology) addresses: Option<Vec<Texts>>,
    /// A subnet, or one of each family, from which both ends get an address.
    #[serde(default)]
    pub(in crate::topology) subnet: Texts,
    /// The largest packet, in bytes.
    pub(in crate::topology) mtu: Option<Located<u32>>,
    /// How many bits a second pass in each direction at most, such as 10mbit.
    pub(in crate::topology) rate: Option<Text>,
    /// How much later each packet arrives, such as 10ms; in each direction.
    pub(in crate::topology) delay: Option<Text>,
    /// How much the delay varies, such as 2ms.
    pub(in crate::topology) jitter: Option<Text>,
    /// How many packets get lost, such as 1%.
    pub(in crate::topology) loss: Option<Text>,
}

impl Forms for LinkEntry {
    const EXPECTED: &'static str = "a link: a-b, or a map with the key 'endpoints'";

    fn from_text(text: &str) -> Option<Self> {
        Some(Self::Short(text.to_owned()))
    }

    fn from_map<'de, A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        read_map(map).map(Self::Long)
    }
}

impl<'de> Deserialize<'de> for LinkEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        forms::read(deserializer)
    }
}

impl<'de> Deserialize<'de> for LinkForm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Located { value, at } = Located::deserialize(deserializer)?;
        Ok(Self { at, entry: value })
    }
}

impl JsonSchema for LinkForm {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Link".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let body = generator.subschema_for::<LinkBody>();
        json_schema!({ "anyOf": [{ "type": "string" }, body] })
    }
}
