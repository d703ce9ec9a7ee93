//! The stacks that were looked at so far, and what connects them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    os::fd::AsFd,
};

use super::{
    doors::Doors,
    names,
    stack::{self, Read},
};
use crate::{
    diagnose::scene::{HostNotes, Link, Scene, Stack, StackId},
    kernel::{
        look,
        processes::{self, NetnsId},
        refusal::Refusal,
        rtnetlink::Rtnetlink,
        sockets,
    },
    place::Entrance,
    view::Socket,
};

/// More stacks than any path leads through; each takes two open files.
pub(super) const MOST: usize = 48;

/// What was found so far.
pub(super) struct Search {
    pub(super) visits: Vec<Visit>,
    known: BTreeMap<NetnsId, StackId>,
    /// Other ways into stacks that were looked at.
    also: Vec<(Entrance, StackId)>,
    doors: Doors,
}

/// A stack that was looked at.
pub(super) struct Visit {
    pub(super) stack: Stack,
    /// Sockets that wait for others, by their inodes.
    listening: Vec<(u64, Socket)>,
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

impl Search {
    /// Looks at the host.
    pub(super) fn begin() -> Result<Self, Refusal> {
        let mut search =
            Self { visits: Vec::new(), known: BTreeMap::new(), also: Vec::new(), doors: Doors::default() };
        search.enter(&Entrance::Host)?;
        Ok(search)
    }

    /// Looks at a stack, unless that was done already.
    pub(super) fn enter(&mut self, entrance: &Entrance) -> Result<StackId, Refusal> {
        let file = look::open(entrance)?;
        let netns = NetnsId::of(&file)?;
        if let Some(id) = self.known.get(&netns).copied() {
            if self.visits[id.0].stack.entrance != *entrance {
                self.also.push((entrance.clone(), id));
            }
            return Ok(id);
        }
        let read = look::inside(entrance, &file, stack::read)?;
        let id = StackId(self.visits.len());
        self.known.insert(netns, id);
        self.visits.push(Visit::new(entrance, file, read));
        self.introduce(id);
        Ok(id)
    }

    /// Asks the new stack and all others by which ids they know each other; who was never met has none.
    fn introduce(&mut self, new: StackId) {
        let Some((newest, others)) = self.visits.split_last_mut() else { return };
        for (number, other) in others.iter_mut().enumerate() {
            newest.learn(&other.file, StackId(number));
            other.learn(&newest.file, new);
        }
    }

    /// Looks at the stacks that `from` knows by these ids, as far as they can be found and entered;
    /// returns whether there were new ones.
    pub(super) fn enter_known_to(&mut self, from: StackId, ids: &BTreeSet<i32>) -> bool {
        let before = self.visits.len();
        let visit = &mut self.visits[from.0];
        let ids = ids.iter().filter(|id| !visit.ids.contains_key(id)).copied().collect();
        for entrance in self.doors.leading_to(&mut visit.talk, ids) {
            if self.visits.len() >= MOST {
                break;
            }
            // Without the right to enter it, it is left out.
            drop(self.enter(&entrance));
        }
        self.visits.len() > before
    }

    /// Puts together what was found.
    pub(super) fn scene(self) -> Result<Scene, Refusal> {
        let mut census = processes::census().unwrap_or_default();
        let inside: BTreeMap<StackId, Vec<u32>> =
            self.known.iter().filter_map(|(netns, id)| Some((*id, census.remove(netns)?))).collect();
        let inodes = self.visits.iter().flat_map(|visit| visit.listening.iter().map(|(inode, _)| *inode));
        let users = sockets::users_of(inodes.collect())?;
        let mut stacks = Vec::with_capacity(self.visits.len());
        for (number, mut visit) in self.visits.into_iter().enumerate() {
            let id = StackId(number);
            visit.connect(id);
            let mut stack = visit.stack;
            for (inode, socket) in visit.listening {
                let programs = users.get(&inode).cloned().unwrap_or_default();
                stack.listeners.push(Socket { programs, ..socket });
            }
            stack.listeners.sort_by_key(|socket| (socket.transport, socket.local));
            // Everything runs on the host.
            if id != StackId::HOST {
                stack.processes = look::named_processes(inside.get(&id).map_or(&[], Vec::as_slice));
            }
            stack.resolver = names::resolver(&stack.entrance);
            stacks.push(stack);
        }
        Ok(Scene { stacks, also: self.also, host: HostNotes::default() })
    }
}

impl Visit {
    fn new(entrance: &Entrance, file: File, read: Read) -> Self {
        Self {
            stack: Stack { entrance: entrance.clone(), ..read.stack },
            listening: read.listening,
            ends: read.ends,
            ids: BTreeMap::new(),
            file,
            talk: read.talk,
        }
    }

    fn learn(&mut self, other: &File, id: StackId) {
        // Whose links all end here knows nobody.
        if !self.ends.is_empty()
            && let Ok(Some(number)) = self.talk.netns_id(other.as_fd())
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

    /// Returns the stack that this one knows by an id, if it was looked at.
    pub(super) fn knows(&self, netns: i32) -> Option<StackId> {
        self.ids.get(&netns).copied()
    }

    /// Says where the other ends of the links are.
    fn connect(&mut self, id: StackId) {
        for link in &mut self.stack.links {
            if let Some(peer) = &mut link.peer {
                peer.stack = match self.ends.get(&link.index) {
                    None => Some(id),
                    Some(netns) => self.ids.get(netns).copied(),
                };
            }
        }
    }
}
