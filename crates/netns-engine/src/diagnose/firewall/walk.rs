//! The way of a packet through a base chain and the chains that it leads to.

use std::collections::BTreeMap;

use super::{
    Base, Certainty, Chain, ChainFamily, ChainKind, Field, Hook, Match, NatTarget, Origin, Passage, Rule,
    Ruleset, Values, Verdict,
    condition::{Answer, Marks, Sight},
};
use crate::{address::Family, diagnose::packet::ConnectionState};

/// More than the kernel lets chains lead to chains (`NFT_JUMP_STACK_SIZE` of `net/netfilter/nf_tables.h` is 16).
const DEEPEST: usize = 64;

/// A place where the way through a base chain ends, or may end.
#[derive(Clone, Debug)]
pub(super) struct Ending<'a> {
    pub(super) what: End,
    /// Whether a packet that came so far ends here for certain.
    pub(super) certainty: Certainty,
    pub(super) chain: &'a Chain,
    /// None if it is the policy.
    pub(super) rule: Option<&'a Rule>,
    /// The chains it was led through, this one as well.
    pub(super) through: Vec<String>,
}

/// How the way through a base chain ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum End {
    Accept,
    Drop,
    Reject,
    /// A program decides.
    Queue,
    /// Its source is translated.
    Source(NewAddress),
    /// Its destination is translated.
    Destination(NewAddress),
    /// Nobody knows.
    Unknown,
    /// It would be dropped, were it not an ordinary packet.
    Exception,
}

/// What an address is translated to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum NewAddress {
    Given(NatTarget),
    /// That of the link: of the one it leaves through, or came in by.
    OfLink(Option<u16>),
}

/// What follows after a rule.
enum Next {
    Rule,
    /// Back to the chain that led here.
    Leave,
    End,
}

/// What follows after a chain.
#[derive(PartialEq)]
enum Passed {
    Through,
    Ended,
}

/// Chains by where they are.
pub(super) struct Chains<'a> {
    by_name: BTreeMap<(Origin, ChainFamily, &'a str, &'a str), &'a Chain>,
    marks: Marks,
}

impl<'a> Chains<'a> {
    pub(super) fn of(ruleset: &'a Ruleset) -> Self {
        let place =
            |chain: &'a Chain| (chain.origin, chain.family, chain.table.as_str(), chain.name.as_str());
        let by_name = ruleset.chains.iter().map(|chain| (place(chain), chain)).collect();
        let mut rules = ruleset.chains.iter().flat_map(|chain| &chain.rules);
        let sets = rules.any(|rule| rule.marks);
        Self { by_name, marks: if sets { Marks::Some } else { Marks::None } }
    }

    pub(super) fn marks(&self) -> Marks {
        self.marks
    }

    /// Returns another chain of the same table.
    pub(super) fn beside(&self, chain: &Chain, name: &str) -> Option<&'a Chain> {
        self.by_name.get(&(chain.origin, chain.family, chain.table.as_str(), name)).copied()
    }
}

/// Which families' chains are asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Layer {
    /// Chains for IP packets and for links.
    Packets,
    /// Chains of bridges.
    Frames,
}

impl Ruleset {
    /// Returns the base chains that see a packet, in the order they see it.
    pub(super) fn asked<'a>(&'a self, passage: &Passage<'_>, layer: Layer) -> Vec<(&'a Chain, &'a Base)> {
        let bases = self.chains.iter().filter_map(|chain| Some((chain, chain.base.as_ref()?)));
        let mut asked: Vec<_> =
            bases.filter(|(chain, base)| sees(chain.family, base, passage, layer)).collect();
        asked.sort_by_key(|(_, base)| base.priority);
        asked
    }
}

fn sees(family: ChainFamily, base: &Base, passage: &Passage<'_>, layer: Layer) -> bool {
    let is_on = |link: Option<&crate::name::LinkName>| {
        link.is_some_and(|link| base.devices.iter().any(|device| device == link.as_str()))
    };
    let this_hook = base.hook == passage.hook;
    let this_kind = base.kind != ChainKind::Nat || passage.packet.state == ConnectionState::New;
    let this_family = match (family, layer) {
        (ChainFamily::Bridge, Layer::Frames) => is_bridged(passage),
        (ChainFamily::Netdev, Layer::Packets) => match base.hook {
            Hook::Egress => is_on(passage.outgoing) || is_on(passage.outgoing_port),
            _ => is_on(passage.incoming) || is_on(passage.incoming_port),
        },
        (ChainFamily::Inet, Layer::Packets) if base.hook == Hook::Ingress => is_on(passage.incoming),
        (ChainFamily::Inet, Layer::Packets) => true,
        (ChainFamily::Ip, Layer::Packets) => passage.packet.family() == Family::Ipv4,
        (ChainFamily::Ip6, Layer::Packets) => passage.packet.family() == Family::Ipv6,
        _ => false,
    };
    this_hook && this_kind && this_family
}

/// A bridge's hooks see what comes in by a port of it, or leaves through one.
fn is_bridged(passage: &Passage<'_>) -> bool {
    let (comes, leaves) = (passage.incoming_port.is_some(), passage.outgoing_port.is_some());
    match passage.hook {
        Hook::Prerouting | Hook::Input => comes,
        Hook::Forward => comes && leaves,
        Hook::Output | Hook::Postrouting => leaves,
        Hook::Ingress | Hook::Egress => false,
    }
}

/// Follows a packet through a base chain: every place where it may end, up to where it ends for certain.
pub(super) fn endings<'a>(
    chains: &Chains<'a>,
    (base_chain, base): (&'a Chain, &Base),
    passage: &Passage<'_>,
) -> Vec<Ending<'a>> {
    let sight = Sight { passage, base, marks: chains.marks };
    let mut walk = Walk { chains, sight, path: Vec::new(), endings: Vec::new() };
    if walk.chain(base_chain, Certainty::Certain) == Passed::Through {
        let what = match base.policy {
            super::Policy::Accept => End::Accept,
            super::Policy::Drop => End::Drop,
        };
        let through = vec![base_chain.name.clone()];
        walk.endings.push(Ending {
            what,
            certainty: Certainty::Certain,
            chain: base_chain,
            rule: None,
            through,
        });
    }
    walk.endings
}

struct Walk<'a, 'p> {
    chains: &'p Chains<'a>,
    sight: Sight<'p>,
    path: Vec<&'a Chain>,
    endings: Vec<Ending<'a>>,
}

impl<'a> Walk<'a, '_> {
    fn chain(&mut self, chain: &'a Chain, mut reached: Certainty) -> Passed {
        if self.path.len() >= DEEPEST {
            return Passed::Through;
        }
        self.path.push(chain);
        let mut passed = Passed::Through;
        let mut may_have_left = false;
        for rule in &chain.rules {
            let certainty = match self.sight.meets_all(&rule.matches) {
                Answer::No => {
                    self.note_exception(rule);
                    continue;
                }
                Answer::Maybe => Certainty::Possible,
                Answer::Yes => Certainty::Certain,
            };
            match (self.verdict(rule, &rule.verdict, certainty.min(reached)), certainty) {
                (Next::Rule, _) | (Next::End, Certainty::Possible) => {}
                (Next::End, Certainty::Certain) => {
                    passed = if may_have_left { Passed::Through } else { Passed::Ended };
                    break;
                }
                (Next::Leave, Certainty::Certain) => break,
                (Next::Leave, Certainty::Possible) => {
                    may_have_left = true;
                    reached = Certainty::Possible;
                }
            }
        }
        self.path.pop();
        passed
    }

    fn verdict(&mut self, rule: &'a Rule, verdict: &'a Verdict, certainty: Certainty) -> Next {
        let end = match verdict {
            Verdict::Continue => return Next::Rule,
            Verdict::Return => return Next::Leave,
            Verdict::Jump(name) => return self.into(rule, name, certainty, Next::Rule),
            Verdict::Goto(name) => return self.into(rule, name, certainty, Next::Leave),
            Verdict::Map(fields, entries) => return self.map(rule, (fields, entries), certainty),
            Verdict::DnatMap(fields, entries) => {
                return self.translate(rule, (fields, entries), certainty, End::Destination);
            }
            Verdict::SnatMap(fields, entries) => {
                return self.translate(rule, (fields, entries), certainty, End::Source);
            }
            Verdict::Unknown(_) => {
                self.end(rule, End::Unknown, Certainty::Possible);
                return Next::Rule;
            }
            Verdict::Accept => End::Accept,
            Verdict::Drop => End::Drop,
            Verdict::Reject => End::Reject,
            Verdict::Queue => End::Queue,
            Verdict::Masquerade => End::Source(NewAddress::OfLink(None)),
            Verdict::Snat(target) => End::Source(NewAddress::Given(*target)),
            Verdict::Dnat(target) => End::Destination(NewAddress::Given(*target)),
            Verdict::Redirect(port) => End::Destination(NewAddress::OfLink(*port)),
        };
        self.end(rule, end, certainty);
        Next::End
    }

    /// Remembers a rule that drops only odd packets, if this is one in all else.
    fn note_exception(&mut self, rule: &'a Rule) {
        let is_odd = |condition: &Match| matches!(condition, Match::Exceptional(_));
        let drops = matches!(rule.verdict, Verdict::Drop | Verdict::Reject);
        if drops && rule.matches.iter().any(is_odd) {
            let mut others = rule.matches.iter().filter(|condition| !is_odd(condition));
            if others.all(|condition| self.sight.meets(condition) != Answer::No) {
                self.end(rule, End::Exception, Certainty::Possible);
            }
        }
    }

    fn into(&mut self, rule: &'a Rule, name: &str, certainty: Certainty, after: Next) -> Next {
        let target = self.path.last().and_then(|chain| self.chains.beside(chain, name));
        match target.map(|target| self.chain(target, certainty)) {
            Some(Passed::Through) => after,
            Some(Passed::Ended) => Next::End,
            None => {
                self.end(rule, End::Unknown, Certainty::Possible);
                Next::Rule
            }
        }
    }

    fn map(
        &mut self,
        rule: &'a Rule,
        (fields, entries): (&[Field], &'a [(Vec<Values>, Verdict)]),
        certainty: Certainty,
    ) -> Next {
        for (key, verdict) in entries {
            match self.sight.has_key(fields, key) {
                Answer::No => {}
                Answer::Maybe => drop(self.verdict(rule, verdict, Certainty::Possible)),
                Answer::Yes => return self.verdict(rule, verdict, certainty),
            }
        }
        Next::Rule
    }

    fn translate(
        &mut self,
        rule: &'a Rule,
        (fields, entries): (&[Field], &[(Vec<Values>, NatTarget)]),
        certainty: Certainty,
        end: fn(NewAddress) -> End,
    ) -> Next {
        for (key, target) in entries {
            let end = end(NewAddress::Given(*target));
            match self.sight.has_key(fields, key) {
                Answer::No => {}
                Answer::Maybe => self.end(rule, end, Certainty::Possible),
                Answer::Yes => {
                    self.end(rule, end, certainty);
                    return Next::End;
                }
            }
        }
        Next::Rule
    }

    fn end(&mut self, rule: &'a Rule, what: End, certainty: Certainty) {
        let Some(chain) = self.path.last() else { return };
        let through = self.path.iter().map(|chain| chain.name.clone()).collect();
        self.endings.push(Ending { what, certainty, chain, rule: Some(rule), through });
    }
}

/// Returns what of a rule's conditions is not known of a packet, in words.
pub(super) fn unknowns(rule: &Rule) -> Vec<&str> {
    let words = rule.matches.iter().filter_map(|condition| match condition {
        Match::Unknown(words) | Match::Usual(words) | Match::Exceptional(words) => Some(words.as_str()),
        _ => None,
    });
    words.collect()
}
