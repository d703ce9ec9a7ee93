//! Reads what a scope asks for, and no more.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
    os::fd::AsFd,
};

use super::{
    LinuxKernel, Refusal, beside, iptables, listeners, namespace,
    outside::{self, Outside},
    rtnetlink::RawLink,
    shaping,
    stacks::{self, Told},
    state, sysctl, sysctl_files,
};
use crate::{
    address::Family,
    name::{LinkName, NetnsName},
    observed::{Asked, Iptables, Link, NetnsState, Observed, Scope, Selection, TableSelection},
    place::Place,
    record::{Record, RecordKey},
    sysctl::Sysctl,
};

/// Fills an [`Observed`] with what `scope` asks for, and tells what was seen from outside of it.
pub(super) fn observe(kernel: &mut LinuxKernel, scope: &Scope) -> Result<(Observed, Outside), Refusal> {
    let (known, glance) = kernel.early(scope);
    let records =
        if scope.ports_of.is_empty() { state::topologies_in(scope, known)? } else { state::records()? };
    let outside = outside::look(kernel, scope, &records, glance)?;
    let scope = &*scope.widened_by(&records, &outside.seen);
    let mut observed = Observed::default();
    let Told { inside, links_of_host } = stacks::observe(kernel, scope, &outside, &mut observed)?;
    beside::observe_holders(scope, inside, &mut observed)?;
    observed.records = state::records_in(scope, records)?;
    if scope.records == Asked::Yes {
        observed.stale_marks = state::stale_marks()?;
    }
    observe_stale_marks(scope, &mut observed);
    shaping::observe(kernel, scope, &mut observed)?;
    observe_sysctls(scope, &links_of_host, &mut observed)?;
    observe_route_localnet(scope, &mut observed)?;
    for bridge in &scope.bridge_users {
        let users = users_of(kernel, bridge)?;
        observed.bridge_users.insert(bridge.clone(), users);
    }
    observe_own_table(kernel, scope, &mut observed)?;
    observe_iptables(kernel, scope, &mut observed)?;
    observed.listeners = listeners::on_ports(&scope.listeners)?;
    beside::observe_resolvers(scope, &mut observed)?;
    beside::observe_topologies(scope, &mut observed)?;
    Ok((observed, outside))
}

/// A netns that somebody else made instead does not carry the mark of the one that was deleted.
fn observe_stale_marks(scope: &Scope, observed: &mut Observed) {
    let is_ours = |name: &NetnsName| observed.netns.get(name).is_some_and(|entry| entry.ours);
    let gone = scope.stale_marks.iter().filter(|name| !is_ours(name));
    let stale: Vec<_> = gone.filter(|name| state::netns_mark(name).is_some()).cloned().collect();
    observed.stale_marks.extend(stale);
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
        if observed.firewall.table.is_some() {
            observed.firewall.rules = nftables.rules()?;
        }
        observed.firewall.foreign_chains = nftables.foreign_chains()?;
    }
    Ok(())
}

/// The programs are slow to start, and where neither kind has chains they would show none.
fn observe_iptables(kernel: &mut LinuxKernel, scope: &Scope, observed: &mut Observed) -> Result<(), Refusal> {
    let in_use = match scope.iptables {
        Asked::No => return Ok(()),
        Asked::Yes => true,
        Asked::IfInUse => iptables::has_legacy_chains() || kernel.nftables()?.has_chains_of_iptables()?,
    };
    if in_use {
        (observed.firewall.iptables, observed.firewall.iptables_missing) = iptables::observe();
    } else {
        observed.firewall.iptables = Some(Iptables::default());
    }
    Ok(())
}

fn observe_sysctls(scope: &Scope, links_of_host: &[RawLink], observed: &mut Observed) -> Result<(), Refusal> {
    let mut wanted: BTreeMap<Place, Vec<Sysctl>> = BTreeMap::new();
    let lost = scope.doomed.iter().flat_map(|doomed| observed.settings_lost_with(doomed));
    for (place, setting) in scope.sysctls.iter().cloned().chain(lost) {
        wanted.entry(place).or_default().push(setting);
    }
    wanted.retain(|place, _| place.netns().is_none_or(|netns| !observed.outside.contains(netns)));
    let to_switch = forwarding_to_switch(scope, observed)?;
    if !to_switch.is_empty() {
        let host = observed.stacks.entry(Place::Host).or_default();
        // The cables of nodes that were seen from outside are not among the links that were read.
        let all_read = scope.stacks.get(&Place::Host) == Some(&Selection::All) && observed.outside.is_empty();
        let links = all_read.then_some(links_of_host);
        let dragged_along = dragged_along_by_forwarding(&to_switch, &host.links, links)?;
        let of_host = wanted.entry(Place::Host).or_default();
        of_host.extend(dragged_along);
        of_host.extend(remembered(&observed.records));
        observed.configured_forwarding = sysctl_files::configured_forwarding();
    }
    if let Some(host) = observed.stack(&Place::Host).filter(|_| !to_switch.contains(&Family::Ipv4)) {
        wanted.entry(Place::Host).or_default().extend(scope.bridge_forwarding_wanted_on(host));
    }
    for (place, settings) in wanted {
        let values = match &place {
            Place::Host => read_untold(&settings, links_of_host)?,
            Place::Netns(name) if namespace::state(name)? != Some(NetnsState::Live) => continue,
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

/// Reads settings of the host, but for those that its links told: with thousands of links, to open a file for
/// each would take longer than all else.
fn read_untold(settings: &[Sysctl], links: &[RawLink]) -> Result<BTreeMap<Sysctl, i32>, Refusal> {
    let by_name: HashMap<_, _> = links.iter().map(|link| (&link.name, link)).collect();
    let told = |setting: &Sysctl| by_name.get(setting.link()?)?.setting(setting);
    let mut values = BTreeMap::new();
    for setting in settings {
        let value = match told(setting) {
            Some(value) => Some(value),
            None => sysctl::read(setting)?,
        };
        values.extend(value.map(|value| (setting.clone(), value)));
    }
    Ok(values)
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
/// which the links to come start with; and what decides whether links that were read lose routes. Where `all`
/// links are known, the folder of their settings, slow to list, need not be.
fn dragged_along_by_forwarding(
    families: &BTreeSet<Family>,
    read: &BTreeMap<LinkName, Link>,
    all: Option<&[RawLink]>,
) -> Result<Vec<Sysctl>, Refusal> {
    let mut settings = Vec::new();
    for family in families {
        settings.push(Sysctl::forwarding(*family));
        let links = match all {
            Some(all) => links_that_tell(*family, all),
            None => links_with_settings(*family)?,
        };
        settings.extend(links.into_iter().map(|link| Sysctl::LinkForwarding(*family, link)));
        match family {
            Family::Ipv4 => settings.push(Sysctl::AcceptRedirects),
            Family::Ipv6 => settings.extend(read.keys().cloned().map(Sysctl::AcceptRa)),
        }
    }
    Ok(settings)
}

/// The links that have the family, and `default`.
fn links_that_tell(family: Family, all: &[RawLink]) -> Vec<LinkName> {
    let tells = |link: &&RawLink| link.setting(&Sysctl::LinkForwarding(family, link.name.clone())).is_some();
    let default = LinkName::from_kernel("default");
    all.iter().filter(tells).map(|link| link.name.clone()).chain([default]).collect()
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
