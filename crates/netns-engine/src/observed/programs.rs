//! How programs of topologies start and end.

use rustix::io::Errno;

use super::{Observed, project::existing};
use crate::{kernel::Refusal, topology::ProgramKey};

impl Observed {
    pub(super) fn start_program(&mut self, key: &ProgramKey) -> Result<(), Refusal> {
        if !self.netns.contains_key(&key.netns) {
            return Err(Errno::NOENT.into());
        }
        if self.programs.insert(key.clone()) { Ok(()) } else { Err(Errno::EXIST.into()) }
    }

    /// With a program goes its hold on its netns.
    pub(super) fn stop_program(&mut self, key: &ProgramKey) -> Result<(), Refusal> {
        existing(self.programs.take(key), Errno::SRCH)?;
        for entry in self.netns.values_mut() {
            entry.holders.retain(|holder| holder.runs.as_ref() != Some(key));
        }
        Ok(())
    }
}
