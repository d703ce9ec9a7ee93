//! The real kernel.

use rustix::io::Errno;

use super::{Kernel, Refusal};
use crate::{
    observed::{Observed, Scope},
    plan::Operation,
};

/// The kernel this process runs on, seen from the netns the calling thread is in.
#[derive(Debug, Default)]
pub struct LinuxKernel {}

impl Kernel for LinuxKernel {
    fn observe(&mut self, _scope: &Scope) -> Result<Observed, Refusal> {
        Err(Errno::NOSYS.into())
    }

    fn perform(&mut self, _operation: &Operation) -> Result<(), Refusal> {
        Err(Errno::NOSYS.into())
    }
}
