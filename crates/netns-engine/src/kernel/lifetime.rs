//! How long a topology stays up: moments, and the lives of processes.

use std::{
    os::fd::{AsFd, OwnedFd},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec},
    fs::inotify::{self, CreateFlags, WatchFlags},
    io::Errno,
    time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags},
};

use super::{
    look,
    pids::{Origin, program},
    processes,
    refusal::Refusal,
    state,
};
use crate::{
    record::{Lifetime, RecordKey},
    topology::TopologyName,
};

/// Programs that run another one with other rights, and end with it: they stand between a shell and us, but are not
/// who asked.
const GO_BETWEENS: [&str; 5] = ["sudo", "sudo-rs", "doas", "pkexec", "run0"];

/// Returns the lifetime that ends in `time`.
#[must_use]
pub fn ending_in(time: Duration) -> Lifetime {
    Lifetime::Until(now().saturating_add(time.as_secs()))
}

/// Returns the lifetime that ends with the process that called this one, be it through `sudo`.
///
/// # Errors
///
/// Returns why the caller cannot be watched: it may be gone, or in another PID namespace.
pub fn with_caller() -> Result<Lifetime, Refusal> {
    let mut caller = parent_of(std::process::id())?;
    while GO_BETWEENS.contains(&program(caller).as_str()) {
        caller = parent_of(caller)?;
    }
    let started = start_of(caller).ok_or(Errno::SRCH)?;
    Ok(Lifetime::WithProcess(caller, started))
}

/// Returns whether `lifetime` is over.
#[must_use]
pub fn is_over(lifetime: Lifetime) -> bool {
    let started = match lifetime {
        Lifetime::WithProcess(pid, _) => start_of(pid),
        Lifetime::UntilDown | Lifetime::Until(_) => None,
    };
    lifetime.is_over(now(), started)
}

/// Waits until the lifetime of a topology is over, and returns it; returns nothing as soon as the topology
/// is gone, or was given another lifetime.
///
/// # Errors
///
/// Returns why nothing could be waited for.
pub fn wait(name: &TopologyName) -> Result<Option<Lifetime>, Refusal> {
    let notes = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
    let changed = WatchFlags::MOVED_TO | WatchFlags::DELETE | WatchFlags::DELETE_SELF | WatchFlags::ONLYDIR;
    let folder = state::path_of(&RecordKey::Topology(name.clone()));
    inotify::add_watch(&notes, folder.parent().ok_or(Errno::INVAL)?, changed)?;
    // Only now: a change before this is seen here, a later one below.
    let Some(lifetime) = lifetime_of(name)? else { return Ok(None) };
    let Some(end) = end_of(lifetime)? else { return Ok(is_over(lifetime).then_some(lifetime)) };
    while !is_over(lifetime) {
        wait_for_either(&end, &notes)?;
        if lifetime_of(name)? != Some(lifetime) {
            return Ok(None);
        }
    }
    Ok(Some(lifetime))
}

fn lifetime_of(name: &TopologyName) -> Result<Option<Lifetime>, Refusal> {
    Ok(look::topology(name)?.map(|record| record.lifetime))
}

/// Opens a file that is readable once the lifetime is over; none if it has no end, or had it.
fn end_of(lifetime: Lifetime) -> Result<Option<OwnedFd>, Refusal> {
    match lifetime {
        Lifetime::UntilDown => Ok(None),
        Lifetime::Until(moment) => alarm_at(moment).map(Some),
        Lifetime::WithProcess(pid, _) => processes::open(pid),
    }
}

/// Opens a timer of the wall clock, which also goes on while the machine sleeps (`timerfd_create(2)`).
fn alarm_at(moment: u64) -> Result<OwnedFd, Refusal> {
    let timer = rustix::time::timerfd_create(TimerfdClockId::Realtime, TimerfdFlags::CLOEXEC)?;
    let never = Timespec { tv_sec: 0, tv_nsec: 0 };
    let once = Timespec { tv_sec: i64::try_from(moment).unwrap_or(i64::MAX), tv_nsec: 0 };
    let wanted = Itimerspec { it_interval: never, it_value: once };
    rustix::time::timerfd_settime(&timer, TimerfdTimerFlags::ABSTIME, &wanted)?;
    Ok(timer)
}

/// Waits until the lifetime ends, or something happens to a note.
fn wait_for_either(end: &OwnedFd, notes: &OwnedFd) -> Result<(), Refusal> {
    let mut files = [PollFd::new(end, PollFlags::IN), PollFd::new(notes, PollFlags::IN)];
    match rustix::event::poll(&mut files, None) {
        Ok(_) | Err(Errno::INTR) => drain(notes),
        Err(errno) => Err(errno.into()),
    }
}

/// What happened is of no interest, only that something did.
pub(super) fn drain(events: impl AsFd) -> Result<(), Refusal> {
    let mut buffer = [0_u8; 4096];
    loop {
        match rustix::io::read(&events, &mut buffer) {
            Ok(0) | Err(Errno::AGAIN) => return Ok(()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Returns when a process started, in clock ticks since boot; none if it is gone, or waits to be buried.
fn start_of(pid: u32) -> Option<u64> {
    let origin = Origin::of(pid).filter(|origin| !origin.is_dead)?;
    Some(origin.started_ticks)
}

fn parent_of(pid: u32) -> Result<u32, Refusal> {
    let parent = Origin::of(pid).ok_or(Errno::SRCH)?.parent;
    // It is in another PID namespace.
    if parent == 0 { Err(Errno::SRCH.into()) } else { Ok(parent) }
}
