//! A stack that was looked at, and what it knows of the others.

use std::{collections::BTreeMap, fs::File, os::fd::AsFd};

use super::{
    flows::{self, Interest},
    stack::Read,
};
use crate::{
    diagnose::scene::{Link, Stack, StackId},
    kernel::{look, rtnetlink::Rtnetlink},
    place::Entrance,
    view::Socket,
};

/// A stack that was looked at.
pub(super) struct Visit {
    pub(super) stack: Stack,
    /// Sockets that wait for others, by their inodes.
    pub(super) listening: Vec<(u64, Socket)>,
    /// The ids by which this stack knows the netns at the other ends of its links, by the links' indices.
    ends: BTreeMap<u32, i32>,
    /// Which of these are stacks of this search.
    ids: BTreeMap<i32, StackId>,
    file: File,
    pub(super) talk: Rtnetlink,
}

/// A link whose other end is in another netns.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    /// The bridge it is a port of.
    pub(super) master: Option<u32>,
    /// The netns of the other end, by the id that the stack of the link knows it by.
    pub(super) netns: i32,
    /// The other end's index there.
    pub(super) index: u32,
}

impl Visit {
    pub(super) fn new(entrance: &Entrance, file: File, read: Read) -> Self {
        Self {
            stack: Stack { entrance: entrance.clone(), ..read.stack },
            listening: read.listening,
            ends: read.ends,
            ids: BTreeMap::new(),
            file,
            talk: read.talk,
        }
    }

    /// Asks by which id this stack knows another one.
    pub(super) fn learn(&mut self, other: &Self, id: StackId) {
        // Whose links all end here knows nobody.
        if !self.ends.is_empty()
            && let Ok(Some(number)) = self.talk.netns_id(other.file.as_fd())
        {
            self.ids.insert(number, id);
        }
    }

    /// Returns the links that lead to other netns.
    pub(super) fn ends(&self) -> Vec<End> {
        let end = |link: &Link| {
            let peer = link.peer?;
            Some(End { master: link.master, netns: *self.ends.get(&link.index)?, index: peer.index })
        };
        self.stack.links.iter().filter_map(end).collect()
    }

    /// Notes by which id this stack knows another one.
    pub(super) fn knows_as(&mut self, number: i32, id: StackId) {
        self.ids.insert(number, id);
    }

    /// Returns the stack that this one knows by an id, if it was looked at.
    pub(super) fn knows(&self, netns: i32) -> Option<StackId> {
        self.ids.get(&netns).copied()
    }

    /// Reads the tracked connections of interest.
    pub(super) fn read_flows(&mut self, interest: &Interest) {
        if flows::are_tracked_in(&self.stack) {
            let read = look::inside(&self.stack.entrance, &self.file, || Ok(flows::read(interest)));
            self.stack.flows = read.unwrap_or_default();
        }
    }

    /// Says where the other ends of the links are.
    pub(super) fn connect(&mut self, id: StackId) {
        connect(&mut self.stack, &self.ends, &self.ids, id);
    }
}

/// Says where the other ends of a stack's links are: here, unless in another netns, which `ids` tell.
pub(super) fn connect(
    stack: &mut Stack,
    ends: &BTreeMap<u32, i32>,
    ids: &BTreeMap<i32, StackId>,
    own: StackId,
) {
    for link in &mut stack.links {
        if let Some(peer) = &mut link.peer {
            peer.stack = match ends.get(&link.index) {
                None => Some(own),
                Some(netns) => ids.get(netns).copied(),
            };
        }
    }
}
