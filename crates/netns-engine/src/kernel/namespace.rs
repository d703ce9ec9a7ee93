//! Named network namespaces, made, found and removed exactly as `ip netns` does, so that each
//! tool lists, uses and deletes the other's (`ip-netns(8)`, `namespaces(7)`).

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd},
        unix::fs::{DirBuilderExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
    thread,
};

use rustix::{
    fs::FlockOperation,
    io::Errno,
    mount::{MountPropagationFlags, UnmountFlags},
    thread::LinkNameSpaceType,
};

use super::{
    at_once,
    refusal::Refusal,
    rtnetlink::Rtnetlink,
    supply::{Supply, Unnamed},
    syscall,
};
use crate::{name::NetnsName, observed::NetnsState};

/// Where names of network namespaces live (`NETNS_RUN_DIR` of iproute2).
pub(crate) const DIRECTORY: &str = "/run/netns";

/// The netns of the calling thread, as a file that can be opened and mounted.
const OF_THIS_THREAD: &str = "/proc/thread-self/ns/net";

/// The file that names the netns `name`.
#[must_use]
pub fn path_of(name: &NetnsName) -> PathBuf {
    Path::new(DIRECTORY).join(name.as_str())
}

/// Makes the netns `name` of one that is ready, and returns a conversation about it.
pub(super) fn create(name: &NetnsName, supply: &mut Supply) -> Result<Rtnetlink, Refusal> {
    let path = path_of(name);
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o000).open(&path)?;
    let made = supply.take().and_then(|Unnamed { file, talk }| {
        rustix::mount::mount_bind(format!("/proc/thread-self/fd/{}", file.as_raw_fd()), &path)?;
        Ok(talk)
    });
    if made.is_err() {
        // The refusal to report is the first one; what stays behind, `gc` finds as half-made.
        drop(delete(name));
    }
    made
}

/// Removes the name `name`; the netns itself dies with its last user.
pub(crate) fn delete(name: &NetnsName) -> Result<(), Refusal> {
    let path = path_of(name);
    match rustix::mount::unmount(&path, UnmountFlags::DETACH) {
        // An ordinary file, left by a creation that was killed midway.
        Ok(()) | Err(Errno::INVAL) => {}
        Err(errno) => return Err(errno.into()),
    }
    fs::remove_file(&path).map_err(Refusal::from)
}

/// What a file under `/run/netns` really is.
#[derive(Debug)]
pub(crate) enum Named {
    /// A netns, opened.
    Live(File),
    /// No netns.
    HalfMade,
}

/// Returns what the file of `name` really is, or none if there is no such file.
pub(crate) fn look(name: &NetnsName) -> Result<Option<Named>, Refusal> {
    match open(name) {
        Ok(file) if is_network_namespace(&file) => Ok(Some(Named::Live(file))),
        Ok(_) => Ok(Some(Named::HalfMade)),
        Err(refusal) if refusal.errno() == Errno::NOENT => Ok(None),
        // A file of mode 0, which only root may open: mounted namespaces are readable by all.
        Err(refusal) if refusal.errno() == Errno::ACCESS => Ok(Some(Named::HalfMade)),
        Err(refusal) => Err(refusal),
    }
}

/// Returns what the file of `name` really is, or none if there is no such file.
pub(crate) fn state(name: &NetnsName) -> Result<Option<NetnsState>, Refusal> {
    let state = |named| match named {
        Named::Live(_) => NetnsState::Live,
        Named::HalfMade => NetnsState::HalfMade,
    };
    Ok(look(name)?.map(state))
}

/// Opens the file of `name`.
pub(crate) fn open(name: &NetnsName) -> Result<File, Refusal> {
    // What the file is, is judged afterwards.
    at_once::open(&path_of(name)).map_err(Refusal::from)
}

/// Opens the calling thread's own netns.
pub(crate) fn own() -> Result<File, Refusal> {
    File::open(OF_THIS_THREAD).map_err(Refusal::from)
}

/// Returns whether `file` is a network namespace: of the type nsfs, and of the right kind.
pub(crate) fn is_network_namespace(file: &File) -> bool {
    /// `NSFS_MAGIC` of `linux/magic.h`.
    const NSFS_MAGIC: u64 = 0x6e73_6673;
    let on_nsfs = rustix::fs::fstatfs(file).is_ok_and(|stat| u64::try_from(stat.f_type) == Ok(NSFS_MAGIC));
    on_nsfs && syscall::namespace_type(file) == Ok(libc::CLONE_NEWNET)
}

/// Moves the calling thread into a netns: for threads that end there.
pub(super) fn enter(namespace: impl AsFd) -> Result<(), Refusal> {
    let network = Some(LinkNameSpaceType::Network);
    rustix::thread::move_into_link_name_space(namespace.as_fd(), network).map_err(Refusal::new)
}

/// Runs `work` on a thread inside the netns `namespace`.
///
/// `setns` moves one thread; the thread ends afterwards, so no caller is ever in the wrong netns.
pub(crate) fn within<T: Send>(
    namespace: BorrowedFd<'_>,
    work: impl FnOnce() -> Result<T, Refusal> + Send,
) -> Result<T, Refusal> {
    on_own_thread(|| {
        enter(namespace)?;
        work()
    })
}

/// Runs `work` on a thread that ends afterwards, wherever it went.
pub(crate) fn on_own_thread<T: Send>(work: impl FnOnce() -> Result<T, Refusal> + Send) -> Result<T, Refusal> {
    thread::scope(|scope| {
        let worker = thread::Builder::new().name("netns".to_owned()).spawn_scoped(scope, work)?;
        worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Up to here, another thread costs more than it saves.
const FEW: usize = 16;

/// Does `work` for all of `items`, in portions, on as many threads as there are processors. They end
/// afterwards, wherever they went; for a few items there is one, since a thread has its price.
pub(crate) fn on_own_threads<I: Sync, T: Send>(
    items: &[I],
    work: impl Fn(&[I]) -> Result<T, Refusal> + Sync,
) -> Result<Vec<T>, Refusal> {
    let threads = if items.len() > FEW { thread::available_parallelism().map_or(1, usize::from) } else { 1 };
    let work = &work;
    thread::scope(|scope| {
        let workers = items.chunks(items.len().div_ceil(threads).max(1)).map(|items| {
            thread::Builder::new().name("netns".to_owned()).spawn_scoped(scope, move || work(items))
        });
        let workers = workers.collect::<Result<Vec<_>, _>>()?;
        let join = |worker: thread::ScopedJoinHandle<'_, _>| {
            worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        workers.into_iter().map(join).collect()
    })
}

/// Makes `/run/netns` a shared mount of its own, under the lock that iproute2 takes too: without
/// it, first uses at the same time mount it several times over.
pub(super) fn prepare_directory() -> Result<(), Refusal> {
    make_directory()?;
    let directory = File::open(DIRECTORY)?;
    rustix::fs::flock(directory.as_fd(), FlockOperation::LockExclusive)?;
    match share() {
        // Not a mount of its own yet.
        Err(Errno::INVAL) => {
            rustix::mount::mount_bind_recursive(DIRECTORY, DIRECTORY)?;
            share().map_err(Refusal::new)
        }
        result => result.map_err(Refusal::new),
    }
}

fn share() -> Result<(), Errno> {
    rustix::mount::mount_change(DIRECTORY, MountPropagationFlags::SHARED | MountPropagationFlags::REC)
}

fn make_directory() -> Result<(), Refusal> {
    match fs::DirBuilder::new().mode(0o755).create(DIRECTORY) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error.into()),
    }
}
