//! Users of the system, looked up as the C library does, and becoming one of them.

#![expect(unsafe_code, reason = "the C library's user database has no safe wrapper")]

use std::{
    ffi::{CStr, CString, OsString},
    fmt,
    mem::MaybeUninit,
    os::unix::ffi::OsStringExt,
};

use rustix::{
    io::Errno,
    process::{Gid, Uid},
    thread::{CapabilitySet, CapabilitySets},
};

use super::refusal::Refusal;

/// Room for one line of the user database; more than any directory service returns.
const ENTRY_BYTES: usize = 64 * 1024;

/// A user to run a program as.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct User {
    uid: u32,
    gid: u32,
    /// Supplementary groups.
    groups: Vec<u32>,
    /// What the user database says beyond numbers; none for a bare number it does not list.
    entry: Option<Entry>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Entry {
    name: CString,
    home: CString,
    shell: CString,
}

/// Why a text names no user.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum UserError {
    /// Neither a name of the user database nor a number.
    #[error("user '{}' does not exist", .0.escape_debug())]
    Unknown(String),
    /// What stands behind the colon is no number.
    #[error("group id '{}' is not a number", .0.escape_debug())]
    NotAGroupId(String),
    /// The user database could not be read.
    #[error("cannot look up user '{}'", user.escape_debug())]
    NotLookedUp {
        /// The text.
        user: String,
        /// The C library's answer.
        #[source]
        cause: Refusal,
    },
}

impl User {
    /// Looks up `NAME`, `UID` or `UID:GID`, with the user's groups.
    ///
    /// # Errors
    ///
    /// Returns why there is no such user.
    pub fn look_up(text: &str) -> Result<Self, UserError> {
        let (user, gid) = match text.split_once(':') {
            Some((user, gid)) => {
                let gid = gid.parse().map_err(|_| UserError::NotAGroupId(gid.to_owned()))?;
                (user, Some(gid))
            }
            None => (text, None),
        };
        let not_looked_up = |cause| UserError::NotLookedUp { user: user.to_owned(), cause };
        let number = user.parse::<u32>().ok();
        let found = by_name(user).and_then(|found| match (found, number) {
            (None, Some(uid)) => by_id(uid),
            (found, _) => Ok(found),
        });
        match (found.map_err(not_looked_up)?, number) {
            (Some((uid, own_gid, entry)), _) => {
                let gid = gid.unwrap_or(own_gid);
                Ok(Self { uid, gid, groups: groups_of(&entry.name, gid), entry: Some(entry) })
            }
            (None, Some(uid)) => {
                let gid = gid.unwrap_or(uid);
                Ok(Self { uid, gid, groups: vec![gid], entry: None })
            }
            (None, None) => Err(UserError::Unknown(user.to_owned())),
        }
    }

    /// Makes the calling thread this user's, without any capability unless it is root.
    pub(crate) fn become_it(&self) -> Result<(), Refusal> {
        let groups: Vec<Gid> = self.groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
        rustix::thread::set_thread_groups(&groups)?;
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        rustix::thread::set_thread_res_gid(gid, gid, gid)?;
        rustix::thread::set_thread_res_uid(uid, uid, uid)?;
        if uid.is_root() {
            return Ok(());
        }
        // Leaving root drops them but for odd securebits; what is inheritable stays in any case.
        let none = CapabilitySet::empty();
        let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
        rustix::thread::clear_ambient_capability_set()?;
        rustix::thread::set_capabilities(None, sets).map_err(Refusal::new)
    }

    /// The variables that `login(1)` sets: programs find the user's files by them.
    pub(crate) fn environment(&self) -> Vec<(&'static str, OsString)> {
        let text = |value: &CString| OsString::from_vec(value.as_bytes().to_owned());
        let of_entry = |entry: &Entry| {
            vec![
                ("HOME", text(&entry.home)),
                ("SHELL", text(&entry.shell)),
                ("USER", text(&entry.name)),
                ("LOGNAME", text(&entry.name)),
            ]
        };
        self.entry.as_ref().map(of_entry).unwrap_or_default()
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.entry {
            Some(entry) => write!(f, "user '{}'", entry.name.to_string_lossy().escape_debug()),
            None => write!(f, "user {}:{}", self.uid, self.gid),
        }
    }
}

type Found = Option<(u32, u32, Entry)>;

fn by_name(name: &str) -> Result<Found, Refusal> {
    let Ok(name) = CString::new(name) else { return Ok(None) };
    find(|entry, buffer, found| {
        // SAFETY: `name` ends in NUL and all buffers live across the call, with their true sizes.
        unsafe {
            libc::getpwnam_r(
                name.as_ptr(),
                entry.as_mut_ptr(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                found,
            )
        }
    })
}

fn by_id(uid: u32) -> Result<Found, Refusal> {
    find(|entry, buffer, found| {
        // SAFETY: all buffers live across the call, with their true sizes.
        unsafe { libc::getpwuid_r(uid, entry.as_mut_ptr(), buffer.as_mut_ptr().cast(), buffer.len(), found) }
    })
}

fn find(
    ask: impl FnOnce(&mut MaybeUninit<libc::passwd>, &mut [u8], &mut *mut libc::passwd) -> libc::c_int,
) -> Result<Found, Refusal> {
    let mut entry = MaybeUninit::uninit();
    let mut buffer = vec![0; ENTRY_BYTES];
    let mut found = std::ptr::null_mut();
    match ask(&mut entry, &mut buffer, &mut found) {
        // The numbers that the manual page lists for "no such user".
        0 | libc::ENOENT | libc::ESRCH => {}
        number => return Err(Errno::from_raw_os_error(number).into()),
    }
    if found.is_null() {
        return Ok(None);
    }
    // SAFETY: `found` is not null, so it points to `entry`, which the call has filled; its strings
    // end in NUL and lie in `buffer`, which is still alive.
    Ok(Some(unsafe {
        let user = entry.assume_init_ref();
        let text = |start| CStr::from_ptr(start).to_owned();
        let entry = Entry { name: text(user.pw_name), home: text(user.pw_dir), shell: text(user.pw_shell) };
        (user.pw_uid, user.pw_gid, entry)
    }))
}

/// All groups of a user, `gid` among them.
fn groups_of(name: &CStr, gid: u32) -> Vec<u32> {
    /// `NGROUPS_MAX` of `linux/limits.h`: the kernel takes no more.
    const MOST: usize = 65536;
    let mut groups = vec![0; MOST];
    let mut count = libc::c_int::try_from(groups.len()).unwrap_or(libc::c_int::MAX);
    // SAFETY: `name` ends in NUL; `groups` has room for `count` numbers, and both live across the call.
    let listed = unsafe { libc::getgrouplist(name.as_ptr(), gid, groups.as_mut_ptr(), &raw mut count) };
    groups.truncate(usize::try_from(listed).unwrap_or_default());
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_name_and_by_number() {
        let root = User::look_up("root").unwrap();
        assert_eq!((root.uid, root.gid), (0, 0));
        assert_eq!(User::look_up("0").unwrap(), root);
        let bare = User::look_up("54321:12345").unwrap();
        assert_eq!((bare.uid, bare.gid, bare.groups), (54321, 12345, vec![12345]));
        assert!(matches!(User::look_up("no-such-user"), Err(UserError::Unknown(_))));
        assert!(matches!(User::look_up("root:wheel"), Err(UserError::NotAGroupId(_))));
    }
}
