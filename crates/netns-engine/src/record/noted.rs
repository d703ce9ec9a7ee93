//! A topology with its text in notes.

use std::{
    ops::Deref,
    sync::{Arc, OnceLock},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::Error as _};
use serde_json::value::RawValue;

use crate::topology::Topology;

/// A topology as notes hold it.
///
/// A change writes the topology as it is to be twice, into the journal and into the note, and once more as it
/// was, which was just read. The text is long: so it is made once, and otherwise copied.
#[derive(Clone, Debug)]
pub struct NotedTopology {
    topology: Arc<Topology>,
    text: Arc<OnceLock<Box<RawValue>>>,
}

impl NotedTopology {
    /// Returns the topology without its text.
    #[must_use]
    pub fn shared(&self) -> Arc<Topology> {
        Arc::clone(&self.topology)
    }

    /// Makes its text at once, for those who have time before it is needed.
    ///
    /// # Errors
    ///
    /// Returns what has no text.
    pub fn text(&self) -> serde_json::Result<&RawValue> {
        if let Some(text) = self.text.get() {
            return Ok(text);
        }
        let text = serde_json::value::to_raw_value(&*self.topology)?;
        Ok(self.text.get_or_init(|| text))
    }
}

impl From<Topology> for NotedTopology {
    fn from(topology: Topology) -> Self {
        Arc::new(topology).into()
    }
}

impl From<Arc<Topology>> for NotedTopology {
    fn from(topology: Arc<Topology>) -> Self {
        Self { topology, text: Arc::default() }
    }
}

impl Deref for NotedTopology {
    type Target = Topology;

    fn deref(&self) -> &Topology {
        &self.topology
    }
}

impl PartialEq for NotedTopology {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.topology, &other.topology) || self.topology == other.topology
    }
}

impl Eq for NotedTopology {}

impl Serialize for NotedTopology {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.text().map_err(S::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for NotedTopology {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        let topology = serde_json::from_str(text.get()).map_err(D::Error::custom)?;
        Ok(Self { topology: Arc::new(topology), text: Arc::new(text.into()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::NetnsName;

    #[test]
    fn a_topology_survives_the_way_through_its_note() {
        let topology = Arc::new(Topology::new(NetnsName::new("lab").unwrap()));
        let noted = NotedTopology::from(Arc::clone(&topology));
        let text = serde_json::to_string(&noted).unwrap();
        assert_eq!(text, serde_json::to_string(&*topology).unwrap());
        let read: NotedTopology = serde_json::from_str(&text).unwrap();
        assert_eq!(read, noted);
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
    }
}
