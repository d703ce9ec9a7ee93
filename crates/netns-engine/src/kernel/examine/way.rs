//! Which stacks a path may lead through.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use super::{
    flows::Interest,
    names,
    search::{MOST, Search},
    visit::{End, Visit},
};
use crate::{
    diagnose::{
        question::{Destination, Path},
        scene::StackId,
    },
    kernel::{probe, refusal::Refusal},
};

/// Up to here all that is behind the ports of a bridge is looked at.
const FEW: usize = 32;

/// What a search is for.
#[derive(Clone, Debug, Default)]
pub(super) struct Way {
    /// Where it begins and ends, as far as these are stacks.
    stacks: Vec<StackId>,
    /// Addresses it leads to.
    destinations: BTreeSet<IpAddr>,
    /// The addresses at other ends of links, by the stack of the link, netns and index.
    asked: BTreeMap<(StackId, i32, u32), Vec<IpAddr>>,
}

/// Looks at where the path begins and ends, and at what may be in between.
pub(super) fn follow(search: &mut Search, path: &Path) -> Result<(), Refusal> {
    let mut way = Way { stacks: vec![search.enter(&path.from)?], ..Way::default() };
    match &path.to {
        Destination::Stack(entrance) => way.stacks.push(search.enter(entrance)?),
        Destination::Address(address) => drop(way.destinations.insert(*address)),
        Destination::Internet => way.destinations.extend(names::servers(&path.from)),
        Destination::Name(name) => {
            way.destinations.extend(names::servers(&path.from));
            way.destinations.extend(probe::address_in_hosts(name, &path.from));
        }
    }
    let mut interest = Interest { addresses: way.ends(search), ..Interest::default() };
    search_for(search, way);
    let transport = path.protocol.transport();
    interest.ports.extend(path.port.zip(transport));
    search.read_flows(&interest);
    Ok(())
}

/// Looks at the stacks that may be on a way.
pub(super) fn search_for(search: &mut Search, mut way: Way) {
    while way.widen(search, Way::wanted_behind) {}
    while way.widen(search, Way::few_behind) {}
    // Who was found last may know of further gateways.
    while way.widen(search, Way::wanted_behind) {}
}

impl Way {
    /// A way from the host to whoever has these addresses.
    pub(super) fn to(destinations: BTreeSet<IpAddr>) -> Self {
        Self { destinations, ..Self::default() }
    }

    /// Goes through all stacks, and looks at those that `choose` finds behind their links; returns whether there
    /// were new ones.
    fn widen(
        &mut self,
        search: &mut Search,
        choose: fn(&mut Self, &mut Search, StackId) -> BTreeSet<i32>,
    ) -> bool {
        let mut grew = false;
        let mut number = 0;
        while number < search.visits.len() && search.visits.len() < MOST {
            let ids = choose(self, search, StackId(number));
            grew |= !ids.is_empty() && search.enter_known_to(StackId(number), &ids);
            number += 1;
        }
        grew
    }

    /// The netns behind a stack's links that have an address the path leads to, passes, or comes from.
    fn wanted_behind(&mut self, search: &mut Search, at: StackId) -> BTreeSet<i32> {
        let wanted = self.wanted(search);
        let visit = &mut search.visits[at.0];
        let mut ids = BTreeSet::new();
        for end in unvisited(visit) {
            let addresses = self.asked.entry((at, end.netns, end.index)).or_insert_with(|| {
                let there = visit.talk.addresses_elsewhere(end.netns, end.index).unwrap_or_default();
                there.into_iter().map(|(_, net)| net.addr()).collect()
            });
            if addresses.iter().any(|address| wanted.contains(address)) {
                ids.insert(end.netns);
            }
        }
        ids
    }

    /// The netns behind a bridge of the path that has few ports, and behind single links of stacks that have few.
    #[expect(clippy::unused_self, reason = "one of two ways to choose")]
    fn few_behind(&mut self, search: &mut Search, at: StackId) -> BTreeSet<i32> {
        let visit = &search.visits[at.0];
        let mut groups: BTreeMap<Option<u32>, Vec<End>> = BTreeMap::new();
        for end in visit.ends() {
            groups.entry(end.master).or_default().push(end);
        }
        let is_on_the_way = |ends: &[End]| ends.iter().any(|end| visit.knows(end.netns).is_some());
        groups.retain(|bridge, ends| ends.len() < FEW && (bridge.is_none() || is_on_the_way(ends)));
        let ids = groups.into_values().flatten().map(|end| end.netns);
        ids.filter(|netns| visit.knows(*netns).is_none()).collect()
    }

    /// The addresses at both ends.
    fn ends(&self, search: &Search) -> BTreeSet<IpAddr> {
        let mut ends = self.destinations.clone();
        for stack in self.stacks.iter().filter(|id| **id != StackId::HOST) {
            let links = search.visits[stack.0].stack.links.iter().filter(|link| !link.is_loopback());
            ends.extend(links.flat_map(|link| &link.addresses).map(|address| address.net.addr()));
        }
        ends.retain(|address| !is_of_every_stack(*address));
        ends
    }

    /// The addresses at both ends, and the gateways that lead there from wherever we have been.
    fn wanted(&self, search: &Search) -> BTreeSet<IpAddr> {
        let mut wanted = self.ends(search);
        let routes = search.visits.iter().flat_map(|visit| &visit.stack.routes);
        let leading_there = routes.filter(|route| {
            route.destination.prefix_len() == 0 || wanted.iter().any(|end| route.destination.contains(end))
        });
        let gateways: Vec<IpAddr> =
            leading_there.flat_map(|route| &route.hops).filter_map(|hop| hop.gateway).collect();
        wanted.extend(gateways);
        wanted
    }
}

fn unvisited(visit: &Visit) -> Vec<End> {
    let mut ends = visit.ends();
    ends.retain(|end| visit.knows(end.netns).is_none());
    ends
}

fn is_of_every_stack(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_loopback(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unicast_link_local(),
    }
}
