//! Every exit code, in one place. `docs/src/exit-codes.md` says the same for people.

use std::process::ExitCode;

use anyhow::Error;
use netns_engine::{
    apply::ApplyError,
    error,
    kernel::{Refusal, RefusalKind, exec::ExecError, playground::PlaygroundError},
    plan::Conflict,
};

use crate::commands::doctor::asked::NoSuchNetns;

/// What the caller's script can tell apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(crate) enum Code {
    /// The kernel or the file system refused, for a reason without a code of its own.
    Refused = 1,
    /// The command line is wrong: an unknown option, a name that is no name.
    Usage = 2,
    /// The right to do it is missing (root, a capability).
    NotPermitted = 3,
    /// Something that is needed does not exist: netns, link, bridge, route.
    NotFound = 4,
    /// Something is in the way: a name, address, network or port that is taken.
    Taken = 5,
    /// A netns is still held by processes, open files or mounts.
    Held = 6,
    /// A kernel feature or program is missing.
    Missing = 7,
    /// A step was refused, and not everything before it could be undone.
    LeftBehind = 8,
    /// `status` or `check`: something is not as it should be.
    NotAsAsked = 9,
    /// `exec`: the file is there, but is no program, or not for this user (as shells do).
    NotExecutable = 126,
    /// `exec`: no such program (as shells do).
    CommandNotFound = 127,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}

/// Returns the code for a failed command.
pub(crate) fn of(error: &Error) -> Code {
    match error.downcast_ref::<error::Error>() {
        Some(error) => of_change(error),
        None if error.is::<ExecError>() => error.downcast_ref().map_or(Code::Refused, of_exec),
        None if error.is::<PlaygroundError>() => error.downcast_ref().map_or(Code::Refused, of_playground),
        None if error.downcast_ref::<clap::Error>().is_some() => Code::Usage,
        None if error.is::<NoSuchNetns>() => Code::NotFound,
        None => error.downcast_ref::<Refusal>().map_or(Code::Usage, of_refusal),
    }
}

fn of_exec(error: &ExecError) -> Code {
    match error {
        ExecError::Conflict(conflict) => of_conflict(conflict),
        ExecError::NotEntered { cause, .. } | ExecError::NotBecome { cause, .. } => of_refusal(cause),
        ExecError::NotExecutable { .. } => Code::NotExecutable,
        ExecError::NotFound(_) => Code::CommandNotFound,
        _ => Code::Refused,
    }
}

fn of_playground(error: &PlaygroundError) -> Code {
    match error {
        PlaygroundError::NoUserNamespace { .. } => Code::NotPermitted,
        PlaygroundError::Command(error) => of_exec(error),
        PlaygroundError::Refused { cause, .. } => of_refusal(cause),
        _ => Code::Refused,
    }
}

fn of_change(error: &error::Error) -> Code {
    match error {
        error::Error::Conflict(conflict) => of_conflict(conflict),
        error::Error::Unreadable(cause) | error::Error::NoState(cause) => of_refusal(cause),
        error::Error::Unrecovered(_) => Code::LeftBehind,
        error::Error::Apply(error) => of_apply(error),
        _ => Code::Refused,
    }
}

fn of_apply(error: &ApplyError) -> Code {
    if !error.undone().left_behind.is_empty() {
        return Code::LeftBehind;
    }
    match error {
        ApplyError::Refused { cause, .. } | ApplyError::Unreadable { cause, .. } => of_refusal(cause),
        _ => Code::Refused,
    }
}

fn of_refusal(refusal: &Refusal) -> Code {
    match refusal.kind() {
        RefusalKind::NotPermitted => Code::NotPermitted,
        RefusalKind::NotSupported | RefusalKind::Lacks(_) => Code::Missing,
        _ => Code::Refused,
    }
}

fn of_conflict(conflict: &Conflict) -> Code {
    match conflict {
        Conflict::NoNetns(_)
        | Conflict::NoTopology(_)
        | Conflict::NoProgram(_)
        | Conflict::NotEnabled(_)
        | Conflict::NoLink(_)
        | Conflict::NoBridge(_)
        | Conflict::NoRoute { .. }
        | Conflict::NoAddress { .. }
        | Conflict::NoUplink
        | Conflict::UplinkMissing(_)
        | Conflict::BridgeWithoutAddress(_)
        | Conflict::BridgeWithoutFamily { .. }
        | Conflict::NoNat(_)
        | Conflict::NotPublished(_)
        | Conflict::NotAHostsAddress(_)
        | Conflict::NoNameServer
        | Conflict::Unreachable(_) => Code::NotFound,
        Conflict::NetnsHeld { .. } | Conflict::NodeHeld { .. } => Code::Held,
        Conflict::Missing { .. } => Code::Missing,
        Conflict::NotAHostAddress(_)
        | Conflict::OnIpv6Loopback(_)
        | Conflict::LoopbackNameServer(_)
        | Conflict::BridgeIsUplink(_)
        | Conflict::NotForIptables(_) => Code::Usage,
        _ => Code::Taken,
    }
}

#[cfg(test)]
mod tests {
    use netns_engine::{apply::Undone, plan::Operation};
    use rustix::io::Errno;

    use super::*;
    use crate::hint;

    fn refused_bridge(errno: Errno) -> Error {
        let operation = Box::new(Operation::AddTable);
        let apply = ApplyError::Refused { operation, cause: Refusal::new(errno), undone: Undone::default() };
        Error::from(error::Error::Apply(apply))
    }

    #[test]
    fn a_missing_kernel_feature_has_its_code_and_tells_what_to_load() {
        let error = refused_bridge(Errno::OPNOTSUPP);
        assert_eq!(of(&error), Code::Missing);
        assert!(hint::of(&error).unwrap().contains("modprobe"));
    }

    #[test]
    fn a_missing_right_is_told_from_other_refusals() {
        assert_eq!(of(&refused_bridge(Errno::PERM)), Code::NotPermitted);
        assert_eq!(of(&refused_bridge(Errno::INVAL)), Code::Refused);
    }
}
