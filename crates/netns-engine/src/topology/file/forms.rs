//! Values that may be written in more than one form: one or a list, a word or a map.
//!
//! Not serde's untagged enums: they forget where a value stood, and can only say that nothing matched.

use std::{borrow::Cow, fmt, marker::PhantomData};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

use super::{Located, Text};

/// Reads a type by its [`Forms`], and gives it the schema that says the same.
macro_rules! written_in_forms {
    ($name:ident, $title:literal, |$generator:ident| $schema:expr) => {
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::topology::file::forms::read(deserializer)
            }
        }

        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                $title.into()
            }

            fn json_schema($generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                $schema
            }
        }
    };
}

pub(super) use written_in_forms;

/// What a value is made from, by the form it is written in.
pub(super) trait Forms: Sized {
    /// What may stand here, for the error that it does not.
    const EXPECTED: &'static str;

    fn from_flag(_: Truth) -> Option<Self> {
        None
    }

    fn from_number(_: u64) -> Option<Self> {
        None
    }

    fn from_text(_: &str) -> Option<Self> {
        None
    }

    fn from_list<'de, A: SeqAccess<'de>>(_: A) -> Result<Self, A::Error> {
        Err(expected::<Self, _>("a list"))
    }

    fn from_map<'de, A: MapAccess<'de>>(_: A) -> Result<Self, A::Error> {
        Err(expected::<Self, _>("a map"))
    }

    fn from_nothing() -> Option<Self> {
        None
    }
}

/// The words `true` and `false`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::topology) enum Truth {
    True,
    False,
}

fn expected<T: Forms, E: Error>(found: &str) -> E {
    E::custom(format_args!("expected {}, found {found}", T::EXPECTED))
}

/// The most entries of a map and items of a list: more are refused while they are read.
const MOST_ITEMS: usize = 20_000;

/// Reads a value in whichever of its forms it stands.
pub(super) fn read<'de, T: Forms, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_any(FormVisitor(PhantomData))
}

/// Reads a map as the struct it stands for.
pub(super) fn read_map<'de, T: Deserialize<'de>, A: MapAccess<'de>>(map: A) -> Result<T, A::Error> {
    T::deserialize(MapAccessDeserializer::new(map))
}

/// Reads a list of whatever length; only what has been read takes memory.
pub(super) fn read_list<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(
    mut list: A,
) -> Result<Vec<T>, A::Error> {
    let mut items = Vec::new();
    while let Some(item) = list.next_element()? {
        if items.len() == MOST_ITEMS {
            return Err(A::Error::custom(format_args!("more than {MOST_ITEMS} items in one list")));
        }
        items.push(item);
    }
    Ok(items)
}

struct FormVisitor<T>(PhantomData<T>);

impl<'de, T: Forms> Visitor<'de> for FormVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<T, E> {
        let truth = if value { Truth::True } else { Truth::False };
        T::from_flag(truth).ok_or_else(|| expected::<T, E>(if value { "true" } else { "false" }))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<T, E> {
        let read = T::from_number(value).or_else(|| T::from_text(&value.to_string()));
        read.ok_or_else(|| expected::<T, E>("a number"))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<T, E> {
        match u64::try_from(value) {
            Ok(value) => self.visit_u64(value),
            Err(_) => Err(expected::<T, E>("a negative number")),
        }
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<T, E> {
        T::from_text(&value.to_string()).ok_or_else(|| expected::<T, E>("a number"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<T, E> {
        T::from_text(value).ok_or_else(|| expected::<T, E>("text"))
    }

    fn visit_unit<E: Error>(self) -> Result<T, E> {
        T::from_nothing().ok_or_else(|| expected::<T, E>("nothing"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<T, A::Error> {
        T::from_list(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::from_map(map)
    }
}

/// One text, or a list of them.
#[derive(Clone, Debug, Default)]
pub(in crate::topology) struct Texts(pub(in crate::topology) Vec<Text>);

enum OneOrMany {
    One(String),
    Many(Vec<Text>),
}

impl Forms for OneOrMany {
    const EXPECTED: &'static str = "text or a list of texts";

    fn from_text(text: &str) -> Option<Self> {
        Some(Self::One(text.to_owned()))
    }

    fn from_list<'de, A: SeqAccess<'de>>(list: A) -> Result<Self, A::Error> {
        read_list(list).map(Self::Many)
    }

    fn from_nothing() -> Option<Self> {
        Some(Self::Many(Vec::new()))
    }
}

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer)
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Located { value, at } = Located::deserialize(deserializer)?;
        Ok(match value {
            OneOrMany::One(text) => Self(vec![Located::new(text, at)]),
            OneOrMany::Many(texts) => Self(texts),
        })
    }
}

impl JsonSchema for Texts {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Texts".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "string" },
            { "type": "array", "items": { "type": "string" } },
        ] })
    }
}

/// A map in the order of the file, from names to what they stand for; an empty body is the default.
#[derive(Clone, Debug)]
pub(in crate::topology) struct Entries<T>(pub(in crate::topology) Vec<(Text, T)>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// Reads a map in its order.
pub(super) fn read_entries<'de, T, A>(mut map: A) -> Result<Entries<T>, A::Error>
where
    T: Deserialize<'de> + Default,
    A: MapAccess<'de>,
{
    let mut entries = Vec::new();
    while let Some((name, body)) = map.next_entry::<Text, Option<T>>()? {
        if entries.len() == MOST_ITEMS {
            return Err(A::Error::custom(format_args!("more than {MOST_ITEMS} entries in one map")));
        }
        entries.push((name, body.unwrap_or_default()));
    }
    Ok(Entries(entries))
}

struct EntriesVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de> + Default> Visitor<'de> for EntriesVisitor<T> {
    type Value = Entries<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map from names to what they stand for")
    }

    fn visit_unit<E: Error>(self) -> Result<Entries<T>, E> {
        Ok(Entries::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Entries<T>, A::Error> {
        read_entries(map)
    }
}

impl<'de, T: Deserialize<'de> + Default> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EntriesVisitor(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for Entries<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Map of {}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let body = generator.subschema_for::<T>();
        json_schema!({ "type": "object", "additionalProperties": { "anyOf": [body, { "type": "null" }] } })
    }
}
