//! Processes and the network namespaces they hold: `/proc` walked once, judged by device and inode.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec},
    fs::{AtFlags, CWD, StatxFlags},
    io::Errno,
    path::Arg,
    process::{Pid, PidfdFlags, Signal},
};

use super::{
    mounts::{Mount, Mounts, Seat},
    namespace,
    pids::{Origin, pids, program},
    programs,
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

    /// Whether both are on one file system, as all namespaces are.
    pub(crate) fn is_on_device_of(self, other: Self) -> bool {
        self.device == other.device
    }

    /// Identifies a namespace file by its path, links followed; none if it may not be seen.
    ///
    /// Asks no server: a descriptor of another process may lead to a network file system whose
    /// server is gone, and asking would hang.
    pub(crate) fn at(path: impl AsRef<Path>) -> Option<Self> {
        Self::in_folder(CWD, path.as_ref())
    }

    /// Does what [`Self::at`] does, from an open folder on.
    pub(crate) fn in_folder(folder: impl AsFd, name: impl Arg) -> Option<Self> {
        let wanted = StatxFlags::INO;
        let stat = rustix::fs::statx(folder, name, AtFlags::STATX_DONT_SYNC, wanted).ok()?;
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

/// Which sockets belong to a netns, as it is told inside.
#[derive(Debug)]
pub(crate) struct Inside {
    netns: NetnsId,
    sockets: BTreeSet<u64>,
}

impl Inside {
    /// Enters the netns for good, and looks. Best before this process opens a socket there: the kernel counts
    /// one for a while after it was closed, and to list what it counts takes as long as all else.
    pub(crate) fn enter(file: &File) -> Result<Self, Refusal> {
        let netns = NetnsId::of(file)?;
        let entered = namespace::enter(file);
        // What cannot be listed may still be held by other means.
        let sockets = entered.and_then(|()| sockets::inodes()).unwrap_or_default();
        Ok(Self { netns, sockets })
    }
}

/// Returns who keeps the netns `name` alive beside its name: other processes only.
pub(crate) fn holders(name: &NetnsName) -> Result<Vec<Holder>, Refusal> {
    // Asked for by name, a netns that is not there is an error.
    namespace::open(name)?;
    Ok(holders_of(&[name.clone()].into(), BTreeMap::new())?.remove(name).unwrap_or_default())
}

/// Returns who keeps each netns of `names` alive beside its name, of those that there are: other processes only,
/// found by one walk over `/proc`. Those that were `entered` are not entered again.
pub(crate) fn holders_of(
    names: &BTreeSet<NetnsName>,
    mut entered: BTreeMap<NetnsName, Inside>,
) -> Result<BTreeMap<NetnsName, Vec<Holder>>, Refusal> {
    entered.retain(|name, _| names.contains(name));
    let unknown: Vec<_> = names.iter().filter(|name| !entered.contains_key(*name)).collect();
    let mut search = Search::of(&unknown)?;
    for (name, inside) in entered {
        search.want(name, inside);
    }
    if search.wanted.is_empty() {
        return Ok(BTreeMap::new());
    }
    let own = std::process::id();
    let mut seen = BTreeSet::from_iter(NetnsId::at("/proc/thread-self/ns/mnt"));
    search.look_at_own_mounts(own);
    for pid in pids()?.into_iter().filter(|pid| *pid != own) {
        for (netns, by) in search.lasting_holds_of(pid, own) {
            search.found(netns, pid, by);
        }
        if mount_namespace(pid).is_some_and(|namespace| seen.insert(namespace)) {
            search.look_at_mounts(pid);
        }
    }
    Ok(search.holders())
}

/// A search for those who hold some netns.
#[derive(Default)]
struct Search {
    wanted: BTreeMap<NetnsId, Wanted>,
    /// Which of them a socket belongs to, by the socket's inode.
    sockets: BTreeMap<u64, NetnsId>,
    /// Which of them has an inode, of those on the file system of namespaces.
    inodes: BTreeMap<u64, NetnsId>,
}

/// A netns that is looked for.
#[derive(Default)]
struct Wanted {
    /// It may have more than one.
    names: Vec<NetnsName>,
    /// Where its names are mounted.
    seats: Vec<Seat>,
    holders: Vec<Holder>,
}

impl Search {
    /// On threads that enter all of them: they end afterwards, so the caller never moves.
    fn of(names: &[&NetnsName]) -> Result<Self, Refusal> {
        let parts = namespace::on_own_threads(names, Self::within)?;
        Ok(parts.into_iter().reduce(Self::and).unwrap_or_default())
    }

    /// A netns with several names may be in both.
    fn and(mut self, other: Self) -> Self {
        self.sockets.extend(other.sockets);
        self.inodes.extend(other.inodes);
        for (netns, wanted) in other.wanted {
            self.wanted.entry(netns).or_default().names.extend(wanted.names);
        }
        self
    }

    fn within(names: &[&NetnsName]) -> Result<Self, Refusal> {
        let mut search = Self::default();
        for name in names {
            let file = match namespace::open(name) {
                Err(refusal) if [Errno::NOENT, Errno::ACCESS].contains(&refusal.errno()) => continue,
                opened => opened?,
            };
            if namespace::is_network_namespace(&file) {
                search.want((*name).clone(), Inside::enter(&file)?);
            }
        }
        Ok(search)
    }

    fn want(&mut self, name: NetnsName, Inside { netns, sockets }: Inside) {
        self.sockets.extend(sockets.into_iter().map(|socket| (socket, netns)));
        self.inodes.insert(netns.inode, netns);
        self.wanted.entry(netns).or_default().names.push(name);
    }

    fn found(&mut self, netns: NetnsId, pid: u32, by: Hold) {
        if let Some(wanted) = self.wanted.get_mut(&netns) {
            let runs = if by == Hold::Inside { programs::mark_of(pid) } else { None };
            wanted.holders.push(Holder { pid, program: program(pid), by, runs });
        }
    }

    /// Returns the strongest hold of a process on each netns that it holds.
    fn holds_of(&self, pid: u32) -> BTreeMap<NetnsId, Hold> {
        let inside = netns_of(pid).into_iter().filter(|netns| self.wanted.contains_key(netns));
        let mut holds: BTreeMap<_, _> = inside.map(|netns| (netns, Hold::Inside)).collect();
        let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else { return holds };
        for (netns, by) in descriptors.flatten().filter_map(|entry| self.hold_by(&entry.path())) {
            holds.entry(netns).or_insert(by);
        }
        holds
    }

    /// Leaves out what a process that this one is about to start holds until it becomes another program: all that
    /// this one has open, be it on another thread.
    fn lasting_holds_of(&self, pid: u32, own: u32) -> BTreeMap<NetnsId, Hold> {
        let holds = self.holds_of(pid);
        if holds.is_empty() {
            return holds;
        }
        match Origin::of(pid) {
            Some(origin) if origin.parent != own => holds,
            // It may have become one while its files were looked at.
            Some(origin) if !origin.is_copy => self.holds_of(pid),
            _ => BTreeMap::new(),
        }
    }

    fn hold_by(&self, descriptor: &Path) -> Option<(NetnsId, Hold)> {
        let number = descriptor.file_name()?.to_str()?.parse().ok()?;
        let target = fs::read_link(descriptor).ok()?;
        let target = target.to_str()?;
        if let Some(inode) = target.strip_prefix("socket:[") {
            let inode = inode.strip_suffix(']')?.parse().ok()?;
            return Some((*self.sockets.get(&inode)?, Hold::Socket(number)));
        }
        // Opened by its name, it is shown by its path; opened through /proc, as `net:[INODE]`.
        let may_be_a_netns = target.starts_with("net:[") || target.starts_with('/');
        let netns = if may_be_a_netns { NetnsId::at(descriptor)? } else { return None };
        self.wanted.contains_key(&netns).then_some((netns, Hold::OpenFile(number)))
    }

    /// Finds where the names themselves are mounted, and notes every other mount in our own view as a hold.
    fn look_at_own_mounts(&mut self, own: u32) {
        let mounts = Mounts::own();
        for (netns, mount) in self.mounts_among(&mounts) {
            let Some(wanted) = self.wanted.get_mut(&netns) else { continue };
            if wanted.names.iter().any(|name| mount.point == namespace::path_of(name)) {
                wanted.seats.extend(mounts.seat(mount));
            } else {
                self.found(netns, own, Hold::Mount(mount.point.display().to_string()));
            }
        }
    }

    /// Notes the mounts in another mount namespace that outlive the unmounting of the names.
    fn look_at_mounts(&mut self, pid: u32) {
        let mounts = Mounts::of_process(pid);
        for (netns, mount) in self.mounts_among(&mounts) {
            let seats = self.wanted.get(&netns).map(|wanted| wanted.seats.as_slice()).unwrap_or_default();
            let goes = mounts.seat(mount).is_some_and(|seat| seats.iter().any(|named| named.reaches(&seat)));
            if !goes {
                self.found(netns, pid, Hold::Mount(mount.point.display().to_string()));
            }
        }
    }

    fn mounts_among<'a>(&self, mounts: &'a Mounts) -> Vec<(NetnsId, &'a Mount)> {
        let all = mounts.netns();
        all.filter_map(|(inode, mount)| Some((*self.inodes.get(&inode)?, mount))).collect()
    }

    fn holders(self) -> BTreeMap<NetnsName, Vec<Holder>> {
        let mut holders = BTreeMap::new();
        for wanted in self.wanted.into_values() {
            let mut found = wanted.holders;
            found.sort();
            holders.extend(wanted.names.into_iter().map(|name| (name, found.clone())));
        }
        holders
    }
}

/// Where the threads of a process are: `setns` moves one thread at a time.
fn netns_of(pid: u32) -> BTreeSet<NetnsId> {
    netns_files_of(pid).into_iter().filter_map(NetnsId::at).collect()
}

/// Files that lead to where the threads of a process are; none if it is gone.
pub(super) fn netns_files_of(pid: u32) -> Vec<PathBuf> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    threads.flatten().map(|thread| thread.path().join("ns/net")).collect()
}

/// Returns what is open among files that may be netns, with the process and the path of its descriptor.
pub(crate) fn open_netns() -> Vec<(NetnsId, u32, PathBuf)> {
    let own = NetnsId::at("/proc/thread-self/ns/net");
    let mut found = Vec::new();
    for pid in pids().unwrap_or_default() {
        let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else { continue };
        for descriptor in descriptors.flatten().map(|entry| entry.path()) {
            let Ok(target) = fs::read_link(&descriptor) else { continue };
            let is_named = target.to_str().is_some_and(|target| target.starts_with("net:["));
            if !is_named && !target.starts_with("/run/netns") && target != Path::new("/") {
                continue;
            }
            if let Some(netns) = NetnsId::at(&descriptor)
                && own.is_some_and(|own| own.device == netns.device)
            {
                found.push((netns, pid, descriptor));
            }
        }
    }
    found
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
pub(crate) fn open(pid: u32) -> Result<Option<OwnedFd>, Refusal> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(Errno::SRCH)?;
    match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
        Ok(process) => Ok(Some(process)),
        Err(Errno::SRCH) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// Waits for the end of a process; a pidfd is readable from then on.
pub(crate) fn is_gone(process: &OwnedFd, deadline: Instant) -> Result<bool, Refusal> {
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
