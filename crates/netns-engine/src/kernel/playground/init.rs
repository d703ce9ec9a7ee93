//! Process numbers of its own: a command as the only tree in a PID namespace.

#![expect(unsafe_code, reason = "pre_exec runs between fork and exec, and PID namespaces need fork")]

use std::{
    io,
    os::{fd::RawFd, unix::process::CommandExt},
    process::{Command, ExitStatus},
    thread,
};

use rustix::{
    mount::{MountFlags, MountPropagationFlags, mount, mount_change},
    process::{Signal, set_parent_process_death_signal},
    thread::{UnshareFlags, unshare_unsafe},
};

use super::{
    error::{PlaygroundError, Trying},
    relay::{self, Arrived},
};
use crate::kernel::{Refusal, exec::ExecError, signals::HELD_BACK, syscall};

/// Runs `command` in a PID namespace and waits for its end; what it leaves running ends with it.
///
/// It sees only its own processes in `/proc`. Where the kernel does not allow that mount, as in
/// most containers, the command runs among everybody else's processes instead. Signals that the
/// caller [holds back](crate::kernel::hold_signals_back) are passed on to it. The status of a
/// command that a signal ended is 128 and the signal's number, as shells say it.
///
/// # Errors
///
/// Returns that the command could not be started.
pub fn run_in_pid_namespace(mut command: Command) -> Result<ExitStatus, PlaygroundError> {
    syscall::hear_of_children();
    let own_processes = proc_can_be_mounted();
    // A thread of its own: after NEWPID a task can make no more threads (EINVAL of clone(2)), and
    // the child is to die with the task that made it.
    let runner = thread::Builder::new().name("pid namespace".to_owned()).spawn(move || {
        // SAFETY: NEWPID concerns the children to come and leaves the file table shared; the
        // functions called before exec make system calls only: no allocation, no lock.
        unsafe {
            if own_processes {
                unshare_unsafe(UnshareFlags::NEWPID).trying_to("make a PID namespace")?;
                command.pre_exec(begin_as_init);
            } else {
                command.pre_exec(begin_among_others);
            }
        }
        let started = command.spawn();
        let mut child = started.map_err(|error| ExecError::from_start(command.get_program(), error))?;
        relay::wait_for(&mut child).trying_to("wait for the command")
    });
    let runner = runner.trying_to("start a thread")?;
    runner.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Asks the kernel, with a PID namespace that is given up right after.
fn proc_can_be_mounted() -> bool {
    thread::spawn(|| {
        // SAFETY: NEWPID concerns the children to come and leaves the file table shared.
        unsafe { unshare_unsafe(UnshareFlags::NEWPID) }.is_ok() && a_child_can(enter_own_mounts)
    })
    .join()
    .unwrap_or(false)
}

/// Forks a child that does nothing but `deed`, and returns whether it could.
fn a_child_can(deed: fn() -> rustix::io::Result<()>) -> bool {
    // SAFETY: the child has one thread, makes system calls only, and ends without returning.
    let child = unsafe { libc::fork() };
    if child == 0 {
        end(libc::c_int::from(deed().is_err()));
    }
    let mut status = -1;
    // SAFETY: `status` lives across the call.
    let ended = unsafe { libc::waitpid(child, &raw mut status, 0) };
    child > 0 && ended == child && libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
}

/// Takes a copy of all mounts, with a `/proc` of this process's PID namespace.
fn enter_own_mounts() -> rustix::io::Result<()> {
    // SAFETY: NEWNS separates root and working folder of this thread, not the file descriptors.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?;
    mount_own_proc()
}

fn mount_own_proc() -> rustix::io::Result<()> {
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    mount(c"proc", c"/proc", c"proc", MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC, None)
}

fn begin_among_others() -> io::Result<()> {
    die_with_parent()?;
    syscall::unblock_all_signals();
    Ok(())
}

fn die_with_parent() -> rustix::io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))
}

/// What the first process of the namespace does before it makes the command.
fn begin_as_init() -> io::Result<()> {
    die_with_parent()?;
    enter_own_mounts()?;
    become_init()
}

/// Forks: the child goes on to be the command, the parent stays as process 1, which a PID namespace
/// needs to bury its dead. A command that is process 1 itself would also be deaf to most signals.
fn become_init() -> io::Result<()> {
    let errno = |refusal: Refusal| io::Error::from(refusal.errno());
    // Before the fork: the end of a command that ends at once must not be missed.
    syscall::block_signals(&HEARD).map_err(errno)?;
    // SAFETY: between fork and exec there is one thread; both sides make system calls only.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            // The caller may hold signals back; the command wants them.
            syscall::unblock_all_signals();
            Ok(())
        }
        command => be_init_of(command),
    }
}

/// What process 1 listens to: the ends of processes, and what is meant for the command.
const HEARD: [libc::c_int; 5] = {
    let [first, second, third, fourth] = HELD_BACK;
    [first, second, third, fourth, libc::SIGCHLD]
};

/// Buries every process that ends, passes signals on, and ends as `command` ends.
fn be_init_of(command: libc::pid_t) -> ! {
    const FIRST_BEYOND_STANDARD: RawFd = 3;
    // SAFETY: whoever started the command reads a pipe that this process holds too, until it is
    // closed by exec; this process never gets there, and uses no file that was open before.
    unsafe { libc::close_range(FIRST_BEYOND_STANDARD.unsigned_abs(), libc::c_uint::MAX, 0) };
    if let Ok(signals) = syscall::signal_file(&HEARD) {
        while let Ok(arrived) = Arrived::read(&signals) {
            if arrived.signal == libc::SIGCHLD {
                while bury(command, libc::WNOHANG) == Buried::One {}
            } else {
                arrived.pass_on_to(command);
            }
        }
    }
    // Deaf, but still there for the dead.
    while bury(command, 0) == Buried::One {}
    end(1)
}

#[derive(Eq, PartialEq)]
enum Buried {
    One,
    Nobody,
}

/// Buries one process, if one has ended; ends as `command` did if that is the one.
fn bury(command: libc::pid_t, options: libc::c_int) -> Buried {
    let mut status = 0;
    // SAFETY: `status` lives across the call.
    let dead = unsafe { libc::waitpid(-1, &raw mut status, options) };
    if dead == command {
        end(if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 128 + libc::WTERMSIG(status) });
    }
    if dead > 0 { Buried::One } else { Buried::Nobody }
}

fn end(code: libc::c_int) -> ! {
    // SAFETY: ends this process without running the handlers of the one it was forked from.
    unsafe { libc::_exit(code) }
}
