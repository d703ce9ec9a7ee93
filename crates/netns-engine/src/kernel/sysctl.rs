//! Kernel settings by file: `/proc/sys/net` shows the netns of the thread that looks.

use std::{fs, io::ErrorKind};

use rustix::io::Errno;

use super::refusal::Refusal;
use crate::sysctl::Sysctl;

/// Reads a setting of the calling thread's netns; none if the kernel or the link lacks it.
pub(crate) fn read(sysctl: &Sysctl) -> Result<Option<i32>, Refusal> {
    match fs::read_to_string(file(sysctl)) {
        Ok(text) => text.trim().parse().map(Some).map_err(|_| no_number(sysctl)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            Err(Refusal::new(Errno::BADMSG).with_message(format!("'{sysctl}' cannot be read")))
        }
        Err(error) => Err(error.into()),
    }
}

/// Writes a setting of the calling thread's netns. Of one that is only known by its name it makes sure first that it is
/// one number, and then that the kernel keeps the one it was given: some it rounds.
pub(crate) fn write(sysctl: &Sysctl, value: i32) -> Result<(), Refusal> {
    if !matches!(sysctl, Sysctl::Named(_)) {
        return put(sysctl, value);
    }
    let before = read(sysctl)?;
    put(sysctl, value)?;
    match read(sysctl)? {
        Some(kept) if kept != value => {
            // The refusal to report is the one below.
            before.map(|before| put(sysctl, before)).transpose().ok();
            let words = format!("the kernel makes {kept} of {value}");
            Err(Refusal::new(Errno::INVAL).with_message(words))
        }
        _ => Ok(()),
    }
}

fn put(sysctl: &Sysctl, value: i32) -> Result<(), Refusal> {
    fs::write(file(sysctl), value.to_string()).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Refusal::new(Errno::NOENT).with_message(format!("no setting '{sysctl}' here")),
        ErrorKind::PermissionDenied if is_read_only(sysctl) => {
            Refusal::new(Errno::ROFS).with_message(format!("'{sysctl}' can only be read here"))
        }
        _ => error.into(),
    })
}

fn no_number(sysctl: &Sysctl) -> Refusal {
    Refusal::new(Errno::BADMSG).with_message(format!("'{sysctl}' is not one number"))
}

/// Some settings belong to the first netns alone, though others show them (`/proc/sys/net/core/rmem_max`).
fn is_read_only(sysctl: &Sysctl) -> bool {
    fs::metadata(file(sysctl)).is_ok_and(|file| file.permissions().readonly())
}

fn file(sysctl: &Sysctl) -> String {
    format!("/proc/sys/{}", sysctl.path())
}
