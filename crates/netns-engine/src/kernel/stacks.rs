//! Reads network stacks, and finds out which link is whose other end.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::fd::AsFd,
};

use ipnet::IpNet;

use super::{
    LinuxKernel, Refusal, namespace,
    outside::{Open, Outside},
    processes::Inside,
    rtnetlink::{RawLink, Routes, Rtnetlink},
    visit::{self, Found},
};
use crate::{
    name::{LinkName, NetnsName},
    observed::{Asked, Link, NetnsEntry, NetnsState, Observed, Scope, Selection, Stack},
    place::{LinkAt, Place},
    route::{OtherRoute, Route},
};

/// From here on it is cheaper to read all links than to ask for each.
const MANY: usize = 16;
/// The same of addresses, which are fewer and shorter; in a netns, which has few others, at once.
const SOME: usize = 4;
const FEW: usize = 1;

/// What the look at stacks told that others would have to ask for again.
pub(super) struct Told {
    /// By netns that was entered, for the search for their holders.
    pub(super) inside: BTreeMap<NetnsName, Inside>,
    /// Those that were read.
    pub(super) links_of_host: Vec<RawLink>,
}

/// Reads the netns and the stacks that `scope` asks for.
pub(super) fn observe(
    kernel: &mut LinuxKernel,
    scope: &Scope,
    outside: &Outside,
    observed: &mut Observed,
) -> Result<Told, Refusal> {
    let mut places = BTreeMap::new();
    if let Some(selection) = scope.stacks.get(&Place::Host) {
        let open = outside.open(scope);
        let (stack, links) = read_open(kernel.talk(&Place::Host)?, selection, open.as_ref(), SOME)?;
        if scope.other_routes == Asked::Yes {
            observed.other_routes = other_routes(kernel.talk(&Place::Host)?, &links)?;
        }
        places.insert(Place::Host, Found { stack, links, host_id: None });
    }
    let mut inside = BTreeMap::new();
    for (name, visit) in visit::all(kernel, scope)? {
        inside.extend(visit.inside.map(|inside| (name.clone(), inside)));
        places.extend(visit.found.map(|found| (Place::Netns(name.clone()), found)));
        if scope.netns.contains(&name) {
            observed.netns.insert(name, visit.entry);
        }
    }
    let mut known = BTreeMap::new();
    for (place, Found { stack, links, host_id }) in places {
        observed.stacks.insert(place.clone(), stack);
        known.insert(place, (links, host_id));
    }
    let mut connected = connect_to_host(&known, observed);
    note_seen(scope, &mut connected, observed);
    observed.outside.clone_from(&outside.seen);
    connect_peers(kernel, &known, &connected, observed)?;
    let links_of_host = known.remove(&Place::Host).map(|(links, _)| links).unwrap_or_default();
    Ok(Told { inside, links_of_host })
}

fn other_routes(talk: &mut Rtnetlink, links: &[RawLink]) -> Result<BTreeSet<OtherRoute>, Refusal> {
    let name_of = |index| links.iter().find(|link| link.index == index).map(|link| link.name.clone());
    let found = talk.routes_of_other_tables()?.into_iter().map(|(raw, table)| OtherRoute {
        destination: raw.route.destination,
        link: raw.link.and_then(name_of),
        table,
    });
    Ok(found.collect())
}

/// The links of a place, and the id by which it knows the host.
type Known = (Vec<RawLink>, Option<i32>);

/// Reads the stack of a netns, routes first: the links of default routes are always of interest.
pub(super) fn read(talk: &mut Rtnetlink, selection: &Selection) -> Result<(Stack, Vec<RawLink>), Refusal> {
    read_open(talk, selection, None, FEW)
}

/// Does what [`read`] does, of the links that are `open`. Of more links than `few`, and of all links, all addresses are
/// listed.
fn read_open(
    talk: &mut Rtnetlink,
    selection: &Selection,
    open: Option<&Open>,
    few: usize,
) -> Result<(Stack, Vec<RawLink>), Refusal> {
    let routes = talk.routes()?;
    let mut links = selected_links(talk, selection, open)?;
    let known: BTreeSet<u32> = links.iter().map(|link| link.index).collect();
    let needed = routes
        .others
        .iter()
        .filter_map(|route| route.link)
        .chain(links.iter().filter_map(|link| link.master));
    let missing: BTreeSet<u32> = needed.filter(|index| !known.contains(index)).collect();
    for index in missing {
        links.extend(talk.link_by_index(index)?);
    }
    let names: BTreeMap<u32, LinkName> = links.iter().map(|link| (link.index, link.name.clone())).collect();
    let few = if *selection == Selection::All && open.is_none() { 0 } else { few };
    let mut addresses = addresses(talk, &links, few)?;
    let mut stack = Stack::default();
    for raw in &links {
        let addresses = addresses.remove(&raw.index).unwrap_or_default();
        stack.links.insert(raw.name.clone(), Link { addresses, ..link(raw, &names) });
    }
    note_unrouted(&mut stack, &links, &routes);
    if stack.links.values().any(|link| !link.unrouted.is_empty()) {
        // Or an address came after the routes were read.
        note_unrouted(&mut stack, &links, &talk.routes()?);
    }
    for raw in routes.others {
        let link = raw.link.and_then(|index| names.get(&index).cloned());
        stack.routes.insert(Route { link, ..raw.route });
    }
    Ok((stack, links))
}

/// Notes which networks no route leads to, though an address should have brought one.
fn note_unrouted(stack: &mut Stack, links: &[RawLink], routes: &Routes) {
    for raw in links {
        if let Some(link) = stack.links.get_mut(&raw.name) {
            let is_missing = |network: &IpNet| !routes.direct.contains(&(raw.index, *network));
            link.unrouted = link.connected().filter(is_missing).collect();
        }
    }
}

fn selected_links(
    talk: &mut Rtnetlink,
    selection: &Selection,
    open: Option<&Open>,
) -> Result<Vec<RawLink>, Refusal> {
    let names = match (selection, open) {
        (Selection::All, None) => return talk.links(),
        (Selection::All, Some(open)) => return open_links(talk, open),
        (Selection::Links(names), _) => names,
    };
    let mut links = Vec::new();
    if names.len() > MANY {
        links.extend(talk.links()?.into_iter().filter(|link| names.contains(&link.name)));
    } else {
        for name in names {
            links.extend(talk.link(name)?);
        }
    }
    Ok(links)
}

fn open_links(talk: &mut Rtnetlink, open: &Open) -> Result<Vec<RawLink>, Refusal> {
    if open.indices.len() > open.done {
        let links = talk.links()?.into_iter();
        return Ok(links.filter(|link| open.indices.contains(&link.index)).collect());
    }
    let mut links = Vec::new();
    for index in &open.indices {
        links.extend(talk.link_by_index(*index)?);
    }
    Ok(links)
}

/// Returns addresses by the index of the link they are on.
fn addresses(
    talk: &mut Rtnetlink,
    links: &[RawLink],
    few: usize,
) -> Result<BTreeMap<u32, BTreeSet<IpNet>>, Refusal> {
    let mut addresses: BTreeMap<u32, BTreeSet<IpNet>> = BTreeMap::new();
    let mut sort = |found: Vec<(u32, IpNet)>| {
        for (index, address) in found {
            addresses.entry(index).or_default().insert(address);
        }
    };
    if links.len() > few {
        sort(talk.addresses()?);
    } else {
        for link in links {
            sort(talk.addresses_on(link.index)?);
        }
    }
    Ok(addresses)
}

fn link(raw: &RawLink, names: &BTreeMap<u32, LinkName>) -> Link {
    Link {
        up: raw.up,
        mac: raw.mac,
        mtu_bytes: raw.mtu_bytes,
        master: raw.master.and_then(|index| names.get(&index).cloned()),
        hairpin: raw.hairpin,
        isolation: raw.isolation,
        ours: raw.ours,
        ..Link::new(raw.kind.clone())
    }
}

/// What is connected already.
#[derive(Default)]
struct Connected {
    ends: BTreeSet<LinkAt>,
    /// Netns by the id that the host knows them by.
    ids_of_host: BTreeMap<i32, Place>,
}

/// Connects the netns' links with the host's, as far as both were read, and returns the links of the host
/// and of netns that are done.
///
/// Each netns was asked how it calls the host. To ask the host how it calls each netns is not necessary:
/// who is at the other end of a cable is the same seen from both ends.
fn connect_to_host(known: &BTreeMap<Place, Known>, observed: &mut Observed) -> Connected {
    let mut connected = Connected::default();
    let Some((of_host, _)) = known.get(&Place::Host) else { return connected };
    let by_index: BTreeMap<u32, &RawLink> = of_host.iter().map(|link| (link.index, link)).collect();
    for (place, (links, host_id)) in known {
        for raw in links.iter().filter(|link| host_id.is_some() && link.peer_netns == *host_id) {
            let peer = raw.peer.and_then(|index| by_index.get(&index));
            let Some(peer) = peer.filter(|peer| peer.peer == Some(raw.index)) else { continue };
            let ends = [place.link(&raw.name), LinkAt::on_host(peer.name.clone())];
            let [inside, outside] = &ends;
            set_peer(observed, inside, outside);
            set_peer(observed, outside, inside);
            connected.ids_of_host.extend(peer.peer_netns.map(|id| (id, place.clone())));
            connected.ends.extend(ends);
        }
    }
    connected
}

/// Of what was seen from outside, only the host's ends were read.
fn note_seen(scope: &Scope, connected: &mut Connected, observed: &mut Observed) {
    for (name, plugs) in &scope.outside {
        for plug in plugs {
            let outside = LinkAt::on_host(plug.outside.clone());
            set_peer(observed, &outside, &LinkAt::inside(name.clone(), plug.inside.clone()));
            connected.ends.insert(outside);
        }
        let entry = NetnsEntry { state: NetnsState::Live, ours: true, holders: Vec::new() };
        observed.netns.insert(name.clone(), entry);
    }
}

fn set_peer(observed: &mut Observed, at: &LinkAt, peer: &LinkAt) {
    let stack = observed.stacks.get_mut(&at.place);
    if let Some(link) = stack.and_then(|stack| stack.links.get_mut(&at.name)) {
        link.peer = Some(peer.clone());
    }
}

/// Names the other end of each veth that is not connected yet, where it is in an observed place.
fn connect_peers(
    kernel: &mut LinuxKernel,
    known: &BTreeMap<Place, Known>,
    connected: &Connected,
    observed: &mut Observed,
) -> Result<(), Refusal> {
    for (place, (links, host_id)) in known {
        let is_open = |raw: &&RawLink| raw.peer.is_some() && !connected.ends.contains(&place.link(&raw.name));
        let open: Vec<&RawLink> = links.iter().filter(is_open).collect();
        let mut asked: BTreeSet<i32> = open.iter().filter_map(|link| link.peer_netns).collect();
        let mut ids = BTreeMap::new();
        if *place == Place::Host {
            ids.clone_from(&connected.ids_of_host);
            asked.retain(|id| !ids.contains_key(id));
        }
        let met: BTreeSet<&Place> = ids.values().collect();
        let strangers: Vec<&Place> = known.keys().filter(|other| !met.contains(other)).collect();
        let found = ids_of(kernel, (place, *host_id), &strangers, asked)?;
        ids.extend(found);
        for raw in open {
            let peer_place = match raw.peer_netns {
                None => Some(place),
                Some(id) => ids.get(&id),
            };
            let (Some(peer_place), Some(peer_index)) = (peer_place, raw.peer) else { continue };
            let of_peer = known.get(peer_place).into_iter().flat_map(|(links, _)| links);
            let at = place.link(&raw.name);
            let name = match of_peer.into_iter().find(|link| link.index == peer_index) {
                Some(link) => Some(link.name.clone()),
                None => observe_peer(kernel, peer_place, peer_index, &at, observed)?,
            };
            if let Some(name) = name {
                set_peer(observed, &at, &peer_place.link(&name));
            }
        }
    }
    Ok(())
}

/// Adds a peer that was not asked for by name to its observed stack, with its bridge, and returns its
/// name.
fn observe_peer(
    kernel: &mut LinuxKernel,
    place: &Place,
    index: u32,
    peer_of: &LinkAt,
    observed: &mut Observed,
) -> Result<Option<LinkName>, Refusal> {
    let talk = kernel.talk(place)?;
    let Some(raw) = talk.link_by_index(index)? else { return Ok(None) };
    let master = raw.master.map(|index| talk.link_by_index(index)).transpose()?.flatten();
    let addresses = |(_, address)| address;
    let of_peer = talk.addresses_on(index)?.into_iter().map(addresses).collect();
    let names = master.iter().map(|master| (master.index, master.name.clone())).collect();
    let peer = Link { addresses: of_peer, peer: Some(peer_of.clone()), ..link(&raw, &names) };
    let Some(stack) = observed.stacks.get_mut(place) else { return Ok(Some(raw.name)) };
    stack.links.insert(raw.name.clone(), peer);
    if let Some(master) = master
        && !stack.links.contains_key(&master.name)
    {
        let of_master = talk.addresses_on(master.index)?.into_iter().map(addresses).collect();
        let bridge = Link { addresses: of_master, ..link(&master, &BTreeMap::new()) };
        stack.links.insert(master.name, bridge);
    }
    Ok(Some(raw.name))
}

/// Finds out which of the other places `place` knows by the ids in `asked`.
///
/// What it calls the host is known, and with the last id found the rest is not asked: else a host full of
/// netns would ask each of them for all the others.
fn ids_of(
    kernel: &mut LinuxKernel,
    (place, host_id): (&Place, Option<i32>),
    others: &[&Place],
    mut asked: BTreeSet<i32>,
) -> Result<BTreeMap<i32, Place>, Refusal> {
    let mut ids: BTreeMap<i32, Place> = BTreeMap::new();
    if asked.is_empty() {
        return Ok(ids);
    }
    let mut names: Vec<&NetnsName> = Vec::new();
    for other in others.iter().copied().filter(|other| *other != place) {
        match (other, host_id) {
            (Place::Netns(name), _) => names.push(name),
            (Place::Host, Some(id)) if asked.remove(&id) => drop(ids.insert(id, Place::Host)),
            (Place::Host, _) => {}
        }
    }
    for other in names {
        if asked.is_empty() {
            break;
        }
        let file = namespace::open(other)?;
        if let Some(id) = kernel.talk(place)?.netns_id(file.as_fd())? {
            asked.remove(&id);
            ids.insert(id, Place::Netns(other.clone()));
        }
    }
    Ok(ids)
}
