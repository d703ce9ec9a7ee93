//! How programs of topologies start and end.

use rustix::io::Errno;

use super::{Observed, project::existing};
use crate::{
    kernel::Refusal,
    operation::Operation,
    record::{Record, RecordKey},
    topology::ProgramKey,
};

impl Observed {
    pub(super) fn start_program(&mut self, key: &ProgramKey) -> Result<(), Refusal> {
        if !self.netns.contains_key(&key.netns) {
            return Err(Errno::NOENT.into());
        }
        if self.programs.insert(key.clone()) { Ok(()) } else { Err(Errno::EXIST.into()) }
    }

    /// The note on its topology tells what a program is.
    pub(super) fn start_again(&self, key: &ProgramKey) -> Option<Operation> {
        let Record::Topology(up) = self.records.get(&RecordKey::Topology(key.topology.clone()))? else {
            return None;
        };
        let node = up.topology.nodes.iter().find(|node| node.name == key.netns)?;
        let index = usize::try_from(key.number).ok()?.checked_sub(1)?;
        node.programs.get(index).map(|program| Operation::StartProgram(key.clone(), program.clone()))
    }

    /// With a program goes its hold on its netns.
    pub(super) fn stop_program(&mut self, key: &ProgramKey) -> Result<(), Refusal> {
        existing(self.programs.take(key), Errno::SRCH)?;
        for entry in self.netns.values_mut() {
            entry.holders.retain(|holder| holder.runs.as_ref() != Some(key));
        }
        Ok(())
    }

    /// They may be inside of other nodes.
    pub(super) fn stop_strays(&mut self, keys: &[ProgramKey]) {
        self.strays.retain(|key| !keys.contains(key));
        for (name, entry) in &mut self.netns {
            let stays = |key: &ProgramKey| key.netns == *name || !keys.contains(key);
            entry.holders.retain(|holder| holder.runs.as_ref().is_none_or(stays));
        }
    }
}
