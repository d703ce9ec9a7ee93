//! Instructions that load parts of a packet, or what the kernel knows of it.

use super::{
    Draft, number,
    piece::{Form, Piece},
};
use crate::{
    address::Family,
    diagnose::firewall::{ChainFamily, Field},
};

impl Draft<'_> {
    /// `enum nft_meta_attributes`; with a source register it sets what it could load.
    pub(super) fn meta(&mut self, data: &[u8]) {
        /// `NFT_META_MARK`.
        const MARK: u32 = 3;
        let key = number(data, 2).unwrap_or(u32::MAX);
        let Some(register) = number(data, 1) else {
            self.marks |= key == MARK;
            let word = if key == MARK { "mark".to_owned() } else { meta_word(key) };
            let new = number(data, 3)
                .and_then(|register| self.data(register))
                .and_then(|bytes| bytes.try_into().ok());
            let new =
                new.map_or_else(|| "…".to_owned(), |bytes| format!("{:#010x}", u32::from_ne_bytes(bytes)));
            self.say(format!("meta {word} set {new}"));
            return;
        };
        let in_bridge = self.raw.family == ChainFamily::Bridge;
        let (incoming, outgoing) = if in_bridge {
            (Field::IncomingPort, Field::OutgoingPort)
        } else {
            (Field::IncomingLink, Field::OutgoingLink)
        };
        // `enum nft_meta_keys`.
        let piece = match key {
            1 => Piece::new(Field::Family, "meta protocol", Form::EtherType, 2),
            MARK => Piece::new(Field::Mark, "meta mark", Form::Host, 4),
            4 => Piece::new(incoming, "iif", Form::Index, 4),
            5 => Piece::new(outgoing, "oif", Form::Index, 4),
            6 => Piece::new(incoming, "iifname", Form::Name, 16),
            7 => Piece::new(outgoing, "oifname", Form::Name, 16),
            15 => Piece::new(Field::Family, "meta nfproto", Form::Host, 1),
            16 => Piece::new(Field::Protocol, "meta l4proto", Form::Host, 1),
            17 if in_bridge => Piece::new(Field::IncomingLink, "ibrname", Form::Name, 16),
            18 if in_bridge => Piece::new(Field::OutgoingLink, "obrname", Form::Name, 16),
            _ => Piece::opaque(format!("meta {}", meta_word(key)), 4),
        };
        self.load(register, vec![piece]);
    }

    /// `enum nft_ct_attributes`, `enum nft_ct_keys`.
    pub(super) fn connection(&mut self, data: &[u8]) {
        let key = number(data, 2).unwrap_or(u32::MAX);
        let Some(register) = number(data, 1) else {
            self.say("ct set …");
            return;
        };
        let piece = match key {
            0 => Piece::new(Field::ConnectionState, "ct state", Form::Host, 4),
            2 => Piece::new(Field::ConnectionStatus, "ct status", Form::Host, 4),
            1 => Piece::opaque("ct direction", 1),
            3 => Piece::opaque("ct mark", 4),
            _ => Piece::opaque(format!("ct key {key}"), 4),
        };
        self.load(register, vec![piece]);
    }

    /// `enum nft_fib_attributes`, `enum nft_fib_result`, `enum nft_fib_flags`.
    pub(super) fn route(&mut self, data: &[u8]) {
        const ADDRESS_TYPE: u32 = 3;
        const PRESENT: u32 = 1 << 5;
        let (Some(register), Some(result)) = (number(data, 1), number(data, 2)) else { return };
        let flags = number(data, 3).unwrap_or_default();
        let names = ["saddr", "daddr", "mark", "iif", "oif"];
        let asked = (0..5).filter(|bit| flags & (1 << bit) != 0).filter_map(|bit| names.get(bit).copied());
        let asked = asked.collect::<Vec<_>>().join(" . ");
        let of_destination = flags & 0b10 != 0;
        let on_link = flags & 0b1_1000 != 0;
        let (field, form) = match (result, of_destination, on_link) {
            (ADDRESS_TYPE, true, false) => (Some(Field::DestinationType), Form::AddressType),
            (ADDRESS_TYPE, true, true) => (Some(Field::DestinationTypeOnLink), Form::AddressType),
            (ADDRESS_TYPE, false, false) => (Some(Field::SourceType), Form::AddressType),
            (ADDRESS_TYPE, false, true) => (Some(Field::SourceTypeOnLink), Form::AddressType),
            // Whether any link leads back to the source.
            _ => (None, Form::Found),
        };
        let result = match result {
            ADDRESS_TYPE => "type",
            2 if flags & PRESENT == 0 => "oifname",
            _ => "oif",
        };
        self.load(register, vec![Piece { field, form, ..Piece::opaque(format!("fib {asked} {result}"), 4) }]);
    }

    /// `enum nft_payload_attributes`; without a destination register it writes into the packet.
    pub(super) fn payload(&mut self, data: &[u8]) {
        let Some(register) = number(data, 1) else {
            self.say("payload set …");
            return;
        };
        let (Some(base), Some(offset), Some(bytes)) = (number(data, 2), number(data, 3), number(data, 4))
        else {
            return;
        };
        let mut pieces = Vec::new();
        let (mut at, end) = (offset as usize, (offset + bytes) as usize);
        while at < end {
            let piece = self.piece(base, at, end - at);
            at += piece.bytes.max(1);
            pieces.push(piece);
        }
        self.forget_implied_words(base);
        self.load(register, pieces);
    }

    /// What lies at a place of a header (`enum nft_payload_bases`): RFC 791, RFC 8200, RFC 9293, RFC 768, RFC 792.
    fn piece(&self, base: u32, at: usize, wanted: usize) -> Piece {
        let known = match (base, self.family, at) {
            (0, _, 12) => Some((Field::Family, "ether type".to_owned(), Form::EtherType, 2)),
            (1, Some(Family::Ipv6), 8) => Some(address("ip6 saddr", Field::Source, Family::Ipv6)),
            (1, Some(Family::Ipv6), 24) => Some(address("ip6 daddr", Field::Destination, Family::Ipv6)),
            (1, Some(Family::Ipv6), 6) => Some(protocol("ip6 nexthdr")),
            (1, Some(Family::Ipv4), 9) => Some(protocol("ip protocol")),
            (1, Some(Family::Ipv4) | None, 12) => Some(address("ip saddr", Field::Source, Family::Ipv4)),
            (1, Some(Family::Ipv4) | None, 16) => Some(address("ip daddr", Field::Destination, Family::Ipv4)),
            (2, ..) => self.transport_piece(at),
            _ => None,
        };
        match known {
            Some((field, words, form, bytes)) if wanted >= bytes || matches!(form, Form::Address(_)) => {
                Piece::new(field, words, form, bytes.min(wanted))
            }
            _ => Piece::opaque(format!("@{},{},{}", layer_word(base), at * 8, wanted * 8), wanted),
        }
    }

    fn transport_piece(&self, at: usize) -> Option<(Field, String, Form, usize)> {
        const ICMP: u8 = 1;
        const ICMP6: u8 = 58;
        const TCP: u8 = 6;
        let named = |words: &str| {
            let protocol = match self.protocol {
                Some(TCP) => "tcp",
                Some(17) => "udp",
                _ => "th",
            };
            format!("{protocol} {words}")
        };
        Some(match (self.protocol, at) {
            (Some(ICMP), 0) => (Field::IcmpType, "icmp type".to_owned(), Form::Network, 1),
            (Some(ICMP6), 0) => (Field::IcmpType, "icmpv6 type".to_owned(), Form::Network, 1),
            (Some(ICMP | ICMP6), _) => return None,
            (_, 0) => (Field::SourcePort, named("sport"), Form::Network, 2),
            (_, 2) => (Field::DestinationPort, named("dport"), Form::Network, 2),
            (Some(TCP), 13) => (Field::TcpFlags, "tcp flags".to_owned(), Form::Network, 1),
            _ => return None,
        })
    }

    /// What is loaded from a header says which packets have it.
    fn forget_implied_words(&mut self, base: u32) {
        let is_icmp = matches!(self.protocol, Some(1 | 58));
        let implied = match base {
            1 => [self.family_words.take(), None],
            2 if self.protocol.is_some() => {
                let family = if is_icmp { self.family_words.take() } else { None };
                [self.protocol_words.take(), family]
            }
            _ => [None, None],
        };
        for place in implied.into_iter().flatten() {
            if let Some(words) = self.words.get_mut(place) {
                words.clear();
            }
        }
    }
}

fn address(words: &str, field: Field, family: Family) -> (Field, String, Form, usize) {
    let bytes = match family {
        Family::Ipv4 => 4,
        Family::Ipv6 => 16,
    };
    (field, words.to_owned(), Form::Address(family), bytes)
}

fn protocol(words: &str) -> (Field, String, Form, usize) {
    (Field::Protocol, words.to_owned(), Form::Network, 1)
}

fn layer_word(base: u32) -> &'static str {
    match base {
        0 => "ll",
        1 => "nh",
        2 => "th",
        _ => "ih",
    }
}

/// `enum nft_meta_keys`, as far as rules ask for it.
fn meta_word(key: u32) -> String {
    let word = match key {
        0 => "length",
        2 => "priority",
        8 => "iiftype",
        9 => "oiftype",
        10 => "skuid",
        11 => "skgid",
        19 => "pkttype",
        20 => "cpu",
        21 => "iifgroup",
        22 => "oifgroup",
        23 => "cgroup",
        24 => "random",
        25 => "ipsec",
        26 => "iifkind",
        27 => "oifkind",
        30 => "time",
        31 => "day",
        32 => "hour",
        _ => return format!("key {key}"),
    };
    word.to_owned()
}
