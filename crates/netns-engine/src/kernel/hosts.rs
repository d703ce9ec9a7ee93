//! The names that the nodes of a topology share: `/run/netns-tool/hosts/TOPOLOGY`, and the links to it by which
//! `ip netns exec` shows it to programs as `/etc/hosts`.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, symlink},
    path::{Path, PathBuf},
};

use rustix::io::Errno;

use super::{refusal::Refusal, resolver, state};
use crate::{
    name::NetnsName,
    topology::{HostEntry, TopologyName},
};

/// Where the files are.
const DIRECTORY: &str = "/run/netns-tool/hosts";

/// What every file begins with: it takes the place of the host's, which says so too.
const OF_EVERY_HOST: [&str; 2] = ["127.0.0.1 localhost", "::1 localhost"];

/// Reads the names of a topology, or none if it shares none.
pub(crate) fn read(topology: &TopologyName) -> Result<Option<Vec<HostEntry>>, Refusal> {
    match fs::read_to_string(file_of(topology)) {
        Ok(text) => {
            let own = text.lines().filter(|line| !OF_EVERY_HOST.contains(line));
            Ok(Some(own.filter_map(entry).collect()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn entry(line: &str) -> Option<HostEntry> {
    let mut words = line.split_whitespace();
    let address = words.next()?.parse().ok()?;
    Some(HostEntry { address, names: words.map(str::to_owned).collect() })
}

/// Writes the names of a topology, as a whole or not at all.
pub(crate) fn write(topology: &TopologyName, entries: &[HostEntry]) -> Result<(), Refusal> {
    let own = entries.iter().map(|entry| format!("{entry}\n"));
    let text: String = OF_EVERY_HOST.iter().map(|line| format!("{line}\n")).chain(own).collect();
    state::publish(&file_of(topology), text.as_bytes())
}

/// Removes the names of a topology.
pub(crate) fn remove(topology: &TopologyName) -> Result<(), Refusal> {
    fs::remove_file(file_of(topology))?;
    // It stays while other topologies share names.
    fs::remove_dir(DIRECTORY).ok();
    Ok(())
}

/// Returns the topology whose names a netns knows; none if it has no file, or one of somebody else.
pub(crate) fn shared_with(netns: &NetnsName) -> Result<Option<TopologyName>, Refusal> {
    match fs::read_link(link_of(netns)) {
        Ok(target) => {
            let file = target.strip_prefix(DIRECTORY).ok().and_then(Path::to_str);
            Ok(file.and_then(|name| TopologyName::new(name).ok()))
        }
        // An ordinary file is no link (EINVAL, `readlink(2)`).
        Err(error) if [io::ErrorKind::NotFound, io::ErrorKind::InvalidInput].contains(&error.kind()) => {
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Lets a netns know the names of a topology, at once and in place of another topology's; a file of
/// somebody else stays.
pub(crate) fn share(netns: &NetnsName, topology: &TopologyName) -> Result<(), Refusal> {
    let link = link_of(netns);
    if link.symlink_metadata().is_ok() && shared_with(netns)?.is_none() {
        let words = format!("'{}' is there, and not of this tool", link.display());
        return Err(Refusal::new(Errno::EXIST).with_message(words));
    }
    let folder = link.parent().ok_or(Errno::INVAL)?;
    fs::DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
    let new = folder.join(".new-hosts");
    // Left by a process that was killed right here.
    fs::remove_file(&new).ok();
    symlink(file_of(topology), &new)?;
    fs::rename(&new, &link).map_err(Refusal::from)
}

/// Lets a netns know the names of the host again.
pub(crate) fn unshare(netns: &NetnsName) -> Result<(), Refusal> {
    shared_with(netns)?.ok_or(Errno::NOENT)?;
    resolver::remove_from_etc(&link_of(netns))
}

fn file_of(topology: &TopologyName) -> PathBuf {
    Path::new(DIRECTORY).join(topology.as_str())
}

fn link_of(netns: &NetnsName) -> PathBuf {
    Path::new(resolver::DIRECTORY).join(netns.as_str()).join("hosts")
}
