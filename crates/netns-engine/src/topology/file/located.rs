//! Values that know where in the file they stand.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer};
use serde_saphyr::Spanned;

use crate::topology::Position;

/// A value and its place in the file.
#[derive(Clone, Copy, Debug)]
pub(in crate::topology) struct Located<T> {
    pub(in crate::topology) value: T,
    pub(in crate::topology) at: Position,
}

/// Text as it stands in the file; what it means is found out by those who know the others.
pub(in crate::topology) type Text = Located<String>;

impl<T> Located<T> {
    pub(in crate::topology) fn new(value: T, at: Position) -> Self {
        Self { value, at }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Located<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<T>::deserialize(deserializer)?;
        Ok(Self { at: spanned.referenced.into(), value: spanned.value })
    }
}

impl<T: JsonSchema> JsonSchema for Located<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<T>()
    }
}
