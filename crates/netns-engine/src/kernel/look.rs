//! Looks around without changing anything: what `list` and `show` show.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io,
    os::fd::AsFd,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::io::Errno;

use super::{
    at_once, iptables,
    mounts::Mounts,
    namespace,
    nftables::Nftables,
    pids,
    processes::{self, NetnsId},
    refusal::Refusal,
    resolver,
    rtnetlink::{LinkNames, Rtnetlink, SurveyedLink},
    ruleset, sockets, state, sysctl,
};
use crate::{
    error::Error,
    name::NetnsName,
    observed::{Asked, Holder, NetnsState, TableSelection},
    own_table,
    place::Entrance,
    plan::Conflict,
    record::{Record, TopologyRecord},
    sysctl::Sysctl,
    topology::TopologyName,
    view::{
        FirewallView, Forwarding, NetnsSummary, PeerPlace, PeerView, Process, StackView, SummaryState,
        TableView,
    },
};

/// Lists the netns under `/run/netns`, and those without a name there if `nameless` are asked for.
///
/// # Errors
///
/// Returns why `/run/netns` or `/proc` could not be read. What a single netns does not let us see
/// is left out.
pub fn list(nameless: Asked) -> Result<Vec<NetnsSummary>, Refusal> {
    let census = processes::census()?;
    let mut known = BTreeSet::from_iter([NetnsId::of(&namespace::own()?)?.inode]);
    let mut summaries = Vec::new();
    for (name, path) in names()? {
        let summary = summary_of_name(name, &path, &census);
        known.extend(summary.inode);
        summaries.push(summary);
    }
    if nameless == Asked::Yes {
        summaries.extend(nameless_ones(&census, &known));
    }
    Ok(summaries)
}

/// Refuses a name that does not exist or is half-made.
///
/// # Errors
///
/// Returns what is wrong with the name, or why it could not be judged.
pub fn require(entrance: &Entrance) -> Result<(), Error> {
    let Entrance::Named(name) = entrance else { return Ok(()) };
    match namespace::state(name).map_err(Error::Unreadable)? {
        Some(NetnsState::Live) => Ok(()),
        Some(NetnsState::HalfMade) => Err(Conflict::HalfMadeNetns(name.clone()).into()),
        None => Err(Conflict::NoNetns(name.clone()).into()),
    }
}

/// Shows one stack in full.
///
/// # Errors
///
/// Returns why the netns could not be entered or read.
pub fn show(entrance: &Entrance) -> Result<StackView, Refusal> {
    let file = open(entrance)?;
    let (mut view, surveyed, mut talk) = inside(entrance, &file, survey)?;
    let places = places_known_to(&mut talk)?;
    for (link, other_end) in surveyed {
        let peer = other_end.filter(|_| link.kind == "veth").map(|end| peer(end, &mut talk, &places));
        view.links.push(crate::view::LinkView { peer, ..link });
    }
    view.sockets = sockets::with_programs(inside(entrance, &file, sockets::sockets)?)?;
    let inside = processes::census()?.remove(&NetnsId::of(&file)?).unwrap_or_default();
    view.processes = named_processes(&inside);
    view.resolver = match entrance {
        Entrance::Named(name) => resolver::read(name)?,
        Entrance::Host => Some(resolver::upstream()?),
        Entrance::File(_) => None,
    };
    Ok(view)
}

/// Returns the note on a topology that is up.
///
/// # Errors
///
/// Returns why the notes could not be read.
pub fn topology(name: &TopologyName) -> Result<Option<TopologyRecord>, Refusal> {
    Ok(topologies()?.into_iter().find(|record| record.topology.name == *name))
}

/// Returns the notes on all topologies that are up, in the order of their names.
///
/// # Errors
///
/// Returns why the notes could not be read.
pub fn topologies() -> Result<Vec<TopologyRecord>, Refusal> {
    let records = state::records()?.into_values();
    Ok(records.filter_map(|record| if let Record::Topology(up) = record { Some(up) } else { None }).collect())
}

/// Returns every name under `/run/netns` or `/etc/netns` that this tool takes.
///
/// # Errors
///
/// Returns why one of the folders could not be read.
pub fn names_in_use() -> Result<BTreeSet<NetnsName>, Refusal> {
    let files = files_in(namespace::DIRECTORY)?.into_iter().chain(files_in(resolver::DIRECTORY)?);
    Ok(files.filter_map(|(name, _)| NetnsName::new(name).ok()).collect())
}

/// Waits until nobody but its name keeps the netns alive, at most as long as `limit`; returns who
/// still does then.
///
/// # Errors
///
/// Returns why the holders could not be found.
pub fn wait_for_release(name: &NetnsName, limit: Duration) -> Result<Vec<Holder>, Refusal> {
    processes::wait_for_release(name, Instant::now() + limit)
}

/// Opens a network namespace.
pub(crate) fn open(entrance: &Entrance) -> Result<File, Refusal> {
    let file = match entrance {
        Entrance::Host => namespace::own()?,
        Entrance::Named(name) => namespace::open(name)?,
        Entrance::File(path) => at_once::open(path)?,
    };
    if namespace::is_network_namespace(&file) {
        return Ok(file);
    }
    Err(Refusal::new(Errno::INVAL).with_message("the file is not a network namespace"))
}

/// Runs `work` on a thread inside. Everyone may look at the host; entering needs privileges.
pub(super) fn inside<T: Send>(
    entrance: &Entrance,
    file: &File,
    work: impl FnOnce() -> Result<T, Refusal> + Send,
) -> Result<T, Refusal> {
    match entrance {
        Entrance::Host => work(),
        Entrance::Named(_) | Entrance::File(_) => namespace::within(file.as_fd(), work),
    }
}

/// Everything that must be read by a thread inside.
fn survey() -> Result<(StackView, Vec<SurveyedLink>, Rtnetlink), Refusal> {
    let mut talk = Rtnetlink::open()?;
    let links = talk.survey_links()?;
    let names: LinkNames = links.iter().map(|(link, _)| (link.index, link.name.clone())).collect();
    let switch = |setting| Ok::<_, Refusal>(sysctl::read(setting)?.map(|value| value != 0));
    let view = StackView {
        routes: talk.survey_routes(&names)?,
        neighbours: talk.survey_neighbours(&names)?,
        firewall: firewall()?,
        forwarding: Forwarding { ipv4: switch(&Sysctl::IpForward)?, ipv6: switch(&Sysctl::Ipv6Forwarding)? },
        ..StackView::default()
    };
    Ok((view, links, talk))
}

/// The tables there are, and what those say that can be said in words: iptables and our own.
fn firewall() -> Result<FirewallView, Refusal> {
    let mut view = ruleset::overview()?;
    let of_iptables =
        |table: &TableView| table.family != "inet" && ["nat", "filter"].contains(&table.name.as_str());
    if !view.legacy_tables.is_empty() || view.tables.iter().any(of_iptables) {
        // Without the program, or the right to run it, the chains alone have to do.
        let rules = iptables::observe().0.unwrap_or_default().rules;
        view.iptables_rules = rules.iter().map(|rule| format!("{} {rule}", rule.program())).collect();
    }
    if view
        .tables
        .iter()
        .any(|table| (table.family.as_str(), table.name.as_str()) == ("inet", own_table::NAME))
    {
        let entries = Nftables::open()?.entries(&TableSelection::All, &BTreeSet::new())?;
        view.own_entries = entries.iter().flatten().map(ToString::to_string).collect();
    }
    Ok(view)
}

/// A place, and a conversation about it.
type Acquaintance = (PeerPlace, File);

/// The host and all named netns that a netns has a cable to, by the ids it knows them by.
fn places_known_to(talk: &mut Rtnetlink) -> Result<BTreeMap<i32, Acquaintance>, Refusal> {
    let mut places = BTreeMap::new();
    let host = (PeerPlace::Host, namespace::own()?);
    let named = names()?.into_iter().filter_map(|(name, path)| {
        let file = at_once::open(&path).ok().filter(namespace::is_network_namespace)?;
        Some((PeerPlace::Netns(name), file))
    });
    for (place, file) in std::iter::once(host).chain(named) {
        if let Some(id) = talk.netns_id(file.as_fd())? {
            places.insert(id, (place, file));
        }
    }
    Ok(places)
}

/// Names the other end of a veth pair as far as it may be known.
fn peer(
    (index, netns_id): (u32, Option<i32>),
    talk: &mut Rtnetlink,
    places: &BTreeMap<i32, Acquaintance>,
) -> PeerView {
    let Some(netns_id) = netns_id else {
        let link = talk.link_by_index(index).ok().flatten();
        return PeerView { link: link.map(|link| link.name.to_string()), place: PeerPlace::Same };
    };
    let Some((place, file)) = places.get(&netns_id) else {
        return PeerView { link: None, place: PeerPlace::Nameless };
    };
    let there = namespace::within(file.as_fd(), || Rtnetlink::open()?.link_by_index(index));
    let link = there.ok().flatten().map(|link| link.name.to_string());
    PeerView { link, place: place.clone() }
}

/// The files under `/run/netns` in order. A name is whatever a file may be called.
pub(super) fn names() -> Result<Vec<(String, PathBuf)>, Refusal> {
    files_in(namespace::DIRECTORY)
}

fn files_in(folder: &str) -> Result<Vec<(String, PathBuf)>, Refusal> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        names.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
    }
    names.sort();
    Ok(names)
}

fn summary_of_name(name: String, path: &Path, census: &BTreeMap<NetnsId, Vec<u32>>) -> NetnsSummary {
    let file = at_once::open(path).ok().filter(namespace::is_network_namespace);
    let mut summary = match &file {
        Some(file) => summary_of_file(file, census),
        None => empty(SummaryState::HalfMade),
    };
    let mark = NetnsName::new(name.as_str()).ok().and_then(|name| state::netns_mark(&name));
    if let (Some(mark), Some(file)) = (mark, &file) {
        let cookie = namespace::within(file.as_fd(), || Rtnetlink::open()?.netns_cookie());
        summary.ours = cookie == Ok(mark);
    }
    NetnsSummary { name: Some(name), ..summary }
}

fn summary_of_file(file: &File, census: &BTreeMap<NetnsId, Vec<u32>>) -> NetnsSummary {
    let id = NetnsId::of(file).ok();
    let pids = id.and_then(|id| census.get(&id)).map(Vec::as_slice).unwrap_or_default();
    let addresses = namespace::within(file.as_fd(), || Rtnetlink::open()?.addresses()).unwrap_or_default();
    NetnsSummary {
        inode: id.map(|id| id.inode),
        processes: named_processes(pids),
        addresses: addresses
            .into_iter()
            .map(|(_, net)| net)
            .filter(|net| !net.addr().is_loopback())
            .collect(),
        container: pids.first().and_then(|pid| container_of(*pid)),
        ..empty(SummaryState::Live)
    }
}

fn empty(state: SummaryState) -> NetnsSummary {
    NetnsSummary {
        name: None,
        state,
        inode: None,
        ours: false,
        processes: Vec::new(),
        addresses: Vec::new(),
        mounts: Vec::new(),
        container: None,
    }
}

pub(super) fn named_processes(pids: &[u32]) -> Vec<Process> {
    let own = std::process::id();
    let others = pids.iter().filter(|pid| **pid != own);
    others.map(|pid| Process { pid: *pid, program: pids::program(*pid) }).collect()
}

/// Netns that processes live in, or that are mounted, without a name under `/run/netns`.
fn nameless_ones(census: &BTreeMap<NetnsId, Vec<u32>>, known: &BTreeSet<u64>) -> Vec<NetnsSummary> {
    let mut mounts: BTreeMap<u64, Vec<PathBuf>> = BTreeMap::new();
    for (inode, mount) in Mounts::own().netns() {
        mounts.entry(inode).or_default().push(mount.point.clone());
    }
    let lived_in =
        census.iter().filter_map(|(id, pids)| Some((id.inode, format!("/proc/{}/ns/net", pids.first()?))));
    let mut files: BTreeMap<u64, PathBuf> = lived_in.map(|(inode, path)| (inode, path.into())).collect();
    for (inode, paths) in &mounts {
        if let Some(path) = paths.first() {
            files.entry(*inode).or_insert_with(|| path.clone());
        }
    }
    let nameless = files.into_iter().filter(|(inode, _)| !known.contains(inode));
    nameless
        .filter_map(|(inode, path)| {
            let file = at_once::open(&path).ok().filter(namespace::is_network_namespace)?;
            let mounts = mounts.remove(&inode).unwrap_or_default();
            let mounts = mounts.iter().map(|path| path.display().to_string()).collect();
            Some(NetnsSummary { mounts, ..summary_of_file(&file, census) })
        })
        .collect()
}

fn container_of(pid: u32) -> Option<String> {
    container_in(&fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?)
}

/// Docker, podman and containerd name control groups after the 64 hexadecimal digits of a
/// container: `/docker/ID`, `docker-ID.scope`, `libpod-ID.scope`, `cri-containerd-ID.scope`.
fn container_in(cgroups: &str) -> Option<String> {
    const ID_DIGITS: usize = 64;
    /// As many as `docker ps` shows.
    const SHOWN_DIGITS: usize = 12;
    let of_group = |group: &str| {
        let stem = group.strip_suffix(".scope").unwrap_or(group);
        let (maker, id) = stem.rsplit_once(['-', '/'])?;
        let is_id = id.len() == ID_DIGITS && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let maker = maker.rsplit('/').next().filter(|maker| !maker.is_empty());
        is_id.then(|| format!("{} {}", maker.unwrap_or("container"), &id[..SHOWN_DIGITS]))
    };
    cgroups.lines().find_map(of_group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_are_told_by_their_control_groups() {
        let id = "0123456789abcdef".repeat(4);
        let docker = format!("0::/system.slice/docker-{id}.scope\n");
        assert_eq!(container_in(&docker).as_deref(), Some("docker 0123456789ab"));
        assert_eq!(container_in(&format!("0::/docker/{id}")).as_deref(), Some("docker 0123456789ab"));
        let podman = format!("0::/machine.slice/libpod-{id}.scope");
        assert_eq!(container_in(&podman).as_deref(), Some("libpod 0123456789ab"));
        assert_eq!(container_in("0::/user.slice/user-1000.slice/session-2.scope"), None);
    }
}
