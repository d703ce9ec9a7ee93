//! Reads what a scope asks for, and no more.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    os::fd::AsFd,
};

use super::{
    LinuxKernel, Refusal, beside, iptables, listeners, namespace, rtnetlink::RawLink, shaping, state, sysctl,
    sysctl_files,
};
use crate::{
    address::Family,
    name::{LinkName, NetnsName},
    observed::{Asked, Link, NetnsEntry, NetnsState, Observed, Scope, Selection, Stack, TableSelection},
    place::{LinkAt, Place},
    record::{Record, RecordKey},
    sysctl::Sysctl,
};

/// Fills an [`Observed`] with what `scope` asks for.
pub(super) fn observe(kernel: &mut LinuxKernel, scope: &Scope) -> Result<Observed, Refusal> {
    let records = if scope.ports_of.is_empty() { state::topologies_in(scope)? } else { state::records()? };
    let scope = &*scope.widened_by(&records);
    let mut observed = Observed::default();
    for name in &scope.netns {
        if let Some(entry) = netns_entry(kernel, name)? {
            observed.netns.insert(name.clone(), entry);
        }
    }
    beside::observe_holders(scope, &mut observed)?;
    observed.records = state::records_in(scope)?;
    if scope.records == Asked::Yes {
        observed.stale_marks = state::stale_marks()?;
    }
    observe_stacks(kernel, scope, &mut observed)?;
    shaping::observe(kernel, scope, &mut observed)?;
    observe_sysctls(scope, &mut observed)?;
    observe_route_localnet(scope, &mut observed)?;
    for bridge in &scope.bridge_users {
        let users = users_of(kernel, bridge)?;
        observed.bridge_users.insert(bridge.clone(), users);
    }
    if scope.iptables == Asked::Yes {
        (observed.firewall.iptables, observed.firewall.iptables_missing) = iptables::observe();
    }
    observe_own_table(kernel, scope, &mut observed)?;
    observed.listeners = listeners::on_ports(&scope.listeners)?;
    beside::observe_resolvers(scope, &mut observed)?;
    beside::observe_topologies(scope, &mut observed)?;
    Ok(observed)
}

fn observe_own_table(
    kernel: &mut LinuxKernel,
    scope: &Scope,
    observed: &mut Observed,
) -> Result<(), Refusal> {
    if scope.table == TableSelection::Nothing && scope.published.is_empty() {
        return Ok(());
    }
    let nftables = kernel.nftables()?;
    observed.firewall.nftables = nftables.is_available()?;
    if observed.firewall.nftables {
        observed.firewall.table = nftables.entries(&scope.table, &scope.published)?;
        observed.firewall.foreign_chains = nftables.foreign_chains()?;
    }
    Ok(())
}

fn netns_entry(kernel: &mut LinuxKernel, name: &NetnsName) -> Result<Option<NetnsEntry>, Refusal> {
    let Some(state) = namespace::state(name)? else { return Ok(None) };
    let ours = match (state, state::netns_mark(name)) {
        (NetnsState::Live, Some(mark)) => kernel.talk(&Place::Netns(name.clone()))?.netns_cookie()? == mark,
        _ => false,
    };
    Ok(Some(NetnsEntry { state, ours, holders: Vec::new() }))
}

fn observe_stacks(kernel: &mut LinuxKernel, scope: &Scope, observed: &mut Observed) -> Result<(), Refusal> {
    let mut raw_links = BTreeMap::new();
    for (place, selection) in &scope.stacks {
        if !is_live(place)? {
            continue;
        }
        let (stack, links) = stack(kernel, place, selection)?;
        observed.stacks.insert(place.clone(), stack);
        raw_links.insert(place.clone(), links);
    }
    connect_peers(kernel, &raw_links, observed)
}

fn is_live(place: &Place) -> Result<bool, Refusal> {
    match place {
        Place::Host => Ok(true),
        Place::Netns(name) => Ok(namespace::state(name)? == Some(NetnsState::Live)),
    }
}

/// Reads routes first: the links of default routes are always of interest.
fn stack(
    kernel: &mut LinuxKernel,
    place: &Place,
    selection: &Selection,
) -> Result<(Stack, Vec<RawLink>), Refusal> {
    let talk = kernel.talk(place)?;
    let routes = talk.routes()?;
    let mut links = match selection {
        Selection::All => talk.links()?,
        Selection::Links(names) => {
            let mut links = Vec::new();
            for name in names {
                links.extend(talk.link(name)?);
            }
            links
        }
    };
    let known: BTreeSet<u32> = links.iter().map(|link| link.index).collect();
    let needed =
        routes.iter().filter_map(|route| route.link).chain(links.iter().filter_map(|link| link.master));
    let missing: BTreeSet<u32> = needed.filter(|index| !known.contains(index)).collect();
    for index in missing {
        links.extend(talk.link_by_index(index)?);
    }
    let names: BTreeMap<u32, LinkName> = links.iter().map(|link| (link.index, link.name.clone())).collect();
    let addresses = addresses(kernel, place, selection, &links)?;
    let mut stack = Stack::default();
    for raw in &links {
        let addresses =
            addresses.iter().filter(|(index, _)| *index == raw.index).map(|(_, net)| *net).collect();
        stack.links.insert(raw.name.clone(), Link { addresses, ..link(raw, &names) });
    }
    for raw in routes {
        let link = raw.link.and_then(|index| names.get(&index).cloned());
        stack.routes.insert(crate::route::Route { link, ..raw.route });
    }
    Ok((stack, links))
}

fn addresses(
    kernel: &mut LinuxKernel,
    place: &Place,
    selection: &Selection,
    links: &[RawLink],
) -> Result<Vec<(u32, ipnet::IpNet)>, Refusal> {
    let talk = kernel.talk(place)?;
    if *selection == Selection::All {
        return talk.addresses();
    }
    let mut addresses = Vec::new();
    for link in links {
        addresses.extend(talk.addresses_on(link.index)?);
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

/// Names the other end of each veth, where it is in an observed place.
fn connect_peers(
    kernel: &mut LinuxKernel,
    raw_links: &BTreeMap<Place, Vec<RawLink>>,
    observed: &mut Observed,
) -> Result<(), Refusal> {
    for (place, links) in raw_links {
        let mut places_by_id: Option<BTreeMap<i32, Place>> = None;
        for raw in links {
            let Some(peer_index) = raw.peer else { continue };
            let peer_place = match raw.peer_netns {
                None => Some(place.clone()),
                Some(id) => {
                    if places_by_id.is_none() {
                        let asked = links.iter().filter_map(|link| link.peer_netns).collect();
                        places_by_id = Some(ids_of(kernel, place, raw_links.keys(), asked)?);
                    }
                    places_by_id.as_ref().and_then(|ids| ids.get(&id).cloned())
                }
            };
            let Some(peer_place) = peer_place else { continue };
            let known =
                raw_links.get(&peer_place).into_iter().flatten().find(|link| link.index == peer_index);
            let name = match known {
                Some(link) => Some(link.name.clone()),
                None => observe_peer(kernel, &peer_place, peer_index, &place.link(&raw.name), observed)?,
            };
            let stack = observed.stacks.get_mut(place);
            if let Some(link) = stack.and_then(|stack| stack.links.get_mut(&raw.name)) {
                link.peer = name.map(|name| LinkAt { place: peer_place, name });
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
/// The host comes first, and with the last id found the rest is not asked: else a host full of
/// netns would ask each of them for all the others.
fn ids_of<'a>(
    kernel: &mut LinuxKernel,
    place: &Place,
    others: impl Iterator<Item = &'a Place>,
    mut asked: BTreeSet<i32>,
) -> Result<BTreeMap<i32, Place>, Refusal> {
    let mut ids = BTreeMap::new();
    for other in others.filter(|other| *other != place) {
        if asked.is_empty() {
            break;
        }
        let file = match other {
            Place::Host => namespace::own()?,
            Place::Netns(name) => namespace::open(name)?,
        };
        if let Some(id) = kernel.talk(place)?.netns_id(file.as_fd())? {
            asked.remove(&id);
            ids.insert(id, other.clone());
        }
    }
    Ok(ids)
}

fn observe_sysctls(scope: &Scope, observed: &mut Observed) -> Result<(), Refusal> {
    let mut wanted: BTreeMap<Place, Vec<Sysctl>> = BTreeMap::new();
    let lost = scope.doomed.iter().flat_map(|doomed| observed.settings_lost_with(doomed));
    for (place, setting) in scope.sysctls.iter().cloned().chain(lost) {
        wanted.entry(place).or_default().push(setting);
    }
    let to_switch = forwarding_to_switch(scope, observed)?;
    if !to_switch.is_empty() {
        let host = observed.stacks.entry(Place::Host).or_default();
        let dragged_along = dragged_along_by_forwarding(&to_switch, &host.links)?;
        let of_host = wanted.entry(Place::Host).or_default();
        of_host.extend(dragged_along);
        of_host.extend(remembered(&observed.records));
        observed.configured_forwarding = sysctl_files::configured_forwarding();
    }
    for (place, settings) in wanted {
        let values = match &place {
            Place::Host => read_all(&settings)?,
            Place::Netns(_) if !is_live(&place)? => continue,
            Place::Netns(name) => namespace::within(namespace::open(name)?.as_fd(), || read_all(&settings))?,
        };
        observed.stacks.entry(place).or_default().sysctls.extend(values);
    }
    Ok(())
}

/// Returns the families whose forwarding may be switched. Where it is on and nobody asks for more, it
/// is not: nothing of the links has to be read then, and there may be thousands.
fn forwarding_to_switch(scope: &Scope, observed: &mut Observed) -> Result<BTreeSet<Family>, Refusal> {
    let mut to_switch = scope.link_forwarding.clone();
    let Some(host) = observed.stacks.get_mut(&Place::Host) else { return Ok(to_switch) };
    for family in scope.forwarding_wanted_on(host) {
        let switch = Sysctl::forwarding(family);
        if sysctl::read(&switch)? == Some(1) {
            host.sysctls.insert(switch, 1);
        } else {
            to_switch.insert(family);
        }
    }
    Ok(to_switch)
}

fn observe_route_localnet(scope: &Scope, observed: &mut Observed) -> Result<(), Refusal> {
    if scope.route_localnet == Asked::Yes
        && let Some(host) = observed.stacks.get_mut(&Place::Host)
    {
        let settings: Vec<_> = host.links.keys().cloned().map(Sysctl::RouteLocalnet).collect();
        host.sysctls.extend(read_all(&settings)?);
    }
    Ok(())
}

fn read_all(settings: &[Sysctl]) -> Result<BTreeMap<Sysctl, i32>, Refusal> {
    let mut values = BTreeMap::new();
    for setting in settings {
        values.extend(sysctl::read(setting)?.map(|value| (setting.clone(), value)));
    }
    Ok(values)
}

/// The settings that switching forwarding off has to restore.
fn remembered(records: &BTreeMap<RecordKey, Record>) -> impl Iterator<Item = Sysctl> {
    let settings = records.values().filter_map(|record| match record {
        Record::Forwarding(forwarding) => Some(&forwarding.settings),
        Record::Nat(_) | Record::Published(_) | Record::Topology(_) => None,
    });
    settings.flatten().map(|(setting, _)| setting.clone())
}

/// The forwarding switches with every setting that they overwrite, those of `default` included,
/// which the links to come start with; and what decides whether links that were read lose routes.
fn dragged_along_by_forwarding(
    families: &BTreeSet<Family>,
    read: &BTreeMap<LinkName, Link>,
) -> Result<Vec<Sysctl>, Refusal> {
    let mut settings = Vec::new();
    for family in families {
        settings.push(Sysctl::forwarding(*family));
        let links = links_with_settings(*family)?.into_iter();
        settings.extend(links.map(|link| Sysctl::LinkForwarding(*family, link)));
        match family {
            Family::Ipv4 => settings.push(Sysctl::AcceptRedirects),
            Family::Ipv6 => settings.extend(read.keys().cloned().map(Sysctl::AcceptRa)),
        }
    }
    Ok(settings)
}

/// The folders of `/proc/sys/net/ipv{4,6}/conf` but `all`; none where the kernel lacks the family.
fn links_with_settings(family: Family) -> Result<Vec<LinkName>, Refusal> {
    let version = if family == Family::Ipv4 { "ipv4" } else { "ipv6" };
    let folder = match std::fs::read_dir(format!("/proc/sys/net/{version}/conf")) {
        Ok(folder) => folder,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut links = Vec::new();
    for entry in folder {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != "all" {
            links.push(LinkName::from_kernel(name));
        }
    }
    Ok(links)
}

/// The addresses of everything on a bridge: its own, and those at the other ends of its ports.
fn users_of(kernel: &mut LinuxKernel, bridge: &LinkName) -> Result<BTreeSet<IpAddr>, Refusal> {
    let talk = kernel.talk(&Place::Host)?;
    let Some(bridge) = talk.link(bridge)? else { return Ok(BTreeSet::new()) };
    let mut users = talk.addresses_on(bridge.index)?;
    for port in talk.ports(bridge.index)? {
        match (port.peer, port.peer_netns) {
            (Some(peer), Some(netns_id)) => users.extend(talk.addresses_elsewhere(netns_id, peer)?),
            (Some(peer), None) => users.extend(talk.addresses_on(peer)?),
            (None, _) => {}
        }
    }
    Ok(users.into_iter().map(|(_, net)| net.addr()).collect())
}
