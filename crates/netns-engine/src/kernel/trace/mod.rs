//! Follows one packet through every chain of every stack on its way, with the kernel's own `nftrace`.
//!
//! A temporary table in each stack has the kernel tell of the probe and nothing else; the probe is sent; what
//! the kernel tells is put in order. Tables of the old iptables tell nothing: their counters are compared.
//! Where such tables are and the kernel logs traces, `nf_trace` also makes it log the probe (`dmesg`).

mod ear;
mod message;
mod order;
mod shot;
mod table;
mod tag;

use std::{
    collections::BTreeSet,
    os::unix::fs::MetadataExt,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

use self::{ear::Ear, shot::Shot, table::Owner, tag::Tag};
use super::{
    iptables, look,
    refusal::Refusal,
    signals::{self, HeldBack},
};
use crate::{
    address::Family,
    diagnose::{
        firewall::ChainFamily,
        trace::{Fate, LegacyCount, Trace, TraceProbe, TraceStep},
    },
    place::Entrance,
};

/// How long to go on after the packet was dropped: a rule that refuses answers at once.
const AFTER_DROP: Duration = Duration::from_millis(200);

/// Sends one packet and follows it and its answer through `stacks`, for at most `patience`.
///
/// The stack it is sent from is followed too, whether or not it is among `stacks`. Where stacks do nothing
/// to tell their order, that of `stacks` counts. Nothing stays behind: the temporary tables vanish with
/// this process however it ends, or, before Linux 5.12, the signals that would end it wait.
///
/// # Errors
///
/// Returns that a stack could not be entered, that it has no nftables, or that a right is missing.
pub fn trace(stacks: &[Entrance], probe: &TraceProbe, patience: Duration) -> Result<Trace, Refusal> {
    let mut shot = at(&probe.from, || Shot::load(probe))?;
    let (ears, held_back) = listen(&probe.from, stacks, shot.tag())?;
    let mut unheard = Vec::new();
    let mut hunt = Hunt { ears, deadline: Instant::now() };
    let before = legacy_counts(&hunt.ears, Family::of(probe.to), &mut Vec::new());
    let fate = hunt.run(&mut shot, patience)?;
    let after = legacy_counts(&hunt.ears, Family::of(probe.to), &mut unheard);
    let lost = hunt.ears.iter().filter(|ear| ear.missed);
    unheard.extend(lost.map(|ear| format!("{}: more was told than could be kept", ear.entrance)));
    let steps = hunt.ears.iter_mut().flat_map(|ear| std::mem::take(&mut ear.steps)).collect();
    // First the tables go, then signals may come.
    drop(hunt);
    drop(held_back);
    Ok(Trace {
        steps: order::along_the_way(steps),
        counted: LegacyCount::risen(&before, after),
        unheard,
        fate,
    })
}

/// Runs `work` on a thread inside a stack.
fn at<T: Send>(entrance: &Entrance, work: impl FnOnce() -> Result<T, Refusal> + Send) -> Result<T, Refusal> {
    look::inside(entrance, &look::open(entrance)?, work)
}

/// Begins to listen, first of all where the probe is sent; each netns once, however often it is named.
fn listen(from: &Entrance, stacks: &[Entrance], tag: Tag) -> Result<(Vec<Ear>, Option<HeldBack>), Refusal> {
    let mut held_back = None;
    let mut ears = Vec::new();
    let mut known = BTreeSet::new();
    // Kept open: the inode of a netns that ends is used again at once.
    let mut files = Vec::new();
    for entrance in std::iter::once(from).chain(stacks) {
        let file = look::open(entrance)?;
        let metadata = file.metadata()?;
        if !known.insert((metadata.dev(), metadata.ino())) {
            continue;
        }
        let open = |owner| look::inside(entrance, &file, || Ear::open(entrance, tag, owner));
        ears.push(match open(Owner::Socket) {
            // A kernel that knows no owners.
            Err(refusal) if matches!(refusal.errno(), Errno::OPNOTSUPP | Errno::INVAL) => {
                if held_back.is_none() {
                    held_back = Some(signals::hold_back()?);
                }
                open(Owner::Nobody)?
            }
            other => other?,
        });
        files.push(file);
    }
    Ok((ears, held_back))
}

/// All stacks, listened to until it is over.
struct Hunt {
    /// First the one the probe is sent from.
    ears: Vec<Ear>,
    deadline: Instant,
}

/// What there is to hear.
struct Heard {
    /// Ears that something was told to, by number.
    ears: Vec<usize>,
    /// Whether the sender heard something.
    answer: bool,
}

impl Hunt {
    fn run(&mut self, shot: &mut Shot, patience: Duration) -> Result<Fate, Refusal> {
        self.deadline = Instant::now() + patience;
        let mut fate = shot.fire();
        while fate.is_none() && Instant::now() < self.deadline {
            let heard = self.wait(Some(shot), self.deadline.saturating_duration_since(Instant::now()))?;
            self.take_in(&heard)?;
            if heard.answer {
                fate = shot.outcome();
            }
        }
        loop {
            // What is told of a packet is told before the packet arrives: nothing more will come.
            let heard = self.wait(None, Duration::ZERO)?;
            if heard.ears.is_empty() {
                return Ok(fate.unwrap_or(Fate::Silent));
            }
            self.take_in(&heard)?;
        }
    }

    /// Waits until something is told, or the sender hears something.
    fn wait(&self, shot: Option<&Shot>, patience: Duration) -> Result<Heard, Refusal> {
        let patience = Timespec::try_from(patience).map_err(|_| Refusal::new(Errno::INVAL))?;
        let mut files: Vec<_> =
            self.ears.iter().map(|ear| PollFd::new(ear.socket.fd(), PollFlags::IN)).collect();
        files.extend(shot.map(Shot::waits).map(|(file, flags)| PollFd::from_borrowed_fd(file, flags)));
        match poll(&mut files, Some(&patience)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let (ears, shots) = files.split_at(self.ears.len());
        let is_ready = |file: &PollFd<'_>| !file.revents().is_empty();
        let ready = ears.iter().enumerate().filter(|(_, file)| is_ready(file));
        Ok(Heard { ears: ready.map(|(number, _)| number).collect(), answer: shots.iter().any(is_ready) })
    }

    fn take_in(&mut self, heard: &Heard) -> Result<(), Refusal> {
        for number in &heard.ears {
            let Some(ear) = self.ears.get_mut(*number) else { continue };
            ear.hear()?;
            // The sender's own ear is the first: what the second packet brought about is in none yet.
            if ear.is_second_packet_sent() {
                self.ears.iter_mut().for_each(Ear::stop);
            }
        }
        if self.ears.iter().flat_map(|ear| &ear.steps).any(is_dropped) {
            self.deadline = self.deadline.min(Instant::now() + AFTER_DROP);
        }
        Ok(())
    }
}

/// Whether nobody will answer. A bridge that does not know where to floods all its ports: one of those
/// frames may well be dropped.
fn is_dropped(step: &TraceStep) -> bool {
    let bridged = step.event.chain().is_some_and(|chain| chain.family == ChainFamily::Bridge);
    step.drops() && !bridged
}

/// Counts of the old iptables, for stacks that have tables of it.
fn legacy_counts(ears: &[Ear], family: Family, unread: &mut Vec<String>) -> Vec<LegacyCount> {
    let mut counts = Vec::new();
    for ear in ears {
        match at(&ear.entrance, || iptables::legacy_counts(&ear.entrance, family)) {
            Ok(counted) => counts.extend(counted),
            Err(refusal) => unread.push(format!("{}: iptables-legacy: {refusal}", ear.entrance)),
        }
    }
    counts
}
