//! The routes that addresses bring with them, in the model: they are there, unless somebody took one away.

use std::net::IpAddr;

use ipnet::IpNet;
use rustix::io::Errno;

use super::{Link, LinkKind, Observed, Stack};
use crate::{
    address::Family,
    kernel::Refusal,
    operation::Operation,
    place::{LinkAt, Place},
    route::Route,
};

impl Link {
    /// Returns the networks that its addresses bring a route to: not while it is down, and none to the address alone
    /// (`fib_add_ifaddr` in `net/ipv4/fib_frontend.c`). A link that belongs to another has its routes where that
    /// one wants them (`l3mdev_fib_table` in `net/l3mdev.h`).
    pub(crate) fn connected(&self) -> impl Iterator<Item = IpNet> {
        let routed = self.up && self.master.is_none() && self.kind != LinkKind::Loopback;
        let addresses = self.addresses.iter().filter(move |_| routed);
        addresses.filter(|address| address.prefix_len() < address.max_prefix_len()).map(IpNet::trunc)
    }

    /// Returns whether somebody took the route away that `address` brought with it.
    pub(crate) fn lacks_route_of(&self, address: IpNet) -> bool {
        self.unrouted.contains(&address.trunc())
    }

    /// Whether it leads to `neighbour` without a gateway.
    pub(super) fn reaches(&self, neighbour: IpAddr) -> bool {
        let reaches = |address: &IpNet| address.contains(&neighbour) && !self.lacks_route_of(*address);
        self.addresses.iter().any(reaches)
    }

    /// IPv4 brings the route with the first address of a network, IPv6 with each.
    pub(super) fn route_new_address(&mut self, address: IpNet) {
        if Family::of_net(&address) == Family::Ipv6 {
            self.unrouted.remove(&address.trunc());
        }
    }

    /// What no address leads to is not missed.
    pub(super) fn forget_routes(&mut self) {
        let connected: Vec<_> = self.connected().collect();
        self.unrouted.retain(|network| connected.contains(network));
    }
}

impl Stack {
    /// Takes a route away that came with an address.
    pub(super) fn take_connected(&mut self, route: &Route) -> Result<(), Refusal> {
        let name = route.link.as_ref().ok_or(Errno::SRCH)?;
        let link = self.links.get_mut(name).ok_or(Errno::NODEV)?;
        let is_there =
            route.gateway.is_none() && link.connected().any(|network| network == route.destination);
        if is_there && link.unrouted.insert(route.destination) { Ok(()) } else { Err(Errno::SRCH.into()) }
    }
}

impl Observed {
    pub(super) fn restore_route(&mut self, at: &LinkAt, address: IpNet) -> Result<(), Refusal> {
        let stack = self.stacks.get_mut(&at.place).ok_or(Errno::NODEV)?;
        let link = stack.links.get_mut(&at.name).ok_or(Errno::NODEV)?;
        if !link.up {
            return Err(Errno::NETDOWN.into());
        }
        // fib_valid_prefsrc in net/ipv4/fib_semantics.c
        if Family::of_net(&address) == Family::Ipv4 && !link.addresses.contains(&address) {
            return Err(Errno::INVAL.into());
        }
        if link.unrouted.remove(&address.trunc()) { Ok(()) } else { Err(Errno::EXIST.into()) }
    }

    /// Takes the routes away again that come back with the addresses of a link, and were not there.
    pub(super) fn undo_routes_of(&self, at: &LinkAt) -> Vec<Operation> {
        let networks = self.link(at).into_iter().flat_map(|link| &link.unrouted);
        let taken = |network: &IpNet| Route::connected(*network, at.name.clone());
        networks.map(|network| Operation::DeleteRoute(at.place.clone(), taken(network))).collect()
    }

    /// Puts a route back that is deleted, be it one that came with an address.
    pub(super) fn undo_of_deleted(&self, place: &Place, route: &Route) -> Operation {
        let connected = route.link.as_ref().filter(|_| !self.has_route(place, route)).and_then(|link| {
            let at = place.link(link);
            let addresses = &self.link(&at)?.addresses;
            let address = *addresses.iter().find(|address| address.trunc() == route.destination)?;
            Some(Operation::RestoreRoute(at, address))
        });
        connected.unwrap_or_else(|| Operation::AddRoute(place.clone(), route.clone()))
    }
}
