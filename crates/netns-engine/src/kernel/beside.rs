//! What is read beside the kernel's own objects: files under `/etc/netns`, shared names, programs, and who holds a
//! netns.

use std::collections::BTreeMap;

use super::{
    Refusal, boot_files, hosts,
    processes::{self, Inside},
    resolver, whereabouts,
};
use crate::{
    boot::{BootFile, BootPart},
    name::NetnsName,
    observed::{Asked, Observed, Scope},
};

/// Reads who keeps netns alive beside their names.
pub(super) fn observe_holders(
    scope: &Scope,
    entered: BTreeMap<NetnsName, Inside>,
    observed: &mut Observed,
) -> Result<(), Refusal> {
    let names = scope.holders.iter().filter(|name| observed.netns.contains_key(name));
    for (name, holders) in processes::holders_of(&names.cloned().collect(), entered)? {
        if let Some(entry) = observed.netns.get_mut(&name) {
            entry.holders = holders;
        }
    }
    Ok(())
}

/// Reads the name servers of netns, and the host's.
pub(super) fn observe_resolvers(scope: &Scope, observed: &mut Observed) -> Result<(), Refusal> {
    for netns in &scope.resolvers {
        observed.resolvers.extend(resolver::read(netns)?.map(|file| (netns.clone(), file)));
    }
    if scope.upstream == Asked::Yes {
        observed.upstream = resolver::upstream()?;
    }
    Ok(())
}

/// Reads the names that topologies share, and which of their programs run.
pub(super) fn observe_topologies(scope: &Scope, observed: &mut Observed) -> Result<(), Refusal> {
    for topology in &scope.hosts {
        observed.hosts.extend(hosts::read(topology)?.map(|entries| (topology.clone(), entries)));
    }
    for (topology, part) in
        scope.boot_files.iter().flat_map(|topology| BootPart::ALL.map(|part| (topology, part)))
    {
        let file = BootFile { topology: topology.clone(), part };
        observed.boot_files.extend(boot_files::read(&file)?.map(|state| (file, state)));
    }
    for netns in &scope.shared_hosts {
        observed.shared_hosts.extend(hosts::shared(netns)?.map(|topology| (netns.clone(), topology)));
    }
    let running = whereabouts::search(&scope.programs)?;
    observed.programs = running.inside;
    observed.strays = running.astray;
    Ok(())
}
