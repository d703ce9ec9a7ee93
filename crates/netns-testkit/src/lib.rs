//! What the tests of netns-tool stand on.
//!
//! - [`FakeKernel`] holds the engine's model of the kernel behind the engine's own seam, so that
//!   plans can be carried out without any privilege; [`Refusing`] makes any kernel fail on demand.
//! - [`main`] runs each [`bare`] or [`online`] trial on a throw-away host of its own, the
//!   [`Sandbox`], as an ordinary user and in parallel.
//! - [`Snapshot`] is the witness: the state of a host as told by other programs.

#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]
#![expect(
    clippy::must_use_candidate,
    clippy::return_self_not_must_use,
    reason = "what insists on something is called for its panic"
)]

mod eventually;
mod fake;
mod process;
mod refusing;
mod runner;
mod sandbox;
mod sleeper;
mod witness;

pub use eventually::{eventually, eventually_some};
pub use fake::FakeKernel;
pub use process::{Ended, Program, program_exists, sh};
pub use refusing::{Fault, Moment, Refusing};
pub use runner::{Missing, Verdict, bare, hostless, main, online};
pub use sandbox::{Sandbox, Uplink, on_fresh_host};
pub use sleeper::Sleeper;
pub use witness::{Difference, Snapshot};
