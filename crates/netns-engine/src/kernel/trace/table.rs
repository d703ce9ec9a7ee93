//! The temporary tables that have the kernel tell of the probe (`linux/netfilter/nf_tables.h`).
//!
//! A table with an owner vanishes with the socket that made it, so that neither Ctrl-C nor `kill -9`
//! leaves one. Kernels before 5.12 know no owners: there the table is deleted, with signals held back.

use std::collections::BTreeMap;

use rustix::io::Errno;

use super::tag::Tag;
use crate::{
    address::Family,
    diagnose::firewall::{Base, ChainFamily, ChainKind, Hook, Policy},
    kernel::{
        netfilter::{Attributes, Subsystem, attribute, body, number_in, text_in},
        netlink::{Protocol, Request, Socket, attributes_of, flag},
        nftables::expression::{Comparison, Meta, compare, known, trace},
        refusal::Refusal,
    },
};

/// `enum nf_tables_msg_types`.
const NEW_TABLE: u16 = 0;
const DELETE_TABLE: u16 = 2;
const NEW_CHAIN: u16 = 3;
const GET_CHAIN: u16 = 4;
const NEW_RULE: u16 = 6;

/// Every kind of object names its table in attribute 1.
const TABLE: u16 = 1;

/// The chains of a temporary table, named after their hooks. The first two begin to tell of the probe, before
/// anybody else sees it; the others only see it: before all others, and at last after all others.
const CHAINS: [(Hook, i32); 5] = [
    (Hook::Prerouting, i32::MIN),
    (Hook::Output, i32::MIN),
    (Hook::Input, i32::MIN),
    (Hook::Forward, i32::MIN),
    (Hook::Postrouting, i32::MAX),
];

/// A chain, by the family of its table, its table and its name.
pub(super) type ChainKey = (ChainFamily, String, String);

/// Who deletes a temporary table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Owner {
    /// The kernel, when the socket that made it is closed (`NFT_TABLE_F_OWNER`).
    Socket,
    /// We do, when it is dropped.
    Nobody,
}

/// A temporary table; it is there until this is dropped.
#[derive(Debug)]
pub(super) struct TemporaryTable {
    socket: Socket,
    family: ChainFamily,
    name: String,
    owner: Owner,
}

impl TemporaryTable {
    /// Makes a table that has the kernel tell of packets with this tag, in the calling thread's netns.
    pub(super) fn make(family: ChainFamily, tag: &Tag, owner: Owner) -> Result<Self, Refusal> {
        let mut socket = Socket::open(Protocol::Netfilter)?;
        let name = name_for(tag);
        let in_table = || Attributes::new().text(TABLE, &name);
        let request = |message, flags, attributes: Attributes| Request {
            kind: Subsystem::Nftables.message(message),
            flags,
            payload: attributes.message(number_of(family)),
        };
        let flags = match owner {
            // NFT_TABLE_F_OWNER.
            Owner::Socket => 0x2,
            Owner::Nobody => 0,
        };
        let mut requests = vec![request(NEW_TABLE, flag::CREATE | flag::EXCL, in_table().number(2, flags))];
        requests.extend(CHAINS.map(|(hook, priority)| {
            request(NEW_CHAIN, flag::CREATE, in_table().and(&base_chain(hook, priority)))
        }));
        for hook in [Hook::Prerouting, Hook::Output] {
            requests.extend(rules(family, tag).into_iter().map(|expressions| {
                let rule = in_table().text(2, name_of(hook)).nested(4, &expressions);
                request(NEW_RULE, flag::CREATE | flag::APPEND, rule)
            }));
        }
        socket.transact(Subsystem::Nftables.number(), &requests)?;
        Ok(Self { socket, family, name, owner })
    }

    /// Returns the hook, if a chain of that name is one of this table's.
    pub(super) fn hook(&self, family: ChainFamily, table: &str, chain: &str) -> Option<Hook> {
        let ours = family == self.family && table == self.name;
        CHAINS.into_iter().map(|(hook, _)| hook).find(|hook| ours && name_of(*hook) == chain)
    }
}

impl Drop for TemporaryTable {
    fn drop(&mut self) {
        if self.owner == Owner::Nobody {
            let request = Request {
                kind: Subsystem::Nftables.message(DELETE_TABLE),
                flags: 0,
                payload: Attributes::new().text(TABLE, &self.name).message(number_of(self.family)),
            };
            // Somebody may have flushed the ruleset meanwhile; nothing else can be done about a table.
            drop(self.socket.transact(Subsystem::Nftables.number(), &[request]));
        }
    }
}

/// Two traces at once need two tables.
fn name_for(tag: &Tag) -> String {
    format!("netns_tool_trace_{}_{}", tag.protocol, tag.number)
}

fn base_chain(hook: Hook, priority: i32) -> Attributes {
    /// `NF_ACCEPT` (`linux/netfilter.h`).
    const ACCEPT: u32 = 1;
    let place = Attributes::new().number(1, number_of_hook(hook)).number(2, priority.cast_unsigned());
    Attributes::new().text(3, name_of(hook)).nested(4, &place).number(5, ACCEPT).text(7, "filter")
}

fn rules(family: ChainFamily, tag: &Tag) -> Vec<Attributes> {
    let guard = match family {
        // Bridges pass frames of all kinds; ETH_P_IP and ETH_P_IPV6 of `linux/if_ether.h`.
        ChainFamily::Bridge => {
            let ether_type: u16 = if tag.family == Family::Ipv4 { 0x0800 } else { 0x86dd };
            known(Meta::EtherType).and(&compare(Comparison::Equal, &ether_type.to_be_bytes()))
        }
        _ => Attributes::new(),
    };
    tag.conditions().iter().map(|condition| guard.clone().and(condition).and(&trace())).collect()
}

/// Returns the base chains of all tables in the calling thread's netns.
pub(super) fn base_chains() -> Result<BTreeMap<ChainKey, Base>, Refusal> {
    let mut socket = Socket::open(Protocol::Netfilter)?;
    let question = Request {
        kind: Subsystem::Nftables.message(GET_CHAIN),
        flags: 0,
        payload: Attributes::new().message(0),
    };
    let mut chains = BTreeMap::new();
    let dumped = socket.dump(&question, |answer| match answer {
        None => chains.clear(),
        Some(payload) => chains.extend(base_chain_in(payload)),
    });
    match dumped {
        Err(refusal) if refusal.errno() != Errno::NOENT => Err(refusal),
        _ => Ok(chains),
    }
}

fn base_chain_in(payload: &[u8]) -> Option<(ChainKey, Base)> {
    let family = family_of(*payload.first()?)?;
    let attributes = body(payload);
    let place = attribute(attributes, 4)?;
    let base = Base {
        kind: match text_in(attribute(attributes, 7)?).as_str() {
            "nat" => ChainKind::Nat,
            "route" => ChainKind::Route,
            _ => ChainKind::Filter,
        },
        hook: hook_of(family, number_in(attribute(place, 1)?)?)?,
        priority: number_in(attribute(place, 2)?)?.cast_signed(),
        policy: policy_of(attribute(attributes, 5).and_then(number_in).unwrap_or(1)),
        devices: devices(place),
    };
    Some(((family, text_in(attribute(attributes, 1)?), text_in(attribute(attributes, 3)?)), base))
}

/// `NFTA_HOOK_DEV`, one name; `NFTA_HOOK_DEVS`, a list.
fn devices(place: &[u8]) -> Vec<String> {
    let list = attribute(place, 4).unwrap_or_default();
    let listed = attributes_of(list).map(|(_, name)| text_in(name));
    if list.is_empty() { attribute(place, 3).map(text_in).into_iter().collect() } else { listed.collect() }
}

/// `NFPROTO_*` (`linux/netfilter.h`).
fn number_of(family: ChainFamily) -> u8 {
    match family {
        ChainFamily::Inet => 1,
        ChainFamily::Ip => 2,
        ChainFamily::Netdev => 5,
        ChainFamily::Bridge => 7,
        ChainFamily::Ip6 => 10,
    }
}

pub(super) fn family_of(number: u8) -> Option<ChainFamily> {
    use ChainFamily::{Bridge, Inet, Ip, Ip6, Netdev};
    [Inet, Ip, Netdev, Bridge, Ip6].into_iter().find(|family| number_of(*family) == number)
}

/// `NF_DROP` is zero (`linux/netfilter.h`).
pub(super) fn policy_of(number: u32) -> Policy {
    if number == 0 { Policy::Drop } else { Policy::Accept }
}

/// `enum nf_inet_hooks` (`linux/netfilter.h`); those of bridges have the same numbers.
fn number_of_hook(hook: Hook) -> u32 {
    match hook {
        Hook::Prerouting => 0,
        Hook::Input => 1,
        Hook::Forward => 2,
        Hook::Output => 3,
        Hook::Postrouting => 4,
        Hook::Ingress | Hook::Egress => 5,
    }
}

fn hook_of(family: ChainFamily, number: u32) -> Option<Hook> {
    match (family, number) {
        // `enum nf_dev_hooks`.
        (ChainFamily::Netdev, 0) => Some(Hook::Ingress),
        (ChainFamily::Netdev, 1) => Some(Hook::Egress),
        _ => [Hook::Prerouting, Hook::Input, Hook::Forward, Hook::Output, Hook::Postrouting, Hook::Ingress]
            .into_iter()
            .find(|hook| number_of_hook(*hook) == number),
    }
}

fn name_of(hook: Hook) -> &'static str {
    match hook {
        Hook::Ingress => "ingress",
        Hook::Prerouting => "prerouting",
        Hook::Input => "input",
        Hook::Forward => "forward",
        Hook::Output => "output",
        Hook::Postrouting => "postrouting",
        Hook::Egress => "egress",
    }
}
