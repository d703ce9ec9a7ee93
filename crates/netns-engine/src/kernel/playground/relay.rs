//! Signals on their way to a command in a playground.
//!
//! Whoever runs the command holds them back, and process 1 of its PID namespace is deaf to them;
//! yet `kill` and `timeout` aim at just these two.

#![expect(unsafe_code, reason = "rustix can only send signals it has a name for")]

use std::{os::fd::OwnedFd, process::Child, process::ExitStatus};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::{Errno, read, retry_on_intr},
    process::{Pid, PidfdFlags, pidfd_open},
};

use crate::kernel::{Refusal, signals::HELD_BACK, syscall};

/// Waits for the end of `child`, and passes on to it what is sent to this process meanwhile.
pub(super) fn wait_for(child: &mut Child) -> Result<ExitStatus, Refusal> {
    let pid = libc::pid_t::try_from(child.id()).map_err(|_| Errno::SRCH)?;
    let ended = pidfd_open(Pid::from_raw(pid).ok_or(Errno::SRCH)?, PidfdFlags::empty())?;
    let signals = syscall::signal_file(&HELD_BACK)?;
    loop {
        let mut ready = [&ended, &signals].map(|file| PollFd::new(file, PollFlags::IN));
        retry_on_intr(|| poll(&mut ready, None))?;
        let [child_ended, signal_came] = ready.map(|file| !file.revents().is_empty());
        if child_ended {
            return Ok(child.wait()?);
        }
        if signal_came {
            Arrived::read(&signals)?.pass_on_to(pid);
        }
    }
}

/// A signal that came.
pub(super) struct Arrived {
    pub(super) signal: libc::c_int,
    origin: Origin,
}

#[derive(Eq, PartialEq)]
enum Origin {
    /// Another process sent it, to this one.
    Process,
    /// The kernel did: a key of the terminal, which the command has heard as well.
    Kernel,
}

impl Arrived {
    /// Waits for a signal. Safe between fork and exec.
    pub(super) fn read(signals: &OwnedFd) -> Result<Self, Errno> {
        /// `struct signalfd_siginfo`: signal number, errno, code, and more (`signalfd(2)`).
        const RECORD_BYTES: usize = 128;
        let mut record = [0_u8; RECORD_BYTES];
        if retry_on_intr(|| read(signals, &mut record))? != RECORD_BYTES {
            return Err(Errno::IO);
        }
        let [signal, _, code] =
            [0, 4, 8].map(|at| i32::from_ne_bytes(std::array::from_fn(|byte| record[at + byte])));
        // SI_USER, SI_QUEUE and SI_TKILL are not positive, what the kernel says is (`sigaction(2)`).
        Ok(Self { signal, origin: if code > 0 { Origin::Kernel } else { Origin::Process } })
    }

    /// Sends it on to the child `pid`, if it has not heard it by itself. Safe between fork and exec.
    pub(super) fn pass_on_to(&self, pid: libc::pid_t) {
        if self.origin == Origin::Process {
            // SAFETY: touches no memory. The number is a child's that was not waited for, so it is
            // nobody else's.
            unsafe { libc::kill(pid, self.signal) };
        }
    }
}
