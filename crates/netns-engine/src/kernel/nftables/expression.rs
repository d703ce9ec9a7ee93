//! Rules in the kernel's own instructions: load into registers, compare, look up, decide.
//!
//! Attribute numbers are those of `linux/netfilter/nf_tables.h`, where each list is an enum of the
//! instruction's name: `nft_meta_attributes`, `nft_cmp_attributes` and so on.

use crate::{
    address::Family,
    kernel::netfilter::Attributes,
    own_table::{Match, Rule, Selector, Verdict},
};

/// `NFTA_LIST_ELEM`.
const LIST_ELEMENT: u16 = 1;
/// `NFTA_DATA_VALUE` and `NFTA_DATA_VERDICT`.
const DATA_VALUE: u16 = 1;
const DATA_VERDICT: u16 = 2;
/// `NFT_REG_VERDICT`: what is put there ends the rule.
const VERDICT_REGISTER: u32 = 0;
/// `NFT_REG_1`: the first 16 bytes of data.
const FIRST_REGISTER: u32 = 1;

/// How a comparison must end (`enum nft_cmp_ops`).
#[derive(Clone, Copy)]
pub(in crate::kernel) enum Comparison {
    Equal = 0,
    NotEqual = 1,
}

/// `enum nft_meta_keys`.
#[derive(Clone, Copy)]
pub(in crate::kernel) enum Meta {
    EtherType = 1,
    IncomingIndex = 4,
    IncomingName = 6,
    OutgoingName = 7,
    Traced = 12,
    Family = 15,
    Protocol = 16,
}

/// `enum nft_payload_bases`.
#[derive(Clone, Copy)]
pub(in crate::kernel) enum Layer {
    Network = 1,
    Transport = 2,
}

/// Returns the instructions of `rule`, ready to be nested in `NFTA_RULE_EXPRESSIONS`.
pub(super) fn instructions(rule: &Rule) -> Attributes {
    let conditions = rule.matches.iter().map(condition);
    conditions.chain([verdict(rule.verdict)]).fold(Attributes::new(), |all, one| all.and(&one))
}

fn condition(condition: &Match) -> Attributes {
    match condition {
        Match::NotFromLoopbackLink => meta(Meta::IncomingName, FIRST_REGISTER)
            .and(&compare(Comparison::NotEqual, b"lo\0\0\0\0\0\0\0\0\0\0\0\0\0\0")),
        Match::FromNoLink => {
            meta(Meta::IncomingIndex, FIRST_REGISTER).and(&compare(Comparison::Equal, &0_u32.to_ne_bytes()))
        }
        Match::ToLoopbackNetwork => {
            // The first byte of the address is the whole of 127.0.0.0/8.
            only(Family::Ipv4).and(&payload(Layer::Network, 16, 1)).and(&compare(Comparison::Equal, &[127]))
        }
        Match::NotToLoopback6 => only(Family::Ipv6)
            .and(&load(Selector::Destination(Family::Ipv6), FIRST_REGISTER))
            .and(&compare(Comparison::NotEqual, &std::net::Ipv6Addr::LOCALHOST.octets())),
        Match::ToThisHost => local_destination(),
        // IP_CT_ESTABLISHED and IP_CT_RELATED as bits (`NF_CT_STATE_BIT`).
        Match::Tracked => tracking(0, 0b110),
        // IPS_DST_NAT (`linux/netfilter/nf_conntrack_common.h`).
        Match::Redirected => tracking(2, 1 << 5),
        Match::In(selectors, set) => selection(selectors).and(&lookup(set.name(), None)),
    }
}

fn verdict(verdict: Verdict) -> Attributes {
    match verdict {
        // NF_DROP and NF_ACCEPT (`linux/netfilter.h`).
        Verdict::Drop => decide(&Attributes::new().number(1, 0)),
        Verdict::Accept => decide(&Attributes::new().number(1, 1)),
        // NFT_JUMP is −3.
        Verdict::Jump(chain) => {
            decide(&Attributes::new().number(1, (-3_i32).cast_unsigned()).text(2, chain.as_str()))
        }
        Verdict::Masquerade => expression("masq", &Attributes::new()),
        Verdict::Snat(family, selectors, set) => {
            // NFT_NAT_SNAT; register of the address (NFTA_NAT_REG_ADDR_MIN).
            let translate = translation(0, family).number(3, FIRST_REGISTER);
            selection(selectors)
                .and(&lookup(set.name(), Some(FIRST_REGISTER)))
                .and(&expression("nat", &translate))
        }
        Verdict::Dnat(family, selectors, set) => {
            // NFT_NAT_DNAT; the port (NFTA_NAT_REG_PROTO_MIN) lies behind the address.
            let port = register_at(address_bytes(family));
            let translate = translation(1, family).number(3, FIRST_REGISTER).number(5, port);
            selection(selectors)
                .and(&lookup(set.name(), Some(FIRST_REGISTER)))
                .and(&expression("nat", &translate))
        }
    }
}

/// Loads all selectors one behind the other, each padded to four bytes, as a set's key is.
///
/// IPv4 and IPv6 pass the same chains, so an address is read only from a packet that has one.
fn selection(selectors: &[Selector]) -> Attributes {
    let mut all = Attributes::new();
    for selector in selectors {
        if let Selector::Source(family) | Selector::Destination(family) = selector {
            all = all.and(&only(*family));
        }
    }
    let mut offset = 0;
    for selector in selectors {
        all = all.and(&load(*selector, register_at(offset)));
        offset += selector.column().bytes().next_multiple_of(4);
    }
    all
}

/// Returns the number of the register at a byte offset: the four of 16 bytes (`NFT_REG_1` …) and
/// the sixteen of 4 bytes (`NFT_REG32_00` is 8) are two views of the same memory.
fn register_at(offset: usize) -> u32 {
    let register = if offset.is_multiple_of(16) { 1 + offset / 16 } else { 8 + offset / 4 };
    u32::try_from(register).unwrap_or(u32::MAX)
}

fn address_bytes(family: Family) -> usize {
    crate::own_table::Column::Address(family).bytes()
}

fn load(selector: Selector, register: u32) -> Attributes {
    match selector {
        Selector::IncomingLink => meta(Meta::IncomingName, register),
        Selector::OutgoingLink => meta(Meta::OutgoingName, register),
        Selector::Protocol => meta(Meta::Protocol, register),
        // Offsets in `struct iphdr`, `struct ipv6hdr`, and the start of every transport header.
        Selector::Source(Family::Ipv4) => payload_into(register, Layer::Network, 12, 4),
        Selector::Destination(Family::Ipv4) => payload_into(register, Layer::Network, 16, 4),
        Selector::Source(Family::Ipv6) => payload_into(register, Layer::Network, 8, 16),
        Selector::Destination(Family::Ipv6) => payload_into(register, Layer::Network, 24, 16),
        Selector::DestinationPort => payload_into(register, Layer::Transport, 2, 2),
    }
}

fn only(family: Family) -> Attributes {
    meta(Meta::Family, FIRST_REGISTER).and(&compare(Comparison::Equal, &[protocol_family(family)]))
}

/// `NFPROTO_IPV4` and `NFPROTO_IPV6` (`linux/netfilter.h`).
fn protocol_family(family: Family) -> u8 {
    match family {
        Family::Ipv4 => 2,
        Family::Ipv6 => 10,
    }
}

fn expression(name: &str, data: &Attributes) -> Attributes {
    let named = Attributes::new().text(1, name).nested(2, data);
    Attributes::new().nested(LIST_ELEMENT, &named)
}

fn meta(key: Meta, register: u32) -> Attributes {
    expression("meta", &Attributes::new().number(1, register).number(2, key as u32))
}

/// Loads what is known of the packet, to be compared.
pub(in crate::kernel) fn known(key: Meta) -> Attributes {
    meta(key, FIRST_REGISTER)
}

/// Has the kernel tell of the packet from here on (`meta nftrace set 1`).
pub(in crate::kernel) fn trace() -> Attributes {
    let one =
        Attributes::new().nested(2, &Attributes::new().bytes(DATA_VALUE, &[1])).number(1, FIRST_REGISTER);
    // NFTA_META_SREG makes it a change, where NFTA_META_DREG would load.
    let set = Attributes::new().number(2, Meta::Traced as u32).number(3, FIRST_REGISTER);
    expression("immediate", &one).and(&expression("meta", &set))
}

/// Compares what was loaded.
pub(in crate::kernel) fn compare(comparison: Comparison, value: &[u8]) -> Attributes {
    let value = Attributes::new().bytes(DATA_VALUE, value);
    let data = Attributes::new().number(1, FIRST_REGISTER).number(2, comparison as u32).nested(3, &value);
    expression("cmp", &data)
}

/// Loads bytes of the packet, to be compared.
pub(in crate::kernel) fn payload(layer: Layer, offset: u32, bytes: u32) -> Attributes {
    payload_into(FIRST_REGISTER, layer, offset, bytes)
}

fn payload_into(register: u32, layer: Layer, offset: u32, bytes: u32) -> Attributes {
    let data =
        Attributes::new().number(1, register).number(2, layer as u32).number(3, offset).number(4, bytes);
    expression("payload", &data)
}

/// The destination's type in the routing tables (`NFT_FIB_RESULT_ADDRTYPE` by
/// `NFTA_FIB_F_DADDR`) is `RTN_LOCAL`.
fn local_destination() -> Attributes {
    let find = Attributes::new().number(1, FIRST_REGISTER).number(2, 3).number(3, 1 << 1);
    expression("fib", &find).and(&compare(Comparison::Equal, &2_u32.to_ne_bytes()))
}

/// At least one of `bits` is set in the connection's state (key 0) or status (key 2).
fn tracking(key: u32, bits: u32) -> Attributes {
    let load = expression("ct", &Attributes::new().number(1, FIRST_REGISTER).number(2, key));
    let word = |value: u32| Attributes::new().bytes(DATA_VALUE, &value.to_ne_bytes());
    let mask = Attributes::new()
        .number(1, FIRST_REGISTER)
        .number(2, FIRST_REGISTER)
        .number(3, 4)
        .nested(4, &word(bits))
        .nested(5, &word(0));
    load.and(&expression("bitwise", &mask)).and(&compare(Comparison::NotEqual, &0_u32.to_ne_bytes()))
}

fn lookup(set: &str, into: Option<u32>) -> Attributes {
    let data = Attributes::new().text(1, set).number(2, FIRST_REGISTER);
    let data = match into {
        Some(register) => data.number(3, register),
        None => data,
    };
    expression("lookup", &data)
}

fn translation(kind: u32, family: Family) -> Attributes {
    Attributes::new().number(1, kind).number(2, u32::from(protocol_family(family)))
}

fn decide(verdict: &Attributes) -> Attributes {
    let data = Attributes::new().nested(DATA_VERDICT, verdict);
    expression("immediate", &Attributes::new().number(1, VERDICT_REGISTER).nested(2, &data))
}
