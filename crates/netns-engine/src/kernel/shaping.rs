//! The limits of links that were read.

use super::{LinuxKernel, Refusal};
use crate::{
    name::LinkName,
    observed::{Asked, Observed, Scope, Selection},
    place::Place,
    topology::Shaping,
};

/// Fills the limits of links in, if `scope` asks for them.
///
/// The cost follows the links that were read: each of a host's is asked for by itself, since the kernel
/// could only list all others, too. A netns has few.
pub(super) fn observe(
    kernel: &mut LinuxKernel,
    scope: &Scope,
    observed: &mut Observed,
) -> Result<(), Refusal> {
    if scope.shaping == Asked::No {
        return Ok(());
    }
    for (place, stack) in &mut observed.stacks {
        let is_read_whole = matches!(scope.stacks.get(place), Some(Selection::All));
        let shapings = if *place == Place::Host && !is_read_whole {
            of_each(kernel, stack.links.keys())?
        } else {
            of_all(kernel, place)?
        };
        for (name, shaping) in shapings {
            if let Some(link) = stack.links.get_mut(&name) {
                link.shaping = Some(shaping);
            }
        }
    }
    Ok(())
}

fn of_each<'a>(
    kernel: &mut LinuxKernel,
    links: impl Iterator<Item = &'a LinkName>,
) -> Result<Vec<(LinkName, Shaping)>, Refusal> {
    let talk = kernel.talk(&Place::Host)?;
    let mut found = Vec::new();
    for link in links {
        found.extend(talk.shaping(link)?.map(|shaping| (link.clone(), shaping)));
    }
    Ok(found)
}

fn of_all(kernel: &mut LinuxKernel, place: &Place) -> Result<Vec<(LinkName, Shaping)>, Refusal> {
    let talk = kernel.talk(place)?;
    let mut found = Vec::new();
    for (index, shaping) in talk.shapings()? {
        found.extend(talk.link_by_index(index)?.map(|link| (link.name, shaping)));
    }
    Ok(found)
}
