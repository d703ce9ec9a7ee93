//! Ways into netns: names, processes, and mounted files.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    os::fd::AsFd,
    path::PathBuf,
};

use crate::{
    kernel::{
        at_once, look,
        mounts::Mounts,
        namespace,
        processes::{self, NetnsId},
        refusal::Refusal,
        rtnetlink::Rtnetlink,
    },
    name::NetnsName,
    place::Entrance,
};

/// Every way there is; `/proc` is walked only when names were not enough.
#[derive(Default)]
pub(super) struct Doors {
    named: Option<Vec<Entrance>>,
    nameless: Option<Vec<Entrance>>,
}

impl Doors {
    /// Returns everything that has a name.
    pub(super) fn named(&mut self) -> &[Entrance] {
        self.named.get_or_insert_with(|| named().unwrap_or_default())
    }

    /// Returns how to enter the netns that a stack knows by `ids`; those that cannot be found are left out.
    ///
    /// The kernel tells the id of a netns that it is shown, not the other way round.
    pub(super) fn leading_to(&mut self, talk: &mut Rtnetlink, mut ids: BTreeSet<i32>) -> Vec<Entrance> {
        let mut found = Vec::new();
        pick(self.named(), talk, &mut ids, &mut found);
        if !ids.is_empty() {
            let nameless = self.nameless.get_or_insert_with(nameless);
            pick(nameless, talk, &mut ids, &mut found);
        }
        found
    }
}

/// Moves those of `doors` that lead to one of `ids` to `found`, until all are.
fn pick(doors: &[Entrance], talk: &mut Rtnetlink, ids: &mut BTreeSet<i32>, found: &mut Vec<Entrance>) {
    for door in doors {
        if ids.is_empty() {
            return;
        }
        // What is no netns is refused by the kernel.
        let Ok(file) = open(door) else { continue };
        if let Ok(Some(id)) = talk.netns_id(file.as_fd())
            && ids.remove(&id)
        {
            found.push(door.clone());
        }
    }
}

fn open(door: &Entrance) -> Result<File, Refusal> {
    match door {
        Entrance::Host => namespace::own(),
        Entrance::Named(name) => namespace::open(name),
        Entrance::File(path) => Ok(at_once::open(path)?),
    }
}

/// Everything under `/run/netns`; what this tool does not take as a name is entered as a file.
fn named() -> Result<Vec<Entrance>, Refusal> {
    let door = |(name, path)| NetnsName::new(name).map_or(Entrance::File(path), Entrance::Named);
    Ok(look::names()?.into_iter().map(door).collect())
}

/// The netns of processes, and files such as Docker's under `/run/docker/netns`.
fn nameless() -> Vec<Entrance> {
    let mounts = Mounts::own();
    let mounted = mounts.netns().map(|(inode, mount)| (inode, mount.point.clone()));
    let under_names = |path: &PathBuf| path.starts_with(namespace::DIRECTORY);
    let mut files: BTreeMap<u64, PathBuf> = mounted.filter(|(_, path)| !under_names(path)).collect();
    let census = processes::census().unwrap_or_default();
    for (NetnsId { inode, .. }, pids) in census {
        if let Some(pid) = pids.first() {
            files.insert(inode, format!("/proc/{pid}/ns/net").into());
        }
    }
    files.into_values().map(Entrance::File).collect()
}
