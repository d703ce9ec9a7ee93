//! The conversations that are open: a few dozen at most, however many netns there are.

use super::{refusal::Refusal, rtnetlink::Rtnetlink};
use crate::{name::NetnsName, place::Place};

/// Plans and surveys go from netns to netns, so a few suffice; a process may often open 1,024 files.
const AT_MOST: usize = 32;

/// Conversations by place; the one that was not used for the longest time is closed for a new one.
#[derive(Debug, Default)]
pub(super) struct Conversations {
    /// The one used last is the last.
    open: Vec<(Place, Rtnetlink)>,
}

impl Conversations {
    /// Returns the conversation about `place`, begun by `begin` if there is none.
    pub(super) fn about(
        &mut self,
        place: &Place,
        begin: impl FnOnce() -> Result<Rtnetlink, Refusal>,
    ) -> Result<&mut Rtnetlink, Refusal> {
        let conversation = match self.end(place) {
            Some(open) => open,
            None => begin()?,
        };
        Ok(self.keep(place.clone(), conversation))
    }

    /// Keeps a conversation for later.
    pub(super) fn keep(&mut self, place: Place, conversation: Rtnetlink) -> &mut Rtnetlink {
        drop(self.end(&place));
        if self.open.len() >= AT_MOST {
            drop(self.open.remove(0));
        }
        let at = self.open.len();
        self.open.push((place, conversation));
        &mut self.open[at].1
    }

    /// Returns whether there is one about the netns `name`.
    pub(super) fn are_about(&self, name: &NetnsName) -> bool {
        self.open.iter().any(|(place, _)| place.netns() == Some(name))
    }

    /// Lets all of them look links up anew.
    pub(super) fn forget_indices(&mut self) {
        self.open.iter_mut().for_each(|(_, conversation)| conversation.forget_indices());
    }

    /// Takes the conversation about `place` out, if there is one.
    pub(super) fn end(&mut self, place: &Place) -> Option<Rtnetlink> {
        let found = self.open.iter().rposition(|(known, _)| known == place)?;
        Some(self.open.remove(found).1)
    }
}
