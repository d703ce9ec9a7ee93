//! The only folder with system calls and `unsafe`.
//!
//! [`Kernel`] is the seam: everything above it works on data, and the tests put a kernel in memory
//! in its place. [`LinuxKernel`] is the real one; the other files are what it is made of.

mod ahead;
mod at_once;
pub mod background;
mod beside;
mod boot_files;
mod conntrack;
mod conversations;
mod details;
pub mod examine;
pub mod exec;
mod hosts;
mod iptables;
pub mod lifetime;
mod linux;
mod listeners;
pub mod logs;
pub mod look;
mod modules;
mod mounts;
pub mod namespace;
mod netfilter;
mod netlink;
mod nftables;
mod observe;
mod outside;
mod pids;
pub mod playground;
pub mod probe;
mod processes;
mod programs;
mod refusal;
pub(crate) mod resolver;
mod rtnetlink;
mod ruleset;
mod seal;
mod shaping;
mod side_thread;
mod sight;
mod signals;
mod sockets;
mod stacks;
pub(crate) mod state;
mod supply;
mod syscall;
mod sysctl;
mod sysctl_files;
pub mod trace;
pub mod user;
mod visit;
mod whereabouts;

pub use ahead::Ahead;
pub use linux::LinuxKernel;
pub use refusal::{KernelOption, Refusal, RefusalKind};
pub use sight::sight;
pub use signals::{HeldBack, hold_back as hold_signals_back};

use crate::{
    observed::{Observed, Scope},
    plan::{Operation, Step},
    topology::Topology,
};

/// The kernel, reduced to the two things we ever ask of it.
pub trait Kernel {
    /// Reads the state that plans are made from.
    ///
    /// # Errors
    ///
    /// Whatever the kernel refused to show.
    fn observe(&mut self, scope: &Scope) -> Result<Observed, Refusal>;

    /// Makes one change.
    ///
    /// # Errors
    ///
    /// Whatever the kernel answered; the change has then not been made.
    fn perform(&mut self, operation: &Operation) -> Result<(), Refusal>;

    /// Hears what it will be asked to perform. It may get ready, but change nothing yet that anybody sees.
    fn expect(&mut self, _steps: &[Step]) {}

    /// Hears that a topology is as described in every detail, as far as anybody can see.
    fn settle(&mut self, _topology: &Topology) {}
}
