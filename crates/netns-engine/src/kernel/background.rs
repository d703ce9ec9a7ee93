//! Programs that outlive whoever starts them.

#![expect(unsafe_code, reason = "pre_exec runs between fork and exec, and detaching needs a second fork")]

use std::{io, os::unix::process::CommandExt, process::Command};

use super::syscall;

/// Starts `command` in a session of its own, as no child of this process: nobody has to wait for it.
///
/// It gets no open file but its standard streams, and no signal is held back from it.
///
/// # Errors
///
/// Returns why it could not be started, such as that there is no such program.
pub fn start(command: &mut Command) -> io::Result<()> {
    // Where the ends of children are ignored, the child below could not be waited for.
    syscall::hear_of_children();
    // SAFETY: `leave` makes system calls only.
    unsafe { command.pre_exec(leave) };
    // What is waited for ends at once; a failing exec of its child is told through a pipe.
    let mut between = command.spawn()?;
    between.wait()?;
    Ok(())
}

/// Forks: the parent ends at once, the child goes on to be the command, and belongs to init.
fn leave() -> io::Result<()> {
    rustix::process::setsid()?;
    syscall::unblock_all_signals();
    close_files_on_exec();
    // SAFETY: between fork and exec there is one thread; both sides make system calls only.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(()),
        // SAFETY: ends this process without running the handlers of the one it was forked from.
        _ => unsafe { libc::_exit(0) },
    }
}

/// This tool opens no file that a program would inherit, but its caller may have.
fn close_files_on_exec() {
    const FIRST_BEYOND_STANDARD: libc::c_uint = 3;
    let on_exec = libc::CLOSE_RANGE_CLOEXEC.cast_signed();
    // SAFETY: changes flags only. A kernel before 5.11 refuses, and the program inherits.
    unsafe { libc::close_range(FIRST_BEYOND_STANDARD, libc::c_uint::MAX, on_exec) };
}
