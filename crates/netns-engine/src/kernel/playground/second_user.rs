//! A second user inside a user namespace, which only a process outside it may map.

#![expect(unsafe_code, reason = "a process that stays outside needs fork")]

use std::{
    fs,
    io::{PipeReader, PipeWriter, Read, Write, pipe},
};

/// Root inside is root outside; user and group 1000 inside are nobody's outside.
///
/// `systemd`'s list of ranges (UIDS-GIDS) leaves this number to no one, and `/etc/subuid` as
/// distributions write it does not reach up to it: nothing on the real host belongs to it.
const MAP: &str = "0 0 1\n1000 2000000000 1\n";

/// A child that stays in the old user namespace, and waits for its parent to be in the new one.
///
/// `user_namespaces(7)`: more than one's own id may only be mapped by who has `CAP_SETUID` and
/// `CAP_SETGID` in the parent namespace, and those are gone with entering the new one.
pub(super) struct Mapper {
    pid: libc::pid_t,
    start: PipeWriter,
}

impl Mapper {
    /// Starts the child; none if there can be no more processes. Call this with one thread only.
    pub(super) fn fork() -> Option<Self> {
        let (waiting, start) = pipe().ok()?;
        let parent = std::process::id();
        // SAFETY: the process has one thread, so no lock is held; the child ends without returning.
        match unsafe { libc::fork() } {
            -1 => None,
            0 => {
                drop(start);
                let code = libc::c_int::from(!map(parent, waiting));
                // SAFETY: ends the child without running the handlers of its parent.
                unsafe { libc::_exit(code) }
            }
            pid => Some(Self { pid, start }),
        }
    }

    /// Maps both users in the namespace this process is in by now; returns whether that worked.
    pub(super) fn map(mut self) -> bool {
        let started = self.start.write_all(&[1]).is_ok();
        self.bury() == Some(0) && started
    }

    /// Ends the child without a map.
    pub(super) fn give_up(self) {
        self.bury();
    }

    fn bury(self) -> Option<libc::c_int> {
        drop(self.start);
        let mut status = 0;
        // SAFETY: `status` lives across the call.
        let buried = unsafe { libc::waitpid(self.pid, &raw mut status, 0) };
        (buried == self.pid && libc::WIFEXITED(status)).then(|| libc::WEXITSTATUS(status))
    }
}

/// What the child does: waits for the word, which does not come if the parent gives up.
fn map(parent: u32, mut waiting: PipeReader) -> bool {
    waiting.read_exact(&mut [0]).is_ok()
        && ["uid_map", "gid_map"].iter().all(|file| fs::write(format!("/proc/{parent}/{file}"), MAP).is_ok())
}
