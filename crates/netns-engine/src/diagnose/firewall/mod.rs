//! What the packet filters of a stack do with a packet: every base chain of every table, nftables and
//! iptables of both kinds, at each hook in the order of their priorities.
//!
//! A rule that asks for something not known of the packet *may* match: what hangs on it is a doubt,
//! not a verdict.

//!
//! Rules come from netlink, decoded by the kernel folder, or as the words of `iptables -S`, which
//! [`Rule::from_words`] understands.

mod condition;
mod judge;
mod place;
mod rule;
#[cfg(test)]
mod tests;
mod translate;
mod walk;
mod words;

pub use judge::{Certainty, Culprit, Judgement, Passage};
pub use rule::{
    Base, Chain, ChainFamily, ChainKind, Field, Hook, Match, NatTarget, Origin, Policy, Rule, Ruleset,
    Values, Verdict,
};
pub use translate::{NearMiss, Translation, Unmet};
