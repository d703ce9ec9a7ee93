//! Names that the nodes of a topology know: one file for all of them, `/run/netns-tool/hosts/NAME`, to
//! which `/etc/netns/NODE/hosts` leads. `ip netns exec` shows the latter as `/etc/hosts`.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, symlink},
    path::{Path, PathBuf},
};

use rustix::io::Errno;

use super::{at_once, refusal::Refusal, resolver, state};
use crate::{
    name::NetnsName,
    topology::{HostEntry, Names, TopologyName},
};

/// What every `hosts(5)` file says.
const LOCALHOST: &str = "127.0.0.1 localhost\n::1 localhost\n";

/// Writes the names of a topology, as a whole or not at all.
pub(super) fn write(topology: &TopologyName, entries: &[HostEntry]) -> Result<(), Refusal> {
    let lines = entries.iter().map(|entry| format!("{entry}\n"));
    let text = std::iter::once(LOCALHOST.to_owned()).chain(lines).collect::<String>();
    state::publish(&path_of(topology), text.as_bytes())
}

/// Removes the names of a topology.
pub(super) fn remove(topology: &TopologyName) -> Result<(), Refusal> {
    fs::remove_file(path_of(topology)).map_err(Refusal::from)
}

/// Reads the names of a topology, if they were written.
pub(super) fn read(topology: &TopologyName) -> Result<Option<Vec<HostEntry>>, Refusal> {
    match fs::read_to_string(path_of(topology)) {
        Ok(text) => {
            let own = text.strip_prefix(LOCALHOST).unwrap_or(&text);
            Ok(Some(own.lines().filter_map(entry).collect()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Reads `/etc/netns/NAME/hosts`, if it is there.
pub(super) fn names(netns: &NetnsName) -> Result<Option<Names>, Refusal> {
    if let Some(topology) = shared(netns)? {
        return Ok(Some(Names::OfTopology(topology)));
    }
    let Some(bytes) = at_once::read(&link_of(netns))? else { return Ok(None) };
    let text = String::from_utf8_lossy(&bytes);
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    Ok(Some(Names::Own(lines.filter_map(entry).collect())))
}

fn entry(line: &str) -> Option<HostEntry> {
    let mut words = line.split_whitespace();
    let address = words.next()?.parse().ok()?;
    Some(HostEntry { address, names: words.map(str::to_owned).collect() })
}

/// Lets the netns know the names of a topology; a file that somebody wrote by hand stays.
pub(super) fn share(netns: &NetnsName, topology: &TopologyName) -> Result<(), Refusal> {
    let link = link_of(netns);
    let folder = link.parent().ok_or(Errno::INVAL)?;
    fs::DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
    if are_there(netns) && shared(netns)?.is_none() {
        let text = format!("'{}' was not written by netns-tool", link.display());
        return Err(Refusal::new(Errno::EXIST).with_message(text));
    }
    // A rename replaces what is there at once, so that nobody finds nothing.
    let new = folder.join(".new-hosts");
    fs::remove_file(&new).or_else(unless_missing)?;
    symlink(path_of(topology), &new)?;
    fs::rename(&new, &link).map_err(Refusal::from)
}

/// Lets the netns know the host's names again, and removes the folder if nothing else is in it.
pub(super) fn unshare(netns: &NetnsName) -> Result<(), Refusal> {
    if shared(netns)?.is_none() {
        return Err(Errno::NOENT.into());
    }
    let link = link_of(netns);
    fs::remove_file(&link)?;
    resolver::remove_empty(link.parent());
    Ok(())
}

/// Returns the topology whose names the netns knows.
pub(super) fn shared(netns: &NetnsName) -> Result<Option<TopologyName>, Refusal> {
    let link = link_of(netns);
    let target = match fs::read_link(&link) {
        Ok(target) => target,
        // No file, or one that is no symbolic link.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidInput) => {
            return Ok(None);
        }
        Err(error) => return Err(at_once::refusal(&link, error)),
    };
    let name = target.strip_prefix(folder()).ok().and_then(Path::to_str);
    Ok(name.and_then(|name| TopologyName::new(name).ok()))
}

/// Returns whether there is an `/etc/netns/NAME/hosts`, be it a link to nowhere.
pub(super) fn are_there(netns: &NetnsName) -> bool {
    link_of(netns).symlink_metadata().is_ok()
}

fn unless_missing(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

fn folder() -> PathBuf {
    Path::new(state::DIRECTORY).join("hosts")
}

fn path_of(topology: &TopologyName) -> PathBuf {
    folder().join(topology.as_str())
}

fn link_of(netns: &NetnsName) -> PathBuf {
    Path::new(resolver::DIRECTORY).join(netns.as_str()).join("hosts")
}
