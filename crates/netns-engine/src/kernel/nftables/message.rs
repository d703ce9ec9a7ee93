//! The messages that make, change and ask for the own table (`linux/netfilter/nf_tables.h`).

use std::net::IpAddr;

use super::expression::instructions;
use crate::{
    kernel::{
        netfilter::{Attributes, Subsystem},
        netlink::{Request, flag},
    },
    own_table::{COMMENT, Cell, Chain, Column, Element, NAME, Rule, Set},
};

/// `NFPROTO_INET` (`linux/netfilter.h`).
const INET: u8 = 1;
/// `NFTA_LIST_ELEM`, `NFTA_DATA_VALUE`.
const LIST_ELEMENT: u16 = 1;
const DATA_VALUE: u16 = 1;
/// Every kind of object names its table in attribute 1.
const TABLE: u16 = 1;
/// Elements per message: the list is one attribute, which cannot be longer than 64 KiB.
const ELEMENTS_PER_MESSAGE: usize = 256;

/// `enum nf_tables_msg_types`.
#[derive(Clone, Copy)]
enum Message {
    NewTable = 0,
    GetTable = 1,
    DeleteTable = 2,
    NewChain = 3,
    GetChain = 4,
    NewRule = 6,
    GetRule = 7,
    DeleteRule = 8,
    NewSet = 9,
    NewElement = 12,
    GetElement = 13,
    DeleteElement = 14,
    GetGeneration = 16,
}

fn request(message: Message, flags: u16, attributes: Attributes) -> Request {
    let kind = Subsystem::Nftables.message(message as u16);
    Request { kind, flags, payload: attributes.message(INET) }
}

fn in_table() -> Attributes {
    Attributes::new().text(TABLE, NAME)
}

/// Makes the table; refused if it is there.
pub(super) fn new_table() -> Request {
    let attributes = in_table().number(2, 0).bytes(6, &comment(COMMENT));
    request(Message::NewTable, flag::CREATE | flag::EXCL, attributes)
}

/// Deletes the table with all that is in it.
pub(super) fn delete_table() -> Request {
    request(Message::DeleteTable, 0, in_table())
}

/// Asks whether the table is there.
pub(super) fn get_table() -> Request {
    request(Message::GetTable, 0, in_table())
}

/// Asks for the number of the last change: a question any kernel with nftables can answer.
pub(super) fn get_generation() -> Request {
    request(Message::GetGeneration, 0, Attributes::new())
}

/// Asks for the chains of every table of every family.
pub(super) fn get_chains() -> Request {
    /// `NFPROTO_UNSPEC`.
    const ANY: u8 = 0;
    Request {
        kind: Subsystem::Nftables.message(Message::GetChain as u16),
        flags: 0,
        payload: Attributes::new().message(ANY),
    }
}

/// Makes a chain without rules.
pub(super) fn new_chain(chain: &Chain) -> Request {
    /// `NF_ACCEPT`.
    const ACCEPT: u32 = 1;
    let named = in_table().text(3, chain.name.as_str());
    let attributes = match chain.hook {
        None => named,
        Some(hook) => {
            let place = Attributes::new().number(1, hook.number).number(2, hook.priority.cast_unsigned());
            named.nested(4, &place).number(5, ACCEPT).text(7, hook.kind)
        }
    };
    request(Message::NewChain, flag::CREATE, attributes)
}

/// Makes a rule, last in its chain.
pub(super) fn new_rule(chain: &Chain, rule: &Rule) -> Request {
    let attributes = in_table().text(2, chain.name.as_str()).nested(4, &instructions(rule));
    request(Message::NewRule, flag::CREATE | flag::APPEND, attributes)
}

/// Asks for the rules of all chains.
pub(super) fn get_rules() -> Request {
    request(Message::GetRule, 0, in_table())
}

/// Deletes the rules of all chains.
pub(super) fn delete_rules() -> Request {
    request(Message::DeleteRule, 0, in_table())
}

/// Makes an empty set or map.
///
/// `number` tells it from the others of one transaction; the kernel insists on it.
pub(super) fn new_set(set: Set, number: u32) -> Request {
    let (key, value) = (set.key(), set.value());
    let mut attributes = in_table()
        .text(2, set.name())
        .number(3, set_flags(set))
        .number(4, type_number(key))
        .number(5, width(key));
    if !value.is_empty() {
        attributes = attributes.number(6, type_number(value)).number(7, width(value));
    }
    if set.has_ranges() {
        attributes = attributes.nested(9, &Attributes::new().nested(2, &fields(key)));
    }
    if key == [Column::Link] {
        attributes = attributes.bytes(13, &host_byte_order());
    }
    request(Message::NewSet, flag::CREATE, attributes.number(10, number))
}

/// Tells nft, which would print empty names otherwise, to read the key as a text: type 0, length,
/// host byte order (`NFTNL_UDATA_SET_KEYBYTEORDER` in libnftnl's `udata.h`).
fn host_byte_order() -> Vec<u8> {
    [&[0, 4], 1_u32.to_ne_bytes().as_slice()].concat()
}

/// `enum nft_set_flags`.
fn set_flags(set: Set) -> u32 {
    const INTERVAL: u32 = 0x4;
    const MAP: u32 = 0x8;
    const CONCATENATION: u32 = 0x80;
    let ranges = if set.has_ranges() { INTERVAL | CONCATENATION } else { 0 };
    let map = if set.value().is_empty() { 0 } else { MAP };
    ranges | map
}

/// Returns how nft notes a list of types in one number, six bits each (`TYPE_BITS` in its
/// `datatype.h`). The kernel only keeps it, for nft to print.
fn type_number(columns: &[Column]) -> u32 {
    columns.iter().fold(0, |number, column| {
        let of_type = match column {
            Column::Address(crate::address::Family::Ipv4) => 7,
            Column::Address(crate::address::Family::Ipv6) => 8,
            Column::Protocol => 12,
            Column::Port => 13,
            Column::Link => 41,
        };
        (number << 6) | of_type
    })
}

/// The bytes of all columns, each padded to four; a lone one is not padded.
fn width(columns: &[Column]) -> u32 {
    columns.iter().map(|column| padded(column.bytes())).sum()
}

fn padded(bytes: usize) -> u32 {
    u32::try_from(bytes.next_multiple_of(4)).unwrap_or(u32::MAX)
}

/// `NFTA_SET_DESC_CONCAT`: where one column of a range ends and the next begins.
fn fields(columns: &[Column]) -> Attributes {
    columns.iter().fold(Attributes::new(), |all, column| {
        let length = Attributes::new().number(1, u32::try_from(column.bytes()).unwrap_or(u32::MAX));
        all.nested(LIST_ELEMENT, &length)
    })
}

/// Adds elements; refused if one of them is there.
pub(super) fn new_elements(elements: &[Element]) -> Vec<Request> {
    in_lists(elements, |set, list| {
        request(Message::NewElement, flag::CREATE | flag::EXCL, element_list(set, list, Detail::Whole))
    })
}

/// Deletes elements; refused if one of them is not there.
pub(super) fn delete_elements(elements: &[Element]) -> Vec<Request> {
    in_lists(elements, |set, list| request(Message::DeleteElement, 0, element_list(set, list, Detail::Key)))
}

/// Asks for one element by its key, or fails with ENOENT.
pub(super) fn get_element(element: &Element) -> Request {
    let list = std::slice::from_ref(element);
    request(Message::GetElement, 0, element_list(element.set, list, Detail::Key))
}

/// Asks for every element of `set`.
pub(super) fn get_elements(set: Set) -> Request {
    request(Message::GetElement, 0, in_table().text(2, set.name()))
}

/// Neighbours in the same set share a message.
fn in_lists(elements: &[Element], message: impl Fn(Set, &[Element]) -> Request) -> Vec<Request> {
    elements
        .chunk_by(|one, next| one.set == next.set)
        .flat_map(|list| list.chunks(ELEMENTS_PER_MESSAGE))
        .filter_map(|list| list.first().map(|first| message(first.set, list)))
        .collect()
}

#[derive(Clone, Copy, PartialEq)]
enum Detail {
    Key,
    Whole,
}

fn element_list(set: Set, elements: &[Element], detail: Detail) -> Attributes {
    let list = elements.iter().fold(Attributes::new(), |all, element| {
        all.nested(LIST_ELEMENT, &element_attributes(element, detail))
    });
    in_table().text(2, set.name()).nested(3, &list)
}

/// `enum nft_set_elem_attributes`.
fn element_attributes(element: &Element, detail: Detail) -> Attributes {
    const KEY: u16 = 1;
    const DATA: u16 = 2;
    const USERDATA: u16 = 6;
    const KEY_END: u16 = 10;
    let value = |bytes: &[u8]| Attributes::new().bytes(DATA_VALUE, bytes);
    let mut attributes = Attributes::new().nested(KEY, &value(&concatenated(&element.key, Edge::First)));
    if element.set.has_ranges() {
        attributes = attributes.nested(KEY_END, &value(&concatenated(&element.key, Edge::Last)));
    }
    if detail == Detail::Key {
        return attributes;
    }
    if !element.value.is_empty() {
        attributes = attributes.nested(DATA, &value(&concatenated(&element.value, Edge::First)));
    }
    match &element.comment {
        Some(text) => attributes.bytes(USERDATA, &comment(text.as_str())),
        None => attributes,
    }
}

/// Which end of a range.
#[derive(Clone, Copy, PartialEq)]
enum Edge {
    First,
    Last,
}

fn concatenated(cells: &[Cell], edge: Edge) -> Vec<u8> {
    let mut bytes = Vec::new();
    for cell in cells {
        match cell {
            Cell::Address(address) => push_address(&mut bytes, *address),
            Cell::Network(network) if edge == Edge::First => push_address(&mut bytes, network.network()),
            Cell::Network(network) => push_address(&mut bytes, network.broadcast()),
            Cell::Link(name) => {
                bytes.extend_from_slice(name.as_str().as_bytes());
                bytes.resize(bytes.len() + Column::Link.bytes() - name.as_str().len(), 0);
            }
            Cell::Protocol(transport) => bytes.push(transport.number()),
            Cell::Port(port) => bytes.extend_from_slice(&port.to_be_bytes()),
        }
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

fn push_address(bytes: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => bytes.extend_from_slice(&address.octets()),
        IpAddr::V6(address) => bytes.extend_from_slice(&address.octets()),
    }
}

/// A comment as nft keeps it in user data: type 0, length with the closing NUL, text
/// (`NFTNL_UDATA_TABLE_COMMENT` and `NFTNL_UDATA_SET_ELEM_COMMENT` in libnftnl's `udata.h`).
fn comment(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len() + 1).unwrap_or(u8::MAX);
    [&[0, length], text.as_bytes(), &[0]].concat()
}
