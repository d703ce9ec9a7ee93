//! Programs that run in the nodes of a topology, in the background.
//!
//! No file tells which processes they are: such a number may belong to somebody else by now. What is asked is
//! each process itself: in which netns it is, and which mark it carries. The mark is in its environment, and
//! once more among its mounts, since servers such as nginx write their titles over their environment.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    os::fd::OwnedFd,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rustix::{
    io::Errno,
    process::{Pid, Signal},
};

use super::{
    background,
    exec::{self, ExecError},
    logs,
    mounts::Mounts,
    namespace,
    pids::pids,
    processes::{self, NetnsId},
    refusal::Refusal,
    whereabouts,
};
use crate::{
    name::NetnsName,
    place::Entrance,
    plan::Conflict,
    topology::{Program, ProgramKey},
};

/// The variable of the environment that holds a program's mark.
const VARIABLE: &str = "NETNS_TOOL_PROGRAM";

/// How long a program may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a killed process may take to be gone: it first ends its system call.
const LAST_PATIENCE: Duration = Duration::from_secs(10);

/// Starts a program in its netns, with its output in its log.
pub(crate) fn start(key: &ProgramKey, program: &Program) -> Result<(), Refusal> {
    // A program that runs has a log: where there is none, nobody has to be asked.
    let has_log = logs::path_of(key).exists();
    if has_log && !processes_of(key)?.is_empty() {
        return Err(Errno::EXIST.into());
    }
    let log = logs::open(key)?;
    let started = namespace::on_own_thread(|| start_on_this_thread(key, program, log));
    if started.is_err() && !has_log {
        logs::remove(key);
    }
    started
}

fn start_on_this_thread(key: &ProgramKey, program: &Program, log: File) -> Result<(), Refusal> {
    let (name, arguments) = program.command.split_first().ok_or(Errno::INVAL)?;
    // What cannot be shown inside is no reason not to run.
    let _not_shown = exec::enter(&Entrance::Named(key.netns.clone())).map_err(refusal_of)?;
    let path = logs::path_of(key);
    rustix::mount::mount_bind(&path, &path)?;
    let mut command = Command::new(name);
    command.args(arguments).env(VARIABLE, key.mark()).stdin(Stdio::null());
    command.stderr(log.try_clone()?).stdout(log);
    background::start(&mut command).map_err(|error| refusal_of(ExecError::from_start(name.as_ref(), error)))
}

pub(super) fn refusal_of(error: ExecError) -> Refusal {
    let words = error.to_string();
    match error {
        ExecError::NotFound(_) | ExecError::Conflict(Conflict::NoNetns(_)) => {
            Refusal::new(Errno::NOENT).with_message(words)
        }
        ExecError::NotExecutable { cause, .. } => Refusal::new(cause.errno()).with_message(words),
        ExecError::NotEntered { cause, .. } | ExecError::NotBecome { cause, .. } => cause,
        ExecError::Conflict(_) => Refusal::new(Errno::INVAL).with_message(words),
    }
}

/// Ends a program with all that it started in its node: first asked to, then killed.
pub(crate) fn stop(key: &ProgramKey) -> Result<(), Refusal> {
    let was_there = end_all(|| hold(key))?;
    logs::remove(key);
    if was_there { Ok(()) } else { Err(Errno::SRCH.into()) }
}

/// Ends what of these programs runs outside of their nodes.
pub(crate) fn stop_strays(keys: &[ProgramKey]) -> Result<(), Refusal> {
    end_all(|| whereabouts::hold_strays(keys))?;
    let names = keys.iter().map(|key| key.netns.clone()).collect();
    let inside = whereabouts::search(&names)?.inside;
    keys.iter().filter(|key| !inside.contains(*key)).for_each(logs::remove);
    Ok(())
}

/// Ends all that `find` finds, as long as it does, and returns whether that was anybody.
fn end_all(find: impl Fn() -> Result<Vec<OwnedFd>, Refusal>) -> Result<bool, Refusal> {
    let running = find()?;
    if running.is_empty() {
        return Ok(false);
    }
    end(&running, Signal::TERM, Instant::now() + PATIENCE)?;
    let deadline = Instant::now() + LAST_PATIENCE;
    loop {
        // Those that did not listen, and those that were started meanwhile.
        let left = find()?;
        if left.is_empty() {
            return Ok(true);
        }
        if Instant::now() >= deadline {
            let words = format!("{} of its processes were killed, but do not end", left.len());
            return Err(Refusal::new(Errno::BUSY).with_message(words));
        }
        end(&left, Signal::KILL, deadline)?;
    }
}

fn end(processes: &[OwnedFd], signal: Signal, deadline: Instant) -> Result<(), Refusal> {
    for process in processes {
        match rustix::process::pidfd_send_signal(process, signal) {
            Ok(()) | Err(Errno::SRCH) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    for process in processes {
        processes::is_gone(process, deadline)?;
    }
    Ok(())
}

/// Takes hold of a program's processes.
pub(crate) fn hold(key: &ProgramKey) -> Result<Vec<OwnedFd>, Refusal> {
    let mut held = Vec::new();
    for pid in processes_of(key)? {
        if let Some(process) = processes::open(pid)?
            // Only now that the descriptor pins the process, its number cannot pass to another.
            && mark_of(pid).as_ref() == Some(key)
        {
            held.push(process);
        }
    }
    Ok(held)
}

fn processes_of(key: &ProgramKey) -> Result<Vec<u32>, Refusal> {
    let mut running = running_in(&[key.netns.clone()].into())?;
    Ok(running.remove(key).unwrap_or_default())
}

/// Returns the programs that run in the netns `names`, with their processes: one walk over `/proc`.
pub(crate) fn running_in(names: &BTreeSet<NetnsName>) -> Result<BTreeMap<ProgramKey, Vec<u32>>, Refusal> {
    let nodes: BTreeSet<NetnsId> =
        names.iter().filter_map(|name| NetnsId::at(namespace::path_of(name))).collect();
    let mut running: BTreeMap<ProgramKey, Vec<u32>> = BTreeMap::new();
    if nodes.is_empty() {
        return Ok(running);
    }
    let own = Pid::as_raw(Some(rustix::process::getpid())).unsigned_abs();
    for pid in pids()?.into_iter().filter(|pid| *pid != own) {
        let inside = NetnsId::at(format!("/proc/{pid}/ns/net")).is_some_and(|netns| nodes.contains(&netns));
        if inside
            && let Some(key) = mark_of(pid)
            && names.contains(&key.netns)
        {
            running.entry(key).or_default().push(pid);
        }
    }
    Ok(running)
}

/// Returns which program a process belongs to, by what it inherited.
pub(crate) fn mark_of(pid: u32) -> Option<ProgramKey> {
    mark_in_environment(pid).or_else(|| Mounts::of_process(pid).points().find_map(logs::program_of))
}

pub(super) fn mark_in_environment(pid: u32) -> Option<ProgramKey> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let mut variables = environment.split(|byte| *byte == 0);
    let mark =
        variables.find_map(|variable| variable.strip_prefix(VARIABLE.as_bytes())?.strip_prefix(b"="))?;
    ProgramKey::of_mark(std::str::from_utf8(mark).ok()?)
}
