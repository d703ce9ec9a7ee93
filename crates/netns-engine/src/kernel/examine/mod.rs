//! Looks at everything around a path, and changes nothing by looking: fills a
//! [`Scene`] for a [`Question`].

mod ruleset;

use super::{Refusal, look};
use crate::{
    diagnose::{firewall::Ruleset, question::Question, scene::Scene},
    error::Error,
    place::Entrance,
};

/// Looks at what bears on `question`.
///
/// # Errors
///
/// Returns that something it asks about does not exist, or that even the host could not be read. What
/// one stack does not let us see is left out.
pub fn examine(_question: &Question) -> Result<Scene, Error> {
    Ok(Scene::default())
}

/// Reads the packet filters of a stack.
///
/// # Errors
///
/// Refuses where the stack cannot be entered, or the kernel does not show them.
pub fn ruleset_of(entrance: &Entrance) -> Result<Ruleset, Refusal> {
    look::inside(entrance, &look::open(entrance)?, ruleset::read)
}
