//! The engine of netns-tool: network namespaces, links, routes and NAT as desired state.
//!
//! A library without command line, output or environment. Everything takes one road:
//!
//! ```text
//!   desired ─┐
//!            ├─> plan ─> apply ─> report
//!  observed ─┘  (pure)  (one pass, undo on refusal, read back)
//! ```
//!
//! In reading order:
//!
//! 1. Words: [`name`], [`address`], [`place`], [`route`], [`sysctl`], [`firewall`], [`resolver`],
//!    [`record`]. Checked types; past the edge there are no loose strings.
//! 2. [`operation`]: one change of the kernel, as data.
//! 3. [`observed`]: what is there, and the model of how operations change it.
//! 4. [`desired`]: what can be asked for, one file per noun.
//!    [`topology`]: a whole network, as a file describes it.
//! 5. [`plan`]: the decisions, one file per noun, pure; and their translation into shell words.
//! 6. [`apply`]: carries a plan out, or leaves things as they were.
//! 7. [`change`]: the whole road, under the lock and with a journal.
//! 8. [`kernel`]: the only folder with system calls. Also what needs no plan, because it changes
//!    nothing that lasts: [looking](kernel::look), [probing](kernel::probe), the
//!    [playground](kernel::playground).
//! 9. [`diagnose`]: why something does not work, from observed state, pure. [`doctor`]: look, try, tell.
//! 10. [`view`]: what `list` and `show` show. [`check`]: what came of a topology's checks.

pub mod address;
pub mod apply;
pub mod boot;
pub mod change;
pub mod check;
pub mod desired;
pub mod diagnose;
pub mod doctor;
pub mod error;
pub mod firewall;
mod journal;
pub mod kernel;
pub mod name;
pub mod observed;
pub mod operation;
mod own_table;
pub mod place;
pub mod plan;
pub mod record;
pub mod resolver;
pub mod route;
pub mod sysctl;
pub mod topology;
pub mod view;
