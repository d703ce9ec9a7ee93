//! The numbers of all processes, the names they give themselves, and where they come from (`proc(5)`).

use std::fs;

use super::refusal::Refusal;

/// Every process there is, smallest pid first.
pub(crate) fn pids() -> Result<Vec<u32>, Refusal> {
    let mut pids: Vec<u32> = fs::read_dir("/proc")?.flatten().filter_map(|entry| number(&entry)).collect();
    pids.sort_unstable();
    Ok(pids)
}

fn number(entry: &fs::DirEntry) -> Option<u32> {
    entry.file_name().to_str()?.parse().ok()
}

/// The name a process gives itself (`/proc/PID/comm`); `?` if it is gone.
pub(crate) fn program(pid: u32) -> String {
    match fs::read(format!("/proc/{pid}/comm")) {
        Ok(name) => String::from_utf8_lossy(&name).trim_end_matches('\n').to_owned(),
        Err(_) => "?".to_owned(),
    }
}

/// What `/proc/PID/stat` tells of a process (`proc_pid_stat(5)`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Origin {
    /// The process that it is a child of; 0 if that is in another PID namespace.
    pub(super) parent: u32,
    /// When it started, in clock ticks since boot.
    pub(super) started_ticks: u64,
    /// Whether it waits to be buried.
    pub(super) is_dead: bool,
    /// Whether it still runs what its parent did when it was made.
    pub(super) is_copy: bool,
}

impl Origin {
    /// None if the process is gone.
    pub(super) fn of(pid: u32) -> Option<Self> {
        /// `PF_FORKNOEXEC` of `linux/sched.h`.
        const FORKED_WITHOUT_EXEC: u32 = 0x40;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The program's name may hold anything, also blanks and brackets.
        let (_, behind_name) = stat.rsplit_once(')')?;
        let fields: Vec<_> = behind_name.split_ascii_whitespace().collect();
        // The first two are the number and the name.
        let field = |number: usize| fields.get(number - 3).copied();
        let flags: u32 = field(9)?.parse().ok()?;
        Some(Self {
            parent: field(4)?.parse().ok()?,
            started_ticks: field(22)?.parse().ok()?,
            is_dead: matches!(field(3)?, "Z" | "X"),
            is_copy: flags & FORKED_WITHOUT_EXEC != 0,
        })
    }
}
