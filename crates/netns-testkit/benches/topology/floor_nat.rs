//! What lets the floor's network out: one table of nftables, packed by hand, in one transaction.
//!
//! As few rules as a correct result takes: answers come back, the network gets out by the uplink and nowhere
//! else, nobody else gets in, and whoever leaves is masqueraded. Numbers are those of
//! `linux/netfilter/nf_tables.h`.

use crate::packing::{Conversation, Message};

const NEW_TABLE: u16 = 0xa00;
const DELETE_TABLE: u16 = 0xa02;
const NEW_CHAIN: u16 = 0xa03;
const NEW_RULE: u16 = 0xa06;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const CREATE: u16 = 0x400;
const APPEND: u16 = 0x800;
const NESTED: u16 = 0x8000;

/// Family `inet`, version 0, no resource.
const OF_INET: [u8; 4] = [1, 0, 0, 0];
/// No family, version 0, subsystem 10: nftables.
const OF_BATCH: [u8; 4] = [0, 0, 0, 10];
const TABLE: &str = "floor";

/// `NFT_META_IIFNAME`, `NFT_META_OIFNAME`, `NFT_META_NFPROTO`.
const INCOMING: u32 = 6;
const OUTGOING: u32 = 7;
const FAMILY: u32 = 15;
/// `NF_DROP` and `NF_ACCEPT`.
const DROP: u32 = 0;
const ACCEPT: u32 = 1;

/// Installs the table.
pub(crate) fn install(bridge: &str, uplink: &str) {
    let mut table = message(NEW_TABLE, CREATE);
    table.text(1, TABLE);
    let mut messages = vec![
        table,
        chain("forward", ("filter", 2, 0)),
        chain("post", ("nat", 4, 100)),
        rule("forward", |rule| {
            answers(rule);
            verdict(rule, ACCEPT);
        }),
        rule("forward", |rule| {
            link_is(rule, INCOMING, bridge);
            link_is(rule, OUTGOING, uplink);
            verdict(rule, ACCEPT);
        }),
        rule("forward", |rule| {
            link_is(rule, INCOMING, bridge);
            verdict(rule, DROP);
        }),
        rule("forward", |rule| {
            link_is(rule, OUTGOING, bridge);
            verdict(rule, DROP);
        }),
    ];
    let mut last = Message::new(NEW_RULE, CREATE | APPEND);
    last.put(&OF_INET);
    fill_rule(&mut last, "post", |rule| {
        from_network(rule);
        link_is(rule, OUTGOING, uplink);
        expression(rule, "masq", |_| {});
    });
    messages.push(last);
    transact(messages);
}

/// Deletes the table, and returns the conversation, which is better closed late.
pub(crate) fn remove() -> Conversation {
    let mut delete = Message::new(DELETE_TABLE, 0);
    delete.put(&OF_INET).text(1, TABLE);
    transact(vec![delete])
}

fn transact(mut messages: Vec<Message>) -> Conversation {
    for (place, kind) in [(0, BATCH_BEGIN), (messages.len() + 1, BATCH_END)] {
        let mut edge = Message::without_ack(kind, 0);
        edge.put(&OF_BATCH);
        messages.insert(place, edge);
    }
    let mut conversation = Conversation::about_filtering();
    conversation.ask(&messages);
    conversation
}

fn message(kind: u16, flags: u16) -> Message {
    let mut message = Message::without_ack(kind, flags);
    message.put(&OF_INET);
    message
}

fn chain(name: &str, (kind, hook, priority): (&str, u32, u32)) -> Message {
    let mut chain = message(NEW_CHAIN, CREATE);
    chain.text(1, TABLE).text(3, name).nest(4 | NESTED, |place| {
        place.attribute(1, &hook.to_be_bytes()).attribute(2, &priority.to_be_bytes());
    });
    chain.attribute(5, &ACCEPT.to_be_bytes()).text(7, kind);
    chain
}

fn rule(chain: &str, fill: impl FnOnce(&mut Message)) -> Message {
    let mut rule = message(NEW_RULE, CREATE | APPEND);
    fill_rule(&mut rule, chain, fill);
    rule
}

fn fill_rule(rule: &mut Message, chain: &str, fill: impl FnOnce(&mut Message)) {
    rule.text(1, TABLE).text(2, chain).nest(4 | NESTED, fill);
}

fn expression(rule: &mut Message, name: &str, fill: impl FnOnce(&mut Message)) {
    rule.nest(1 | NESTED, |expression| {
        expression.text(1, name).nest(2 | NESTED, fill);
    });
}

fn number(message: &mut Message, kind: u16, value: u32) {
    message.attribute(kind, &value.to_be_bytes());
}

fn meta(rule: &mut Message, key: u32) {
    expression(rule, "meta", |meta| {
        number(meta, 1, 1);
        number(meta, 2, key);
    });
}

/// `operator` 0 is "equal", 1 "not equal".
fn compare(rule: &mut Message, operator: u32, value: &[u8]) {
    expression(rule, "cmp", |compare| {
        number(compare, 1, 1);
        number(compare, 2, operator);
        compare.nest(3 | NESTED, |data| {
            data.attribute(1, value);
        });
    });
}

fn link_is(rule: &mut Message, which: u32, name: &str) {
    meta(rule, which);
    let mut padded = [0; 16];
    padded[..name.len()].copy_from_slice(name.as_bytes());
    compare(rule, 0, &padded);
}

/// `ct state established,related`: bits of the state, in the host's byte order.
fn answers(rule: &mut Message) {
    let bits = |message: &mut Message, kind: u16, value: u32| {
        message.nest(kind | NESTED, |data| {
            data.attribute(1, &value.to_ne_bytes());
        });
    };
    expression(rule, "ct", |ct| {
        number(ct, 1, 1);
        number(ct, 2, 0);
    });
    expression(rule, "bitwise", |bitwise| {
        number(bitwise, 1, 1);
        number(bitwise, 2, 1);
        number(bitwise, 3, 4);
        bits(bitwise, 4, 6);
        bits(bitwise, 5, 0);
    });
    compare(rule, 1, &[0; 4]);
}

/// `ip saddr 10.0.0.0/16`: the first two bytes of the address.
fn from_network(rule: &mut Message) {
    meta(rule, FAMILY);
    compare(rule, 0, &[2]);
    expression(rule, "payload", |payload| {
        number(payload, 1, 1);
        number(payload, 2, 1);
        number(payload, 3, 12);
        number(payload, 4, 2);
    });
    compare(rule, 0, &[10, 0]);
}

fn verdict(rule: &mut Message, code: u32) {
    expression(rule, "immediate", |immediate| {
        number(immediate, 1, 0);
        immediate.nest(2 | NESTED, |data| {
            data.nest(2 | NESTED, |verdict| number(verdict, 1, code));
        });
    });
}
