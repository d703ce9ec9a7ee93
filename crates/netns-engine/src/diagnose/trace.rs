//! The way one packet really took, chain by chain, as the kernel told it while it happened.
//!
//! Filled by [`crate::kernel::trace`]. A [`Trace`] names who stopped the packet, even where nobody could
//! have told from the rules alone.

use std::{fmt, net::IpAddr};

use serde::{Deserialize, Serialize};

use super::{
    firewall::{Base, ChainFamily, Hook, Policy},
    packet::Protocol,
    scene::Scene,
};
use crate::{name::LinkName, place::Entrance};

/// The packet to be sent and followed.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct TraceProbe {
    /// The stack it is sent from.
    pub from: Entrance,
    /// Where it goes.
    pub to: IpAddr,
    /// A ping, the first packet of a TCP connection, or a datagram.
    pub protocol: Protocol,
    /// The port there; none for a ping.
    pub port: Option<u16>,
}

/// The way of one packet and of its answer.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// What was met on the way, in order: first the packet's way, then that of its answer.
    pub steps: Vec<TraceStep>,
    /// Rules and policies of the old iptables that counted packets meanwhile. The kernel does not say
    /// whose packets: on a busy host, others' are among them.
    pub counted: Vec<LegacyCount>,
    /// What could not be heard or counted, and why.
    pub unheard: Vec<String>,
    /// What came of it.
    pub fate: Fate,
}

/// What came of the packet, as its sender saw it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// An answer came.
    Answered {
        /// From the packet to the answer, in microseconds.
        after_micros: u64,
    },
    /// The answer was no, or the packet could not be sent.
    Refused {
        /// The kernel's words.
        why: String,
    },
    /// No answer came in time.
    Silent,
}

/// Which of both packets.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// The packet that was sent.
    There,
    /// Its answer, or a refusal by somebody on the way.
    Back,
}

/// Something a packet met.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct TraceStep {
    /// The stack it was in.
    pub stack: Entrance,
    /// Which packet.
    pub direction: Direction,
    /// What it met.
    pub event: TraceEvent,
    /// The link it came in by; none if this stack made it.
    pub incoming: Option<LinkName>,
    /// The link it leaves through, once that is known.
    pub outgoing: Option<LinkName>,
    /// Its addresses, as the chain that told of them first saw them.
    pub headers: TracedHeaders,
    /// Its mark; zero if it has none.
    pub mark: u32,
}

/// What a packet met.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum TraceEvent {
    /// It was seen at a hook: before all other chains there; at `postrouting` after all others.
    Seen {
        /// Of routed packets, or of bridged frames.
        family: ChainFamily,
        /// The hook.
        hook: Hook,
    },
    /// It met all conditions of a rule.
    Rule {
        /// The rule's chain.
        chain: TracedChain,
        /// By which nftables knows the rule.
        handle: u64,
        /// The rule in the words of its program, if known: see [`Trace::name_rules`].
        text: Option<String>,
        /// What the rule did with it.
        verdict: TraceVerdict,
    },
    /// It came to the end of a chain that other chains lead to, and went back there.
    End {
        /// The chain.
        chain: TracedChain,
    },
    /// No rule of a base chain decided, so its policy did.
    Policy {
        /// The chain.
        chain: TracedChain,
        /// Its policy.
        policy: Policy,
    },
}

/// A chain a packet passed.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct TracedChain {
    /// The family of its table.
    pub family: ChainFamily,
    /// Its table.
    pub table: String,
    /// Its name.
    pub name: String,
    /// How it hangs on its hook; none if only other chains lead here.
    pub base: Option<Base>,
}

/// What a rule does with a packet that meets its conditions (`enum nft_verdicts` of
/// `linux/netfilter/nf_tables.h`).
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TraceVerdict {
    /// It leaves this base chain.
    Accept,
    /// It vanishes; the rule may have answered with a refusal.
    Drop,
    /// It goes to a program, which decides.
    Queue,
    /// The next rule is asked.
    Continue,
    /// Back to the chain that led here.
    Return,
    /// Into another chain, and back.
    Jump(String),
    /// Into another chain.
    Goto(String),
    /// Somebody else takes care of it, by this number.
    Other(i32),
}

/// A packet's addresses at some point of its way.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct TracedHeaders {
    /// Where it comes from.
    pub source: IpAddr,
    /// Where it goes.
    pub destination: IpAddr,
    /// What it carries, by number (IANA protocol numbers).
    pub protocol: u8,
    /// Its source port; none for ICMP.
    pub source_port: Option<u16>,
    /// Its destination port; none for ICMP.
    pub destination_port: Option<u16>,
    /// How many more routers it may pass (TTL, hop limit).
    pub hops_left: u8,
}

/// A rule or policy of the old iptables, and how many packets it counted.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct LegacyCount {
    /// The stack it is in.
    pub stack: Entrance,
    /// IPv4 or IPv6.
    pub family: ChainFamily,
    /// Its table.
    pub table: String,
    /// Its chain.
    pub chain: String,
    /// The rule's place in the chain, counted from one, and its words; none for the policy.
    pub rule: Option<(usize, String)>,
    /// `ACCEPT`, `DROP`, `REJECT`, another target or chain; empty if it only counts.
    pub target: String,
    /// How many packets.
    pub packets: u64,
}

impl Trace {
    /// Returns the rules and policies of nftables that dropped the packet or its answer.
    pub fn drops(&self) -> impl Iterator<Item = &TraceStep> {
        self.steps.iter().filter(|step| step.drops())
    }

    /// Returns the rules and policies of the old iptables that drop, and counted packets meanwhile.
    pub fn legacy_drops(&self) -> impl Iterator<Item = &LegacyCount> {
        self.counted.iter().filter(|count| count.drops())
    }

    /// Returns where the packet, or its answer, was seen last.
    #[must_use]
    pub fn last_seen(&self, direction: Direction) -> Option<&TraceStep> {
        let mut of_direction = self.steps.iter().filter(|step| step.direction == direction);
        of_direction.rfind(|step| matches!(step.event, TraceEvent::Seen { .. }))
    }

    /// Adds the words of rules, of which the kernel only tells the handles.
    pub fn name_rules(&mut self, scene: &Scene) {
        for step in &mut self.steps {
            let Some(stack) = scene.find(&step.stack) else { continue };
            let TraceEvent::Rule { chain, handle, text, .. } = &mut step.event else { continue };
            let mut chains = scene.stack(stack).firewall.chains.iter();
            let known = chains.find(|known| {
                known.family == chain.family && known.table == chain.table && known.name == chain.name
            });
            let rule = known.and_then(|known| known.rules.iter().find(|rule| rule.handle == Some(*handle)));
            *text = rule.map(|rule| rule.text.clone());
        }
    }
}

impl TraceStep {
    /// Returns whether the packet ended here.
    #[must_use]
    pub fn drops(&self) -> bool {
        matches!(
            self.event,
            TraceEvent::Rule { verdict: TraceVerdict::Drop, .. }
                | TraceEvent::Policy { policy: Policy::Drop, .. }
        )
    }
}

impl TraceEvent {
    /// Returns the chain, unless the packet was only seen.
    #[must_use]
    pub fn chain(&self) -> Option<&TracedChain> {
        match self {
            Self::Seen { .. } => None,
            Self::Rule { chain, .. } | Self::End { chain } | Self::Policy { chain, .. } => Some(chain),
        }
    }
}

impl LegacyCount {
    /// Returns whether packets end here.
    #[must_use]
    pub fn drops(&self) -> bool {
        matches!(self.target.as_str(), "DROP" | "REJECT")
    }

    /// Returns what was counted between two looks at the same tables.
    pub(crate) fn risen(before: &[Self], after: Vec<Self>) -> Vec<Self> {
        let rise = |now: Self| {
            let then = before.iter().find(|then| now.is_same_place(then)).map_or(0, |then| then.packets);
            Self { packets: now.packets.saturating_sub(then), ..now }
        };
        after.into_iter().map(rise).filter(|count| count.packets > 0).collect()
    }

    fn is_same_place(&self, other: &Self) -> bool {
        self.family == other.family
            && self.table == other.table
            && self.chain == other.chain
            && self.rule == other.rule
    }
}

impl fmt::Display for TracedChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.family, self.table, self.name)
    }
}

impl fmt::Display for TraceVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accept => f.write_str("accept"),
            Self::Drop => f.write_str("drop"),
            Self::Queue => f.write_str("queue"),
            Self::Continue => f.write_str("continue"),
            Self::Return => f.write_str("return"),
            Self::Jump(chain) => write!(f, "jump {chain}"),
            Self::Goto(chain) => write!(f, "goto {chain}"),
            Self::Other(number) => write!(f, "verdict {number}"),
        }
    }
}

#[cfg(test)]
mod tests;
