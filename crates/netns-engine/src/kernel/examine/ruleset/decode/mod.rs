//! From the kernel's instructions to conditions and a verdict: what is loaded into registers, how it is
//! changed, and what it is compared with.
//!
//! Attribute numbers are those of `linux/netfilter/nf_tables.h`, where each list is an enum of the
//! instruction's name: `nft_meta_attributes`, `nft_cmp_attributes` and so on.

mod compare;
mod load;
mod lookup;
mod piece;
mod statement;
mod words;

use std::collections::BTreeMap;

use self::{lookup::Mapped, piece::Piece};
use super::tables::{RawRule, Sets};
use crate::{
    address::Family,
    diagnose::firewall::{ChainFamily, Match, Rule, Verdict},
    kernel::{
        netfilter::{attribute, number_in, text_in},
        netlink::attributes_of,
    },
};

/// Understands rules that refer to these sets.
pub(super) struct Decoder<'a> {
    sets: &'a Sets,
}

/// Whether the iptables program can show a rule.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Dialect {
    /// It has only what iptables puts into rules.
    Iptables,
    /// It was made with `nft`.
    Nft,
}

/// All that iptables puts into rules.
const OF_IPTABLES: [&str; 12] = [
    "bitwise",
    "cmp",
    "counter",
    "immediate",
    "limit",
    "log",
    "match",
    "meta",
    "payload",
    "range",
    "target",
    "byteorder",
];

impl<'a> Decoder<'a> {
    /// Takes the sets that rules look something up in.
    pub(super) fn new(sets: &'a Sets) -> Self {
        Self { sets }
    }

    /// Understands a rule, the `number`th of its chain.
    pub(super) fn rule(&self, number: usize, raw: &'a RawRule) -> (Rule, Dialect) {
        let mut draft = Draft::new(self.sets, raw);
        let mut dialect = Dialect::Iptables;
        for (_, expression) in attributes_of(&raw.expressions) {
            let name = attribute(expression, 1).map(text_in).unwrap_or_default();
            if !OF_IPTABLES.contains(&name.as_str()) {
                dialect = Dialect::Nft;
            }
            draft.take(&name, attribute(expression, 2).unwrap_or_default());
        }
        (draft.finish(number), dialect)
    }
}

/// A rule in the making.
struct Draft<'a> {
    sets: &'a Sets,
    raw: &'a RawRule,
    /// By the place of their first byte.
    registers: BTreeMap<usize, Content>,
    /// What a map holds for a key, at the place it is put.
    mapped: Option<(usize, Mapped)>,
    /// The family that packets are known to be of here.
    family: Option<Family>,
    /// The transport protocol they are known to have here, by number.
    protocol: Option<u8>,
    /// The words that say so, which nft leaves out where others imply them.
    family_words: Option<usize>,
    protocol_words: Option<usize>,
    words: Vec<String>,
    matches: Vec<Match>,
    marks: bool,
    verdict: Verdict,
}

/// What lies in registers.
#[derive(Clone, Debug)]
enum Content {
    /// Parts of a packet that lie side by side.
    Loaded(Vec<Piece>),
    /// A number of the rule's own.
    Data(Vec<u8>),
}

impl<'a> Draft<'a> {
    fn new(sets: &'a Sets, raw: &'a RawRule) -> Self {
        let family = match raw.family {
            ChainFamily::Ip => Some(Family::Ipv4),
            ChainFamily::Ip6 => Some(Family::Ipv6),
            ChainFamily::Inet | ChainFamily::Bridge | ChainFamily::Netdev => None,
        };
        Self {
            sets,
            raw,
            registers: BTreeMap::new(),
            mapped: None,
            family,
            protocol: None,
            family_words: None,
            protocol_words: None,
            words: Vec::new(),
            matches: Vec::new(),
            marks: false,
            verdict: Verdict::Continue,
        }
    }

    /// Takes the next instruction.
    fn take(&mut self, name: &str, data: &[u8]) {
        match name {
            "meta" => self.meta(data),
            "ct" => self.connection(data),
            "fib" => self.route(data),
            "payload" => self.payload(data),
            "bitwise" => self.bitwise(data),
            "byteorder" => self.byteorder(data),
            "cmp" => self.compare(data),
            "range" => self.range(data),
            "lookup" => self.lookup(data),
            "immediate" => self.immediate(data),
            "socket" | "hash" => self.load_opaque(name, data, 2),
            "rt" | "numgen" | "osf" | "xfrm" | "exthdr" | "tunnel" | "inner" => {
                self.load_opaque(name, data, 1);
            }
            _ => self.statement(name, data),
        }
    }

    fn finish(mut self, number: usize) -> Rule {
        if let Some(comment) = &self.raw.comment {
            self.words.push(format!("comment \"{comment}\""));
        }
        self.words.retain(|words| !words.is_empty());
        Rule {
            number,
            handle: Some(self.raw.handle),
            text: self.words.join(" "),
            matches: self.matches,
            marks: self.marks,
            verdict: self.verdict,
        }
    }

    fn say(&mut self, words: impl Into<String>) {
        self.words.push(words.into());
    }

    /// Adds a condition with its words.
    fn ask(&mut self, words: String, condition: Match) {
        self.words.push(words);
        self.matches.push(condition);
    }

    /// Adds a condition that is not understood.
    fn ask_unknown(&mut self, words: String) {
        self.ask(words.clone(), Match::Unknown(words));
    }

    fn put(&mut self, register: u32, bytes: usize, content: Content) {
        let place = place_of(register);
        let covered: Vec<_> = self.registers.range(place..place + bytes.max(1)).map(|(at, _)| *at).collect();
        for at in covered {
            self.registers.remove(&at);
        }
        self.registers.insert(place, content);
    }

    fn load(&mut self, register: u32, pieces: Vec<Piece>) {
        let bytes = pieces.iter().map(|piece| piece.bytes).sum();
        self.put(register, bytes, Content::Loaded(pieces));
    }

    fn loaded(&self, register: u32) -> Option<&[Piece]> {
        match self.registers.get(&place_of(register))? {
            Content::Loaded(pieces) => Some(pieces),
            Content::Data(_) => None,
        }
    }

    fn data(&self, register: u32) -> Option<&[u8]> {
        match self.registers.get(&place_of(register))? {
            Content::Data(bytes) => Some(bytes),
            Content::Loaded(_) => None,
        }
    }

    /// Loads something that no packet of ours is known to have.
    fn load_opaque(&mut self, name: &str, data: &[u8], register: u16) {
        match number(data, register) {
            Some(register) => self.load(register, vec![Piece::opaque(name, 4)]),
            None => self.say(name),
        }
    }
}

/// Returns where a register starts: the four of 16 bytes (`NFT_REG_1` …) and the sixteen of 4 bytes
/// (`NFT_REG32_00` is 8) are two views of the same memory.
fn place_of(register: u32) -> usize {
    let register = register as usize;
    if register < 8 { register.saturating_sub(1) * 16 } else { (register - 8) * 4 }
}

fn number(attributes: &[u8], kind: u16) -> Option<u32> {
    attribute(attributes, kind).and_then(number_in)
}

/// The value in an attribute of its own (`NFTA_DATA_VALUE`).
fn value(attributes: &[u8], kind: u16) -> Option<&[u8]> {
    attribute(attribute(attributes, kind)?, 1)
}
