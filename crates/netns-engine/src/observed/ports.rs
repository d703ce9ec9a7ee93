//! The MTU of a bridge in the model: it is that of the smallest port, until it is set by hand
//! (`br_mtu_auto_adjust` in `net/bridge/br_if.c`).
//!
//! The kernel does not tell whether it was set by hand: a bridge that has another MTU than its ports would give it
//! was, and one that has the same is taken to follow them.

use std::collections::BTreeSet;

use super::{Link, Observed, Stack};
use crate::{kernel::Refusal, name::LinkName, operation::LinkChange, place::LinkAt, topology::ETHERNET_MTU};

impl Observed {
    /// Changes a link, and with it the bridges that it is, or comes to be, a port of.
    pub(super) fn set_link(&mut self, at: &LinkAt, change: &LinkChange) -> Result<(), Refusal> {
        let following = self.following_change_of(at, change);
        self.change_link(at, change)?;
        self.stack_mut(&at.place).follow_ports(&following);
        Ok(())
    }

    fn following_change_of(&self, at: &LinkAt, change: &LinkChange) -> BTreeSet<LinkName> {
        let Some(stack) = self.stack(&at.place) else { return BTreeSet::new() };
        let before = stack.links.get(&at.name).and_then(|link| link.master.as_ref());
        match change {
            LinkChange::Master(after) => stack.following(before.into_iter().chain([after])),
            LinkChange::NoMaster | LinkChange::Mtu(_) => stack.following(before),
            _ => BTreeSet::new(),
        }
    }
}

impl Stack {
    /// Adds a link, which may be a port from its birth.
    pub(super) fn add_link(&mut self, name: LinkName, link: Link) {
        let bridge = link.master.as_ref();
        // What is as large as the bridge changes nothing: to look at all ports for each of a thousand takes its time.
        let differs = |bridge: &&LinkName| {
            self.links.get(*bridge).is_some_and(|bridge| bridge.mtu_bytes != link.mtu_bytes)
        };
        let following = self.following(bridge.filter(differs));
        self.links.insert(name, link);
        self.follow_ports(&following);
    }

    /// Returns those of `bridges` whose MTU is what their ports give them.
    pub(super) fn following<'a>(
        &self,
        bridges: impl IntoIterator<Item = &'a LinkName>,
    ) -> BTreeSet<LinkName> {
        let follows = |bridge: &&LinkName| {
            self.links.get(*bridge).is_some_and(|link| link.mtu_bytes == self.mtu_by_ports(bridge))
        };
        bridges.into_iter().filter(follows).cloned().collect()
    }

    pub(super) fn follow_ports(&mut self, bridges: &BTreeSet<LinkName>) {
        for bridge in bridges {
            self.set_mtu(bridge, self.mtu_by_ports(bridge));
        }
    }

    fn mtu_by_ports(&self, bridge: &LinkName) -> u32 {
        let ports = self.links.values().filter(|link| link.master.as_ref() == Some(bridge));
        ports.map(|port| port.mtu_bytes).min().unwrap_or(ETHERNET_MTU)
    }
}
