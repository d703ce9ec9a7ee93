//! Reads many netns, each in one go: opened once, entered once, on as many threads as there are processors.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    os::fd::{AsFd, BorrowedFd},
};

use super::{
    LinuxKernel, Refusal,
    namespace::{self, Named},
    processes::Inside,
    rtnetlink::{RawLink, Rtnetlink},
    stacks, state,
};
use crate::{
    address::Family,
    name::NetnsName,
    observed::{NetnsEntry, NetnsState, Scope, Stack},
    place::Place,
    sysctl::Sysctl,
};

/// Up to here the conversations stay open for what comes next; more would only push each other out.
const FEW: usize = 16;

/// What was found in one place.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) stack: Stack,
    pub(super) links: Vec<RawLink>,
    /// The id by which the place knows the host, if it met it.
    pub(super) host_id: Option<i32>,
}

/// What was found behind a name.
#[derive(Debug)]
pub(super) struct Visit {
    pub(super) entry: NetnsEntry,
    /// Where the scope asks for it, and there is one.
    pub(super) found: Option<Found>,
    /// Where the scope asks for who holds it.
    pub(super) inside: Option<Inside>,
}

/// A round of visits.
struct Round<'a> {
    scope: &'a Scope,
    host: BorrowedFd<'a>,
}

/// Visits all netns that `scope` names, but for those that were seen from outside; those that are not there are
/// left out.
pub(super) fn all(kernel: &mut LinuxKernel, scope: &Scope) -> Result<BTreeMap<NetnsName, Visit>, Refusal> {
    let of_stacks = scope.stacks.keys().filter_map(Place::netns);
    let names: BTreeSet<&NetnsName> = scope.netns.iter().chain(of_stacks).collect();
    let names: Vec<&NetnsName> =
        names.into_iter().filter(|name| !scope.outside.contains_key(*name)).collect();
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let host = namespace::own()?;
    let round = Round { scope, host: host.as_fd() };
    if names.len() > FEW { round.visit_at_once(&names) } else { round.visit_in_turn(kernel, &names) }
}

impl Round<'_> {
    fn visit_in_turn(
        &self,
        kernel: &mut LinuxKernel,
        names: &[&NetnsName],
    ) -> Result<BTreeMap<NetnsName, Visit>, Refusal> {
        let mut visits = BTreeMap::new();
        let mut live = Vec::new();
        for name in names {
            match namespace::look(name)? {
                None => {}
                Some(Named::HalfMade) => drop(visits.insert((*name).clone(), half_made())),
                Some(Named::Live(file)) => live.push((*name, file)),
            }
        }
        let mut entered = self.look_inside(&live)?;
        kernel.talk_to_all(&live)?;
        for (name, _) in live {
            let visit = self.read(name, kernel.talk(&Place::Netns(name.clone()))?)?;
            visits.insert(name.clone(), Visit { inside: entered.remove(name), ..visit });
        }
        Ok(visits)
    }

    /// Lists the sockets of those whose holders are asked for.
    fn look_inside(&self, live: &[(&NetnsName, File)]) -> Result<BTreeMap<NetnsName, Inside>, Refusal> {
        let asked = |(name, _): &&(&NetnsName, File)| self.scope.holders.contains(*name);
        let asked: Vec<_> = live.iter().filter(asked).collect();
        let enter = |asked: &[&(&NetnsName, File)]| {
            let enter = |(name, file): &&(&NetnsName, File)| Ok(((*name).clone(), Inside::enter(file)?));
            asked.iter().map(enter).collect::<Result<Vec<_>, Refusal>>()
        };
        Ok(namespace::on_own_threads(&asked, enter)?.into_iter().flatten().collect())
    }

    /// `setns` moves one thread, and these end when they are through: the caller never moves.
    fn visit_at_once(&self, names: &[&NetnsName]) -> Result<BTreeMap<NetnsName, Visit>, Refusal> {
        let enter = |names: &[&NetnsName]| {
            names.iter().map(|name| self.enter(name)).collect::<Result<Vec<_>, Refusal>>()
        };
        let visits = namespace::on_own_threads(names, enter)?;
        Ok(visits.into_iter().flatten().flatten().collect())
    }

    /// Visits one netns from a thread of our own, which stays there.
    fn enter(&self, name: &NetnsName) -> Result<Option<(NetnsName, Visit)>, Refusal> {
        let visit = match namespace::look(name)? {
            None => return Ok(None),
            Some(Named::HalfMade) => half_made(),
            Some(Named::Live(file)) => self.read_all(name, &file)?,
        };
        Ok(Some((name.clone(), visit)))
    }

    fn read_all(&self, name: &NetnsName, file: &File) -> Result<Visit, Refusal> {
        if !self.scope.holders.contains(name) {
            return self.read(name, &mut converse(file)?);
        }
        let inside = Some(Inside::enter(file)?);
        Ok(Visit { inside, ..self.read(name, &mut converse(file)?)? })
    }

    fn read(&self, name: &NetnsName, talk: &mut Rtnetlink) -> Result<Visit, Refusal> {
        let ours = match state::netns_mark(name) {
            Some(mark) => talk.netns_cookie()? == mark,
            None => false,
        };
        let entry = NetnsEntry { state: NetnsState::Live, ours, holders: Vec::new() };
        let Some(selection) = self.scope.stacks.get(&Place::Netns(name.clone())) else {
            return Ok(Visit { entry, found: None, inside: None });
        };
        let (mut stack, links) = stacks::read(talk, selection)?;
        if self.scope.forwarding_in.contains(name) {
            stack.sysctls = forwarding(talk, &links)?;
        }
        let leads_out = links.iter().any(|link| link.peer_netns.is_some());
        let host_id = if leads_out { talk.netns_id(self.host)? } else { None };
        Ok(Visit { entry, found: Some(Found { stack, links, host_id }), inside: None })
    }
}

/// The switches of a netns, and of its links those that are not as the switch says. Where all of its links are off,
/// so is the switch, which is not asked: each question takes as long as two links do.
fn forwarding(talk: &mut Rtnetlink, links: &[RawLink]) -> Result<BTreeMap<Sysctl, i32>, Refusal> {
    let mut settings = BTreeMap::new();
    for family in [Family::Ipv4, Family::Ipv6] {
        let mut told = links.iter().filter_map(|link| link.forwarding(family)).peekable();
        if told.peek().is_none() {
            continue;
        }
        let switch = if told.all(|value| value == 0) { Some(0) } else { talk.forwarding(family)? };
        let Some(switch) = switch else { continue };
        settings.insert(Sysctl::forwarding(family), switch);
        let differ = links.iter().filter_map(|link| {
            let value = link.forwarding(family).filter(|value| *value != switch)?;
            Some((Sysctl::LinkForwarding(family, link.name.clone()), value))
        });
        settings.extend(differ);
    }
    Ok(settings)
}

fn half_made() -> Visit {
    let entry = NetnsEntry { state: NetnsState::HalfMade, ours: false, holders: Vec::new() };
    Visit { entry, found: None, inside: None }
}

/// Begins a conversation from a thread that stays in the netns.
pub(super) fn converse(netns: &File) -> Result<Rtnetlink, Refusal> {
    namespace::enter(netns)?;
    Rtnetlink::open()
}
