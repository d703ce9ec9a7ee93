//! Files that outlive a reboot, in the model: those of somebody else stay as they are.

use rustix::io::Errno;

use super::Observed;
use crate::{
    boot::{BootFile, BootFileState},
    kernel::Refusal,
};

impl Observed {
    pub(super) fn write_boot_file(&mut self, file: &BootFile, text: &str) -> Result<(), Refusal> {
        if self.boot_files.get(file) == Some(&BootFileState::Foreign) {
            return Err(Errno::EXIST.into());
        }
        self.boot_files.insert(file.clone(), BootFileState::Ours(text.to_owned()));
        Ok(())
    }

    pub(super) fn remove_boot_file(&mut self, file: &BootFile) -> Result<(), Refusal> {
        match self.boot_files.get(file) {
            Some(BootFileState::Ours(_)) => {}
            Some(BootFileState::Foreign) => return Err(Errno::EXIST.into()),
            None => return Err(Errno::NOENT.into()),
        }
        self.boot_files.remove(file);
        Ok(())
    }
}
