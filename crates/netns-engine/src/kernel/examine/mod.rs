//! Looks at everything around a path, and changes nothing by looking: fills a
//! [`Scene`] for a [`Question`].

mod counters;
mod doors;
mod names;
mod ruleset;
mod search;
mod settings;
mod stack;
mod way;

use search::Search;

use super::look;
use crate::{
    diagnose::{
        question::{Destination, Path, Question},
        scene::Scene,
    },
    error::Error,
};

/// Looks at what bears on `question`.
///
/// # Errors
///
/// Returns that something it asks about does not exist, or that even the host could not be read. What
/// one stack does not let us see is left out.
pub fn examine(question: &Question) -> Result<Scene, Error> {
    if let Question::Path(path) = question {
        require(path)?;
    }
    let mut search = Search::begin().map_err(Error::Unreadable)?;
    if let Question::Path(path) = question {
        way::follow(&mut search, path).map_err(Error::Unreadable)?;
    }
    search.scene().map_err(Error::Unreadable)
}

fn require(path: &Path) -> Result<(), Error> {
    look::require(&path.from)?;
    match &path.to {
        Destination::Stack(entrance) => look::require(entrance),
        Destination::Internet | Destination::Address(_) | Destination::Name(_) => Ok(()),
    }
}
