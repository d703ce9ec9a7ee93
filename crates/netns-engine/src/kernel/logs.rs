//! What the programs of topologies say: `/run/netns-tool/logs/TOPOLOGY/NODE-NUMBER.log`.

use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions},
    io::{self, Read},
    os::{fd::OwnedFd, unix::fs::OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::{
    event::{PollFd, PollFlags},
    fs::inotify::{self, CreateFlags, WatchFlags},
    io::Errno,
};
use serde::{Serialize, Serializer};

use super::{
    lifetime,
    mounts::{Mounts, Source},
    programs,
    refusal::Refusal,
    state,
};
use crate::{
    name::NetnsName,
    topology::{ProgramKey, TopologyName},
};

/// Where the logs are.
const DIRECTORY: &str = "/run/netns-tool/logs";

/// What one program said.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Said {
    /// The program.
    pub program: ProgramKey,
    /// Its words, standard output and standard error in the order they came.
    #[serde(serialize_with = "as_text")]
    pub text: Vec<u8>,
    /// How many other programs the node has.
    #[serde(skip)]
    pub others: usize,
}

fn as_text<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&String::from_utf8_lossy(bytes))
}

/// Reads the logs of a netns as they grow.
#[derive(Debug)]
pub struct Reader {
    logs: Vec<(ProgramKey, File)>,
    /// Tells when one of them has grown.
    growth: OwnedFd,
    /// The processes of their programs, when last asked.
    running: Vec<OwnedFd>,
}

impl Reader {
    /// Opens the logs of the netns; none if there are none.
    ///
    /// # Errors
    ///
    /// Returns why they could not be opened.
    pub fn open(netns: &NetnsName) -> Result<Option<Self>, Refusal> {
        let growth = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let mut logs = Vec::new();
        for key in of_netns(netns)? {
            let path = path_of(&key);
            inotify::add_watch(&growth, &path, WatchFlags::MODIFY)?;
            logs.push((key, File::open(path)?));
        }
        Ok((!logs.is_empty()).then_some(Self { logs, growth, running: Vec::new() }))
    }

    /// Reads what was said since the last call, or ever.
    ///
    /// # Errors
    ///
    /// Returns why it could not be read.
    pub fn read(&mut self) -> Result<Vec<Said>, Refusal> {
        let others = self.logs.len() - 1;
        let mut said = Vec::new();
        for (program, log) in &mut self.logs {
            let mut text = Vec::new();
            log.read_to_end(&mut text)?;
            said.push(Said { program: program.clone(), text, others });
        }
        Ok(said)
    }

    /// Returns whether one of the programs is still running.
    ///
    /// # Errors
    ///
    /// Returns why that cannot be known.
    pub fn is_anybody_there(&mut self) -> Result<bool, Refusal> {
        self.running.clear();
        for (program, _) in &self.logs {
            self.running.extend(programs::hold(program)?);
        }
        Ok(!self.running.is_empty())
    }

    /// Waits until something is said, or a process ends.
    ///
    /// # Errors
    ///
    /// Returns why nothing can be waited for.
    pub fn wait(&self) -> Result<(), Refusal> {
        let processes = self.running.iter();
        let mut files: Vec<_> = processes.map(|process| PollFd::new(process, PollFlags::IN)).collect();
        files.push(PollFd::new(&self.growth, PollFlags::IN));
        match rustix::event::poll(&mut files, None) {
            Ok(_) | Err(Errno::INTR) => lifetime::drain(&self.growth),
            Err(errno) => Err(errno.into()),
        }
    }
}

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

/// Returns the netns of all programs that have a log.
///
/// # Errors
///
/// Returns why the logs could not be listed.
pub fn nodes() -> Result<BTreeSet<NetnsName>, Refusal> {
    let mut nodes = BTreeSet::new();
    for folder in entries(Path::new(DIRECTORY))? {
        nodes.extend(entries(&folder)?.iter().filter_map(|log| program_of(log)).map(|key| key.netns));
    }
    Ok(nodes)
}

/// The logs of this host, and no others: what a container calls a program, it calls so on a file system of
/// its own.
#[derive(Debug)]
pub(crate) struct Shelf(Source);

impl Shelf {
    /// Finds where they are; none if that cannot be told.
    pub(crate) fn of_this_host() -> Option<Self> {
        Mounts::own().source(Path::new(DIRECTORY)).map(Self)
    }

    /// Returns the programs whose logs are among `mounts`, those mounted last in the end.
    pub(crate) fn programs_among(&self, mounts: &Mounts) -> Vec<ProgramKey> {
        let logs = mounts.sources().filter_map(|source| source.below(&self.0));
        logs.filter_map(|log| program_of(&Path::new(DIRECTORY).join(log))).collect()
    }
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
