//! The stacks that were looked at so far, and what connects them.

use std::collections::{BTreeMap, BTreeSet};

use super::{doors::Doors, flows::Interest, names, stack, visit::Visit};
use crate::{
    diagnose::scene::{HostNotes, Scene, StackId},
    kernel::{
        look,
        processes::{self, NetnsId},
        refusal::Refusal,
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
    pub(super) doors: Doors,
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
            newest.learn(other, StackId(number));
            other.learn(newest, new);
        }
    }

    /// Looks at the stacks that `from` knows by these ids, as far as they can be found and entered;
    /// returns whether there were new ones.
    pub(super) fn enter_known_to(&mut self, from: StackId, ids: &BTreeSet<i32>) -> bool {
        let before = self.visits.len();
        let visit = &mut self.visits[from.0];
        let ids = ids.iter().filter(|id| visit.knows(**id).is_none()).copied().collect();
        for entrance in self.doors.leading_to(&mut visit.talk, ids) {
            if self.visits.len() >= MOST {
                break;
            }
            // Without the right to enter it, it is left out.
            drop(self.enter(&entrance));
        }
        self.visits.len() > before
    }

    /// Reads the tracked connections that are of interest.
    pub(super) fn read_flows(&mut self, interest: &Interest) {
        self.visits.iter_mut().for_each(|visit| visit.read_flows(interest));
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
