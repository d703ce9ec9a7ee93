//! Decides how a cable between the host and a netns comes to be.

use ipnet::IpNet;

use super::{
    Conflict, Desired, Draft, LinkChange, LinkLocal, NewVeth, NewVethEnd, Operation, Plan,
    address::{add_address, refuse_unusable, scope_of},
    netns, route,
};
use crate::{
    address::Family,
    desired::{LinkState, Veth},
    observed::{Link, LinkKind, Observed, Scope},
    place::{LinkAt, Place},
    route::Route,
};

/// Why the ends of a new cable are switched on.
pub(super) const WHY_UP: &str = "A new link is down; a cable carries packets only with both ends up.";

impl Desired for Veth {
    fn scope(&self) -> Scope {
        let mut scope = if self.host_addresses.is_empty() {
            Scope::default().with_link(&self.host_end())
        } else {
            scope_of(&self.host_end())
        };
        if let Some(bridge) = &self.bridge {
            scope = scope.with_host_link(bridge);
        }
        scope.with_netns(&self.netns)
    }

    fn plan(&self, observed: &Observed) -> Result<Plan, Conflict> {
        netns::require(observed, &self.netns)?;
        if let Some(bridge) = &self.bridge {
            super::bridge::require(observed, &LinkAt::on_host(bridge.clone()))?;
        }
        for (at, address) in self.addressed() {
            refuse_unusable(observed, &at, address)?;
        }
        let mut draft = Draft::from(observed);
        make_cable(&mut draft, self.pair())?;
        for (at, address) in self.addressed() {
            add_address(&mut draft, &at, address, "An address makes the end reachable for its neighbour.");
        }
        if self.state == LinkState::Up || self.gateway.is_some() {
            for at in [self.inner_end(), self.host_end()] {
                switch_on(&mut draft, &at, WHY_UP);
            }
            netns::switch_loopback_on(&mut draft, &self.netns);
        }
        if let Some(gateway) = self.gateway {
            let route = Route::default_via(gateway).on(self.inner_link.clone());
            let why = "Everything outside the cable's own network goes to the gateway.";
            route::add_route(&mut draft, &Place::Netns(self.netns.clone()), &route, why)?;
        }
        Ok(draft.finish())
    }
}

impl Veth {
    fn addressed(&self) -> impl Iterator<Item = (LinkAt, IpNet)> {
        let host = self.host_addresses.iter().map(|address| (self.host_end(), *address));
        host.chain(self.addresses.iter().map(|address| (self.inner_end(), *address)))
    }

    fn pair(&self) -> NewVeth {
        let asked_for_none =
            self.addresses.is_empty() && self.host_addresses.is_empty() && self.bridge.is_none();
        let link_local = |addresses: &[IpNet]| {
            if asked_for_none {
                LinkLocal::Generated
            } else {
                link_local_for(addresses).at_mtu(self.mtu_bytes)
            }
        };
        NewVeth {
            main: NewVethEnd {
                master: self.bridge.clone(),
                mtu_bytes: self.mtu_bytes,
                link_local: link_local(&self.host_addresses),
                ..NewVethEnd::new(self.host_end())
            },
            peer: NewVethEnd {
                mac: self.mac,
                mtu_bytes: self.mtu_bytes,
                link_local: link_local(&self.addresses),
                ..NewVethEnd::new(self.inner_end())
            },
        }
    }
}

/// No link-local address where only IPv4 was asked for.
pub(super) fn link_local_for(addresses: &[IpNet]) -> LinkLocal {
    if addresses.iter().any(|address| Family::of_net(address) == Family::Ipv6) {
        LinkLocal::Generated
    } else {
        LinkLocal::None
    }
}

/// Lays the cable, unless it is there as asked.
pub(super) fn make_cable(draft: &mut Draft, veth: NewVeth) -> Result<(), Conflict> {
    let (main, peer) = (&veth.main.at, &veth.peer.at);
    match (draft.state().link(main), draft.state().link(peer)) {
        (None, None) => {
            let why = format!("A veth pair is a cable: what enters {main} comes out of {peer}.");
            draft.then(Operation::AddVeth(veth), why);
            Ok(())
        }
        (Some(link), _) => refuse_other_cable(&veth.main, &veth.peer, link),
        (None, Some(link)) => refuse_other_cable(&veth.peer, &veth.main, link),
    }
}

fn refuse_other_cable(end: &NewVethEnd, peer: &NewVethEnd, link: &Link) -> Result<(), Conflict> {
    let taken = |difference: String| Err(Conflict::LinkTaken { at: end.at.clone(), difference });
    if link.kind != LinkKind::Veth {
        return taken("it is not a veth end".to_owned());
    }
    match &link.peer {
        Some(actual) if *actual == peer.at => {}
        Some(actual) => return taken(format!("its other end is {actual}")),
        None => return taken("its other end is elsewhere".to_owned()),
    }
    if end.master.is_some() && link.master != end.master {
        return taken("it is not a port of that bridge".to_owned());
    }
    if end.mtu_bytes.is_some_and(|mtu| mtu != link.mtu_bytes) {
        return taken(format!("its MTU is {}", link.mtu_bytes));
    }
    if end.mac.is_some() && link.mac != end.mac {
        return taken("its MAC address differs".to_owned());
    }
    Ok(())
}

/// Switches a link on, unless it is.
pub(super) fn switch_on(draft: &mut Draft, at: &LinkAt, why: &str) {
    if draft.state().link(at).is_some_and(|link| !link.up) {
        draft.then(Operation::SetLink(at.clone(), LinkChange::Up), why);
    }
}
