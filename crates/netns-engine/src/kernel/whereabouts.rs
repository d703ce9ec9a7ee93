//! Where the programs of topologies run: in their nodes, or elsewhere, since somebody deleted a node's name.
//!
//! Processes of another host may be seen from here, such as a container's, whose programs are called the same. So who
//! is not inside a node is known by its mounts: its log is a file of this host.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::fd::OwnedFd,
};

use super::{
    logs::{self, Shelf},
    mounts::Mounts,
    namespace,
    pids::pids,
    processes::{self, NetnsId},
    programs::{mark_in_environment, mark_of},
    refusal::Refusal,
};
use crate::{name::NetnsName, topology::ProgramKey};

/// Which programs run, and where.
#[derive(Debug, Default)]
pub(super) struct Running {
    /// In the netns that is their node now.
    pub(super) inside: BTreeSet<ProgramKey>,
    /// Elsewhere.
    pub(super) astray: BTreeSet<ProgramKey>,
}

/// Returns the programs of nodes that are called so: one walk over `/proc`, if there may be any.
pub(super) fn search(names: &BTreeSet<NetnsName>) -> Result<Running, Refusal> {
    let mut running = Running::default();
    for (_, found) in walk(names)? {
        match found {
            Found::Inside(key) => running.inside.insert(key),
            Found::Astray(key) => running.astray.insert(key),
        };
    }
    Ok(running)
}

/// Takes hold of the processes of these programs that are not in their nodes.
pub(super) fn hold_strays(keys: &[ProgramKey]) -> Result<Vec<OwnedFd>, Refusal> {
    let names = keys.iter().map(|key| key.netns.clone()).collect();
    let is_wanted = |found: &Found| matches!(found, Found::Astray(key) if keys.contains(key));
    let mut again = Search::of(&names);
    let mut held = Vec::new();
    for (pid, found) in walk(&names)?.into_iter().filter(|(_, found)| is_wanted(found)) {
        if let Some(process) = processes::open(pid)?
            // Only now that the descriptor pins the process, its number cannot pass to another.
            && again.find(pid) == Some(found)
        {
            held.push(process);
        }
    }
    Ok(held)
}

#[derive(Debug, Eq, PartialEq)]
enum Found {
    Inside(ProgramKey),
    Astray(ProgramKey),
}

fn walk(names: &BTreeSet<NetnsName>) -> Result<Vec<(u32, Found)>, Refusal> {
    // A program that runs has a log: where there is none, nobody has to be looked for.
    if names.is_empty() || logs::nodes()?.is_disjoint(names) {
        return Ok(Vec::new());
    }
    let mut search = Search::of(names);
    let own = std::process::id();
    let others = pids()?.into_iter().filter(|pid| *pid != own);
    Ok(others.filter_map(|pid| Some((pid, search.find(pid)?))).collect())
}

struct Search<'a> {
    names: &'a BTreeSet<NetnsName>,
    /// Those that are there.
    nodes: BTreeMap<&'a NetnsName, NetnsId>,
    inodes: BTreeSet<NetnsId>,
    shelf: Option<Shelf>,
    /// The programs that mount namespaces were made for: that of the host was made for none.
    known: BTreeMap<NetnsId, Vec<ProgramKey>>,
}

impl<'a> Search<'a> {
    fn of(names: &'a BTreeSet<NetnsName>) -> Self {
        let at = |name: &'a NetnsName| Some((name, NetnsId::at(namespace::path_of(name))?));
        let nodes: BTreeMap<_, _> = names.iter().filter_map(at).collect();
        let inodes = nodes.values().copied().collect();
        let own = NetnsId::at("/proc/thread-self/ns/mnt");
        let known = own.map(|own| (own, Vec::new())).into_iter().collect();
        Self { names, nodes, inodes, shelf: Shelf::of_this_host(), known }
    }

    fn find(&mut self, pid: u32) -> Option<Found> {
        let netns = NetnsId::at(format!("/proc/{pid}/ns/net"))?;
        if self.inodes.contains(&netns)
            && let Some(key) = mark_of(pid)
            && self.nodes.get(&key.netns) == Some(&netns)
        {
            return Some(Found::Inside(key));
        }
        let key = self.mark_among_mounts(pid)?;
        let is_astray = self.names.contains(&key.netns) && self.nodes.get(&key.netns) != Some(&netns);
        is_astray.then_some(Found::Astray(key))
    }

    /// A program may have started another topology's: then it inherited both marks.
    fn mark_among_mounts(&mut self, pid: u32) -> Option<ProgramKey> {
        let logs = self.shelf.as_ref()?;
        let namespace = NetnsId::at(format!("/proc/{pid}/ns/mnt"))?;
        let programs =
            self.known.entry(namespace).or_insert_with(|| logs.programs_among(&Mounts::of_process(pid)));
        let last = programs.last()?;
        let called = mark_in_environment(pid).filter(|key| programs.contains(key));
        Some(called.unwrap_or_else(|| last.clone()))
    }
}
