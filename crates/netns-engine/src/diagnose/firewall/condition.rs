//! Whether a packet meets a condition: yes, no, or it cannot be told.

use std::net::IpAddr;

use super::{Base, Field, Hook, Match, Passage, Values};
use crate::{
    address::Family,
    diagnose::packet::{ConnectionState, Packet, Protocol},
    name::LinkName,
};

/// What can be told; the worse comes first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Answer {
    No,
    Maybe,
    Yes,
}

/// What a field of a packet is known to hold.
enum Known<'a> {
    Text(&'a str),
    Address(IpAddr),
    /// One of these.
    Numbers(Vec<u64>),
    /// A number of which only the bits in the mask are known.
    Bits {
        mask: u64,
        value: u64,
    },
    Unknown,
    /// The packet has no such field: the rule does not match, whatever it asks for.
    Absent,
}

/// A packet in front of the rules of a base chain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight<'a> {
    pub(super) passage: &'a Passage<'a>,
    pub(super) base: &'a Base,
    /// Whether any rule of the stack sets marks: then this packet's is not known.
    pub(super) marks: Marks,
}

/// Whether packets of a stack may have marks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Marks {
    /// No rule sets one.
    None,
    /// Some rule does.
    Some,
}

impl Sight<'_> {
    /// Tells whether the packet meets all conditions.
    pub(super) fn meets_all(&self, conditions: &[Match]) -> Answer {
        let mut all = Answer::Yes;
        for condition in conditions {
            all = all.min(self.meets(condition));
            if all == Answer::No {
                break;
            }
        }
        all
    }

    /// Tells whether the packet meets one condition.
    pub(super) fn meets(&self, condition: &Match) -> Answer {
        match condition {
            Match::Is(field, values) => self.is_among(*field, values),
            Match::IsNot(field, values) => match self.known(*field) {
                Known::Absent => Answer::No,
                known => compare(&known, values).opposite(),
            },
            Match::Together(fields, keys) => self.has_a_key(fields, keys),
            Match::NotTogether(fields, keys) => {
                let lacks_one = fields.iter().any(|field| matches!(self.known(*field), Known::Absent));
                if lacks_one { Answer::No } else { self.has_a_key(fields, keys).opposite() }
            }
            Match::Unknown(_) => Answer::Maybe,
            Match::Usual(_) => Answer::Yes,
            Match::Exceptional(_) => Answer::No,
        }
    }

    fn has_a_key(&self, fields: &[Field], keys: &[Vec<Values>]) -> Answer {
        keys.iter().map(|key| self.has_key(fields, key)).max().unwrap_or(Answer::No)
    }

    /// Tells whether each field holds its part of a key.
    pub(super) fn has_key(&self, fields: &[Field], key: &[Values]) -> Answer {
        let parts = fields.iter().zip(key).map(|(field, values)| self.is_among(*field, values));
        parts.min().unwrap_or(Answer::Yes)
    }

    /// Tells whether a field is among the values.
    pub(super) fn is_among(&self, field: Field, values: &Values) -> Answer {
        compare(&self.known(field), values)
    }

    fn known(&self, field: Field) -> Known<'_> {
        let packet = self.passage.packet;
        match field {
            Field::IncomingLink => named_or_none(self.passage.incoming),
            Field::OutgoingLink => self.outgoing(),
            Field::IncomingPort => named_or_none(self.passage.incoming_port),
            Field::OutgoingPort => named_or_none(self.passage.outgoing_port),
            Field::Source => Known::Address(packet.source),
            Field::Destination => Known::Address(packet.destination),
            Field::Protocol => Known::number(packet.protocol.number(packet.family())),
            Field::SourcePort => port(packet, packet.source_port),
            Field::DestinationPort => port(packet, packet.destination_port),
            Field::ConnectionState => Known::number(self.state()),
            Field::ConnectionStatus => self.status(),
            Field::DestinationType => Known::Text(self.destination_type()),
            Field::SourceType => Known::Text(source_type(self.passage)),
            Field::DestinationTypeOnLink => on_link(self.destination_type()),
            Field::SourceTypeOnLink => on_link(source_type(self.passage)),
            Field::IcmpType => icmp_type(packet),
            Field::TcpFlags => tcp_flags(packet),
            Field::Mark if self.marks == Marks::None => Known::number(0_u8),
            Field::Mark => Known::Unknown,
            Field::Family => Known::number(family_number(packet.family())),
        }
    }

    /// Once the way out is chosen there is a link, if perhaps not one that we know.
    fn outgoing(&self) -> Known<'_> {
        let chosen =
            matches!(self.base.hook, Hook::Forward | Hook::Output | Hook::Postrouting | Hook::Egress);
        match self.passage.outgoing {
            None if chosen => Known::Unknown,
            link => named_or_none(link),
        }
    }

    /// Connection tracking has not yet seen packets in front of it: they count as invalid
    /// (`nft_ct_get_eval` in `net/netfilter/nft_ct.c`).
    fn is_untracked(&self) -> bool {
        /// `NF_IP_PRI_CONNTRACK` of `linux/netfilter_ipv4.h`.
        const TRACKING: i32 = -200;
        match self.base.hook {
            Hook::Ingress | Hook::Egress => true,
            Hook::Prerouting | Hook::Output => self.base.priority < TRACKING,
            Hook::Input | Hook::Forward | Hook::Postrouting => false,
        }
    }

    fn state(&self) -> u8 {
        match self.passage.packet.state {
            _ if self.is_untracked() => 1,
            ConnectionState::Established => 2,
            ConnectionState::New => 8,
        }
    }

    fn status(&self) -> Known<'_> {
        /// `IPS_SRC_NAT` and `IPS_DST_NAT` of `linux/netfilter/nf_conntrack_common.h`.
        const SOURCE: u64 = 1 << 4;
        const DESTINATION: u64 = 1 << 5;
        if self.is_untracked() {
            return Known::Absent;
        }
        let packet = self.passage.packet;
        let source = if packet.masqueraded { SOURCE } else { 0 };
        let destination = if packet.redirected { DESTINATION } else { 0 };
        Known::Bits { mask: SOURCE | DESTINATION, value: source | destination }
    }

    fn destination_type(&self) -> &'static str {
        match self.passage.packet.destination {
            _ if self.passage.for_this_stack => "local",
            address if address.is_multicast() => "multicast",
            IpAddr::V4(address) if address.is_broadcast() => "broadcast",
            _ => "unicast",
        }
    }
}

impl Answer {
    fn opposite(self) -> Self {
        match self {
            Self::No => Self::Yes,
            Self::Maybe => Self::Maybe,
            Self::Yes => Self::No,
        }
    }
}

impl From<bool> for Answer {
    fn from(met: bool) -> Self {
        if met { Self::Yes } else { Self::No }
    }
}

impl Known<'_> {
    fn number(number: impl Into<u64>) -> Self {
        Self::Numbers(vec![number.into()])
    }
}

/// Where there is no link, the kernel compares with an empty name.
fn named_or_none(link: Option<&LinkName>) -> Known<'_> {
    Known::Text(link.map_or("", LinkName::as_str))
}

fn port(packet: &Packet, port: Option<u16>) -> Known<'static> {
    match (packet.protocol, port) {
        (Protocol::Icmp, _) => Known::Absent,
        (_, None) => Known::Unknown,
        (_, Some(port)) => Known::number(port),
    }
}

fn source_type(passage: &Passage<'_>) -> &'static str {
    if passage.from_this_stack { "local" } else { "unicast" }
}

/// An address of this stack may be one of the link in question, or of another.
fn on_link(kind: &'static str) -> Known<'static> {
    if kind == "local" { Known::Unknown } else { Known::Text(kind) }
}

/// An echo request, or its answer (RFC 792, RFC 4443).
fn icmp_type(packet: &Packet) -> Known<'static> {
    match (packet.protocol, packet.family(), packet.state) {
        (Protocol::Icmp, Family::Ipv4, ConnectionState::New) => Known::number(8_u8),
        (Protocol::Icmp, Family::Ipv4, ConnectionState::Established) => Known::number(0_u8),
        (Protocol::Icmp, Family::Ipv6, ConnectionState::New) => Known::number(128_u8),
        (Protocol::Icmp, Family::Ipv6, ConnectionState::Established) => Known::number(129_u8),
        (Protocol::Tcp | Protocol::Udp, ..) => Known::Absent,
    }
}

/// A first packet has SYN alone; a later one ACK, and SYN as well if it is the first answer.
fn tcp_flags(packet: &Packet) -> Known<'static> {
    match (packet.protocol, packet.state) {
        (Protocol::Tcp, ConnectionState::New) => Known::number(2_u8),
        (Protocol::Tcp, ConnectionState::Established) => Known::Numbers(vec![0x12, 0x10]),
        (Protocol::Icmp | Protocol::Udp, _) => Known::Absent,
    }
}

/// `NFPROTO_IPV4` and `NFPROTO_IPV6` of `linux/netfilter.h`.
fn family_number(family: Family) -> u8 {
    match family {
        Family::Ipv4 => 2,
        Family::Ipv6 => 10,
    }
}

fn compare(known: &Known<'_>, values: &Values) -> Answer {
    match (known, values) {
        (Known::Absent, _) => Answer::No,
        (Known::Unknown, values) => if_unknown(values),
        (Known::Text(text), Values::Words(words)) => {
            Answer::from(words.iter().any(|word| is_called(text, word)))
        }
        (Known::Address(address), Values::Addresses(ranges)) => {
            let is_within = |(first, last): &(IpAddr, IpAddr)| {
                first.is_ipv4() == address.is_ipv4() && first <= address && address <= last
            };
            Answer::from(ranges.iter().any(is_within))
        }
        (Known::Numbers(numbers), values) => compare_numbers(numbers, values),
        (Known::Bits { mask, value }, values) => compare_bits(*mask, *value, values),
        _ => Answer::Maybe,
    }
}

/// Among nothing there is nothing.
fn if_unknown(values: &Values) -> Answer {
    let nothing = match values {
        Values::Words(words) => words.is_empty(),
        Values::Addresses(ranges) => ranges.is_empty(),
        Values::Numbers(ranges) => ranges.is_empty(),
        Values::AnyBit(_) | Values::Masked { .. } => false,
    };
    if nothing { Answer::No } else { Answer::Maybe }
}

fn is_called(text: &str, word: &str) -> bool {
    match word.strip_suffix('*') {
        Some(start) => text.starts_with(start),
        None => text == word,
    }
}

fn compare_numbers(numbers: &[u64], values: &Values) -> Answer {
    let holds = |number: &u64| match values {
        Values::Numbers(ranges) => Some(ranges.iter().any(|(first, last)| (first..=last).contains(&number))),
        Values::AnyBit(bits) => Some(number & bits != 0),
        Values::Masked { mask, value } => Some(number & mask == *value),
        Values::Words(_) | Values::Addresses(_) => None,
    };
    let mut answers = numbers.iter().map(|number| holds(number).map_or(Answer::Maybe, Answer::from));
    let first = answers.next().unwrap_or(Answer::Maybe);
    if answers.all(|answer| answer == first) { first } else { Answer::Maybe }
}

fn compare_bits(mask: u64, value: u64, values: &Values) -> Answer {
    let fits = |wanted: u64, counts: u64| (value ^ wanted) & counts & mask == 0;
    match values {
        Values::AnyBit(bits) if value & bits != 0 => Answer::Yes,
        Values::AnyBit(bits) if bits & !mask == 0 => Answer::No,
        Values::Masked { mask: counts, value: wanted } if !fits(*wanted, *counts) => Answer::No,
        Values::Masked { mask: counts, .. } if counts & !mask == 0 => Answer::Yes,
        Values::Numbers(ranges) if ranges.iter().all(|(first, last)| first == last && !fits(*first, !0)) => {
            Answer::No
        }
        _ => Answer::Maybe,
    }
}
