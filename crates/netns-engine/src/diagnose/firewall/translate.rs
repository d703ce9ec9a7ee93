//! What addresses are translated to, and what nearly was.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{
    Certainty, Chain, ChainKind, Field, Hook, Match, NatTarget, Passage, Rule, Ruleset, Values, Verdict,
    condition::{Answer, Sight},
    place::Place,
    walk::{self, Chains, End, Ending, Layer, NewAddress},
};
use crate::address::Family;

/// What an address is translated to at a hook.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Translation {
    /// The new source or destination.
    pub target: NatTarget,
    /// Whether the new destination is this stack itself, at the link it came in by.
    pub to_this_stack: bool,
    /// By which table, chain and rule, in words.
    pub by: String,
    /// The rule.
    pub text: String,
    /// How sure this is.
    pub certainty: Certainty,
}

/// A rule that would translate the source, if it were not for the link or the source network it names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NearMiss {
    /// By which table, chain and rule, in words.
    pub by: String,
    /// The rule.
    pub text: String,
    /// What it asks for and the packet does not have; empty if an earlier rule decides.
    pub unmet: Vec<Unmet>,
}

/// A condition that a packet does not meet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Unmet {
    /// The field is none of these.
    Is(Field, Values),
    /// The field is one of these, and should not be.
    IsNot(Field, Values),
}

impl Unmet {
    /// Returns what it looks at: the outgoing link, or the source.
    #[must_use]
    pub fn field(&self) -> Field {
        match self {
            Self::Is(field, _) | Self::IsNot(field, _) => *field,
        }
    }
}

impl Ruleset {
    /// Tells what the packet's destination becomes: at `prerouting` or `output`, for the first packet of a
    /// connection.
    #[must_use]
    pub fn destination(&self, passage: &Passage<'_>) -> Option<Translation> {
        let (ending, certainty) = self.first_translation(passage, End::is_of_destination)?;
        let target = match ending.what {
            End::Destination(NewAddress::Given(target)) => target,
            End::Destination(NewAddress::OfLink(port)) => {
                let own = (passage.hook == Hook::Output).then(|| loopback(passage.packet.family()));
                NatTarget { address: own, port }
            }
            _ => return None,
        };
        Some(translation(&ending, target, certainty))
    }

    /// Tells what the packet's source becomes at `postrouting`, for the first packet of a connection;
    /// masquerading takes `own`, the address of the link it leaves through.
    #[must_use]
    pub fn source(&self, passage: &Passage<'_>, own: Option<IpAddr>) -> Option<Translation> {
        let (ending, certainty) = self.first_translation(passage, End::is_of_source)?;
        let target = match ending.what {
            End::Source(NewAddress::Given(target)) => target,
            End::Source(NewAddress::OfLink(port)) => NatTarget { address: own, port },
            _ => return None,
        };
        Some(translation(&ending, target, certainty))
    }

    fn first_translation(
        &self,
        passage: &Passage<'_>,
        is_wanted: fn(End) -> bool,
    ) -> Option<(Ending<'_>, Certainty)> {
        let mut asked = self.asked(passage, Layer::Packets);
        asked.retain(|(_, base)| base.kind == ChainKind::Nat);
        let chains = Chains::of(self);
        asked.into_iter().find_map(|base_chain| {
            let endings = walk::endings(&chains, base_chain, passage);
            let place = endings.iter().position(|ending| is_wanted(ending.what))?;
            let certainty = if place == 0 { endings[0].certainty } else { Certainty::Possible };
            endings.into_iter().nth(place).map(|ending| (ending, certainty))
        })
    }

    /// Returns the rules that translate sources and would translate this packet's, if they did not name another
    /// outgoing link or another source network; also those that would, if they were reached.
    #[must_use]
    pub fn near_translations(&self, passage: &Passage<'_>) -> Vec<NearMiss> {
        let passage = Passage { hook: Hook::Postrouting, ..*passage };
        let chains = Chains::of(self);
        let mut found = Vec::new();
        for (chain, base) in self.asked(&passage, Layer::Packets) {
            if base.kind == ChainKind::Nat {
                let sight = Sight { passage: &passage, base, marks: chains.marks() };
                Search { chains: &chains, sight, found: &mut found }.chain(chain, &[], 0);
            }
        }
        if self.first_translation(&passage, End::is_of_source).is_some() {
            found.retain(|miss| !miss.unmet.is_empty());
        }
        found
    }
}

impl End {
    fn is_of_destination(self) -> bool {
        matches!(self, Self::Destination(_))
    }

    fn is_of_source(self) -> bool {
        matches!(self, Self::Source(_))
    }
}

fn loopback(family: Family) -> IpAddr {
    match family {
        Family::Ipv4 => Ipv4Addr::LOCALHOST.into(),
        Family::Ipv6 => Ipv6Addr::LOCALHOST.into(),
    }
}

fn translation(ending: &Ending<'_>, target: NatTarget, certainty: Certainty) -> Translation {
    let by = Place::of(ending.chain, ending.rule).to_string();
    let text = ending.rule.map(|rule| rule.text.clone()).unwrap_or_default();
    let to_this_stack = matches!(ending.what, End::Destination(NewAddress::OfLink(_)));
    Translation { target, to_this_stack, by, text, certainty }
}

/// Looks for near misses in a chain and all it leads to.
struct Search<'a, 'p> {
    chains: &'p Chains<'a>,
    sight: Sight<'p>,
    found: &'p mut Vec<NearMiss>,
}

impl<'a> Search<'a, '_> {
    fn chain(&mut self, chain: &'a Chain, unmet: &[Unmet], depth: usize) {
        /// As deep as the kernel lets chains lead to chains (`NFT_JUMP_STACK_SIZE`).
        const DEEPEST: usize = 16;
        if depth > DEEPEST {
            return;
        }
        for rule in &chain.rules {
            let Some(mut here) = self.unmet_by(&rule.matches) else { continue };
            here.splice(0..0, unmet.iter().cloned());
            match &rule.verdict {
                Verdict::Masquerade | Verdict::Snat(_) => self.note(chain, rule, here),
                Verdict::SnatMap(fields, entries) => {
                    let keys = entries.iter().map(|(key, _)| key.as_slice());
                    if let Some(more) = self.nearest_key(fields, keys) {
                        here.extend(more);
                        self.note(chain, rule, here);
                    }
                }
                Verdict::Jump(name) | Verdict::Goto(name) => {
                    if let Some(next) = self.chains.beside(chain, name) {
                        self.chain(next, &here, depth + 1);
                    }
                }
                _ => {}
            }
        }
    }

    fn note(&mut self, chain: &Chain, rule: &Rule, unmet: Vec<Unmet>) {
        let by = Place::of(chain, Some(rule)).to_string();
        self.found.push(NearMiss { by, text: rule.text.clone(), unmet });
    }

    /// Returns the unmet conditions, unless one of them is about something else.
    fn unmet_by(&self, conditions: &[Match]) -> Option<Vec<Unmet>> {
        let mut unmet = Vec::new();
        for condition in conditions {
            if self.sight.meets(condition) != Answer::No {
                continue;
            }
            match condition {
                Match::Is(field, values) if is_negotiable(*field) => {
                    unmet.push(Unmet::Is(*field, values.clone()));
                }
                Match::IsNot(field, values) if is_negotiable(*field) => {
                    unmet.push(Unmet::IsNot(*field, values.clone()));
                }
                Match::Together(fields, keys) => {
                    unmet.extend(self.nearest_key(fields, keys.iter().map(Vec::as_slice))?);
                }
                _ => return None,
            }
        }
        Some(unmet)
    }

    fn nearest_key<'k>(
        &self,
        fields: &[Field],
        keys: impl Iterator<Item = &'k [Values]>,
    ) -> Option<Vec<Unmet>> {
        let unmet_in = |key: &'k [Values]| {
            let parts = fields.iter().zip(key);
            let missed = parts.filter(|(field, values)| self.sight.is_among(**field, values) == Answer::No);
            let all: Option<Vec<_>> = missed
                .map(|(field, values)| is_negotiable(*field).then(|| Unmet::Is(*field, values.clone())))
                .collect();
            all
        };
        keys.filter_map(unmet_in).min_by_key(Vec::len)
    }
}

fn is_negotiable(field: Field) -> bool {
    matches!(field, Field::OutgoingLink | Field::Source)
}
