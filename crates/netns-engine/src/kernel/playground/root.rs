//! Root without being root: a user namespace.

#![expect(unsafe_code, reason = "unshare(2) is unsafe where it could separate the threads' file tables")]

use std::fs;

use rustix::{
    io::Errno,
    process::{Gid, Uid, getegid, geteuid},
    thread::{UnshareFlags, unshare_unsafe},
};

use super::{
    error::{PlaygroundError, Trying, UserNamespaceBan},
    second_user::Mapper,
};
use crate::kernel::Refusal;

/// Moves this process into a user namespace in which it is root, and which owns whatever
/// namespaces it makes from now on.
///
/// Outside, the process stays who it is. It must have one thread only: call this first. Root
/// profits too, since no setting outside the new namespaces can be changed from inside; where user
/// namespaces are forbidden, root goes on without. What root starts also has an ordinary user 1000.
///
/// # Errors
///
/// Returns what forbids user namespaces here.
pub fn become_root() -> Result<(), PlaygroundError> {
    let (uid, gid) = (geteuid(), getegid());
    let mapper = if uid.is_root() { Mapper::fork() } else { None };
    // SAFETY: NEWUSER leaves the file descriptor table shared.
    if let Err(cause) = unsafe { unshare_unsafe(UnshareFlags::NEWUSER) } {
        if let Some(mapper) = mapper {
            mapper.give_up();
        }
        return match cause {
            // user_namespaces(7): EINVAL is what a process with several threads gets.
            Errno::INVAL => Err(PlaygroundError::SeveralThreads),
            _ if uid.is_root() => Ok(()),
            cause => Err(refused(cause)),
        };
    }
    // A container's root may lack the second user outside: then there is none inside, either.
    if mapper.is_some_and(Mapper::map) {
        return Ok(());
    }
    map_root_alone(uid, gid)
}

fn map_root_alone(uid: Uid, gid: Gid) -> Result<(), PlaygroundError> {
    // user_namespaces(7): an ordinary user may map the own group only after giving up setgroups(2),
    // which could otherwise drop a group that denies access.
    fs::write("/proc/self/setgroups", "deny").trying_to("give up setgroups(2)")?;
    // Under Ubuntu's restriction the namespace is made, but without the right to map anybody.
    write_map("/proc/self/uid_map", uid.as_raw())?;
    write_map("/proc/self/gid_map", gid.as_raw())
}

/// Maps root inside to `outside`, and nobody else.
fn write_map(path: &str, outside: u32) -> Result<(), PlaygroundError> {
    fs::write(path, format!("0 {outside} 1")).map_err(refused)
}

fn refused(cause: impl Into<Refusal>) -> PlaygroundError {
    PlaygroundError::NoUserNamespace { ban: ban(), cause: cause.into() }
}

/// Looks for the switch that forbids user namespaces.
fn ban() -> UserNamespaceBan {
    let is = |path: &str, value: &str| fs::read_to_string(path).is_ok_and(|text| text.trim() == value);
    if is("/proc/sys/user/max_user_namespaces", "0") {
        UserNamespaceBan::NoneAllowed
    } else if is("/proc/sys/kernel/unprivileged_userns_clone", "0") {
        UserNamespaceBan::OnlyForRoot
    } else if is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1") {
        UserNamespaceBan::AppArmor
    } else {
        UserNamespaceBan::Unknown
    }
}
