//! Signals held back while a change is under way.

use super::{refusal::Refusal, syscall};

/// Holds back the signals that would end the process midway; they arrive when this is dropped.
#[derive(Debug)]
pub struct HeldBack {
    before: syscall::SignalMask,
}

/// What is held back: the signals by which a terminal, or whoever looks after it, ends a program.
pub(crate) const HELD_BACK: [libc::c_int; 4] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT];

/// Holds back SIGINT, SIGTERM, SIGHUP and SIGQUIT on the calling thread.
///
/// Threads and programs that it starts meanwhile inherit that: a firewall program in the middle of
/// a change is not interrupted either.
///
/// # Errors
///
/// Returns the kernel's refusal, which no kernel is known to give.
pub fn hold_back() -> Result<HeldBack, Refusal> {
    let before = syscall::block_signals(&HELD_BACK)?;
    Ok(HeldBack { before })
}

impl Drop for HeldBack {
    fn drop(&mut self) {
        syscall::restore_signals(&self.before);
    }
}
