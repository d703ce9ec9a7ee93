//! `/run` and `/etc` of a fresh host.

use std::{
    ffi::OsString,
    fs, io,
    os::{fd::OwnedFd, unix::fs::symlink},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{CWD, StatVfsMountFlags, statvfs},
    mount::{MountFlags, MoveMountFlags, OpenTreeFlags, mount, mount_remount, move_mount, open_tree},
};

use super::SERVER_V4;

/// Where the real `/etc` stays visible.
const REAL_ETC: &str = "/run/real-etc";
/// Entries of `/etc` that a fresh host has for itself.
const OWN: [&str; 2] = ["netns", "resolv.conf"];

/// A symbolic link: its place and its target.
pub(super) struct Link {
    place: PathBuf,
    target: PathBuf,
}

/// Mounts an empty folder in memory.
pub(super) fn mount_tmpfs(folder: &str) -> rustix::io::Result<()> {
    mount("tmpfs", folder, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, c"mode=0755")
}

/// Finds the symbolic links in `/run` that lead elsewhere. NixOS has `/run/current-system` there, with
/// every program; sockets and state of the real host, on the other hand, must not be reachable.
pub(super) fn symlinks_out_of_run() -> Vec<Link> {
    let Ok(entries) = fs::read_dir("/run") else { return Vec::new() };
    let link =
        |entry: fs::DirEntry| Some(Link { target: fs::read_link(entry.path()).ok()?, place: entry.path() });
    let leads_out = |link: &Link| link.target.is_absolute() && !link.target.starts_with("/run");
    entries.flatten().filter_map(link).filter(leads_out).collect()
}

/// Makes the links again.
pub(super) fn put_back(links: &[Link]) -> io::Result<()> {
    links.iter().try_for_each(|link| symlink(&link.target, &link.place))
}

/// Takes hold of the real `/etc`, before `/run` is covered: on a fresh host, `/etc` has only links to
/// the real one in `/run`, which would lead nowhere.
pub(super) fn hold_real() -> rustix::io::Result<OwnedFd> {
    let real = if Path::new(REAL_ETC).is_dir() { REAL_ETC } else { "/etc" };
    let whole = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::AT_RECURSIVE;
    open_tree(CWD, real, whole | OpenTreeFlags::OPEN_TREE_CLOEXEC)
}

/// Puts an `/etc` in place that can be written to and shows the entries of the `real` one.
pub(super) fn make_writable(real: &OwnedFd) -> io::Result<()> {
    fs::create_dir(REAL_ETC)?;
    move_mount(real, "", CWD, REAL_ETC, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?;
    protect(REAL_ETC);
    mount_tmpfs("/etc")?;
    for entry in fs::read_dir(REAL_ETC)? {
        show(&entry?.file_name())?;
    }
    fs::create_dir("/etc/netns")?;
    fs::write("/etc/resolv.conf", format!("nameserver {SERVER_V4}\n"))
}

/// Shows one entry of the real `/etc`. A symbolic link is copied, for its target may be relative.
fn show(name: &OsString) -> io::Result<()> {
    if OWN.iter().any(|own| name == own) {
        return Ok(());
    }
    let real = Path::new(REAL_ETC).join(name);
    let target = fs::read_link(&real).unwrap_or(real);
    symlink(target, Path::new("/etc").join(name))
}

/// Makes a bind mount read-only, so that a write through one of the links fails rather than reaching
/// the real host.
fn protect(folder: &str) {
    // In a user namespace the flags that the mount already has cannot be taken off, so they are repeated.
    const KEPT: [(StatVfsMountFlags, MountFlags); 6] = [
        (StatVfsMountFlags::NOSUID, MountFlags::NOSUID),
        (StatVfsMountFlags::NODEV, MountFlags::NODEV),
        (StatVfsMountFlags::NOEXEC, MountFlags::NOEXEC),
        (StatVfsMountFlags::NOATIME, MountFlags::NOATIME),
        (StatVfsMountFlags::NODIRATIME, MountFlags::NODIRATIME),
        (StatVfsMountFlags::RELATIME, MountFlags::RELATIME),
    ];
    let Ok(status) = statvfs(folder) else { return };
    let kept = KEPT.iter().filter(|(has, _)| status.f_flag.contains(*has)).map(|(_, flag)| *flag);
    let flags = kept.fold(MountFlags::BIND | MountFlags::RDONLY, |flags, flag| flags | flag);
    // Best effort: file permissions still protect what belongs to somebody else.
    mount_remount(folder, flags, c"").ok();
}
