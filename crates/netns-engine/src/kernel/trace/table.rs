//! The temporary tables that have the kernel tell of the probe (`linux/netfilter/nf_tables.h`).
//!
//! A table with an owner vanishes with the socket that made it, so that neither Ctrl-C nor `kill -9`
//! leaves one. Kernels before 5.12 know no owners: there the table is deleted, with signals held back.

use super::tag::Tag;
use crate::{
    address::Family,
    diagnose::firewall::{ChainFamily, Hook},
    kernel::{
        netfilter::{Attributes, Subsystem, number_of_family},
        netlink::{Protocol, Request, Socket, flag},
        nftables::expression::{Comparison, Meta, compare, known, trace},
        refusal::Refusal,
    },
};

/// `enum nf_tables_msg_types`.
const NEW_TABLE: u16 = 0;
const DELETE_TABLE: u16 = 2;
const NEW_CHAIN: u16 = 3;
const NEW_RULE: u16 = 6;

/// Every kind of object names its table in attribute 1.
const TABLE: u16 = 1;

/// The chains of a temporary table, named after their hooks. The first two begin to tell of the probe, before
/// anybody else sees it; the others only see it: before all others, and at last after all others.
const CHAINS: &[(Hook, i32)] = &[
    (Hook::Prerouting, i32::MIN),
    (Hook::Output, i32::MIN),
    (Hook::Input, i32::MIN),
    (Hook::Forward, i32::MIN),
    (Hook::Postrouting, i32::MAX),
];
/// The same for a table of the family `netdev`.
const CHAINS_OF_LINKS: &[(Hook, i32)] = &[(Hook::Ingress, i32::MIN)];

/// Who deletes a temporary table when this process does not come to it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Owner {
    /// The kernel as well, when the socket that made it is closed (`NFT_TABLE_F_OWNER`).
    Socket,
    /// We alone do.
    Nobody,
}

impl Owner {
    /// `NFT_TABLE_F_OWNER`.
    fn flags(self) -> u32 {
        match self {
            Self::Socket => 0x2,
            Self::Nobody => 0,
        }
    }
}

/// A temporary table; it is there until this is dropped.
#[derive(Debug)]
pub(super) struct TemporaryTable {
    socket: Socket,
    family: ChainFamily,
    name: String,
}

impl TemporaryTable {
    /// Makes a table that has the kernel tell of packets with this tag, in the calling thread's netns.
    ///
    /// One of the family `netdev` begins as soon as one of `links` takes the packet in.
    pub(super) fn make(
        family: ChainFamily,
        tag: Tag,
        owner: Owner,
        links: &[String],
    ) -> Result<Self, Refusal> {
        let mut socket = Socket::open(Protocol::Netfilter)?;
        let name = name_for(tag);
        let in_table = || Attributes::new().text(TABLE, &name);
        let request = |message, flags, attributes: Attributes| Request {
            kind: Subsystem::Nftables.message(message),
            flags,
            payload: attributes.message(number_of_family(family)),
        };
        let table = in_table().number(2, owner.flags());
        let mut requests = vec![request(NEW_TABLE, flag::CREATE | flag::EXCL, table)];
        for (hook, priority) in chains(family) {
            let chain = in_table().and(&base_chain(*hook, *priority, links));
            requests.push(request(NEW_CHAIN, flag::CREATE, chain));
            let begins = matches!(hook, Hook::Prerouting | Hook::Output | Hook::Ingress);
            for expressions in rules(family, tag).iter().filter(|_| begins) {
                let rule = in_table().text(2, hook.as_str()).nested(4, expressions);
                requests.push(request(NEW_RULE, flag::CREATE | flag::APPEND, rule));
            }
        }
        socket.transact(Subsystem::Nftables.number(), &requests)?;
        Ok(Self { socket, family, name })
    }

    /// Returns the hook, if a chain of that name is one of this table's.
    pub(super) fn hook(&self, family: ChainFamily, table: &str, chain: &str) -> Option<Hook> {
        let ours = family == self.family && table == self.name;
        chains(self.family).iter().map(|(hook, _)| *hook).find(|hook| ours && hook.as_str() == chain)
    }
}

impl Drop for TemporaryTable {
    /// Also where the kernel would do it: a process just forked holds the socket open until it runs another program.
    fn drop(&mut self) {
        let request = Request {
            kind: Subsystem::Nftables.message(DELETE_TABLE),
            flags: 0,
            payload: Attributes::new().text(TABLE, &self.name).message(number_of_family(self.family)),
        };
        // Somebody may have flushed the ruleset meanwhile; nothing else can be done about a table.
        drop(self.socket.transact(Subsystem::Nftables.number(), &[request]));
    }
}

/// Two traces at once need two tables.
fn name_for(tag: Tag) -> String {
    format!("netns_tool_trace_{}_{}", tag.protocol, tag.number)
}

fn chains(family: ChainFamily) -> &'static [(Hook, i32)] {
    if family == ChainFamily::Netdev { CHAINS_OF_LINKS } else { CHAINS }
}

fn base_chain(hook: Hook, priority: i32, links: &[String]) -> Attributes {
    /// `NF_ACCEPT` (`linux/netfilter.h`).
    const ACCEPT: u32 = 1;
    let mut place = Attributes::new().number(1, number_of_hook(hook)).number(2, priority.cast_unsigned());
    if hook == Hook::Ingress {
        // NFTA_HOOK_DEVS, a list of NFTA_DEVICE_NAME.
        let names = links.iter().fold(Attributes::new(), |all, name| all.text(1, name));
        place = place.nested(4, &names);
    }
    Attributes::new().text(3, hook.as_str()).nested(4, &place).number(5, ACCEPT).text(7, "filter")
}

fn rules(family: ChainFamily, tag: Tag) -> Vec<Attributes> {
    let guard = match family {
        // Frames are of all kinds; ETH_P_IP and ETH_P_IPV6 of `linux/if_ether.h`.
        ChainFamily::Bridge | ChainFamily::Netdev => {
            let ether_type: u16 = if tag.family == Family::Ipv4 { 0x0800 } else { 0x86dd };
            known(Meta::EtherType).and(&compare(Comparison::Equal, &ether_type.to_be_bytes()))
        }
        _ => Attributes::new(),
    };
    tag.conditions().iter().map(|condition| guard.clone().and(condition).and(&trace())).collect()
}

/// `enum nf_inet_hooks` (`linux/netfilter.h`); those of bridges have the same numbers, and `enum nf_dev_hooks`
/// begins anew.
pub(super) fn number_of_hook(hook: Hook) -> u32 {
    match hook {
        Hook::Prerouting | Hook::Ingress => 0,
        Hook::Input | Hook::Egress => 1,
        Hook::Forward => 2,
        Hook::Output => 3,
        Hook::Postrouting => 4,
    }
}
