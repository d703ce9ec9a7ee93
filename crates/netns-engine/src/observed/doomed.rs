//! Settings that go with what is to be deleted, and that an undo has to bring back.

use super::Observed;
use crate::{
    name::NetnsName,
    place::{LinkAt, Place},
    sysctl::Sysctl,
};

/// What is to be deleted.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Doomed {
    /// A netns with all that is in it, and the other ends of its cables.
    Netns(NetnsName),
    /// A link; of a veth pair, both ends.
    Link(LinkAt),
}

impl Observed {
    /// Returns the settings that go with `doomed`, as far as its links were read.
    #[must_use]
    pub fn settings_lost_with(&self, doomed: &Doomed) -> Vec<(Place, Sysctl)> {
        match doomed {
            Doomed::Netns(name) => self.settings_of_netns(&Place::Netns(name.clone())),
            Doomed::Link(at) => self.settings_of_link(at),
        }
    }

    fn settings_of_netns(&self, place: &Place) -> Vec<(Place, Sysctl)> {
        let Some(stack) = self.stack(place) else { return Vec::new() };
        let of_links = stack.links.keys().flat_map(|name| self.settings_of_link(&place.link(name)));
        Sysctl::of_stack().map(|sysctl| (place.clone(), sysctl)).into_iter().chain(of_links).collect()
    }

    fn settings_of_link(&self, at: &LinkAt) -> Vec<(Place, Sysctl)> {
        let Some(link) = self.link(at) else { return Vec::new() };
        let ends = [Some(at), link.peer.as_ref()].into_iter().flatten();
        ends.flat_map(|end| Sysctl::of_link(&end.name).map(|sysctl| (end.place.clone(), sysctl))).collect()
    }
}
