//! An overview of the packet filters in the calling thread's netns, by netlink and by file.
//!
//! Reads no rule's meaning: names, hooks, policies and counts (`linux/netfilter/nf_tables.h`).

use std::{collections::BTreeMap, fs};

use rustix::io::Errno;

use super::{
    netlink::{Protocol, Request, Socket, attributes_of},
    refusal::Refusal,
};
use crate::view::{ChainView, FirewallView, TableView};

/// `NFNL_SUBSYS_NFTABLES` of `linux/netfilter/nfnetlink.h`, in the high byte of a message type.
const SUBSYSTEM: u16 = 10 << 8;
const GET_TABLE: u16 = SUBSYSTEM | 1;
const GET_CHAIN: u16 = SUBSYSTEM | 4;
const GET_RULE: u16 = SUBSYSTEM | 7;

/// `struct nfgenmsg`: family, version, resource id.
const HEADER_BYTES: usize = 4;

/// Attributes; tables, chains and rules number theirs apart.
const TABLE_NAME: u16 = 1;
const CHAIN_TABLE: u16 = 1;
const CHAIN_NAME: u16 = 3;
const CHAIN_HOOK: u16 = 4;
const CHAIN_POLICY: u16 = 5;
const HOOK_NUMBER: u16 = 1;
const RULE_TABLE: u16 = 1;
const RULE_CHAIN: u16 = 2;

/// Returns what filters and translates packets in the calling thread's netns.
pub(crate) fn overview() -> Result<FirewallView, Refusal> {
    let mut legacy_tables = Vec::new();
    for (family, file) in [("ip", "ip_tables_names"), ("ip6", "ip6_tables_names")] {
        // Only root may read it, and it is there only once a table is.
        let names = fs::read_to_string(format!("/proc/thread-self/net/{file}")).unwrap_or_default();
        legacy_tables.extend(names.lines().map(|name| format!("{family} {name}")));
    }
    Ok(FirewallView { tables: tables()?, legacy_tables, ..FirewallView::default() })
}

fn tables() -> Result<Vec<TableView>, Refusal> {
    let mut socket = Socket::open(Protocol::Netfilter)?;
    let mut tables = match dump(&mut socket, GET_TABLE, parse_table) {
        Ok(tables) => tables,
        // No nftables in this kernel, or no rights to look.
        Err(refusal) if no_answer(refusal.errno()) => return Ok(Vec::new()),
        Err(refusal) => return Err(refusal),
    };
    let chains = dump(&mut socket, GET_CHAIN, parse_chain)?;
    let mut rules: BTreeMap<_, usize> = BTreeMap::new();
    for place in dump(&mut socket, GET_RULE, parse_rule)? {
        *rules.entry(place).or_default() += 1;
    }
    for (family, table, chain) in chains {
        let place = (family, table, chain.name.clone());
        let rules = rules.get(&place).copied().unwrap_or_default();
        let owner = tables.iter_mut().find(|view| view.family == place.0 && view.name == place.1);
        if let Some(owner) = owner {
            owner.chains.push(ChainView { rules, ..chain });
        }
    }
    Ok(tables)
}

fn no_answer(errno: Errno) -> bool {
    matches!(errno, Errno::OPNOTSUPP | Errno::PROTONOSUPPORT | Errno::PERM | Errno::INVAL | Errno::NOENT)
}

fn dump<T>(
    socket: &mut Socket,
    kind: u16,
    parse: impl Fn(&str, &[u8]) -> Option<T>,
) -> Result<Vec<T>, Refusal> {
    let question = Request { kind, flags: 0, payload: vec![0; HEADER_BYTES] };
    let mut found = Vec::new();
    socket.dump(&question, |payload| {
        match payload.map(|payload| payload.split_at_checked(HEADER_BYTES)) {
            None => found.clear(),
            Some(Some((&[family, ..], attributes))) => {
                found.extend(parse(family_in_words(family), attributes));
            }
            Some(_) => {}
        }
    })?;
    Ok(found)
}

fn parse_table(family: &str, attributes: &[u8]) -> Option<TableView> {
    let name = text(attributes, TABLE_NAME)?;
    Some(TableView { family: family.to_owned(), name, chains: Vec::new() })
}

fn parse_chain(family: &str, attributes: &[u8]) -> Option<(String, String, ChainView)> {
    let hook = value(attributes, CHAIN_HOOK).and_then(|hook| number(hook, HOOK_NUMBER));
    let chain = ChainView {
        name: text(attributes, CHAIN_NAME)?,
        hook: hook.map(|hook| hook_in_words(family, hook).to_owned()),
        policy: number(attributes, CHAIN_POLICY).map(|policy| policy_in_words(policy).to_owned()),
        rules: 0,
    };
    Some((family.to_owned(), text(attributes, CHAIN_TABLE)?, chain))
}

fn parse_rule(family: &str, attributes: &[u8]) -> Option<(String, String, String)> {
    Some((family.to_owned(), text(attributes, RULE_TABLE)?, text(attributes, RULE_CHAIN)?))
}

fn value(attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    attributes_of(attributes).find(|(kind, _)| *kind == wanted).map(|(_, value)| value)
}

fn text(attributes: &[u8], wanted: u16) -> Option<String> {
    Some(String::from_utf8_lossy(value(attributes, wanted)?).trim_end_matches('\0').to_owned())
}

/// nftables numbers are big-endian.
fn number(attributes: &[u8], wanted: u16) -> Option<u32> {
    Some(u32::from_be_bytes(value(attributes, wanted)?.try_into().ok()?))
}

/// `NFPROTO_*` of `linux/netfilter.h`.
fn family_in_words(family: u8) -> &'static str {
    match family {
        1 => "inet",
        2 => "ip",
        3 => "arp",
        5 => "netdev",
        7 => "bridge",
        10 => "ip6",
        _ => "other",
    }
}

/// `enum nf_inet_hooks`, `enum nf_dev_hooks` of `linux/netfilter.h`.
fn hook_in_words(family: &str, hook: u32) -> &'static str {
    match (family, hook) {
        ("arp", 0) => "input",
        ("arp", 1) => "output",
        ("netdev", 0) => "ingress",
        ("netdev", _) => "egress",
        (_, 0) => "prerouting",
        (_, 1) => "input",
        (_, 2) => "forward",
        (_, 3) => "output",
        (_, 4) => "postrouting",
        _ => "ingress",
    }
}

/// `NF_DROP` and `NF_ACCEPT` of `linux/netfilter.h`.
fn policy_in_words(policy: u32) -> &'static str {
    if policy == 0 { "drop" } else { "accept" }
}
