//! Processes and the network namespaces they hold: `/proc` walked once, judged by device and inode.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    path::Path,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec},
    fs::{AtFlags, CWD, StatxFlags},
    io::Errno,
    process::{Pid, PidfdFlags, Signal},
};

use super::{
    mounts::{Mounts, Seat},
    namespace,
    pids::{pids, program},
    refusal::Refusal,
    sockets,
};
use crate::{
    name::NetnsName,
    observed::{Hold, Holder},
};

/// How long a killed process may take to be gone: it first ends its system call.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a namespace file is, while it exists: the inode is used again soon after.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct NetnsId {
    device: u64,
    pub(crate) inode: u64,
}

impl NetnsId {
    /// Identifies an open namespace file.
    pub(crate) fn of(file: &File) -> Result<Self, Refusal> {
        let metadata = file.metadata()?;
        Ok(Self { device: metadata.dev(), inode: metadata.ino() })
    }

    /// Identifies a namespace file by its path, links followed; none if it may not be seen.
    ///
    /// Asks no server: a descriptor of another process may lead to a network file system whose
    /// server is gone, and asking would hang.
    pub(crate) fn at(path: impl AsRef<Path>) -> Option<Self> {
        let wanted = StatxFlags::INO;
        let stat = rustix::fs::statx(CWD, path.as_ref(), AtFlags::STATX_DONT_SYNC, wanted).ok()?;
        let device = rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor);
        Some(Self { device, inode: stat.stx_ino })
    }
}

/// Returns the processes that run in each netns, smallest pid first.
pub(crate) fn census() -> Result<BTreeMap<NetnsId, Vec<u32>>, Refusal> {
    let mut census: BTreeMap<NetnsId, Vec<u32>> = BTreeMap::new();
    for pid in pids()? {
        for netns in netns_of(pid) {
            census.entry(netns).or_default().push(pid);
        }
    }
    Ok(census)
}

/// Returns who keeps the netns `name` alive beside its name: other processes only.
pub(crate) fn holders(name: &NetnsName) -> Result<Vec<Holder>, Refusal> {
    let file = namespace::open(name)?;
    if !namespace::is_network_namespace(&file) {
        return Ok(Vec::new());
    }
    let wanted = Wanted {
        netns: NetnsId::of(&file)?,
        sockets: namespace::within(file.as_fd(), sockets::inodes).unwrap_or_default(),
    };
    let mut holders = Vec::new();
    let mut seen = BTreeSet::from_iter(mount_namespace(std::process::id()));
    let own = Mounts::own();
    let seats = own_seats(&own, &wanted, name, &mut holders);
    for pid in pids()?.into_iter().filter(|pid| *pid != std::process::id()) {
        holders.extend(wanted.hold_of(pid).map(|by| holder(pid, by)));
        if mount_namespace(pid).is_some_and(|namespace| seen.insert(namespace)) {
            holders.extend(stray_mounts(pid, &wanted, &seats));
        }
    }
    holders.sort();
    Ok(holders)
}

/// The netns that is looked for.
struct Wanted {
    netns: NetnsId,
    /// Its sockets, by inode.
    sockets: BTreeSet<u64>,
}

impl Wanted {
    /// Returns the strongest hold of a process.
    fn hold_of(&self, pid: u32) -> Option<Hold> {
        if netns_of(pid).contains(&self.netns) {
            return Some(Hold::Inside);
        }
        let entries = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
        entries.flatten().find_map(|entry| self.hold_by(&entry.path()))
    }

    fn hold_by(&self, descriptor: &Path) -> Option<Hold> {
        let number = descriptor.file_name()?.to_str()?.parse().ok()?;
        let target = fs::read_link(descriptor).ok()?;
        let target = target.to_str()?;
        if let Some(inode) = target.strip_prefix("socket:[") {
            let inode = inode.strip_suffix(']')?.parse().ok()?;
            return self.sockets.contains(&inode).then_some(Hold::Socket(number));
        }
        // Opened by its name, it is shown by its path; opened through /proc, as `net:[INODE]`.
        let may_be_a_netns = target.starts_with("net:[") || target.starts_with('/');
        (may_be_a_netns && NetnsId::at(descriptor) == Some(self.netns)).then_some(Hold::OpenFile(number))
    }
}

fn holder(pid: u32, by: Hold) -> Holder {
    Holder { pid, program: program(pid), by }
}

/// Finds where the name itself is mounted, and notes every other mount in our own view as a hold.
fn own_seats(own: &Mounts, wanted: &Wanted, name: &NetnsName, holders: &mut Vec<Holder>) -> Vec<Seat> {
    let path = namespace::path_of(name);
    let (named, others): (Vec<_>, Vec<_>) =
        own.of_netns(wanted.netns.inode).partition(|mount| mount.point == path);
    let ours = std::process::id();
    holders.extend(others.iter().map(|mount| holder(ours, Hold::Mount(mount.point.display().to_string()))));
    named.into_iter().filter_map(|mount| own.seat(mount)).collect()
}

/// Mounts of the netns in another mount namespace that outlive the unmounting of its name.
fn stray_mounts(pid: u32, wanted: &Wanted, seats: &[Seat]) -> Vec<Holder> {
    let mounts = Mounts::of_process(pid);
    let stays = |mount: &&_| {
        let seat = mounts.seat(mount);
        !seat.is_some_and(|seat| seats.iter().any(|named| named.reaches(&seat)))
    };
    let stray = mounts.of_netns(wanted.netns.inode).filter(stays);
    stray.map(|mount| holder(pid, Hold::Mount(mount.point.display().to_string()))).collect()
}

/// Where the threads of a process are: `setns` moves one thread at a time.
fn netns_of(pid: u32) -> BTreeSet<NetnsId> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return BTreeSet::new() };
    threads.flatten().filter_map(|thread| NetnsId::at(thread.path().join("ns/net"))).collect()
}

fn mount_namespace(pid: u32) -> Option<NetnsId> {
    NetnsId::at(format!("/proc/{pid}/ns/mnt"))
}

/// Ends those of `pids` that still hold the netns `name`, and waits until they are gone.
pub(crate) fn kill(name: &NetnsName, pids: &[u32]) -> Result<(), Refusal> {
    let mut dying = Vec::new();
    for pid in pids {
        dying.extend(open(*pid)?.map(|process| (*pid, process)));
    }
    // Only now that the descriptors pin the processes, their pids cannot pass to others.
    let holders: BTreeSet<u32> = holders(name)?.into_iter().map(|holder| holder.pid).collect();
    dying.retain(|(pid, _)| holders.contains(pid));
    for (_, process) in &dying {
        match rustix::process::pidfd_send_signal(process, Signal::KILL) {
            Ok(()) | Err(Errno::SRCH) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    let deadline = Instant::now() + PATIENCE;
    for (pid, process) in &dying {
        if !is_gone(process, deadline)? {
            let words = format!("process {pid} ({}) was killed, but does not end", program(*pid));
            return Err(Refusal::new(Errno::BUSY).with_message(words));
        }
    }
    refuse_newcomers(name)
}

/// A process may have started another one, just before its end.
fn refuse_newcomers(name: &NetnsName) -> Result<(), Refusal> {
    match holders(name)?.iter().find(|holder| !matches!(holder.by, Hold::Mount(_))) {
        None => Ok(()),
        Some(newcomer) => {
            Err(Refusal::new(Errno::BUSY).with_message(format!("now it is held by {newcomer}")))
        }
    }
}

/// Waits until nobody holds the netns `name` any more, and returns who still does at `deadline`.
pub(crate) fn wait_for_release(name: &NetnsName, deadline: Instant) -> Result<Vec<Holder>, Refusal> {
    /// A closed file or a mount that goes wakes no one; so look again after this.
    const LOOK_AGAIN: Duration = Duration::from_millis(100);
    loop {
        let holders = holders(name)?;
        let Some(first) = holders.first() else { return Ok(holders) };
        if Instant::now() >= deadline {
            return Ok(holders);
        }
        if let Some(process) = open(first.pid)? {
            is_gone(&process, deadline.min(Instant::now() + LOOK_AGAIN))?;
        }
    }
}

/// Takes hold of a process; none if it is gone already.
fn open(pid: u32) -> Result<Option<OwnedFd>, Refusal> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(Errno::SRCH)?;
    match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
        Ok(process) => Ok(Some(process)),
        Err(Errno::SRCH) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// Waits for the end of a process; a pidfd is readable from then on.
fn is_gone(process: &OwnedFd, deadline: Instant) -> Result<bool, Refusal> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
        match rustix::event::poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&timeout)) {
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
            Ok(ready) => return Ok(ready > 0),
        }
    }
}
