//! Names under `/run/netns`, and who keeps a netns alive beside its name.

use std::fmt;

use crate::topology::ProgramKey;

/// A file under `/run/netns`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NetnsEntry {
    /// Whether a netns is really mounted there.
    pub state: NetnsState,
    /// Whether this tool made it (known by its `SO_NETNS_COOKIE`).
    pub ours: bool,
    /// Who keeps it alive beside its name.
    pub holders: Vec<Holder>,
}

/// What a file under `/run/netns` really is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NetnsState {
    /// A mounted network namespace.
    Live,
    /// An ordinary file: the creation was killed midway, or happened in another mount namespace.
    HalfMade,
}

/// Something that keeps a netns alive after its name is gone.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// Its command name (`/proc/PID/comm`).
    pub program: String,
    /// How it holds on.
    pub by: Hold,
    /// The program of a topology that it belongs to, if it is one inside.
    pub runs: Option<ProgramKey>,
}

/// How a process holds a netns.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Hold {
    /// It, or one of its threads, runs inside.
    Inside,
    /// It has the netns open as a file, by this descriptor number.
    OpenFile(u32),
    /// It has a socket open that belongs to the netns, by this descriptor number.
    Socket(u32),
    /// It sees another mount of the netns, at this path.
    Mount(String),
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A program may call itself anything.
        let program = self.program.escape_debug();
        match &self.by {
            Hold::Inside => write!(f, "{program} (pid {}, inside)", self.pid),
            Hold::OpenFile(number) => write!(f, "{program} (pid {}, open file {number})", self.pid),
            Hold::Socket(number) => write!(f, "{program} (pid {}, socket {number})", self.pid),
            Hold::Mount(path) => {
                write!(f, "the mount '{}' (seen by {program}, pid {})", path.escape_debug(), self.pid)
            }
        }
    }
}
