//! What the packet filters of a stack do with a packet: every base chain of every table, nftables and
//! iptables of both kinds, at each hook in the order of their priorities.
//!
//! A rule that asks for something not known of the packet *may* match: what hangs on it is a doubt,
//! not a verdict.

mod judge;
mod rule;

pub use judge::{Certainty, Culprit, Judgement, Passage, Translation};
pub use rule::{
    Base, Chain, ChainFamily, ChainKind, Field, Hook, Match, NatTarget, Origin, Policy, Rule, Ruleset,
    Values, Verdict,
};
