//! Kernel settings by file: `/proc/sys/net` shows the netns of the thread that looks.

use std::fs;

use rustix::io::Errno;

use super::refusal::Refusal;
use crate::sysctl::Sysctl;

/// Reads a setting of the calling thread's netns; none if the kernel or the link lacks it.
pub(crate) fn read(sysctl: &Sysctl) -> Result<Option<i32>, Refusal> {
    match fs::read_to_string(file(sysctl)) {
        Ok(text) => text.trim().parse().map(Some).map_err(|_| Refusal::new(Errno::BADMSG)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Writes a setting of the calling thread's netns.
pub(crate) fn write(sysctl: &Sysctl, value: i32) -> Result<(), Refusal> {
    fs::write(file(sysctl), value.to_string()).map_err(Refusal::from)
}

fn file(sysctl: &Sysctl) -> String {
    format!("/proc/sys/{}", sysctl.path())
}
