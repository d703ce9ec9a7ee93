//! What a change of a topology will ask for, read while its file is still being understood.
//!
//! A thread takes the lock, then reads the note and the seal, and looks at the host's ends of the cables: for a
//! thousand nodes, as long as it takes to understand the file. Whoever comes first with the lock has it until
//! the change is made, so what was read stays true as far as this tool goes.

use std::{
    fs::File,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use super::{outside::Glance, refusal::Refusal, rtnetlink::Rtnetlink, side_thread, state};
use crate::{
    journal,
    record::{Record, RecordKey},
    topology::TopologyName,
};

/// Reading that was begun.
#[derive(Debug)]
pub struct Ahead {
    has_lock: Arc<AtomicBool>,
    thread: JoinHandle<Result<(File, Option<Early>), Refusal>>,
}

/// What was read.
#[derive(Debug)]
pub(super) struct Early {
    pub(super) topology: TopologyName,
    pub(super) record: Option<Record>,
    pub(super) glance: Option<Glance>,
}

impl Ahead {
    /// Begins to read what is known of a topology, in the caller's netns.
    ///
    /// # Errors
    ///
    /// Returns why there is no thread to do it.
    pub fn begin(name: TopologyName) -> io::Result<Self> {
        let has_lock = Arc::new(AtomicBool::new(false));
        let of_thread = Arc::clone(&has_lock);
        Ok(Self { has_lock, thread: side_thread::spawn("ahead", move || read(name, &of_thread))? })
    }

    /// Whether what the caller sees from now on stays as it is, as far as this tool goes.
    pub(super) fn has_lock(&self) -> bool {
        self.has_lock.load(Ordering::Acquire)
    }

    /// Waits for it, and returns the lock.
    pub(super) fn finish(self) -> Result<(File, Option<Early>), Refusal> {
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// Nothing is read where a killed process left something to take back first.
fn read(name: TopologyName, has_lock: &AtomicBool) -> Result<(File, Option<Early>), Refusal> {
    let lock = state::lock()?;
    has_lock.store(true, Ordering::Release);
    // What cannot be read now cannot be read later either, where it is told.
    let early = if journal::is_open() { None } else { early_of(name).ok() };
    Ok((lock, early))
}

fn early_of(name: TopologyName) -> Result<Early, Refusal> {
    let glance = Glance::at(&mut Rtnetlink::open()?, &name)?;
    let record = state::record(&state::path_of(&RecordKey::Topology(name.clone())))?;
    Ok(Early { topology: name, record, glance })
}
