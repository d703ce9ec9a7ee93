//! Follows one packet through every chain of every stack on its way, with the kernel's own `nftrace`.
//!
//! A temporary table in each stack has the kernel tell of the probe and nothing else; the probe is sent; what
//! the kernel tells is put in order. Tables of the old iptables tell nothing: their counters are compared.
//! Where such tables are and the kernel logs traces, `nf_trace` also makes it log the probe (`dmesg`).

mod chains;
mod ear;
mod hunt;
mod message;
mod order;
mod shot;
mod table;
mod tag;

use std::{collections::BTreeSet, fs::File, os::unix::fs::MetadataExt, time::Duration};

use rustix::io::Errno;

use self::{ear::Ear, hunt::Hunt, shot::Shot, table::Owner, tag::Tag};
use super::{
    iptables, look,
    refusal::{Refusal, RefusalKind},
};
use crate::{
    address::Family,
    diagnose::trace::{LegacyCount, Trace, TraceProbe},
    place::Entrance,
};

/// Sends one packet and follows it and its answer through `stacks`, for at most `patience`.
///
/// The stack it is sent from is followed too, whether or not it is among `stacks`. Where stacks do nothing
/// to tell their order, that of `stacks` counts. Nothing stays behind: the temporary tables vanish with
/// this process however it ends, or, before Linux 5.12, the signals that would end it wait.
///
/// # Errors
///
/// Returns that a stack could not be entered, or that a right is missing. A stack without nftables is
/// among what was not heard.
pub fn trace(stacks: &[Entrance], probe: &TraceProbe, patience: Duration) -> Result<Trace, Refusal> {
    let mut shot = at(&probe.from, || Shot::load(probe))?;
    let stacks = distinct(&probe.from, stacks)?;
    let mut unheard = Vec::new();
    let mut hunt = listen(&stacks, shot.tag(), &mut unheard)?;
    let before = legacy_counts(&stacks, Family::of(probe.to), &mut Vec::new());
    let fate = hunt.follow(&mut shot, patience)?;
    let after = legacy_counts(&stacks, Family::of(probe.to), &mut unheard);
    let lost = hunt.ears.iter().filter(|ear| ear.missed);
    unheard.extend(lost.map(|ear| format!("{}: more was told than could be kept", ear.entrance)));
    let steps = hunt.ears.iter_mut().flat_map(|ear| std::mem::take(&mut ear.steps)).collect();
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

/// A stack, and its netns, opened.
type Opened<'a> = (&'a Entrance, File);

/// Opens each netns once, however often it is named; first of all the one the probe is sent from.
fn distinct<'a>(from: &'a Entrance, stacks: &'a [Entrance]) -> Result<Vec<Opened<'a>>, Refusal> {
    let mut known = BTreeSet::new();
    let mut opened = Vec::new();
    for entrance in std::iter::once(from).chain(stacks) {
        let file = look::open(entrance)?;
        let metadata = file.metadata()?;
        if known.insert((metadata.dev(), metadata.ino())) {
            opened.push((entrance, file));
        }
    }
    Ok(opened)
}

/// Begins to listen in all stacks that have nftables.
fn listen(stacks: &[Opened<'_>], tag: Tag, unheard: &mut Vec<String>) -> Result<Hunt, Refusal> {
    let mut hunt = Hunt::default();
    for (entrance, file) in stacks {
        let open = |owner| look::inside(entrance, file, || Ear::open(entrance, tag, owner));
        let mut ear = open(Owner::Socket);
        if ear.as_ref().is_err_and(is_unknown) {
            hunt.hold_signals_back()?;
            ear = open(Owner::Nobody);
        }
        match ear {
            Ok(ear) => hunt.ears.push(ear),
            Err(refusal) if is_unknown(&refusal) => unheard.push(format!("{entrance}: nftables: {refusal}")),
            Err(refusal) => return Err(refusal),
        }
    }
    Ok(hunt)
}

/// Whether the kernel does not know what was asked for: owners, or nftables at all.
fn is_unknown(refusal: &Refusal) -> bool {
    refusal.kind() == RefusalKind::NotSupported || refusal.errno() == Errno::INVAL
}

/// Counts of the old iptables, for stacks that have tables of it.
fn legacy_counts(stacks: &[Opened<'_>], family: Family, unread: &mut Vec<String>) -> Vec<LegacyCount> {
    let mut counts = Vec::new();
    for (entrance, file) in stacks {
        match look::inside(entrance, file, || iptables::legacy_counts(entrance, family)) {
            Ok(counted) => counts.extend(counted),
            Err(refusal) => unread.push(format!("{entrance}: iptables-legacy: {refusal}")),
        }
    }
    counts
}
