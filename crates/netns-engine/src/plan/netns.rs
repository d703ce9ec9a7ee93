//! Decides how a netns comes and goes.

use super::{
    Conflict, Desired, Draft, LinkChange, Operation, Plan, port_forward::removal::take_back_ports_of,
};
use crate::{
    desired::{Netns, NetnsRemoved, OnHolders},
    name::{LinkName, NetnsName},
    observed::{Doomed, Hold, Holder, LinkKind, NetnsEntry, NetnsState, Observed, Scope, Selection},
    place::{LinkAt, Place},
    resolver::ResolvConf,
};

impl Desired for Netns {
    fn scope(&self) -> Scope {
        Scope::default().with_netns(&self.name)
    }

    fn plan(&self, observed: &Observed) -> Result<Plan, Conflict> {
        let mut draft = Draft::from(observed);
        match observed.netns.get(&self.name) {
            None => draft.then(
                Operation::CreateNetns(self.name.clone()),
                "A network namespace is a network stack of its own: links, addresses, routes, firewall.",
            ),
            Some(NetnsEntry { state: NetnsState::HalfMade, .. }) => {
                return Err(Conflict::HalfMadeNetns(self.name.clone()));
            }
            Some(NetnsEntry { ours: false, .. }) => return Err(Conflict::NetnsTaken(self.name.clone())),
            Some(_) => {}
        }
        switch_loopback_on(&mut draft, &self.name);
        Ok(draft.finish())
    }
}

impl Desired for NetnsRemoved {
    fn scope(&self) -> Scope {
        let mut scope = Scope::default().with_netns(&self.name);
        // The host's links are the other ends of its cables: what an undo would need to know.
        scope.stacks.insert(Place::Host, Selection::Links([].into()));
        scope.doomed.insert(Doomed::Netns(self.name.clone()));
        scope.holders.insert(self.name.clone());
        scope.resolvers.insert(self.name.clone());
        scope.ports_of.insert(self.name.clone());
        scope
    }

    fn plan(&self, observed: &Observed) -> Result<Plan, Conflict> {
        if !observed.netns.contains_key(&self.name) {
            return Err(Conflict::NoNetns(self.name.clone()));
        }
        let mut draft = Draft::from(observed);
        release(&mut draft, &self.name, self.on_holders)?;
        take_back_ports_of(&mut draft, &self.name);
        for link in cables_of(observed, &self.name) {
            draft.then(
                Operation::DeleteLink(link),
                "A cable outlives the name of its netns for a moment; deleted first, its host end is free at once.",
            );
        }
        if observed.resolvers.get(&self.name).is_some_and(ResolvConf::is_ours) {
            draft.then(
                Operation::RemoveResolver(self.name.clone()),
                "The next netns of that name would be given these name servers.",
            );
        }
        // Last, for nothing else here is harder to bring back.
        delete_netns(&mut draft, &self.name);
        Ok(draft.finish())
    }
}

/// Deletes the name of a netns, if it is there.
pub(super) fn delete_netns(draft: &mut Draft, name: &NetnsName) {
    if draft.state().netns.contains_key(name) {
        draft.then(
            Operation::DeleteNetns(name.clone()),
            "Without its name, and with nobody inside, the netns and all that is left in it is gone.",
        );
    }
}

/// Gets rid of those who would keep a netns alive, or refuses.
pub(super) fn release(draft: &mut Draft, name: &NetnsName, on_holders: OnHolders) -> Result<(), Conflict> {
    let Some(entry) = draft.state().netns.get(name) else { return Ok(()) };
    let held = |holders: Vec<Holder>| Conflict::NetnsHeld { name: name.clone(), holders };
    if on_holders == OnHolders::Refuse && !entry.holders.is_empty() {
        return Err(held(entry.holders.clone()));
    }
    let (mounts, mut processes): (Vec<_>, Vec<_>) =
        entry.holders.iter().cloned().partition(|holder| matches!(holder.by, Hold::Mount(_)));
    processes.dedup_by_key(|holder| holder.pid);
    let pids: Vec<u32> = processes.iter().map(|holder| holder.pid).collect();
    // A process that also sees another mount of it takes that mount along only if it is the last one in
    // its mount namespace, which cannot be known; so refuse before killing.
    if mounts.iter().any(|holder| !pids.contains(&holder.pid)) {
        return Err(held(mounts));
    }
    if !pids.is_empty() {
        draft.then(
            Operation::KillProcesses(name.clone(), pids),
            "A netns lives as long as a process runs in it or holds it open.",
        );
    }
    Ok(())
}

/// Switches `lo` on, unless it is.
pub(super) fn switch_loopback_on(draft: &mut Draft, netns: &NetnsName) {
    let loopback = LinkAt::inside(netns.clone(), LinkName::from_kernel("lo"));
    if draft.state().link(&loopback).is_some_and(|link| !link.up) {
        draft.then(
            Operation::SetLink(loopback, LinkChange::Up),
            "A new netns has only a loopback link, and that is down: even 127.0.0.1 does not answer yet.",
        );
    }
}

/// Refuses a netns that does not exist or is half-made.
pub(super) fn require(observed: &Observed, name: &NetnsName) -> Result<(), Conflict> {
    match observed.netns.get(name).map(|entry| entry.state) {
        Some(NetnsState::Live) => Ok(()),
        Some(NetnsState::HalfMade) => Err(Conflict::HalfMadeNetns(name.clone())),
        None => Err(Conflict::NoNetns(name.clone())),
    }
}

/// The veth ends in a netns, one per pair.
fn cables_of(observed: &Observed, name: &NetnsName) -> Vec<LinkAt> {
    let place = Place::Netns(name.clone());
    let Some(stack) = observed.stack(&place) else { return Vec::new() };
    let cables = stack.links.iter().filter(|(_, link)| link.kind == LinkKind::Veth);
    // Deleting one end of a veth deletes its peer, so a pair inside one netns is deleted once.
    let second = |name: &LinkName, peer: Option<&LinkAt>| {
        peer.is_some_and(|peer| peer.place == place && peer.name < *name)
    };
    cables
        .filter(|(name, link)| !second(name, link.peer.as_ref()))
        .map(|(name, _)| place.link(name))
        .collect()
}
