//! Chains, rules and sets as netlink shows them (`linux/netfilter/nf_tables.h`).

use std::collections::{BTreeMap, BTreeSet};

use rustix::io::Errno;

use crate::{
    diagnose::firewall::{Base, ChainFamily, ChainKind, Hook, Policy},
    kernel::{
        Refusal, modules,
        netfilter::{
            Attributes, Subsystem, attribute, body, family_of, number_in, number_of_family, text_in,
        },
        netlink::{Protocol, Request, Socket, attributes_of},
    },
};

/// `enum nf_tables_msg_types`.
const GET_CHAIN: u16 = 4;
const GET_RULE: u16 = 7;
const GET_SET: u16 = 10;
const GET_SET_ELEMENT: u16 = 13;

/// What there is, as far as it takes two questions.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) chains: Vec<RawChain>,
    pub(super) rules: Vec<RawRule>,
}

/// A chain without its rules.
#[derive(Debug)]
pub(super) struct RawChain {
    pub(super) family: ChainFamily,
    pub(super) table: String,
    pub(super) name: String,
    pub(super) base: Option<Base>,
}

/// A rule in the kernel's instructions.
#[derive(Debug)]
pub(super) struct RawRule {
    pub(super) family: ChainFamily,
    pub(super) table: String,
    pub(super) chain: String,
    pub(super) handle: u64,
    /// A list of instructions, as attributes.
    pub(super) expressions: Vec<u8>,
    pub(super) comment: Option<String>,
}

/// Sets and maps by where they are.
pub(super) type Sets = BTreeMap<SetPlace, Set>;

/// Family, table and name of a set.
type SetPlace = (ChainFamily, String, String);

/// A set or a map.
#[derive(Debug, Default)]
pub(super) struct Set {
    /// `enum nft_set_flags`.
    flags: u32,
    pub(super) key_bytes: usize,
    pub(super) elements: Vec<Element>,
}

/// An element of a set, or of a map.
#[derive(Clone, Debug)]
pub(super) struct Element {
    /// The key, or the first one of a range.
    pub(super) first: Vec<u8>,
    /// The last key of a range; each part of a key has a range of its own.
    pub(super) last: Vec<u8>,
    pub(super) data: Data,
}

/// What a map holds.
#[derive(Clone, Debug)]
pub(super) enum Data {
    None,
    Value(Vec<u8>),
    Verdict(Vec<u8>),
}

impl Set {
    /// Returns whether it was made for one rule, and has no name of its own.
    pub(super) fn is_anonymous(&self) -> bool {
        /// `NFT_SET_ANONYMOUS`.
        const ANONYMOUS: u32 = 0x1;
        self.flags & ANONYMOUS != 0
    }
}

/// Reads chains and rules; nothing where the kernel has no nftables.
pub(super) fn read() -> Result<Option<Tables>, Refusal> {
    // To ask would load it.
    if !modules::is_there("nf_tables") {
        return Ok(None);
    }
    let mut socket = Socket::open(Protocol::Netfilter)?;
    let chains = match dump(&mut socket, &question(GET_CHAIN, 0, Attributes::new()), raw_chain) {
        Ok(chains) => chains,
        Err(refusal)
            if matches!(refusal.errno(), Errno::OPNOTSUPP | Errno::PROTONOSUPPORT | Errno::INVAL) =>
        {
            return Ok(None);
        }
        Err(refusal) => return Err(refusal),
    };
    if chains.is_empty() {
        return Ok(Some(Tables::default()));
    }
    let rules = dump(&mut socket, &question(GET_RULE, 0, Attributes::new()), raw_rule)?;
    Ok(Some(Tables { chains, rules }))
}

/// Reads the sets that rules look something up in.
///
/// To find a set, the kernel goes through all of them: ten thousand would take it minutes. Of so many, only the
/// first are read, and what the rest hold is not known.
pub(super) fn sets(tables: &Tables, unread: &mut Vec<String>) -> Result<Sets, Refusal> {
    const MOST: usize = 1000;
    let mut wanted = BTreeSet::new();
    let mut left_out = 0;
    for rule in &tables.rules {
        for (_, expression) in attributes_of(&rule.expressions) {
            let Some(name) = looked_up(expression) else { continue };
            let place = (rule.family, rule.table.clone(), name);
            if wanted.len() < MOST {
                wanted.insert(place);
            } else if !wanted.contains(&place) {
                left_out += 1;
            }
        }
    }
    if left_out > 0 {
        unread.push(format!("what {left_out} rules look up in sets: only the first {MOST} sets are read"));
    }
    if wanted.is_empty() { Ok(Sets::new()) } else { read_sets(&wanted) }
}

fn read_sets(wanted: &BTreeSet<SetPlace>) -> Result<Sets, Refusal> {
    let mut socket = Socket::open(Protocol::Netfilter)?;
    let all = dump(&mut socket, &question(GET_SET, 0, Attributes::new()), set)?;
    let mut sets: Sets = all.into_iter().filter(|(place, _)| wanted.contains(place)).collect();
    for ((family, table, name), set) in &mut sets {
        let named = Attributes::new().text(1, table).text(2, name);
        let request = question(GET_SET_ELEMENT, number_of_family(*family), named);
        set.elements = match dump(&mut socket, &request, elements) {
            Ok(lists) => ranged(lists.into_iter().flatten().collect(), set),
            // It went away in the meantime, and the rule with it.
            Err(refusal) if refusal.errno() == Errno::NOENT => Vec::new(),
            Err(refusal) => return Err(refusal),
        };
    }
    Ok(sets)
}

fn question(message: u16, family: u8, attributes: Attributes) -> Request {
    Request { kind: Subsystem::Nftables.message(message), flags: 0, payload: attributes.message(family) }
}

fn dump<T>(
    socket: &mut Socket,
    question: &Request,
    parse: impl Fn(u8, &[u8]) -> Option<T>,
) -> Result<Vec<T>, Refusal> {
    let mut found = Vec::new();
    socket.dump(question, |payload| match payload {
        None => found.clear(),
        Some(payload) => {
            let family = payload.first().copied().unwrap_or_default();
            found.extend(parse(family, body(payload)));
        }
    })?;
    Ok(found)
}

/// `enum nft_chain_attributes`.
fn raw_chain(family: u8, attributes: &[u8]) -> Option<RawChain> {
    let family = family_of(family)?;
    Some(RawChain {
        family,
        table: text_in(attribute(attributes, 1)?),
        name: text_in(attribute(attributes, 3)?),
        base: attribute(attributes, 4).and_then(|hook| base(family, hook, attributes)),
    })
}

/// `enum nft_hook_attributes`; `NF_DROP` of `linux/netfilter.h` is zero.
fn base(family: ChainFamily, hook: &[u8], attributes: &[u8]) -> Option<Base> {
    let kind = match attribute(attributes, 7).map(text_in).as_deref() {
        Some("nat") => ChainKind::Nat,
        Some("route") => ChainKind::Route,
        _ => ChainKind::Filter,
    };
    let policy = match attribute(attributes, 5).and_then(number_in) {
        Some(0) => Policy::Drop,
        _ => Policy::Accept,
    };
    let one = attribute(hook, 3).map(text_in);
    let many = attribute(hook, 4).into_iter().flat_map(attributes_of).map(|(_, name)| text_in(name));
    let mut devices: Vec<_> = one.into_iter().chain(many).collect();
    devices.dedup();
    Some(Base {
        kind,
        hook: hook_of(family, number_in(attribute(hook, 1)?)?)?,
        priority: number_in(attribute(hook, 2)?)?.cast_signed(),
        policy,
        devices,
    })
}

/// `enum nf_inet_hooks` and `enum nf_dev_hooks` of `linux/netfilter.h`.
fn hook_of(family: ChainFamily, number: u32) -> Option<Hook> {
    Some(match (family, number) {
        (ChainFamily::Netdev, 0) | (_, 5) => Hook::Ingress,
        (ChainFamily::Netdev, 1) => Hook::Egress,
        (_, 0) => Hook::Prerouting,
        (_, 1) => Hook::Input,
        (_, 2) => Hook::Forward,
        (_, 3) => Hook::Output,
        (_, 4) => Hook::Postrouting,
        _ => return None,
    })
}

/// `enum nft_rule_attributes`.
fn raw_rule(family: u8, attributes: &[u8]) -> Option<RawRule> {
    Some(RawRule {
        family: family_of(family)?,
        table: text_in(attribute(attributes, 1)?),
        chain: text_in(attribute(attributes, 2)?),
        handle: u64::from_be_bytes(attribute(attributes, 3)?.try_into().ok()?),
        expressions: attribute(attributes, 4).unwrap_or_default().to_vec(),
        comment: attribute(attributes, 7).and_then(comment),
    })
}

/// User data as nft keeps it: type, length, value; type 0 is a comment (`NFTNL_UDATA_RULE_COMMENT` in libnftnl's
/// `udata.h`).
fn comment(mut userdata: &[u8]) -> Option<String> {
    while let [kind, length, rest @ ..] = userdata {
        let value = rest.get(..usize::from(*length))?;
        if *kind == 0 {
            return Some(text_in(value));
        }
        userdata = rest.get(usize::from(*length)..)?;
    }
    None
}

/// The name of the set in a `lookup` (`NFTA_LOOKUP_SET`).
fn looked_up(expression: &[u8]) -> Option<String> {
    let is_lookup = attribute(expression, 1).map(text_in).as_deref() == Some("lookup");
    if is_lookup { attribute(attribute(expression, 2)?, 1).map(text_in) } else { None }
}

/// `enum nft_set_attributes`.
fn set(family: u8, attributes: &[u8]) -> Option<(SetPlace, Set)> {
    let place = (family_of(family)?, text_in(attribute(attributes, 1)?), text_in(attribute(attributes, 2)?));
    let flags = attribute(attributes, 3).and_then(number_in).unwrap_or_default();
    let key_bytes = attribute(attributes, 5).and_then(number_in)? as usize;
    Some((place, Set { flags, key_bytes, elements: Vec::new() }))
}

/// An element, and what its flags say (`enum nft_set_elem_flags`).
type Flagged = (Element, u32);

/// `enum nft_set_elem_list_attributes`.
fn elements(_family: u8, attributes: &[u8]) -> Option<Vec<Flagged>> {
    let list = attribute(attributes, 3)?;
    Some(attributes_of(list).map(|(_, one)| element(one)).collect())
}

/// `enum nft_set_elem_attributes`; values lie in attributes of their own (`enum nft_data_attributes`).
fn element(attributes: &[u8]) -> Flagged {
    let value = |kind: u16| Some(attribute(attribute(attributes, kind)?, 1)?.to_vec());
    let first = value(1).unwrap_or_default();
    let last = value(10).unwrap_or_else(|| first.clone());
    let data = match attribute(attributes, 2) {
        None => Data::None,
        Some(data) => match (attribute(data, 1), attribute(data, 2)) {
            (Some(value), _) => Data::Value(value.to_vec()),
            (None, Some(verdict)) => Data::Verdict(verdict.to_vec()),
            (None, None) => Data::None,
        },
    };
    let flags = attribute(attributes, 3).and_then(number_in).unwrap_or_default();
    (Element { first, last, data }, flags)
}

/// Puts the two ends of each range together, which sets of ranges over a single field keep as elements of
/// their own: the first key that is in, and the first that is not.
fn ranged(elements: Vec<Flagged>, set: &Set) -> Vec<Element> {
    /// `NFT_SET_INTERVAL` and `NFT_SET_CONCAT`.
    const INTERVAL: u32 = 0x4;
    const CONCATENATED: u32 = 0x80;
    const INTERVAL_END: u32 = 0x1;
    const CATCH_ALL: u32 = 0x2;
    let (all, some): (Vec<_>, Vec<_>) = elements.into_iter().partition(|(_, flags)| flags & CATCH_ALL != 0);
    let all = all.into_iter().map(|(element, _)| Element {
        first: vec![0; set.key_bytes],
        last: vec![0xff; set.key_bytes],
        ..element
    });
    let has_both_ends = some.iter().any(|(element, _)| element.first != element.last);
    let mut edges = some;
    if set.flags & INTERVAL == 0 || set.flags & CONCATENATED != 0 || has_both_ends {
        edges.sort_by(|(one, _), (other, _)| one.first.cmp(&other.first));
        return edges.into_iter().map(|(element, _)| element).chain(all).collect();
    }
    // An end lies before the start of the range that follows it at once.
    edges.sort_by(|(one, a), (other, b)| {
        one.first.cmp(&other.first).then((b & INTERVAL_END).cmp(&(a & INTERVAL_END)))
    });
    let mut ranges: Vec<Element> = Vec::new();
    let mut open: Option<Element> = None;
    for (edge, flags) in edges {
        if let Some(range) = open.take() {
            ranges.push(Element { last: one_less(&edge.first), ..range });
        }
        if flags & INTERVAL_END == 0 {
            open = Some(edge);
        }
    }
    ranges.extend(open.map(|range| Element { last: vec![0xff; set.key_bytes], ..range }));
    ranges.into_iter().chain(all).collect()
}

/// Subtracts one from a number in network byte order.
fn one_less(number: &[u8]) -> Vec<u8> {
    let mut less = number.to_vec();
    for byte in less.iter_mut().rev() {
        let borrowed = *byte == 0;
        *byte = byte.wrapping_sub(1);
        if !borrowed {
            break;
        }
    }
    less
}
