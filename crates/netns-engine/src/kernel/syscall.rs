//! The few system calls that rustix has no safe wrapper for.

#![expect(unsafe_code, reason = "libc calls without a wrapper; each block states why it is sound")]

use std::os::fd::{AsFd, AsRawFd};

use rustix::io::Errno;

use super::refusal::Refusal;

/// Switches a boolean option of a netlink socket on (`setsockopt(2)`, level `SOL_NETLINK`).
pub(crate) fn set_netlink_option(socket: impl AsFd, option: libc::c_int) -> Result<(), Refusal> {
    set_option(socket, (libc::SOL_NETLINK, option), 1)
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
