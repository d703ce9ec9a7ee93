//! Why can't it reach that? Findings from an observed state, pure.
//!
//! ```text
//!   question ─┐
//!             ├─> scene (kernel/examine) ─┐
//!   kernel ───┘                           ├─> journeys ─> checks ─> findings
//!             └─> probes (kernel/probe) ──┘
//! ```
//!
//! In reading order:
//!
//! 1. [`question`]: what is asked. [`scene`]: what there is to see.
//! 2. [`packet`], [`firewall`]: a packet, and what filters do with it.
//! 3. [`journey`]: its way there and back, leg by leg; what is broken is passed as if it were mended,
//!    so that what comes behind it is found as well.
//! 4. [`checks`]: one file per question, each a pure function from a [`Case`] to findings.
//! 5. [`finding`]: what is wrong, how that is known, why it matters, what mends it ([`mend`]).
//! 6. [`trace`]: the way one packet really took, as the kernel told it.

pub mod finding;
pub mod firewall;
pub mod mend;
pub mod packet;
pub mod question;
pub mod scene;
pub mod trace;
