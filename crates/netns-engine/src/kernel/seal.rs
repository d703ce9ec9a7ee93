//! By which numbers the nodes of a topology are known again that were as asked for.
//!
//! A seal is put on a topology when `up` leaves it as described. A netns keeps its inode for as long as it
//! lives, and a link its index, which is given to no other unless somebody asks for it by number: as long as a
//! name leads to the same inode and the cables are the same, the node is the one that was looked into. Of a seal
//! nothing depends but how much has to be looked at: one that is lost or broken is none.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{namespace, processes::NetnsId, refusal::Refusal, state};
use crate::{name::NetnsName, topology::TopologyName};

/// The numbers of one node.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Numbers {
    /// The inode of the netns.
    pub(super) netns: u64,
    /// The indices of the ends of its cables, the host's first, in the order of the topology.
    pub(super) cables: Vec<[u32; 2]>,
}

/// The numbers of nodes, in the order of the topology: in this order their netns were made, and in this order the
/// kernel finds them fastest.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct Seal(pub(super) Vec<(NetnsName, Numbers)>);

impl Seal {
    /// Reads the seal of a topology.
    pub(super) fn read(topology: &TopologyName) -> Option<Self> {
        serde_json::from_slice(&fs::read(path_of(topology)).ok()?).ok()
    }

    /// Puts it on a topology. Written in place: what is half-written cannot be read.
    pub(super) fn put_on(&self, topology: &TopologyName) -> Result<(), Refusal> {
        state::make_directory(&folder())?;
        let text = serde_json::to_vec(self).map_err(std::io::Error::from)?;
        fs::write(path_of(topology), text).map_err(Refusal::from)
    }
}

/// Whether a topology has one.
pub(super) fn is_on(topology: &TopologyName) -> bool {
    path_of(topology).exists()
}

/// Breaks the seal of a topology that is about to change.
pub(super) fn break_on(topology: &TopologyName) {
    fs::remove_file(path_of(topology)).ok();
}

fn folder() -> PathBuf {
    Path::new(state::DIRECTORY).join("seal")
}

fn path_of(topology: &TopologyName) -> PathBuf {
    folder().join(topology.as_str())
}

/// Tells inodes of netns by the names of these.
pub(super) struct Inodes {
    /// Where the names are.
    folder: File,
    /// Any netns: they are all on one file system.
    own: NetnsId,
}

impl Inodes {
    /// None on a host that has no names of netns.
    pub(super) fn of_this_host() -> Option<Self> {
        let folder = File::open(namespace::DIRECTORY).ok()?;
        Some(Self { folder, own: NetnsId::at("/proc/thread-self/ns/net")? })
    }

    /// Returns the inode of the netns called `name`; none if there is no netns of that name.
    pub(super) fn of(&self, name: &NetnsName) -> Option<u64> {
        let found = NetnsId::in_folder(&self.folder, name.as_str())?;
        found.is_on_device_of(self.own).then_some(found.inode)
    }
}
