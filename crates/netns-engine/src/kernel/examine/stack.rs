//! One stack, read by a thread inside.

use std::collections::BTreeMap;

use super::{counters, ruleset, settings};
use crate::{
    diagnose::{
        firewall::Ruleset,
        scene::{Address, Link, Stack, Vlan},
    },
    kernel::{listeners, refusal::Refusal, rtnetlink::Rtnetlink},
    view::Socket,
};

/// What was read, and a conversation to ask for more.
pub(super) struct Read {
    pub(super) stack: Stack,
    /// Sockets that wait for others, by their inodes.
    pub(super) listening: Vec<(u64, Socket)>,
    /// The ids by which this stack knows the netns of its links' other ends, by the links' indices.
    pub(super) ends: BTreeMap<u32, i32>,
    pub(super) talk: Rtnetlink,
}

/// What is cheap to read.
pub(super) struct Brief {
    /// Links with their settings, addresses and routes alone.
    pub(super) stack: Stack,
    /// The ids by which this stack knows the netns of its links' other ends, by the links' indices.
    pub(super) ends: BTreeMap<u32, i32>,
}

/// Reads the calling thread's stack.
pub(super) fn read() -> Result<Read, Refusal> {
    // First of all: from here on our own sockets count as well.
    let listening = listeners::all().unwrap_or_default();
    let (brief, mut talk) = read_briefly()?;
    let Brief { mut stack, ends } = brief;
    let bridge_vlans = put_vlans(&mut stack.links, &mut talk).unwrap_or_default();
    stack.settings.extend(settings::read());
    let stack = Stack {
        policy: talk.policy_rules()?,
        neighbours: talk.detailed_neighbours()?,
        firewall: ruleset::read().unwrap_or_else(|refusal| unread(&refusal)),
        counters: counters::read(),
        bridge_vlans,
        ..stack
    };
    Ok(Read { stack, listening, ends, talk })
}

/// Reads what is cheap to read of the calling thread's stack.
pub(super) fn read_briefly() -> Result<(Brief, Rtnetlink), Refusal> {
    let mut talk = Rtnetlink::open()?;
    let mut ends = BTreeMap::new();
    let mut stack = Stack::default();
    for detailed in talk.detailed_links()? {
        ends.extend(detailed.peer_netns.map(|netns| (detailed.link.index, netns)));
        stack.settings.extend(detailed.settings);
        stack.links.push(detailed.link);
    }
    put_addresses(&mut stack.links, talk.detailed_addresses()?);
    stack.routes = talk.detailed_routes()?;
    Ok((Brief { stack, ends }, talk))
}

fn put_addresses(links: &mut [Link], addresses: Vec<(u32, Address)>) {
    for (index, address) in addresses {
        if let Ok(place) = links.binary_search_by_key(&index, |link| link.index) {
            links[place].addresses.push(address);
        }
    }
}

/// Where no bridge filters, its VLANs say nothing, and are not asked for. Returns those of the bridges themselves.
fn put_vlans(links: &mut [Link], talk: &mut Rtnetlink) -> Result<BTreeMap<u32, Vec<Vlan>>, Refusal> {
    let filters = |link: &Link| link.bridge.is_some_and(|bridge| bridge.vlan_filtering);
    let filtering: Vec<u32> = links.iter().filter(|link| filters(link)).map(|link| link.index).collect();
    if filtering.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut vlans: BTreeMap<u32, Vec<Vlan>> = talk.vlans()?.into_iter().collect();
    for link in links.iter_mut().filter(|link| link.master.is_some_and(|bridge| filtering.contains(&bridge)))
    {
        if let Some(port) = &mut link.port {
            port.vlans = vlans.remove(&link.index).unwrap_or_default();
        }
    }
    vlans.retain(|index, _| filtering.contains(index));
    Ok(vlans)
}

fn unread(refusal: &Refusal) -> Ruleset {
    Ruleset { unread: vec![refusal.to_string()], ..Ruleset::default() }
}
