//! What the programs of topologies say: `/run/netns-tool/logs/TOPOLOGY/NODE-NUMBER.log`.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use super::{refusal::Refusal, state};
use crate::{
    name::NetnsName,
    topology::{ProgramKey, TopologyName},
};

/// Where the logs are.
const DIRECTORY: &str = "/run/netns-tool/logs";

/// The file that holds what a program says.
pub(crate) fn path_of(key: &ProgramKey) -> PathBuf {
    folder_of(&key.topology).join(format!("{}-{}.log", key.netns, key.number))
}

/// Opens the file for a program to write to, after what is there.
pub(crate) fn open(key: &ProgramKey) -> Result<File, Refusal> {
    state::make_directory(&folder_of(&key.topology))?;
    // Only for root: programs print all sorts of things.
    OpenOptions::new().append(true).create(true).mode(0o600).open(path_of(key)).map_err(Refusal::from)
}

/// Returns the program whose log is at `path`.
pub(crate) fn program_of(path: &Path) -> Option<ProgramKey> {
    let mut parts = path.strip_prefix(DIRECTORY).ok()?.iter().map(|part| part.to_str());
    let (topology, file) = (parts.next()??, parts.next()??);
    let (netns, number) = file.strip_suffix(".log")?.rsplit_once('-')?;
    Some(ProgramKey {
        topology: TopologyName::new(topology).ok()?,
        netns: NetnsName::new(netns).ok()?,
        number: number.parse().ok()?,
    })
}

/// Returns the programs of a netns that have a log, by topology and number.
pub(crate) fn of_netns(netns: &NetnsName) -> Result<Vec<ProgramKey>, Refusal> {
    let mut programs = Vec::new();
    for folder in entries(Path::new(DIRECTORY))? {
        let logs = entries(&folder)?.into_iter().filter_map(|log| program_of(&log));
        programs.extend(logs.filter(|key| key.netns == *netns));
    }
    programs.sort();
    Ok(programs)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, Refusal> {
    match fs::read_dir(folder) {
        Ok(entries) => Ok(entries.flatten().map(|entry| entry.path()).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// Removes what a program said, if it said anything.
pub(crate) fn remove(key: &ProgramKey) {
    // A log that stays harms nobody, and goes with its topology.
    fs::remove_file(path_of(key)).ok();
    remove_empty_folders(&key.topology);
}

/// Removes what the programs of a topology said.
pub(crate) fn remove_all(topology: &TopologyName) {
    fs::remove_dir_all(folder_of(topology)).ok();
    remove_empty_folders(topology);
}

fn remove_empty_folders(topology: &TopologyName) {
    fs::remove_dir(folder_of(topology)).ok();
    fs::remove_dir(DIRECTORY).ok();
}

fn folder_of(topology: &TopologyName) -> PathBuf {
    Path::new(DIRECTORY).join(topology.as_str())
}
