//! What must be read to publish a port, to take it back, or to delete the netns it leads to.

use std::{borrow::Cow, collections::BTreeMap};

use super::{Asked, Scope, Selection};
use crate::{
    address::Family,
    firewall::Published,
    place::Place,
    record::{Record, RecordKey},
};

impl Scope {
    /// Also reads what publishing `published` touches.
    #[must_use]
    pub fn with_published(mut self, published: &Published) -> Self {
        self.stacks.insert(Place::Host, Selection::All);
        self.route_localnet = Asked::Yes;
        self.published.insert(published.clone());
        if !published.is_for_this_host_only() {
            self.iptables = Asked::Yes;
            self.link_forwarding.insert(Family::of(published.address));
        }
        self.with_records()
    }

    /// Returns the scope with what the ports published into [`Scope::ports_of`] touch: only the
    /// notes tell which those are.
    #[must_use]
    pub fn widened_by<'a>(&'a self, records: &BTreeMap<RecordKey, Record>) -> Cow<'a, Self> {
        let mut widened = Cow::Borrowed(self);
        for record in records.values() {
            if let Record::Published(port) = record
                && self.ports_of.contains(&port.netns)
            {
                widened = Cow::Owned(widened.into_owned().with_published(&port.forward.published));
            }
        }
        widened
    }
}
