//! A fresh host: network, mounts and the files that network tools keep.

#![expect(unsafe_code, reason = "unshare(2) is unsafe where it could separate the threads' file tables")]

use std::fs;

use rustix::{
    mount::{MountFlags, MountPropagationFlags, mount, mount_change},
    thread::{UnshareFlags, unshare_unsafe},
};

use super::{
    error::{PlaygroundError, Trying},
    etc, wiring,
};

/// Moves the calling thread onto a fresh host.
///
/// It gets a network namespace with nothing but `lo`, up, and with forwarding off; a mount namespace
/// from which nothing spreads; an empty `/run`, where named network namespaces and the tool's notes
/// go; and an `/etc` that shows the real one but can be written to. Needs root, be it by
/// [`become_root`](super::become_root). Threads and processes made by this thread are there too.
///
/// # Errors
///
/// Returns the piece that the kernel refused. The thread may then be half-way there: end it.
pub fn enter_fresh_host() -> Result<(), PlaygroundError> {
    // SAFETY: NEWNS separates root and working folder of this thread, not the file descriptors.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS | UnshareFlags::NEWNET) }
        .trying_to("make a network and a mount namespace")?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .trying_to("keep mounts to ourselves")?;
    let real_etc = etc::hold_real().trying_to("take hold of /etc")?;
    let outward_links = etc::symlinks_out_of_run();
    etc::mount_tmpfs("/run").trying_to("mount an empty /run")?;
    for folder in ["/run/lock", "/run/netns", "/run/netns-tool"] {
        fs::create_dir(folder).trying_to("make a folder in /run")?;
    }
    etc::put_back(&outward_links).trying_to("keep the symbolic links of /run")?;
    etc::make_writable(&real_etc).trying_to("make /etc writable")?;
    show_own_links_in_sysfs();
    wiring::bring_loopback_up().trying_to("bring lo up")?;
    // A new netns may start with the forwarding that its maker's netns has (net.core.devconf_inherit_init_net).
    fs::write("/proc/sys/net/ipv4/ip_forward", "0").trying_to("switch forwarding off")
}

/// `/sys/class/net` shows the links of the netns its mount was made in. Containers do not allow
/// the mount; hardly anything needs it, so it is no loss then.
fn show_own_links_in_sysfs() {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("sysfs", "/sys", "sysfs", flags, c"").ok();
}
