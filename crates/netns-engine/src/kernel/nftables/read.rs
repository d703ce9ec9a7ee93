//! What the kernel says about tables, in our words.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::{
    address::Family,
    firewall::Transport,
    kernel::{
        netfilter::{attribute, body, number_in, text_in},
        netlink::attributes_of,
    },
    name::LinkName,
    observed::ForeignChain,
    own_table::{Cell, Column, Element, NAME, Set},
};

/// Reads which chain of the own table a rule is in.
pub(super) fn chain_of_rule(payload: &[u8]) -> Option<String> {
    /// `NFTA_RULE_TABLE` and `NFTA_RULE_CHAIN`.
    const TABLE: u16 = 1;
    const CHAIN: u16 = 2;
    let word = |kind| attribute(body(payload), kind).map(text_in);
    word(TABLE).filter(|table| table == NAME).and_then(|_| word(CHAIN))
}

/// Reads the elements in the answer to a question about `set`; what is not ours is left out.
pub(super) fn elements(set: Set, payload: &[u8]) -> Vec<Element> {
    /// `NFTA_SET_ELEM_LIST_ELEMENTS`.
    const ELEMENTS: u16 = 3;
    let list = attribute(body(payload), ELEMENTS).unwrap_or_default();
    attributes_of(list).filter_map(|(_, attributes)| element(set, attributes)).collect()
}

fn element(set: Set, attributes: &[u8]) -> Option<Element> {
    let first = value_of(attributes, 1)?;
    let last = value_of(attributes, 10).unwrap_or(first);
    let key = if set.has_ranges() { ranges(set.key(), first, last)? } else { cells(set.key(), first)? };
    let value = match value_of(attributes, 2) {
        Some(value) => cells(set.value(), value)?,
        None => Vec::new(),
    };
    let comment = attribute(attributes, 6).and_then(comment);
    Some(Element { set, key, value, comment })
}

/// A value lies in an attribute of its own (`NFTA_DATA_VALUE`).
fn value_of(attributes: &[u8], kind: u16) -> Option<&[u8]> {
    attribute(attribute(attributes, kind)?, 1)
}

fn cells(columns: &[Column], mut bytes: &[u8]) -> Option<Vec<Cell>> {
    let mut cells = Vec::new();
    for column in columns {
        cells.push(cell(*column, bytes.get(..column.bytes())?)?);
        bytes = bytes.get(column.bytes().next_multiple_of(4)..).unwrap_or_default();
    }
    Some(cells)
}

fn cell(column: Column, bytes: &[u8]) -> Option<Cell> {
    Some(match column {
        Column::Address(Family::Ipv4) => {
            Cell::Address(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).into())
        }
        Column::Address(Family::Ipv6) => {
            Cell::Address(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into())
        }
        Column::Link => Cell::Link(LinkName::from_kernel(text_in(bytes))),
        Column::Protocol => Cell::Protocol(match bytes {
            [number] if *number == Transport::Tcp.number() => Transport::Tcp,
            [number] if *number == Transport::Udp.number() => Transport::Udp,
            _ => return None,
        }),
        Column::Port => Cell::Port(u16::from_be_bytes(bytes.try_into().ok()?)),
    })
}

/// Reads both ends of a range, which must be those of a network.
fn ranges(columns: &[Column], first: &[u8], last: &[u8]) -> Option<Vec<Cell>> {
    let (first, last) = (cells(columns, first)?, cells(columns, last)?);
    first
        .into_iter()
        .zip(last)
        .map(|ends| match ends {
            (Cell::Address(first), Cell::Address(last)) => network(first, last).map(Cell::Network),
            (one, other) if one == other => Some(one),
            _ => None,
        })
        .collect()
}

fn network(first: IpAddr, last: IpAddr) -> Option<IpNet> {
    let net = match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => {
            let prefix = (first.to_bits() ^ last.to_bits()).leading_zeros();
            IpNet::V4(Ipv4Net::new(first, u8::try_from(prefix).ok()?).ok()?)
        }
        (IpAddr::V6(first), IpAddr::V6(last)) => {
            let prefix = (first.to_bits() ^ last.to_bits()).leading_zeros();
            IpNet::V6(Ipv6Net::new(first, u8::try_from(prefix).ok()?).ok()?)
        }
        _ => return None,
    };
    (net.network() == first && net.broadcast() == last).then_some(net)
}

/// Reads the link's name out of the comment (type 0, length, text, NUL).
fn comment(userdata: &[u8]) -> Option<LinkName> {
    match userdata {
        [0, length, text @ ..] => {
            let text = text_in(text.get(..usize::from(*length))?);
            LinkName::new(text).ok()
        }
        _ => None,
    }
}

/// Reads a base chain that forwarded packets pass, unless it is one of ours. Before the routing
/// decision, only translation counts.
pub(super) fn foreign_chain(payload: &[u8]) -> Option<ForeignChain> {
    let family = match payload.first()? {
        1 => "inet",
        2 => "ip",
        10 => "ip6",
        _ => return None,
    };
    let attributes = body(payload);
    let kind = text_in(attribute(attributes, 7)?);
    let hook = match number_in(attribute(attribute(attributes, 4)?, 1)?)? {
        0 if kind == "nat" => "prerouting",
        2 => "forward",
        4 => "postrouting",
        _ => return None,
    };
    let table = text_in(attribute(attributes, 1)?);
    if family == "inet" && table == NAME {
        return None;
    }
    Some(ForeignChain {
        table: format!("{family} {table}"),
        chain: text_in(attribute(attributes, 3)?),
        kind,
        hook: hook.to_owned(),
    })
}
