//! The base chains there are, to say of each chain on the way where it hangs (`linux/netfilter/nf_tables.h`).

use std::collections::BTreeMap;

use rustix::io::Errno;

use super::table::number_of_hook;
use crate::{
    diagnose::firewall::{Base, ChainFamily, ChainKind, Hook, Policy},
    kernel::{
        netfilter::{Attributes, Subsystem, attribute, body, family_of, number_in, text_in},
        netlink::{Protocol, Request, Socket, attributes_of},
        refusal::Refusal,
    },
};

/// `NFT_MSG_GETCHAIN`.
const GET_CHAIN: u16 = 4;

/// A chain, by the family of its table, its table and its name.
pub(super) type ChainKey = (ChainFamily, String, String);

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

/// `NF_DROP` is zero (`linux/netfilter.h`).
pub(super) fn policy_of(number: u32) -> Policy {
    if number == 0 { Policy::Drop } else { Policy::Accept }
}

fn hook_of(family: ChainFamily, number: u32) -> Option<Hook> {
    /// `NF_INET_INGRESS`.
    const INGRESS: u32 = 5;
    let hooks: &[Hook] = match family {
        ChainFamily::Netdev => &[Hook::Ingress, Hook::Egress],
        _ if number == INGRESS => return Some(Hook::Ingress),
        _ => &[Hook::Prerouting, Hook::Input, Hook::Forward, Hook::Output, Hook::Postrouting],
    };
    hooks.iter().copied().find(|hook| number_of_hook(*hook) == number)
}
