//! Waiting for what is told of the probe, until there is nothing more to hear.

use std::{
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

use super::{ear::Ear, shot::Shot};
use crate::{
    diagnose::{
        firewall::ChainFamily,
        trace::{Fate, TraceStep},
    },
    kernel::{
        refusal::Refusal,
        signals::{self, HeldBack},
        syscall,
    },
};

/// How long to go on after the packet was dropped: a rule that refuses answers at once.
const AFTER_DROP: Duration = Duration::from_millis(200);

/// More datagrams than a socket holds; where somebody else traces a busy link, they never end.
const MOST_ROUNDS: usize = 10_000;

/// All stacks, listened to until it is over.
#[derive(Debug, Default)]
pub(super) struct Hunt {
    /// First the one the probe is sent from.
    pub(super) ears: Vec<Ear>,
    /// Behind the ears: first their tables go, then signals may come.
    interruption: Option<Interruption>,
}

/// Signals that would end the process wait, and are heard of.
#[derive(Debug)]
struct Interruption {
    arrived: OwnedFd,
    _held_back: HeldBack,
}

/// What there is to hear.
struct Heard {
    /// Ears that something was told to, by number.
    ears: Vec<usize>,
    /// Whether the sender heard something.
    answer: bool,
    /// Whether a signal waits to end it all.
    interrupted: bool,
}

impl Hunt {
    /// Has the signals that would end the process wait until the tables are gone; one that comes ends the
    /// hunt.
    pub(super) fn hold_signals_back(&mut self) -> Result<(), Refusal> {
        if self.interruption.is_none() {
            let held_back = signals::hold_back()?;
            let arrived = syscall::signal_file(&signals::HELD_BACK)?;
            self.interruption = Some(Interruption { arrived, _held_back: held_back });
        }
        Ok(())
    }

    /// Sends the probe and takes in all that is told of it.
    pub(super) fn follow(&mut self, shot: &mut Shot, patience: Duration) -> Result<Fate, Refusal> {
        let mut deadline = Instant::now() + patience;
        let mut fate = shot.fire();
        while fate.is_none() && Instant::now() < deadline {
            let heard = self.wait(Some(shot), deadline.saturating_duration_since(Instant::now()))?;
            self.take_in(&heard)?;
            if self.steps().any(is_dropped) {
                deadline = deadline.min(Instant::now() + AFTER_DROP);
            }
            if heard.answer {
                fate = shot.outcome();
            }
            if heard.interrupted {
                break;
            }
        }
        // What is told of a packet is told before the packet arrives: nothing more will come.
        for _ in 0..MOST_ROUNDS {
            let heard = self.wait(None, Duration::ZERO)?;
            if heard.ears.is_empty() {
                break;
            }
            self.take_in(&heard)?;
        }
        Ok(fate.unwrap_or(Fate::Silent))
    }

    /// Waits until something is told, or the sender hears something.
    fn wait(&self, shot: Option<&Shot>, patience: Duration) -> Result<Heard, Refusal> {
        let patience = Timespec::try_from(patience).map_err(|_| Refusal::new(Errno::INVAL))?;
        let mut files: Vec<_> =
            self.ears.iter().map(|ear| PollFd::new(ear.socket.fd(), PollFlags::IN)).collect();
        files.extend(shot.map(Shot::waits).map(|(file, flags)| PollFd::from_borrowed_fd(file, flags)));
        files.extend(self.interruption.iter().map(|signals| PollFd::new(&signals.arrived, PollFlags::IN)));
        match poll(&mut files, Some(&patience)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let mut ready = files.iter().map(|file| !file.revents().is_empty());
        let ears = ready.by_ref().take(self.ears.len()).enumerate().filter(|(_, ready)| *ready);
        let ears = ears.map(|(number, _)| number).collect();
        let answer = shot.is_some() && ready.next() == Some(true);
        Ok(Heard { ears, answer, interrupted: ready.next() == Some(true) })
    }

    fn steps(&self) -> impl Iterator<Item = &TraceStep> {
        self.ears.iter().flat_map(|ear| &ear.steps)
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
        Ok(())
    }
}

/// Whether nobody will answer. A bridge that does not know where to floods all its ports: one of those
/// frames may well be dropped.
fn is_dropped(step: &TraceStep) -> bool {
    let bridged = step.event.chain().is_some_and(|chain| chain.family == ChainFamily::Bridge);
    step.drops() && !bridged
}
