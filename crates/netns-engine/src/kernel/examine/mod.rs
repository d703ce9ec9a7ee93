//! Looks at everything around a path, and changes nothing by looking: fills a
//! [`Scene`] for a [`Question`].

mod counters;
mod crowd;
mod doors;
mod flows;
mod managed;
mod names;
mod notes;
mod port;
mod ruleset;
mod search;
mod settings;
mod stack;
mod visit;
mod way;

use search::Search;

use super::{look, refusal::Refusal, rtnetlink::Rtnetlink};
use crate::{
    diagnose::{
        firewall::Ruleset,
        question::{Destination, Path, Question},
        scene::{HostNotes, Scene, Stack},
    },
    error::Error,
    place::Entrance,
    plan::Conflict,
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
    look_around(question).map_err(Error::Unreadable)
}

fn look_around(question: &Question) -> Result<Scene, Refusal> {
    let mut search = Search::begin()?;
    let scene = match question {
        Question::Path(path) => {
            if can_be_followed(path) {
                way::follow(&mut search, path)?;
            }
            search.scene()?
        }
        Question::Port(port) => {
            port::follow(&mut search, port);
            search.scene()?
        }
        Question::Host => crowd::look_at_ours(search)?,
    };
    let nameless = if *question == Question::Host { notes::nameless() } else { Vec::new() };
    let links: Vec<_> = scene.stacks.iter().take(1).flat_map(|host| &host.links).collect();
    let links: Vec<_> = links.into_iter().map(|link| (link.index, link.name.clone())).collect();
    Ok(Scene { host: HostNotes { nameless, managed: managed::among(&links), ..notes::read() }, ..scene })
}

/// A half-made name is no reason to give up: that it is one is the answer.
fn require(path: &Path) -> Result<(), Error> {
    let existing = |entrance: &Entrance| match look::require(entrance) {
        Err(Error::Conflict(Conflict::HalfMadeNetns(_))) => Ok(()),
        judged => judged,
    };
    existing(&path.from)?;
    match &path.to {
        Destination::Stack(entrance) => existing(entrance),
        Destination::Internet | Destination::Address(_) | Destination::Name(_) => Ok(()),
    }
}

/// Whether both ends of a path can be entered.
fn can_be_followed(path: &Path) -> bool {
    let ends = match &path.to {
        Destination::Stack(entrance) => vec![&path.from, entrance],
        Destination::Internet | Destination::Address(_) | Destination::Name(_) => vec![&path.from],
    };
    ends.into_iter().all(|entrance| look::require(entrance).is_ok())
}

/// Reads anew what stacks know of their neighbours: whom a try asked for in vain is known only after it.
pub fn look_at_neighbours_again(stacks: &mut [Stack]) {
    for stack in stacks {
        let again = look::open(&stack.entrance).and_then(|file| {
            look::inside(&stack.entrance, &file, || Rtnetlink::open()?.detailed_neighbours())
        });
        // Who is gone by now keeps what was known.
        stack.neighbours = again.unwrap_or_else(|_| std::mem::take(&mut stack.neighbours));
    }
}

/// Reads the packet filters of a stack.
///
/// # Errors
///
/// Refuses where the stack cannot be entered, or the kernel does not show them.
pub fn ruleset_of(entrance: &Entrance) -> Result<Ruleset, Refusal> {
    look::inside(entrance, &look::open(entrance)?, ruleset::read)
}
