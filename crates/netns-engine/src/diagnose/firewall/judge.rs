//! A packet at a hook: who drops it, who may, and what it is translated to.

use serde::{Deserialize, Serialize};

use super::{
    Base, Chain, ChainFamily, Hook, Origin, Ruleset,
    place::Place,
    walk::{self, Chains, End, Ending, Layer, unknowns},
};
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
    /// The chains that the packet was led through, from the base chain on.
    pub through: Vec<String>,
}

impl Culprit {
    /// Returns whether another one is in the same chain.
    #[must_use]
    pub fn is_beside(&self, other: &Self) -> bool {
        let place =
            |it: &Self| (it.origin, it.family, it.table.clone(), it.base_chain.clone(), it.chain.clone());
        place(self) == place(other)
    }
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

impl Ruleset {
    /// Tells who stops the packet here: every base chain of `filter`, `route` and `nat` kind is asked, and those
    /// of bridges if a bridge passes it.
    #[must_use]
    pub fn judge(&self, passage: &Passage<'_>) -> Judgement {
        let mut judgement = self.judge_frame(passage);
        self.ask(passage, Layer::Packets, &mut judgement);
        judgement
    }

    /// Tells what chains of the bridge family alone do with a frame: without `br_netfilter` no others see what a
    /// bridge passes from port to port.
    #[must_use]
    pub fn judge_frame(&self, passage: &Passage<'_>) -> Judgement {
        let mut judgement = Judgement::default();
        self.ask(passage, Layer::Frames, &mut judgement);
        judgement
    }

    fn ask(&self, passage: &Passage<'_>, layer: Layer, judgement: &mut Judgement) {
        let asked = self.asked(passage, layer);
        if asked.is_empty() {
            return;
        }
        let chains = Chains::of(self);
        for (chain, base) in asked {
            let endings = walk::endings(&chains, (chain, base), passage);
            let culprit = culprit(&endings, chain, base);
            // What may let it pass matters where somebody else may stop it.
            let matters = |ending: &&Ending<'_>| culprit.is_some() || !ending.only_may_pass();
            judgement.doubts.extend(endings.iter().filter(matters).filter_map(Ending::doubt));
            judgement.culprits.extend(culprit);
        }
    }
}

/// Where it ends for certain counts most; only else where it may end.
fn culprit(endings: &[Ending<'_>], base_chain: &Chain, base: &Base) -> Option<Culprit> {
    let (last, earlier) = endings.split_last()?;
    let (ending, certainty) = if last.what.stops() {
        let may_pass = earlier.iter().any(|ending| ending.what.may_let_pass());
        (last, if may_pass { Certainty::Possible } else { last.certainty })
    } else {
        let may_stop = |ending: &&Ending<'_>| ending.what.stops() || ending.what == End::Queue;
        (endings.iter().find(may_stop)?, Certainty::Possible)
    };
    Some(Culprit {
        origin: base_chain.origin,
        family: base_chain.family,
        table: base_chain.table.clone(),
        base_chain: base_chain.name.clone(),
        base: base.clone(),
        chain: ending.chain.name.clone(),
        rule: ending.rule.map(|rule| (rule.number, rule.handle, rule.text.clone())),
        rejects: ending.what == End::Reject,
        certainty,
        through: ending.through.clone(),
    })
}

impl End {
    fn stops(self) -> bool {
        matches!(self, Self::Drop | Self::Reject)
    }

    fn may_let_pass(self) -> bool {
        !self.stops() && self != Self::Exception
    }
}

impl Ending<'_> {
    fn only_may_pass(&self) -> bool {
        let passes = matches!(self.what, End::Accept | End::Source(_) | End::Destination(_));
        passes && self.certainty == Certainty::Possible
    }

    /// Returns what cannot be told of the rule that it hangs on.
    fn doubt(&self) -> Option<String> {
        let rule = self.rule?;
        let place = Place::of(self.chain, Some(rule));
        let text = &rule.text;
        let conditions = unknowns(rule).join(", ");
        let told = |why: &str| Some(format!("{place}: '{text}' {why}"));
        match (self.what, self.certainty) {
            (End::Unknown, _) => told("does something that is not understood"),
            (End::Queue, _) => told("leaves it to a program"),
            (End::Exception, _) => told(&format!("would apply if the packet were an odd one ({conditions})")),
            (_, Certainty::Certain) if conditions.is_empty() => None,
            (_, Certainty::Certain) => told(&format!("applies as usual ({conditions})")),
            (_, Certainty::Possible) if conditions.is_empty() => {
                told("asks for something that is not known of the packet")
            }
            (_, Certainty::Possible) => told(&format!("may apply or not ({conditions})")),
        }
    }
}
