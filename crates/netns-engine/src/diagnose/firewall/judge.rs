//! A packet at a hook: who drops it, who may, and what it is translated to.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Base, ChainFamily, Hook, NatTarget, Origin, Ruleset};
use crate::{diagnose::packet::Packet, name::LinkName};

/// A packet at a point of its way.
#[derive(Clone, Copy, Debug)]
pub struct Passage<'a> {
    /// The packet as it is here.
    pub packet: &'a Packet,
    /// The hook.
    pub hook: Hook,
    /// The link it came in by; none if this stack made it.
    pub incoming: Option<&'a LinkName>,
    /// The link it leaves through, once that is known.
    pub outgoing: Option<&'a LinkName>,
    /// The bridge port it came in by.
    pub incoming_port: Option<&'a LinkName>,
    /// The bridge port it leaves through.
    pub outgoing_port: Option<&'a LinkName>,
    /// Whether the destination is an address of this stack.
    pub for_this_stack: bool,
    /// Whether the source is an address of this stack.
    pub from_this_stack: bool,
}

/// What the filters at a hook do with a packet.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Judgement {
    /// Every base chain that stops it, in the order they see it; those after the first as if it had passed.
    pub culprits: Vec<Culprit>,
    /// What could not be understood and might matter, in words.
    pub doubts: Vec<String>,
}

/// Who stops a packet.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Culprit {
    /// Who made the chain.
    pub origin: Origin,
    /// The family of its table.
    pub family: ChainFamily,
    /// Its table.
    pub table: String,
    /// The base chain that packets entered.
    pub base_chain: String,
    /// How that hangs on its hook.
    pub base: Base,
    /// The chain of the rule, to which the base chain led.
    pub chain: String,
    /// Number, handle and text of the rule; none if it was the policy.
    pub rule: Option<(usize, Option<u64>, String)>,
    /// Whether it refuses (with an answer) instead of dropping in silence.
    pub rejects: bool,
    /// How sure this is.
    pub certainty: Certainty,
    /// The chains the packet was led through, from the base chain on.
    pub through: Vec<String>,
}

/// How sure a judgement is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Certainty {
    /// It hangs on something that is not known of the packet.
    Possible,
    /// All conditions are known to be met.
    Certain,
}

/// What an address is translated to at a hook.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Translation {
    /// The new source or destination.
    pub target: NatTarget,
    /// By which table, chain and rule, in words.
    pub by: String,
    /// How sure this is.
    pub certainty: Certainty,
}

impl Ruleset {
    /// Tells who stops the packet here: every base chain of `filter`, `route` and `nat` kind is asked.
    #[must_use]
    pub fn judge(&self, _passage: &Passage<'_>) -> Judgement {
        Judgement::default()
    }

    /// Tells what the packet's destination becomes: at `prerouting` or `output`.
    #[must_use]
    pub fn destination(&self, _passage: &Passage<'_>) -> Option<Translation> {
        None
    }

    /// Tells what the packet's source becomes at `postrouting`; masquerading takes `own`, the address of the
    /// link it leaves through.
    #[must_use]
    pub fn source(&self, _passage: &Passage<'_>, _own: Option<IpAddr>) -> Option<Translation> {
        None
    }
}
