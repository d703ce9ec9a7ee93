//! The JSON Schema of the topology file, for editors.

use super::file::File;

/// Returns the JSON Schema of the topology file, made from the types that read it.
///
/// ```
/// let schema = netns_engine::topology::json_schema();
/// assert_eq!(schema["properties"]["checks"]["items"]["type"], "string");
/// ```
#[must_use]
pub fn json_schema() -> serde_json::Value {
    schemars::schema_for!(File).to_value()
}
