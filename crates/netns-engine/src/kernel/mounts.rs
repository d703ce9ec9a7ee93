//! Mounts of namespaces, in every mount namespace (`/proc/PID/mountinfo`, `proc_pid_mountinfo(5)`).

use std::{
    collections::HashMap,
    ffi::OsString,
    fs,
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
};

/// One line of a mountinfo file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Mount {
    id: u32,
    parent: u32,
    /// The file system's device, `MAJOR:MINOR`.
    device: String,
    /// The folder, or namespace file, of the file system that is shown here.
    root: PathBuf,
    /// Where it is shown.
    pub(crate) point: PathBuf,
    /// Peer groups it exchanges mounts with, or gets them from.
    groups: Vec<u32>,
    on_nsfs: bool,
}

/// All mounts that one process sees.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Mounts {
    all: Vec<Mount>,
    /// Places in `all`.
    by_id: HashMap<u32, usize>,
}

/// What a mount shows, wherever it is mounted: a file or folder of one file system.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Source {
    device: String,
    path: PathBuf,
}

/// The place a namespace is mounted on, seen from the file system below: an unmount spreads to
/// every mount on the same place whose parent is in one of these peer groups.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Seat {
    place: PathBuf,
    groups: Vec<u32>,
}

impl Mounts {
    /// Reads what the process with `pid` sees; nothing if it is gone or may not be asked.
    pub(crate) fn of_process(pid: u32) -> Self {
        Self::read(&format!("/proc/{pid}/mountinfo"))
    }

    /// Reads what the calling thread sees.
    pub(crate) fn own() -> Self {
        Self::read("/proc/thread-self/mountinfo")
    }

    fn read(path: &str) -> Self {
        fs::read(path).map(|text| Self::parse(&text)).unwrap_or_default()
    }

    fn parse(text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        let all: Vec<_> = text.lines().filter_map(parse_line).collect();
        let by_id = all.iter().enumerate().map(|(place, mount)| (mount.id, place)).collect();
        Self { all, by_id }
    }

    /// Returns the inode of every network namespace that is mounted somewhere, and the mount.
    pub(crate) fn netns(&self) -> impl Iterator<Item = (u64, &Mount)> {
        self.all.iter().filter(|mount| mount.on_nsfs).filter_map(|mount| {
            let root = mount.root.to_str()?;
            let inode = root.strip_prefix("net:[")?.strip_suffix(']')?.parse().ok()?;
            Some((inode, mount))
        })
    }

    /// Returns where something is mounted.
    pub(crate) fn points(&self) -> impl Iterator<Item = &Path> {
        self.all.iter().map(|mount| mount.point.as_path())
    }

    /// Returns what is mounted, in the order of the mounts.
    pub(crate) fn sources(&self) -> impl Iterator<Item = Source> {
        self.all.iter().map(|mount| Source { device: mount.device.clone(), path: mount.root.clone() })
    }

    /// Returns what a path leads to: the last of the mounts closest to it covers the others.
    pub(crate) fn source(&self, path: &Path) -> Option<Source> {
        let around = self.all.iter().filter(|mount| path.starts_with(&mount.point));
        let closest = around.max_by_key(|mount| mount.point.components().count())?;
        let below = path.strip_prefix(&closest.point).ok()?;
        Some(Source { device: closest.device.clone(), path: closest.root.join(below) })
    }

    /// Returns where `mount` sits.
    pub(crate) fn seat(&self, mount: &Mount) -> Option<Seat> {
        let parent = self.all.get(*self.by_id.get(&mount.parent)?)?;
        let below = mount.point.strip_prefix(&parent.point).ok()?;
        Some(Seat { place: parent.root.join(below), groups: parent.groups.clone() })
    }
}

impl Source {
    /// Returns the path from `folder` to this, if this is in it.
    pub(crate) fn below(&self, folder: &Self) -> Option<PathBuf> {
        let path = self.path.strip_prefix(&folder.path).ok()?;
        (self.device == folder.device && path != Path::new("")).then(|| path.to_owned())
    }
}

impl Seat {
    /// Returns whether an unmount on this seat spreads to `other`.
    pub(crate) fn reaches(&self, other: &Self) -> bool {
        self.place == other.place && self.groups.iter().any(|group| other.groups.contains(group))
    }
}

/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw`
fn parse_line(line: &str) -> Option<Mount> {
    let (mount, kind) = line.split_once(" - ")?;
    let mut fields = mount.split(' ');
    let id = fields.next()?.parse().ok()?;
    let parent = fields.next()?.parse().ok()?;
    let device = fields.next()?.to_owned();
    let root = unescape(fields.next()?);
    let point = unescape(fields.next()?);
    let tags = fields.skip(1).filter_map(|tag| tag.split_once(':'));
    let groups = tags.filter_map(|(_, group)| group.parse().ok()).collect();
    Some(Mount { id, parent, device, root, point, groups, on_nsfs: kind.split(' ').next() == Some("nsfs") })
}

/// Blanks, newlines and backslashes come as `\` and three octal digits.
fn unescape(text: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let octal =
            tail.get(..3).filter(|_| *first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = octal.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { tail.get(3..).unwrap_or_default() } else { tail };
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &[u8] = b"20 1 0:18 / /run rw shared:5 - tmpfs tmpfs rw
30 20 0:18 /netns /run/netns rw shared:5 - tmpfs tmpfs rw
31 30 0:4 net:[4026532] /run/netns/red rw shared:9 - nsfs nsfs rw
32 20 0:4 net:[4026532] /run/a\\040b rw - nsfs nsfs rw
33 20 0:4 mnt:[4026999] /run/other rw - nsfs nsfs rw";

    const CONTAINER: &[u8] = b"50 40 0:18 /netns /host/netns rw master:5 - tmpfs tmpfs rw
51 50 0:4 net:[4026532] /host/netns/red rw master:9 - nsfs nsfs rw";

    const PRIVATE: &[u8] = b"60 40 0:18 /netns /run/netns rw - tmpfs tmpfs rw
61 60 0:4 net:[4026532] /run/netns/red rw - nsfs nsfs rw";

    fn seat_of(mounts: &Mounts, place: usize) -> Seat {
        let (_, mount) = mounts.netns().nth(place).unwrap();
        mounts.seat(mount).unwrap()
    }

    #[test]
    fn an_unmount_spreads_to_peers_of_the_same_place_only() {
        let host = Mounts::parse(HOST);
        let named = seat_of(&host, 0);
        assert!(named.reaches(&seat_of(&Mounts::parse(CONTAINER), 0)));
        assert!(!named.reaches(&seat_of(&Mounts::parse(PRIVATE), 0)));
        assert!(!named.reaches(&seat_of(&host, 1)), "another path in the same peer group");
    }

    #[test]
    fn a_file_is_the_same_wherever_it_is_mounted() {
        let host = Mounts::parse(HOST);
        let folder = host.source(Path::new("/run/netns")).unwrap();
        assert_eq!(folder, Source { device: "0:18".to_owned(), path: "/netns".into() });
        let below = |line: &str| {
            let mounts = Mounts::parse(line.as_bytes());
            mounts.sources().find_map(|source| source.below(&folder))
        };
        assert_eq!(below("70 40 0:18 /netns/a/b /elsewhere rw - tmpfs tmpfs rw"), Some("a/b".into()));
        assert_eq!(below("70 40 0:19 /netns/a/b /run/netns/a/b rw - tmpfs tmpfs rw"), None);
        assert_eq!(below("70 40 0:18 /netns /run/netns rw - tmpfs tmpfs rw"), None);
    }

    #[test]
    fn blanks_in_paths_are_read_and_other_namespaces_passed_over() {
        let host = Mounts::parse(HOST);
        let found: Vec<_> = host.netns().map(|(inode, mount)| (inode, mount.point.as_path())).collect();
        let expected = [(4_026_532, Path::new("/run/netns/red")), (4_026_532, Path::new("/run/a b"))];
        assert_eq!(found, expected);
    }
}
