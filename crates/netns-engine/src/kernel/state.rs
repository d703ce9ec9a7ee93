//! `/run/netns-tool`: the lock, the notes on our own changes, and the marks of our netns.
//!
//! The folder is on a tmpfs, so it goes with the reboot that takes the kernel's objects too.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, BufWriter, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rustix::io::Errno;
use tempfile::NamedTempFile;

use super::{logs, namespace, refusal::Refusal};
use crate::{
    address::Family,
    firewall::Published,
    name::NetnsName,
    observed::{Asked, Scope},
    record::{Record, RecordKey},
};

/// The folder everything here lives in.
pub(crate) const DIRECTORY: &str = "/run/netns-tool";
/// In it, a folder for each published port.
const PUBLISHED: &str = "published";
/// How the names of files begin that are not whole yet.
const HALF_WRITTEN: &str = ".new-";

/// Waits until no other process changes anything, and keeps it so while the value lives.
pub(crate) fn lock() -> Result<File, Refusal> {
    let path = Path::new(DIRECTORY).join("lock");
    make_directory(Path::new(DIRECTORY))?;
    let file = File::options().create(true).truncate(false).write(true).open(path)?;
    file.lock()?;
    Ok(file)
}

/// Notes a change of ours.
pub(crate) fn remember(record: &Record) -> Result<(), Refusal> {
    replace(&path_of(&record.key()), |file| Ok(serde_json::to_writer(file, record)?))
}

/// Drops a note.
pub(crate) fn forget(key: &RecordKey) -> Result<(), Refusal> {
    fs::remove_file(path_of(key))?;
    match key {
        RecordKey::Published(published) => {
            // It stays while the port is published on another address.
            fs::remove_dir(folder_of(published)).ok();
        }
        // With the topology goes what its programs said.
        RecordKey::Topology(name) => logs::remove_all(name),
        RecordKey::Nat(_) | RecordKey::Forwarding(_) => {}
    }
    Ok(())
}

/// Reads the notes that `scope` asks for, and no others if it names them; but for those of them that are
/// among the `known`, which may be long.
pub(crate) fn records_in(
    scope: &Scope,
    known: BTreeMap<RecordKey, Record>,
) -> Result<BTreeMap<RecordKey, Record>, Refusal> {
    if scope.records == Asked::Yes {
        return records();
    }
    let mut records = known;
    records.retain(|key, _| scope.noted.contains(key));
    let missing = scope.noted.iter().filter(|key| !records.contains_key(key));
    let mut paths: BTreeSet<_> = missing.map(path_of).collect();
    for published in &scope.published {
        paths.extend(files_in(&folder_of(published))?);
        paths.extend([Family::Ipv4, Family::Ipv6].map(|family| path_of(&RecordKey::Forwarding(family))));
    }
    for path in paths {
        records.extend(record(&path)?.map(|record| (record.key(), record)));
    }
    Ok(records)
}

/// Reads the notes on the topologies that `scope` asks for, but for what is among the `known`.
pub(crate) fn topologies_in(
    scope: &Scope,
    known: BTreeMap<RecordKey, Record>,
) -> Result<BTreeMap<RecordKey, Record>, Refusal> {
    let mut records = known;
    for name in scope.topologies.keys() {
        let key = RecordKey::Topology(name.clone());
        if !records.contains_key(&key) {
            records.extend(record(&path_of(&key))?.map(|record| (key, record)));
        }
    }
    Ok(records)
}

/// Reads every note.
pub(crate) fn records() -> Result<BTreeMap<RecordKey, Record>, Refusal> {
    let mut records = BTreeMap::new();
    let mut folders: Vec<_> =
        ["nat", "forwarding", "topology"].map(|kind| Path::new(DIRECTORY).join(kind)).into();
    folders.extend(files_in(&Path::new(DIRECTORY).join(PUBLISHED))?);
    for folder in folders {
        for path in files_in(&folder)? {
            records.extend(record(&path)?.map(|record| (record.key(), record)));
        }
    }
    Ok(records)
}

pub(super) fn record(path: &Path) -> Result<Option<Record>, Refusal> {
    match fs::read(path) {
        Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|error| damaged(path, &error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn damaged(path: &Path, error: &serde_json::Error) -> Refusal {
    Refusal::new(Errno::BADMSG).with_message(format!("note '{}' is damaged: {error}", path.display()))
}

/// Notes that the netns `name`, known by `cookie`, is ours.
pub(crate) fn mark_netns(name: &NetnsName, cookie: u64) -> Result<(), Refusal> {
    let (path, text) = (mark_of(name), cookie.to_string());
    // One system call writes it all: after a kill before it, an empty file is no mark.
    match File::options().create(true).truncate(true).write(true).mode(0o600).open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            replace(&path, |file| file.write_all(text.as_bytes()))
        }
        file => file?.write_all(text.as_bytes()).map_err(Refusal::from),
    }
}

/// Drops the mark of the netns `name`, if it has one.
pub(crate) fn unmark_netns(name: &NetnsName) -> Result<(), Refusal> {
    match fs::remove_file(mark_of(name)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// Returns the cookie of the netns of ours that was called `name`, if there was one.
pub(crate) fn netns_mark(name: &NetnsName) -> Option<u64> {
    // One read will do, where asking for the size first would be two calls more.
    let mut digits = [0; 20];
    let filled = File::open(mark_of(name)).ok()?.read(&mut digits).ok()?;
    str::from_utf8(digits.get(..filled)?).ok()?.parse().ok()
}

/// Returns the names of netns of ours that are there no more.
pub(crate) fn stale_marks() -> Result<BTreeSet<NetnsName>, Refusal> {
    let marks = files_in(&Path::new(DIRECTORY).join("netns"))?;
    let names = marks.iter().filter_map(|mark| NetnsName::new(mark.file_name()?.to_str()?).ok());
    // One look at the folder, where a look for each of them would take as many.
    let there: BTreeSet<_> = files_in(Path::new(namespace::DIRECTORY))?.into_iter().collect();
    Ok(names.filter(|name| !there.contains(&namespace::path_of(name))).collect())
}

/// Lets `write` write a file as a whole or not at all, also when killed midway.
pub(crate) fn replace(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Refusal> {
    put(written_beside(path, write)?, path)
}

/// Writes a file as [`replace`] does, for programs of any user to read.
pub(crate) fn publish(path: &Path, contents: &[u8]) -> Result<(), Refusal> {
    let file = written_beside(path, |file| file.write_all(contents))?;
    file.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
    put(file, path)
}

fn written_beside(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<NamedTempFile, Refusal> {
    /// What is written at once, in bytes.
    const AT_ONCE: usize = 64 << 10;
    let directory = path.parent().ok_or(Errno::INVAL)?;
    make_directory(directory)?;
    let mut file = tempfile::Builder::new().prefix(HALF_WRITTEN).tempfile_in(directory)?;
    let mut buffer = BufWriter::with_capacity(AT_ONCE, &mut file);
    write(&mut buffer)?;
    buffer.flush()?;
    drop(buffer);
    Ok(file)
}

/// Removes what processes killed midway left of files in a folder, not of those below it.
pub(crate) fn remove_half_written(folder: &Path) -> Result<(), Refusal> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(HALF_WRITTEN) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Removes the same of all notes.
pub(crate) fn remove_half_written_notes() -> Result<(), Refusal> {
    for folder in ["nat", "forwarding", "topology", "netns", "hosts"] {
        remove_half_written(&Path::new(DIRECTORY).join(folder))?;
    }
    for folder in files_in(&Path::new(DIRECTORY).join(PUBLISHED))? {
        remove_half_written(&folder)?;
    }
    Ok(())
}

fn put(file: NamedTempFile, path: &Path) -> Result<(), Refusal> {
    file.persist(path).map_err(|error| Refusal::from(error.error))?;
    Ok(())
}

pub(crate) fn make_directory(path: &Path) -> Result<(), Refusal> {
    fs::DirBuilder::new().recursive(true).mode(0o755).create(path).map_err(Refusal::from)
}

fn mark_of(name: &NetnsName) -> PathBuf {
    Path::new(DIRECTORY).join("netns").join(name.as_str())
}

pub(crate) fn path_of(key: &RecordKey) -> PathBuf {
    let (kind, file) = match key {
        RecordKey::Nat(bridge) => ("nat", bridge.to_string()),
        RecordKey::Published(published) => return folder_of(published).join(published.address.to_string()),
        RecordKey::Topology(name) => ("topology", name.to_string()),
        RecordKey::Forwarding(Family::Ipv4) => ("forwarding", "ipv4".to_owned()),
        RecordKey::Forwarding(Family::Ipv6) => ("forwarding", "ipv6".to_owned()),
    };
    Path::new(DIRECTORY).join(kind).join(file)
}

/// The notes on one port, a file for each address: those that could overlap are found without a look at
/// any other.
fn folder_of(published: &Published) -> PathBuf {
    Path::new(DIRECTORY).join(PUBLISHED).join(format!("{}-{}", published.port, published.transport))
}

/// The whole files of a folder; a temporary one was left by a process killed midway.
fn files_in(directory: &Path) -> Result<Vec<PathBuf>, Refusal> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}
