//! Decides whether an address can be given to a link, and how.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Conflict, Desired, Draft, Operation, Plan};
use crate::{
    address::Family,
    desired::{AddressOn, AddressRemoved},
    name::LinkName,
    observed::{Observed, Scope, Selection},
    place::{LinkAt, Place},
    route::Route,
    sysctl::Sysctl,
};

impl Desired for AddressOn {
    fn scope(&self) -> Scope {
        scope_of(&self.link)
    }

    fn plan(&self, observed: &Observed) -> Result<Plan, Conflict> {
        require_place(observed, &self.link.place)?;
        if observed.link(&self.link).is_none() {
            return Err(Conflict::NoLink(self.link.clone()));
        }
        refuse_unusable(observed, &self.link, self.address)?;
        let mut draft = Draft::from(observed);
        add_address(
            &mut draft,
            &self.link,
            self.address,
            "The address is who the link is; its prefix length says which neighbours are reached directly.",
        );
        Ok(draft.finish())
    }
}

impl Desired for AddressRemoved {
    fn scope(&self) -> Scope {
        scope_of(&self.link)
    }

    fn plan(&self, observed: &Observed) -> Result<Plan, Conflict> {
        require_place(observed, &self.link.place)?;
        let link = observed.link(&self.link).ok_or_else(|| Conflict::NoLink(self.link.clone()))?;
        if !link.addresses.contains(&self.address) {
            return Err(Conflict::NoAddress { at: self.link.clone(), address: self.address });
        }
        let mut draft = Draft::from(observed);
        let why = "Without the address, the route to its network goes too.";
        delete_address(&mut draft, &self.link, self.address, why);
        Ok(draft.finish())
    }
}

/// What must be known to give `at` an address: everything its place already has.
pub(super) fn scope_of(at: &LinkAt) -> Scope {
    let mut scope = Scope::default().with_link(at);
    scope.stacks.insert(at.place.clone(), Selection::All);
    for sysctl in [Sysctl::DisableIpv6, Sysctl::AcceptRa, Sysctl::Autoconf, Sysctl::PromoteSecondaries] {
        scope.sysctls.insert((at.place.clone(), sysctl(at.name.clone())));
    }
    scope
}

/// A setting that exists wherever the kernel speaks IPv6.
pub(super) fn ipv6_probe() -> Sysctl {
    Sysctl::DisableIpv6(LinkName::from_kernel("default"))
}

/// Adds an address unless it is there; for an IPv6 one, the link's IPv6 is switched on first,
/// deaf to router advertisements: whoever is on the link could otherwise set the host's routes.
pub(super) fn add_address(draft: &mut Draft, at: &LinkAt, address: IpNet, why: &str) {
    if draft.state().link(at).is_some_and(|link| link.addresses.contains(&address)) {
        return;
    }
    if Family::of_net(&address) == Family::Ipv6 {
        open_for_ipv6(draft, at);
    }
    draft.then(Operation::AddAddress(at.clone(), address), why);
}

/// Puts the route back that an address brought with it, where somebody took it away.
pub(super) fn restore_route(draft: &mut Draft, at: &LinkAt, address: IpNet) -> Result<(), Conflict> {
    if !draft.state().link(at).is_some_and(|link| link.lacks_route_of(address)) {
        return Ok(());
    }
    let metric = Route::metric_of_connected(&address);
    let takes_its_place = |route: &&Route| route.destination == address.trunc() && route.metric == metric;
    let other = draft.state().stack(&at.place).and_then(|stack| stack.routes.iter().find(takes_its_place));
    if let Some(route) = other.cloned() {
        return Err(Conflict::RouteTaken { route, place: at.place.clone() });
    }
    draft.then(
        Operation::RestoreRoute(at.clone(), address),
        "The route to its network came with the address; without it, no neighbour is reached.",
    );
    Ok(())
}

fn open_for_ipv6(draft: &mut Draft, at: &LinkAt) {
    let why =
        "An address was given by hand: a router advertisement from the other side must not add routes here.";
    let ours = draft.state().link(at).is_some_and(|link| link.ours);
    let deaf = [Sysctl::AcceptRa(at.name.clone()), Sysctl::Autoconf(at.name.clone())];
    for sysctl in deaf.into_iter().filter(|_| ours) {
        // Of a new link it is not known.
        if draft.state().sysctl(&at.place, &sysctl) != Some(0) {
            draft.then(Operation::SetSysctl(at.place.clone(), sysctl, 0), why);
        }
    }
    let disabled = Sysctl::DisableIpv6(at.name.clone());
    if draft.state().sysctl(&at.place, &disabled) == Some(1) {
        draft.then(
            Operation::SetSysctl(at.place.clone(), disabled, 0),
            "IPv6 was off on this link; an IPv6 address needs it.",
        );
    }
}

/// Deletes an address, and none of the others that the link has in its subnet.
pub(super) fn delete_address(draft: &mut Draft, at: &LinkAt, address: IpNet, why: &str) {
    let promotes = Sysctl::PromoteSecondaries(at.name.clone());
    let has_sibling = draft.state().link(at).is_some_and(|link| {
        link.addresses.iter().any(|other| *other != address && other.trunc() == address.trunc())
    });
    let keeps = !has_sibling
        || Family::of_net(&address) == Family::Ipv6
        || draft.state().sysctl(&at.place, &promotes) != Some(0);
    let promote = |value| Operation::SetSysctl(at.place.clone(), promotes.clone(), value);
    if !keeps {
        draft.then(promote(1), "Or the first address of a subnet would take the others on this link along.");
    }
    draft.then(Operation::DeleteAddress(at.clone(), address), why);
    if !keeps {
        draft.then(promote(0), "The setting is as it was.");
    }
}

/// Refuses an address that no link can have, that is in use, or whose network is taken.
pub(super) fn refuse_unusable(observed: &Observed, at: &LinkAt, address: IpNet) -> Result<(), Conflict> {
    refuse_reserved(address)?;
    let Some(stack) = observed.stack(&at.place) else { return Ok(()) };
    for (name, link) in stack.links.iter().filter(|(name, _)| **name != at.name) {
        for other in &link.addresses {
            if other.addr() == address.addr() {
                return Err(Conflict::AddressInUse {
                    address: address.addr(),
                    user: at.place.link(name).to_string(),
                });
            }
            if at.place == Place::Host && overlap(other, &address) {
                let route = format!("{} dev {name}", other.trunc());
                return Err(Conflict::Overlap { network: address.trunc(), route, place: at.place.clone() });
            }
        }
    }
    let elsewhere = |link: &Option<LinkName>| link.as_ref() != Some(&at.name);
    let clashes = |destination: &IpNet, link: &Option<LinkName>| {
        at.place == Place::Host
            && !is_way_out(destination)
            && elsewhere(link)
            && overlap(destination, &address)
    };
    let in_main = stack.routes.iter().find(|route| clashes(&route.destination, &route.link));
    let in_others = || observed.other_routes.iter().find(|route| clashes(&route.destination, &route.link));
    let clash = in_main.map(ToString::to_string).or_else(|| in_others().map(ToString::to_string));
    match clash {
        None => Ok(()),
        Some(route) => Err(Conflict::Overlap { network: address.trunc(), route, place: at.place.clone() }),
    }
}

/// A default route, or half of one: a VPN that takes everything adds `0.0.0.0/1` and `128.0.0.0/1`.
fn is_way_out(destination: &IpNet) -> bool {
    destination.prefix_len() <= 1
}

/// Refuses the addresses that a network keeps for itself.
pub(super) fn refuse_reserved(address: IpNet) -> Result<(), Conflict> {
    let roomy = address.prefix_len() < address.max_prefix_len() - 1;
    let broadcast = matches!(address, IpNet::V4(_)) && address.addr() == address.broadcast();
    let special = match address.addr() {
        IpAddr::V4(v4) => v4.is_unspecified() || v4.is_multicast() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_unspecified() || v6.is_multicast(),
    };
    if special || (roomy && (address.addr() == address.network() || broadcast)) {
        return Err(Conflict::NotAHostAddress(address));
    }
    Ok(())
}

fn overlap(a: &IpNet, b: &IpNet) -> bool {
    a.contains(&b.network()) || b.contains(&a.network())
}

pub(super) fn require_place(observed: &Observed, place: &Place) -> Result<(), Conflict> {
    place.netns().map_or(Ok(()), |netns| super::netns::require(observed, netns))
}
