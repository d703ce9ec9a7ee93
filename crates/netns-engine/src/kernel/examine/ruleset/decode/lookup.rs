//! Looking something up in a set or a map.

use super::{
    Content, Draft, number,
    piece::{Piece, joined},
    place_of, statement, words,
};
use crate::{
    diagnose::firewall::{Field, Match, Values, Verdict},
    kernel::{
        examine::ruleset::tables::{Data, Element, Set},
        netfilter::{attribute, text_in},
    },
};

/// What a map holds for the values of fields.
#[derive(Clone, Debug)]
pub(super) struct Mapped {
    pub(super) fields: Vec<Field>,
    pub(super) entries: Vec<(Vec<Values>, Vec<u8>)>,
    /// `tcp dport map @ports`.
    pub(super) words: String,
}

/// What is looked up.
struct Key {
    words: String,
    /// Each with the place where it starts.
    pieces: Vec<(usize, Piece)>,
}

/// Whether the key is to be in the set.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Wanted {
    In,
    Out,
}

impl Draft<'_> {
    /// `enum nft_lookup_attributes`; into the register of verdicts, it decides.
    pub(super) fn lookup(&mut self, data: &[u8]) {
        /// `NFT_LOOKUP_F_INV`.
        const INVERTED: u32 = 1;
        let name = attribute(data, 1).map(text_in).unwrap_or_default();
        let Some(from) = number(data, 2) else { return };
        let into = number(data, 3);
        let is_inverted = number(data, 5).is_some_and(|flags| flags & INVERTED != 0);
        let wanted = if is_inverted { Wanted::Out } else { Wanted::In };
        let place = (self.raw.family, self.raw.table.clone(), name.clone());
        let Some(set) = self.sets.get(&place) else {
            return self.ask_unknown(format!("… @{name}"));
        };
        let key = self.key(from, set.key_bytes);
        let Some(fields) = key.fields() else {
            return self.look_up_unknown(&format!("{} @{name}", key.words), into);
        };
        match into {
            None => self.look_up(&key, fields, (set, &name), wanted),
            Some(0) => self.look_up_verdict(&key, fields, (set, &name)),
            Some(register) => self.look_up_value(&key, fields, (set, &name), register),
        }
    }

    fn look_up_unknown(&mut self, words: &str, into: Option<u32>) {
        match into {
            Some(0) => {
                let words = words.replacen('@', "vmap @", 1);
                self.verdict = Verdict::Unknown(words.clone());
                self.say(words);
            }
            _ => self.ask_unknown(words.to_owned()),
        }
    }

    /// Parts of a key lie side by side, each padded to four bytes.
    fn key(&self, register: u32, bytes: usize) -> Key {
        let start = place_of(register);
        let mut pieces = Vec::new();
        let mut at = start;
        while at < start + bytes {
            let Some(Content::Loaded(loaded)) = self.registers.get(&at) else {
                pieces.push((at - start, Piece::opaque("…", bytes)));
                break;
            };
            for piece in loaded {
                pieces.push((at - start, piece.clone()));
                at += piece.bytes.max(1);
            }
            at = at.next_multiple_of(4);
        }
        let words = pieces.iter().map(|(_, piece)| piece.words.as_str()).collect::<Vec<_>>().join(" . ");
        Key { words, pieces }
    }

    fn look_up(&mut self, key: &Key, fields: Vec<Field>, (set, name): (&Set, &str), wanted: Wanted) {
        let keys: Option<Vec<_>> = set.elements.iter().map(|element| key.values(element)).collect();
        let Some(keys) = keys else { return self.ask_unknown(format!("{} @{name}", key.words)) };
        let not = if wanted == Wanted::Out { "!= " } else { "" };
        let listed = keys.iter().map(|key| tuple(&fields, key)).collect::<Vec<_>>().join(", ");
        let shown = shown(set, name, &listed);
        let condition = match (fields.as_slice(), wanted) {
            ([field], Wanted::In) => Match::Is(*field, of_one_field(keys)),
            ([field], Wanted::Out) => Match::IsNot(*field, of_one_field(keys)),
            (_, Wanted::In) => Match::Together(fields, keys),
            (_, Wanted::Out) => Match::NotTogether(fields, keys),
        };
        self.ask(format!("{} {not}{shown}", key.words), condition);
    }

    fn look_up_verdict(&mut self, key: &Key, fields: Vec<Field>, (set, name): (&Set, &str)) {
        let entry = |element: &Element| {
            let verdict = match &element.data {
                Data::Verdict(data) => statement::verdict(data),
                Data::Value(_) | Data::None => Verdict::Continue,
            };
            Some((key.values(element)?, verdict))
        };
        let entries: Option<Vec<_>> = set.elements.iter().map(entry).collect();
        let Some(entries) = entries else {
            return self.look_up_unknown(&format!("{} @{name}", key.words), Some(0));
        };
        let listed: Vec<_> = entries
            .iter()
            .map(|(key, verdict)| format!("{} : {}", tuple(&fields, key), words::verdict(verdict)))
            .collect();
        self.say(format!("{} vmap {}", key.words, shown(set, name, &listed.join(", "))));
        self.verdict = Verdict::Map(fields, entries);
    }

    fn look_up_value(&mut self, key: &Key, fields: Vec<Field>, (set, name): (&Set, &str), register: u32) {
        let entry = |element: &Element| match &element.data {
            Data::Value(value) => Some((key.values(element)?, value.clone())),
            Data::Verdict(_) | Data::None => None,
        };
        let entries: Vec<_> = set.elements.iter().filter_map(entry).collect();
        let words = if set.is_anonymous() {
            format!("{} map {{ … }}", key.words)
        } else {
            format!("{} map @{name}", key.words)
        };
        self.put(register, 4, Content::Data(Vec::new()));
        self.mapped = Some((place_of(register), Mapped { fields, entries, words }));
    }
}

impl Key {
    /// Returns the fields, if all are understood and none is masked.
    fn fields(&self) -> Option<Vec<Field>> {
        let plain = |(_, piece): &(usize, Piece)| piece.field.filter(|_| piece.mask.is_none());
        self.pieces.iter().map(plain).collect()
    }

    fn values(&self, element: &Element) -> Option<Vec<Values>> {
        let part = |(start, piece): &(usize, Piece)| {
            let place = *start..*start + piece.bytes;
            piece.values(element.first.get(place.clone())?, element.last.get(place)?)
        };
        self.pieces.iter().map(part).collect()
    }
}

fn of_one_field(keys: Vec<Vec<Values>>) -> Values {
    joined(keys.into_iter().flatten()).unwrap_or_else(|| Values::Words(Vec::new()))
}

fn tuple(fields: &[Field], key: &[Values]) -> String {
    let parts = fields.iter().zip(key).map(|(field, values)| words::in_words(*field, values));
    parts.collect::<Vec<_>>().join(" . ")
}

fn shown(set: &Set, name: &str, listed: &str) -> String {
    if set.is_anonymous() { format!("{{ {listed} }}") } else { format!("@{name}") }
}
