//! Limits of links in the model.

use rustix::io::Errno;

use super::{Link, Observed};
use crate::{kernel::Refusal, place::LinkAt, topology::Shaping};

impl Observed {
    pub(super) fn set_shaping(&mut self, at: &LinkAt, shaping: &Shaping) -> Result<(), Refusal> {
        let link = self.link_to_shape(at)?;
        let shaping = shaping.as_kept();
        if shaping == Shaping::default() {
            return Err(Errno::INVAL.into());
        }
        link.shaping = Some(shaping);
        Ok(())
    }

    pub(super) fn clear_shaping(&mut self, at: &LinkAt) -> Result<(), Refusal> {
        match self.link_to_shape(at)?.shaping.take() {
            Some(_) => Ok(()),
            None => Err(Errno::NOENT.into()),
        }
    }

    fn link_to_shape(&mut self, at: &LinkAt) -> Result<&mut Link, Errno> {
        let stack = self.stacks.get_mut(&at.place).ok_or(Errno::NODEV)?;
        stack.links.get_mut(&at.name).ok_or(Errno::NODEV)
    }
}
