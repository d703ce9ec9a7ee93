//! Files that bring a topology back after a reboot: the only ones of this tool that outlive one.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::topology::TopologyName;

/// One file that `enable` writes.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct BootFile {
    /// The topology it is for.
    pub topology: TopologyName,
    /// Which of the topology's.
    pub part: BootPart,
}

/// What a [`BootFile`] is, in the order in which they are written.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum BootPart {
    /// A copy of the topology file.
    Topology,
    /// Forwarding, for `sysctl.d(5)`.
    Forwarding,
    /// What systemd starts, a `systemd.service(5)`.
    Unit,
    /// A symbolic link to the unit, by which systemd starts it at boot.
    Wanted,
}

impl BootPart {
    /// Every part, in the order in which they are written.
    pub const ALL: [Self; 4] = [Self::Topology, Self::Forwarding, Self::Unit, Self::Wanted];
}

impl BootFile {
    /// Returns where it is.
    #[must_use]
    pub fn path(&self) -> String {
        let name = &self.topology;
        match self.part {
            BootPart::Topology => format!("/etc/netns-tool/{name}.yaml"),
            BootPart::Forwarding => format!("/etc/sysctl.d/90-netns-tool-{name}.conf"),
            BootPart::Unit => format!("/etc/systemd/system/netns-tool-{name}.service"),
            BootPart::Wanted => {
                format!("/etc/systemd/system/multi-user.target.wants/netns-tool-{name}.service")
            }
        }
    }

    /// Returns the first line of a file that is ours.
    #[must_use]
    pub fn mark(&self) -> String {
        let name = &self.topology;
        format!("# Written by 'netns-tool enable'; 'netns-tool disable {name}' removes it.\n")
    }

    /// Returns the unit of the same topology.
    #[must_use]
    pub fn unit(&self) -> Self {
        Self { part: BootPart::Unit, ..self.clone() }
    }
}

impl fmt::Display for BootFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path())
    }
}

/// Whose a file is that is there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum BootFileState {
    /// Ours, with its text; of a symbolic link, where it leads.
    Ours(String),
    /// Somebody else's.
    Foreign,
}
