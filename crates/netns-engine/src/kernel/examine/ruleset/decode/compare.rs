//! Instructions that change what is in a register, and compare it.

use super::{
    Content, Draft, number,
    piece::{Form, Piece},
    value,
    words::{in_words, masked_words},
};
use crate::{
    address::Family,
    diagnose::firewall::{Field, Match, Values},
};

/// How a comparison must end (`enum nft_cmp_ops`, and the first two of `enum nft_range_ops`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    fn of(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::Equal,
            1 => Self::NotEqual,
            2 => Self::Less,
            3 => Self::LessOrEqual,
            4 => Self::Greater,
            5 => Self::GreaterOrEqual,
            _ => return None,
        })
    }

    fn sign(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

impl Draft<'_> {
    /// `enum nft_bitwise_attributes`: a mask, and bits to be flipped; shifts are not followed.
    pub(super) fn bitwise(&mut self, data: &[u8]) {
        let (Some(from), Some(to)) = (number(data, 1), number(data, 2)) else { return };
        let is_masking = number(data, 6).unwrap_or_default() == 0;
        let flips = value(data, 5).is_some_and(|bits| bits.iter().any(|byte| *byte != 0));
        let mask = value(data, 4).filter(|_| is_masking && !flips).map(<[u8]>::to_vec);
        let Some(pieces) = self.loaded(from) else { return };
        let changed = match (pieces, mask) {
            ([piece], Some(mask)) if piece.mask.is_none() => Piece { mask: Some(mask), ..piece.clone() },
            _ => Piece::opaque(format!("({} changed)", joined_words(pieces)), bytes_of(pieces)),
        };
        self.load(to, vec![changed]);
    }

    /// `enum nft_byteorder_attributes`: sets of ranges keep numbers in network byte order.
    pub(super) fn byteorder(&mut self, data: &[u8]) {
        let (Some(from), Some(to)) = (number(data, 1), number(data, 2)) else { return };
        let Some(pieces) = self.loaded(from) else { return };
        let turned = pieces.iter().cloned().map(|piece| match piece.form {
            Form::Host => Piece { form: Form::Network, ..piece },
            Form::Network => Piece { form: Form::Host, ..piece },
            _ => piece,
        });
        let turned = turned.collect();
        self.load(to, turned);
    }

    /// `enum nft_cmp_attributes`.
    pub(super) fn compare(&mut self, data: &[u8]) {
        let (Some(register), Some(operator), Some(bytes)) =
            (number(data, 1), number(data, 2).and_then(Comparison::of), value(data, 3))
        else {
            return;
        };
        match self.loaded(register).map(<[Piece]>::to_vec).as_deref() {
            None => self.ask_unknown(format!("register {register} {} …", operator.sign())),
            Some([piece]) => self.compare_one(piece, operator, bytes),
            Some(pieces) if operator == Comparison::Equal => {
                let mut at = 0;
                for piece in pieces {
                    let end = (at + piece.bytes).min(bytes.len());
                    self.compare_one(piece, operator, bytes.get(at..end).unwrap_or_default());
                    at = end;
                }
            }
            Some(pieces) => self.ask_unknown(format!("{} {} …", joined_words(pieces), operator.sign())),
        }
    }

    /// `enum nft_range_attributes`.
    pub(super) fn range(&mut self, data: &[u8]) {
        let (Some(register), Some(operator)) = (number(data, 1), number(data, 2).and_then(Comparison::of))
        else {
            return;
        };
        let (Some(first), Some(last)) = (value(data, 3), value(data, 4)) else { return };
        match self.loaded(register).map(<[Piece]>::to_vec).as_deref() {
            Some([piece]) if piece.mask.is_none() => {
                let values = piece.values(first, last);
                self.ask_for(piece, operator, values);
            }
            _ => self.ask_unknown(format!("register {register} is in a range")),
        }
    }

    fn compare_one(&mut self, piece: &Piece, operator: Comparison, bytes: &[u8]) {
        if piece.form == Form::Found {
            return self.compare_found(piece, operator, bytes);
        }
        if let Some(mask) = &piece.mask {
            return self.compare_masked(piece, mask, operator, bytes);
        }
        self.learn(piece, operator, bytes);
        match operator {
            Comparison::Equal | Comparison::NotEqual => {
                self.ask_for(piece, operator, piece.values(bytes, bytes));
            }
            _ => self.ask_for_order(piece, operator, bytes),
        }
        self.remember_words(piece, operator);
    }

    fn ask_for(&mut self, piece: &Piece, operator: Comparison, values: Option<Values>) {
        let is = operator == Comparison::Equal;
        let not = if is { "" } else { "!= " };
        match (piece.field, values) {
            (Some(field), Some(values)) => {
                let words = format!("{} {not}{}", piece.words, in_words(field, &values));
                let condition = if is { Match::Is(field, values) } else { Match::IsNot(field, values) };
                self.ask(words, condition);
            }
            _ => self.ask_unknown(format!("{} {not}…", piece.words)),
        }
    }

    /// Two such comparisons make a range, which nft shows as one.
    fn ask_for_order(&mut self, piece: &Piece, operator: Comparison, bytes: &[u8]) {
        let (Some(field), Some(limit)) = (piece.field, piece.number(bytes)) else {
            return self.ask_order_of_addresses(piece, operator, bytes);
        };
        let range = match operator {
            Comparison::Less => (0, limit.saturating_sub(1)),
            Comparison::LessOrEqual => (0, limit),
            Comparison::Greater => (limit.saturating_add(1), u64::MAX),
            _ => (limit, u64::MAX),
        };
        let words = format!("{} {} {limit}", piece.words, operator.sign());
        self.ask(words, Match::Is(field, Values::Numbers(vec![range])));
        self.join_range(piece);
    }

    fn ask_order_of_addresses(&mut self, piece: &Piece, operator: Comparison, bytes: &[u8]) {
        let whole = bytes.len();
        let (least, most) = (vec![0; whole], vec![0xff; whole]);
        let values = match operator {
            Comparison::LessOrEqual => piece.values(&least, bytes),
            Comparison::GreaterOrEqual => piece.values(bytes, &most),
            _ => None,
        };
        match (piece.field, values, piece.values(bytes, bytes)) {
            (Some(field), Some(values), Some(limit)) => {
                let words = format!("{} {} {}", piece.words, operator.sign(), in_words(field, &limit));
                self.ask(words, Match::Is(field, values));
                self.join_range(piece);
            }
            _ => self.ask_unknown(format!("{} {} …", piece.words, operator.sign())),
        }
    }

    fn join_range(&mut self, piece: &Piece) {
        let Some([.., first, last]) = self.words.get(..) else { return };
        let from = first.strip_prefix(&format!("{} >= ", piece.words));
        let to = last.strip_prefix(&format!("{} <= ", piece.words));
        if let (Some(from), Some(to)) = (from, to) {
            let joined = format!("{} {from}-{to}", piece.words);
            self.words.truncate(self.words.len() - 2);
            self.say(joined);
        }
    }

    /// A route back is there, for ordinary packets.
    fn compare_found(&mut self, piece: &Piece, operator: Comparison, bytes: &[u8]) {
        let is_nothing = bytes.iter().all(|byte| *byte == 0);
        match (operator, is_nothing) {
            (Comparison::Equal, true) => {
                let words = format!("{} missing", piece.words);
                self.ask(words.clone(), Match::Exceptional(words));
            }
            (Comparison::NotEqual, true) | (Comparison::Equal, false) => {
                let words = format!("{} exists", piece.words);
                self.ask(words.clone(), Match::Usual(words));
            }
            _ => self.ask_unknown(format!("{} {} …", piece.words, operator.sign())),
        }
    }

    fn compare_masked(&mut self, piece: &Piece, mask: &[u8], operator: Comparison, bytes: &[u8]) {
        if let Form::Address(family) = piece.form {
            return self.compare_network(piece, (mask, family), operator, bytes);
        }
        let (Some(field), Some(mask), Some(wanted)) = (piece.field, piece.number(mask), piece.number(bytes))
        else {
            return self.ask_unknown(format!("{} & … {} …", piece.words, operator.sign()));
        };
        let masked = Values::Masked { mask, value: wanted };
        let condition = match (operator, wanted) {
            (Comparison::NotEqual, 0) => Match::Is(field, Values::AnyBit(mask)),
            (Comparison::Equal, 0) => Match::IsNot(field, Values::AnyBit(mask)),
            (Comparison::Equal, _) => Match::Is(field, masked),
            (Comparison::NotEqual, _) => Match::IsNot(field, masked),
            _ => return self.ask_unknown(format!("{} & {mask:#x} {} …", piece.words, operator.sign())),
        };
        let words = masked_words(field, (mask, wanted), operator.sign());
        self.ask(format!("{} {words}", piece.words), condition);
    }

    /// A mask without gaps makes a network.
    fn compare_network(
        &mut self,
        piece: &Piece,
        (mask, family): (&[u8], Family),
        operator: Comparison,
        bytes: &[u8],
    ) {
        let mut bits = mask.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
        let has_gaps = bits.by_ref().skip_while(|bit| *bit == 1).any(|bit| bit == 1);
        let last: Vec<_> = bytes.iter().zip(mask).map(|(byte, mask)| byte | !mask).collect();
        let is_equality = matches!(operator, Comparison::Equal | Comparison::NotEqual);
        let values = piece.values(bytes, &last).filter(|_| !has_gaps && is_equality);
        debug_assert_eq!(piece.form, Form::Address(family), "only addresses come here");
        self.ask_for(piece, operator, values);
    }

    /// From here on the family or the protocol is known.
    fn learn(&mut self, piece: &Piece, operator: Comparison, bytes: &[u8]) {
        if operator != Comparison::Equal {
            return;
        }
        match (piece.field, piece.values(bytes, bytes)) {
            (Some(Field::Family), Some(Values::Numbers(ranges))) => {
                self.family = match ranges.as_slice() {
                    [(2, 2)] => Some(Family::Ipv4),
                    [(10, 10)] => Some(Family::Ipv6),
                    _ => self.family,
                };
            }
            (Some(Field::Protocol), Some(Values::Numbers(ranges))) => {
                let protocol = ranges.first().map(|(first, _)| *first);
                self.protocol = protocol.and_then(|number| u8::try_from(number).ok());
            }
            _ => {}
        }
    }

    fn remember_words(&mut self, piece: &Piece, operator: Comparison) {
        let place = self.words.len().checked_sub(1).filter(|_| operator == Comparison::Equal);
        match piece.field {
            Some(Field::Family) => self.family_words = place,
            Some(Field::Protocol) => self.protocol_words = place,
            _ => {}
        }
    }

    /// `enum nft_immediate_attributes`: a verdict, or a number for later.
    pub(super) fn immediate(&mut self, data: &[u8]) {
        const DATA: u16 = 2;
        const VERDICT: u16 = 2;
        let Some(register) = number(data, 1) else { return };
        let Some(inner) = crate::kernel::netfilter::attribute(data, DATA) else { return };
        if let Some(verdict) = crate::kernel::netfilter::attribute(inner, VERDICT) {
            let verdict = super::statement::verdict(verdict);
            self.say(super::words::verdict(&verdict));
            self.verdict = verdict;
        } else if let Some(bytes) = value(data, DATA) {
            self.put(register, bytes.len(), Content::Data(bytes.to_vec()));
        }
    }
}

fn joined_words(pieces: &[Piece]) -> String {
    pieces.iter().map(|piece| piece.words.as_str()).collect::<Vec<_>>().join(" . ")
}

fn bytes_of(pieces: &[Piece]) -> usize {
    pieces.iter().map(|piece| piece.bytes).sum()
}
