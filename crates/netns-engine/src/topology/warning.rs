//! What a file says that has no effect.

use std::fmt;

use serde::Serialize;

use super::Position;
use crate::name::shown;

/// A key that was passed over.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Warning {
    /// Where it is for the first time.
    pub position: Position,
    /// The key.
    pub key: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' has no effect here ({})", shown(&self.key), self.position)
    }
}
