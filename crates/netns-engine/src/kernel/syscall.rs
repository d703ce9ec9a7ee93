//! The few system calls that rustix has no safe wrapper for.

#![expect(unsafe_code, reason = "libc calls without a wrapper; each block states why it is sound")]

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use rustix::{io::Errno, thread::UnshareFlags};

use super::refusal::Refusal;

/// Switches a boolean option of a netlink socket on (`setsockopt(2)`, level `SOL_NETLINK`).
pub(crate) fn set_netlink_option(socket: impl AsFd, option: libc::c_int) -> Result<(), Refusal> {
    set_option(socket, (libc::SOL_NETLINK, option), 1)
}

/// Has a netlink socket hear what is told to a group (`NETLINK_ADD_MEMBERSHIP`, `netlink(7)`).
pub(crate) fn join_netlink_group(socket: impl AsFd, group: libc::c_int) -> Result<(), Refusal> {
    set_option(socket, (libc::SOL_NETLINK, libc::NETLINK_ADD_MEMBERSHIP), group)
}

/// Sets a socket's send buffer, past `net.core.wmem_max` (`SO_SNDBUFFORCE`, `socket(7)`).
pub(crate) fn force_send_buffer(socket: impl AsFd, bytes: usize) -> Result<(), Refusal> {
    let bytes = libc::c_int::try_from(bytes).unwrap_or(libc::c_int::MAX);
    set_option(socket, (libc::SOL_SOCKET, libc::SO_SNDBUFFORCE), bytes)
}

fn set_option(
    socket: impl AsFd,
    (level, name): (libc::c_int, libc::c_int),
    value: libc::c_int,
) -> Result<(), Refusal> {
    let length = libc::socklen_t::try_from(size_of_val(&value)).unwrap_or(libc::socklen_t::MAX);
    // SAFETY: `value` lives across the call, `length` is its size, and the descriptor is borrowed.
    let result = unsafe {
        libc::setsockopt(socket.as_fd().as_raw_fd(), level, name, (&raw const value).cast(), length)
    };
    check(result)
}

/// Turns libc's −1 into the calling thread's errno.
fn check(result: libc::c_int) -> Result<(), Refusal> {
    if result < 0 {
        let number = std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO);
        return Err(Refusal::new(Errno::from_raw_os_error(number)));
    }
    Ok(())
}

/// Returns the cookie of the netns a socket belongs to (`SO_NETNS_COOKIE`, since Linux 5.14).
///
/// Unlike the inode of `/proc/PID/ns/net`, the number is never used again until the next boot.
pub(crate) fn netns_cookie(socket: impl AsFd) -> Result<u64, Refusal> {
    /// `asm-generic/socket.h`.
    const SO_NETNS_COOKIE: libc::c_int = 71;
    let mut cookie = 0_u64;
    let mut length = libc::socklen_t::try_from(size_of_val(&cookie)).unwrap_or(libc::socklen_t::MAX);
    // SAFETY: `cookie` and `length` live across the call and describe the same eight bytes.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut length,
        )
    };
    check(result)?;
    Ok(cookie)
}

/// Returns the kind of a namespace file as its clone flag (`NS_GET_NSTYPE`, `ioctl_nsfs(2)`).
pub(crate) fn namespace_type(namespace: impl AsFd) -> Result<libc::c_int, Refusal> {
    /// `_IO(0xb7, 0x3)` of `linux/nsfs.h`.
    const NS_GET_NSTYPE: libc::Ioctl = 0xb703;
    // SAFETY: this request takes no argument and touches no memory.
    let kind = unsafe { libc::ioctl(namespace.as_fd().as_raw_fd(), NS_GET_NSTYPE) };
    check(kind)?;
    Ok(kind)
}

/// Gives the calling thread a network namespace of its own.
pub(crate) fn unshare_network() -> Result<(), Refusal> {
    // SAFETY: a new network namespace affects sockets opened later by this thread alone; neither
    // memory nor the table of open files is unshared.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }.map_err(Refusal::new)
}

/// Gives the calling thread mounts of its own, at first the same ones.
pub(crate) fn unshare_mounts() -> Result<(), Refusal> {
    // SAFETY: a new mount namespace also gives the thread a working directory of its own; neither
    // memory nor the table of open files is unshared.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }.map_err(Refusal::new)
}

/// The signals a thread blocks.
#[derive(Clone)]
pub(crate) struct SignalMask(libc::sigset_t);

impl std::fmt::Debug for SignalMask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SignalMask")
    }
}

/// Blocks `signals` on the calling thread and returns what was blocked before.
pub(crate) fn block_signals(signals: &[libc::c_int]) -> Result<SignalMask, Refusal> {
    let blocked = set_of(signals);
    let mut before = std::mem::MaybeUninit::uninit();
    // SAFETY: `pthread_sigmask` initialises `before` where it succeeds, and both sets live across
    // the call.
    unsafe {
        match libc::pthread_sigmask(libc::SIG_BLOCK, &raw const blocked, before.as_mut_ptr()) {
            0 => Ok(SignalMask(before.assume_init())),
            number => Err(Refusal::new(Errno::from_raw_os_error(number))),
        }
    }
}

/// Opens a file that tells which of `signals`, all of them blocked, arrive (`signalfd(2)`). Safe
/// between fork and exec.
pub(crate) fn signal_file(signals: &[libc::c_int]) -> Result<OwnedFd, Refusal> {
    let wanted = set_of(signals);
    // SAFETY: the set lives across the call, and -1 asks for a new file.
    let fd = unsafe { libc::signalfd(-1, &raw const wanted, libc::SFD_CLOEXEC) };
    check(fd)?;
    // SAFETY: the file was opened just now, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Lets this process and its children hear of the ends of their own: whoever started it may have
/// had it ignored, which is inherited, and makes `wait` fail (`waitpid(2)`, notes).
pub(crate) fn hear_of_children() {
    // SAFETY: installs no handler, and cannot fail for a signal that exists.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
}

fn set_of(signals: &[libc::c_int]) -> libc::sigset_t {
    let mut set = std::mem::MaybeUninit::uninit();
    // SAFETY: `sigemptyset` initialises the set before anything reads it.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for signal in signals {
            libc::sigaddset(set.as_mut_ptr(), *signal);
        }
        set.assume_init()
    }
}

/// Blocks on the calling thread what `mask` blocks, and nothing else.
pub(crate) fn restore_signals(mask: &SignalMask) {
    // SAFETY: the mask is initialised and the old one is not asked for. It cannot fail: SIG_SETMASK
    // is a valid request.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const mask.0, std::ptr::null_mut()) };
}

/// Unblocks every signal on the calling thread. Safe between fork and exec.
pub(crate) fn unblock_all_signals() {
    let mut none = std::mem::MaybeUninit::uninit();
    // SAFETY: `sigemptyset` initialises `none` before it is read; neither call can fail.
    unsafe {
        libc::sigemptyset(none.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut());
    }
}
