//! Runs a program in a netns, in the world `ip netns exec` builds around it (`ip-netns(8)`).

use std::{
    ffi::{OsStr, OsString},
    fs, io,
    os::{fd::AsFd, unix::process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
};

use rustix::{
    io::Errno,
    mount::{MountFlags, MountPropagationFlags, UnmountFlags},
    thread::LinkNameSpaceType,
};

use super::{look, namespace, refusal::Refusal, resolver, syscall, user::User};
use crate::{observed::NetnsState, place::Entrance, plan::Conflict};

/// Why a program does not run.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ExecError {
    /// The netns is not there, or is half-made.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The netns could not be entered.
    #[error("cannot enter {entrance}")]
    NotEntered {
        /// What was to be entered.
        entrance: Entrance,
        /// The kernel's answer.
        #[source]
        cause: Refusal,
    },
    /// The user exists, but cannot be become.
    #[error("cannot become {user}")]
    NotBecome {
        /// The user.
        user: User,
        /// The kernel's answer.
        #[source]
        cause: Refusal,
    },
    /// No such program.
    #[error("command '{}' not found", .0.escape_debug())]
    NotFound(String),
    /// The file is there, but is no program, or not for this user.
    #[error("cannot run '{}'", program.escape_debug())]
    NotExecutable {
        /// The program.
        program: String,
        /// The kernel's answer.
        #[source]
        cause: Refusal,
    },
}

/// A part of the world inside that could not be arranged; the program can run all the same.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("cannot show '{}' inside the netns", .path.display())]
pub struct NotShown {
    /// What the program sees the host's of.
    pub path: PathBuf,
    /// The kernel's answer.
    #[source]
    pub cause: Refusal,
}

/// Moves the calling thread into the netns, with mounts of its own: `/sys` shows the netns, and
/// each file of `/etc/netns/NAME` covers the one in `/etc`.
///
/// # Errors
///
/// Returns why the netns cannot be entered. What only cannot be shown is returned as a list.
pub fn enter(entrance: &Entrance) -> Result<Vec<NotShown>, ExecError> {
    if let Entrance::Named(name) = entrance {
        match namespace::state(name) {
            Ok(None) => return Err(Conflict::NoNetns(name.clone()).into()),
            Ok(Some(NetnsState::HalfMade)) => return Err(Conflict::HalfMadeNetns(name.clone()).into()),
            Ok(Some(NetnsState::Live)) | Err(_) => {}
        }
    }
    let not_entered = |cause| ExecError::NotEntered { entrance: entrance.clone(), cause };
    move_thread(entrance).map_err(not_entered)?;
    let mut not_shown = Vec::new();
    not_shown.extend(show_own_sys().err().map(|cause| NotShown { path: "/sys".into(), cause }));
    if let Entrance::Named(name) = entrance {
        not_shown.extend(cover_etc(&Path::new(resolver::DIRECTORY).join(name.as_str())));
    }
    Ok(not_shown)
}

fn move_thread(entrance: &Entrance) -> Result<(), Refusal> {
    let file = look::open(entrance)?;
    rustix::thread::move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?;
    syscall::unshare_mounts()?;
    // Mounts of the host still arrive here, but ours do not reach the host.
    let slave = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", slave).map_err(Refusal::new)
}

/// A sysfs shows the netns of whoever mounted it.
fn show_own_sys() -> Result<(), Refusal> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    match rustix::mount::unmount("/sys", UnmountFlags::DETACH) {
        // Nothing mounted, or a mount that came with a less privileged mount namespace: cover it.
        Ok(()) | Err(Errno::INVAL) => {}
        Err(errno) => return Err(errno.into()),
    }
    match rustix::mount::mount("sysfs", "/sys", "sysfs", flags, None) {
        // Where the host's is read-only, as in a container, ours must be too.
        Err(Errno::PERM) => rustix::mount::mount("sysfs", "/sys", "sysfs", flags | MountFlags::RDONLY, None),
        result => result,
    }
    .map_err(Refusal::new)
}

/// Covers files of `/etc` by those of `folder`; returns those that could not be.
fn cover_etc(folder: &Path) -> Vec<NotShown> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => return vec![NotShown { path: folder.to_owned(), cause: error.into() }],
    };
    let mut not_shown = Vec::new();
    for entry in entries.flatten() {
        let covered = Path::new("/etc").join(entry.file_name());
        if let Err(errno) = rustix::mount::mount_bind(entry.path(), &covered) {
            not_shown.push(NotShown { path: covered, cause: errno.into() });
        }
    }
    not_shown
}

/// Replaces this process by `program`, so that its exit code and signals are the program's own.
///
/// Returns only if that is not possible.
#[must_use]
pub fn replace(program: &OsStr, arguments: &[OsString], user: Option<&User>) -> ExecError {
    let mut command = Command::new(program);
    command.args(arguments);
    if let Some(user) = user {
        if let Err(cause) = user.become_it() {
            return ExecError::NotBecome { user: user.clone(), cause };
        }
        command.envs(user.environment());
    }
    ExecError::from_start(program, command.exec())
}

impl ExecError {
    /// Tells what the failed start of `program` comes down to.
    pub(crate) fn from_start(program: &OsStr, error: io::Error) -> Self {
        let program = program.to_string_lossy().into_owned();
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotFound(program),
            _ => Self::NotExecutable { program, cause: error.into() },
        }
    }
}
