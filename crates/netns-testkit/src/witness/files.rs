//! The files and mounts that named netns consist of.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::Snapshot;

/// Where the tool keeps its notes.
pub(super) const NOTES: &str = "/run/netns-tool";

/// Where it notes the cookie of each netns it made.
const MARKS: &str = "/run/netns-tool/netns";

/// Where it keeps by which numbers it knows nodes again: beside the note on their topology, in [`NOTED`].
const SEALS: &str = "/run/netns-tool/seal";
const NOTED: &str = "/run/netns-tool/topology";

/// Where it keeps what programs of topologies say.
const LOGS: &str = "/run/netns-tool/logs";

/// Names under `/run/netns` that really are a netns.
pub(super) fn live_netns() -> Vec<String> {
    let mounted = mounts();
    let mut names: Vec<_> = mounted
        .iter()
        .filter(|mount| mount.kind == "nsfs")
        .filter_map(|mount| mount.point.strip_prefix("/run/netns/").map(str::to_owned))
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Notes mounts under `/run/netns`, and files there, under `/etc/netns` and [`NOTES`].
pub(super) fn look(snapshot: &mut Snapshot) {
    // `/run/netns` itself becomes a shared mount with the first netns anyone makes, and stays.
    for mount in mounts().iter().filter(|mount| mount.point != "/run/netns") {
        snapshot.note(
            "/run/netns: mounts".to_owned(),
            format!("{} {} {}", mount.point, mount.kind, mount.spread),
        );
    }
    for root in ["/run/netns", "/etc/netns", NOTES] {
        for file in files_below(Path::new(root)) {
            note_file(root, &file, snapshot);
        }
    }
}

struct Mount {
    point: String,
    kind: String,
    spread: &'static str,
}

/// Reads `proc_pid_mountinfo(5)` of the calling thread, which may have a mount namespace of its own.
fn mounts() -> Vec<Mount> {
    let table = fs::read_to_string("/proc/thread-self/mountinfo").expect("/proc is mounted");
    table.lines().filter_map(read_mount).filter(|mount| mount.point.starts_with("/run/netns")).collect()
}

fn read_mount(line: &str) -> Option<Mount> {
    let (place, what) = line.split_once(" - ")?;
    let mut place = place.split(' ').skip(4);
    let point = place.next()?.to_owned();
    let spread = if place.any(|field| field.starts_with("shared:")) { "shared" } else { "private" };
    Some(Mount { point, kind: what.split(' ').next()?.to_owned(), spread })
}

/// Whether a file is a seal that may be there or not, since its topology is.
fn is_seal_of_note(file: &Path) -> bool {
    file.strip_prefix(SEALS).is_ok_and(|name| Path::new(NOTED).join(name).exists())
}

fn note_file(root: &str, file: &Path, snapshot: &mut Snapshot) {
    if is_seal_of_note(file) {
        return;
    }
    let Ok(known) = fs::metadata(file) else { return };
    let mode = known.permissions().mode() & 0o7777;
    let is_log = known.is_file() && file.starts_with(LOGS);
    // What a program says, and when, is its own business.
    let is_told = !holds_identity(root, file) && !is_log;
    let content = if is_told { fs::read_to_string(file).unwrap_or_default() } else { String::new() };
    if root == NOTES && content.is_empty() && !is_mark(file) && !is_log {
        return;
    }
    snapshot.note(format!("{root}: files"), format!("{} {mode:o} {content:?}", file.display()));
}

/// Names under `/run/netns` are told by their mounts, and a netns made anew has another cookie.
fn holds_identity(root: &str, file: &Path) -> bool {
    root == "/run/netns" || is_mark(file)
}

/// No netns has a name with a dot in front: such a file was still being written.
fn is_mark(file: &Path) -> bool {
    let is_named = |name: &std::ffi::OsStr| !name.as_encoded_bytes().starts_with(b".");
    file.parent() == Some(Path::new(MARKS)) && file.file_name().is_some_and(is_named)
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files = Vec::new();
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        if path.is_dir() {
            files.extend(files_below(&path));
        }
        files.push(path);
    }
    files.sort();
    files
}
