//! What is about to be done, on file, so that a killed process can be cleaned up after.
//!
//! The journal holds the plan's steps as one line of JSON, then one dot for each step begun, and a cross behind
//! one that was refused. The next change, or `gc`, finds it and takes the steps back that were done.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use crate::{
    apply::Progress,
    kernel::{Kernel, Refusal, resolver, state},
    observed::{NetnsState, Scope},
    plan::{NewBridge, NewLink, NewVeth, Operation, Step},
};

/// An open journal; dropping the file is part of a finished change.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
}

impl Journal {
    /// Writes down what is about to be done.
    pub(crate) fn open(steps: &[Step]) -> Result<Self, Refusal> {
        state::replace(&path(), |file| {
            serde_json::to_writer(&mut *file, steps)?;
            file.write_all(b"\n")
        })?;
        let file = File::options().append(true).open(path())?;
        Ok(Self { file })
    }

    /// Ends the journal: everything is done, or undone.
    #[expect(clippy::unused_self, reason = "only who has the journal open may end it")]
    pub(crate) fn close(self) -> Result<(), Refusal> {
        fs::remove_file(path()).map_err(Refusal::from)
    }
}

impl Progress for Journal {
    fn about_to(&mut self, _index: usize) -> Result<(), Refusal> {
        self.file.write_all(&[BEGUN]).map_err(Refusal::from)
    }

    fn refused(&mut self) {
        // Without the cross, whoever recovers takes the step for one that may have been done.
        self.file.write_all(&[REFUSED]).ok();
    }
}

const BEGUN: u8 = b'.';
const REFUSED: u8 = b'x';

/// What a killed process left half-done.
#[derive(Debug, Default)]
struct Unfinished {
    /// The steps it had begun, in order.
    begun: Vec<Step>,
    /// Whether the last of them may have had its effect, or not.
    last_is_uncertain: bool,
}

/// Returns whether a process is in the middle of a change, or was killed there.
pub(crate) fn is_open() -> bool {
    path().exists()
}

/// Reads the journal; without one, nothing was begun.
fn unfinished() -> Result<Unfinished, Refusal> {
    let text = match fs::read(path()) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Unfinished::default()),
        Err(error) => return Err(error.into()),
    };
    let line_end = text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len());
    let (line, marks) = text.split_at(line_end);
    let mut begun: Vec<Step> = serde_json::from_slice(line).map_err(io::Error::from)?;
    // The newline comes first, then a dot for each step, and a cross if that is how the last one ended.
    let refused = marks.last() == Some(&REFUSED);
    begun.truncate(marks.len().saturating_sub(if refused { 3 } else { 1 }));
    Ok(Unfinished { begun, last_is_uncertain: !refused })
}

/// Takes back what a killed process had done, and drops its journal. Returns what was taken back.
///
/// Whether the last step begun had its effect is not known, so refusals are expected on the way:
/// what is already gone cannot be deleted again.
pub(crate) fn recover(kernel: &mut impl Kernel) -> Result<Vec<Operation>, Refusal> {
    let Unfinished { begun: steps, last_is_uncertain } = unfinished()?;
    let mut taken_back = Vec::new();
    for (index, step) in steps.iter().enumerate().rev() {
        let uncertain = last_is_uncertain && index + 1 == steps.len();
        if uncertain && made_by_another(step, kernel)? {
            continue;
        }
        if uncertain {
            finish_half_deleted(step, kernel)?;
        }
        let done = step.undo.iter().filter(|undo| kernel.perform(undo).is_ok()).count();
        if done > 0 {
            taken_back.push(step.operation.clone());
        }
    }
    state::remove_half_written(Path::new(state::DIRECTORY))?;
    if !steps.is_empty() {
        remove_half_written(&steps)?;
    }
    match fs::remove_file(path()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(taken_back),
    }
}

/// Removes the files that were not whole yet, wherever the steps write any.
fn remove_half_written(steps: &[Step]) -> Result<(), Refusal> {
    state::remove_half_written_notes()?;
    for step in steps {
        match &step.operation {
            Operation::WriteResolver(netns, _)
            | Operation::RemoveResolver(netns)
            | Operation::ShareHosts(netns, _)
            | Operation::UnshareHosts(netns) => resolver::remove_half_written(netns)?,
            _ => {}
        }
    }
    Ok(())
}

/// Between its two halves, the deletion of a netns leaves an ordinary file, in the way of the netns to come back.
fn finish_half_deleted(step: &Step, kernel: &mut impl Kernel) -> Result<(), Refusal> {
    let Operation::DeleteNetns(name) = &step.operation else { return Ok(()) };
    let scope = Scope { netns: [name.clone()].into(), ..Scope::default() };
    let observed = kernel.observe(&scope)?;
    match observed.netns.get(name) {
        Some(entry) if entry.state == NetnsState::HalfMade => kernel.perform(&step.operation),
        _ => Ok(()),
    }
}

/// Whether the link that a step was to make is there, but is somebody else's: the step was refused
/// because of it. Ours carries the mark or, killed before it was marked, the planned identity.
fn made_by_another(step: &Step, kernel: &mut impl Kernel) -> Result<bool, Refusal> {
    match &step.operation {
        Operation::AddBridge(NewBridge { at, mac }) | Operation::AddLink(NewLink { at, mac, .. }) => {
            let observed = kernel.observe(&Scope::default().with_link(at))?;
            Ok(observed.link(at).is_some_and(|link| !link.ours && link.mac != Some(*mac)))
        }
        Operation::AddVeth(NewVeth { main, peer }) => {
            let observed = kernel.observe(&Scope::default().with_link(&main.at).with_link(&peer.at))?;
            Ok(observed.link(&main.at).is_some_and(|link| !link.ours && link.peer.as_ref() != Some(&peer.at)))
        }
        _ => Ok(false),
    }
}

fn path() -> PathBuf {
    Path::new(state::DIRECTORY).join("journal")
}
