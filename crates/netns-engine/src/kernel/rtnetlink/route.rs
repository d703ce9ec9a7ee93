//! Unicast routes of the main table.

use std::{collections::HashSet, net::IpAddr};

use ipnet::IpNet;
use netlink_packet_core::Parseable;
use netlink_packet_route::{
    AddressFamily,
    route::{
        RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol as Protocol, RouteScope,
        RouteType,
    },
};

use super::{Rtnetlink, link::unreadable, message, request};
use crate::{
    address::Family,
    kernel::{netlink::flag, refusal::Refusal},
    name::LinkName,
    route::{Route, RouteProtocol},
};

/// The metric the kernel gives IPv6 routes that ask for none (`IP6_RT_PRIO_USER`).
const IPV6_DEFAULT_METRIC: u32 = 1024;

/// `RT_TABLE_LOCAL` of `linux/rtnetlink.h`.
const TABLE_LOCAL: u8 = 255;

/// Where `rtm_table` is in `struct rtmsg` (`linux/rtnetlink.h`).
const TABLE_BYTE: usize = 4;

/// A route with the index of its link: names are looked up by whoever asked.
#[derive(Clone, Debug)]
pub(crate) struct RawRoute {
    pub(crate) route: Route,
    pub(crate) link: Option<u32>,
}

/// The unicast routes of the main table.
#[derive(Debug)]
pub(crate) struct Routes {
    /// Those that did not come with an address.
    pub(crate) others: Vec<RawRoute>,
    /// The networks that a link leads to without a gateway, whoever said so.
    pub(crate) direct: HashSet<(u32, IpNet)>,
}

impl Rtnetlink {
    /// Returns the main table's unicast routes.
    pub(crate) fn routes(&mut self) -> Result<Routes, Refusal> {
        let mut others = self.dump_routes(AddressFamily::Inet)?;
        others.extend(self.dump_routes(AddressFamily::Inet6)?);
        let is_direct = |raw: &&RawRoute| raw.route.gateway.is_none();
        let direct = others.iter().filter(is_direct);
        let direct = direct.filter_map(|raw| Some((raw.link?, raw.route.destination))).collect();
        others.retain(|raw| !came_with_address(raw));
        Ok(Routes { others, direct })
    }

    /// Returns the unicast routes of all tables but `main` and `local`, with the number of their table.
    pub(crate) fn routes_of_other_tables(&mut self) -> Result<Vec<(RawRoute, u32)>, Refusal> {
        let mut found = Vec::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let mut message = RouteMessage::default();
            message.header.address_family = family;
            // Else each link has its own, of its addresses and for multicast.
            message.header.kind = RouteType::Unicast;
            let mut of_family = Vec::new();
            self.socket.dump(&request(message::GET_ROUTE, 0, &message), |payload| match payload {
                None => of_family.clear(),
                Some(payload) if is_in_other_table(payload) => of_family.push(parse_with_table(payload)),
                Some(_) => {}
            })?;
            let of_family: Result<Vec<_>, _> = of_family.into_iter().collect();
            let of_family = of_family?.into_iter().flatten();
            found.extend(of_family.filter(|(raw, _)| !came_with_address(raw)));
        }
        Ok(found)
    }

    fn dump_routes(&mut self, family: AddressFamily) -> Result<Vec<RawRoute>, Refusal> {
        let mut message = RouteMessage::default();
        message.header.address_family = family;
        message.header.table = RouteHeader::RT_TABLE_MAIN;
        let mut routes = Vec::new();
        let dumped = self.socket.dump(&request(message::GET_ROUTE, 0, &message), |payload| match payload {
            None => routes.clear(),
            Some(payload) => routes.push(parse(payload)),
        });
        match dumped {
            Ok(()) => {}
            // A strict dump of a table that does not exist yet.
            Err(refusal) if refusal.errno() == rustix::io::Errno::NOENT => return Ok(Vec::new()),
            Err(refusal) => return Err(refusal),
        }
        let routes: Result<Vec<_>, _> = routes.into_iter().collect();
        Ok(routes?.into_iter().flatten().collect())
    }

    /// Adds a route.
    pub(crate) fn add_route(&mut self, route: &Route) -> Result<(), Refusal> {
        let message = self.route_message(route)?;
        self.socket.change(&request(message::NEW_ROUTE, flag::CREATE | flag::EXCL, &message))
    }

    /// Puts the route of an address back as the kernel makes it, so that it goes with the address: for IPv4 with
    /// the address as its source (`fib_magic` in `net/ipv4/fib_frontend.c`), for IPv6 by its metric
    /// (`addrconf_prefix_route` in `net/ipv6/addrconf.c`).
    pub(crate) fn restore_route(&mut self, link: &LinkName, address: IpNet) -> Result<(), Refusal> {
        let route = Route {
            metric: Route::metric_of_connected(&address),
            ..Route::connected(address.trunc(), link.clone())
        };
        let mut message = self.route_message(&route)?;
        if let IpNet::V4(address) = address {
            message.attributes.push(RouteAttribute::PrefSource(address.addr().into()));
        }
        // Beside that of another link in the same network, as the kernel does.
        self.socket.change(&request(message::NEW_ROUTE, flag::CREATE | flag::APPEND, &message))
    }

    /// Deletes a route.
    pub(crate) fn delete_route(&mut self, route: &Route) -> Result<(), Refusal> {
        let mut message = self.route_message(route)?;
        // Anything but the zero of these three would have to match as well.
        message.header.protocol = Protocol::Unspec;
        message.header.scope = RouteScope::NoWhere;
        message.header.kind = RouteType::Unspec;
        self.socket.change(&request(message::DELETE_ROUTE, 0, &message))
    }

    fn route_message(&mut self, route: &Route) -> Result<RouteMessage, Refusal> {
        let mut message = RouteMessage::default();
        let family = Family::of_net(&route.destination);
        message.header = RouteHeader {
            address_family: if family == Family::Ipv4 { AddressFamily::Inet } else { AddressFamily::Inet6 },
            destination_prefix_length: route.destination.prefix_len(),
            table: RouteHeader::RT_TABLE_MAIN,
            protocol: Protocol::from(route.protocol.number()),
            scope: if route.gateway.is_some() || family == Family::Ipv6 {
                RouteScope::Universe
            } else {
                RouteScope::Link
            },
            kind: RouteType::Unicast,
            ..message.header
        };
        if !route.is_default() {
            message.attributes.push(RouteAttribute::Destination(route.destination.network().into()));
        }
        message.attributes.extend(route.gateway.map(|gateway| RouteAttribute::Gateway(gateway.into())));
        if let Some(link) = &route.link {
            message.attributes.push(RouteAttribute::Oif(self.index(link)?));
        }
        if route.metric != 0 {
            message.attributes.push(RouteAttribute::Priority(route.metric));
        }
        Ok(message)
    }
}

/// The two tables with the most routes are told before anything is parsed.
fn is_in_other_table(payload: &[u8]) -> bool {
    let usual = [RouteHeader::RT_TABLE_MAIN, TABLE_LOCAL];
    payload.get(TABLE_BYTE).is_some_and(|table| !usual.contains(table))
}

fn parse_with_table(payload: &[u8]) -> Result<Option<(RawRoute, u32)>, Refusal> {
    let Some(route) = parse(payload)? else { return Ok(None) };
    let message = RouteMessage::parse(payload).map_err(unreadable)?;
    // Numbers above 255 are only here.
    let table = message.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Table(table) => Some(*table),
        _ => None,
    });
    Ok(Some((route, table.unwrap_or_else(|| u32::from(message.header.table)))))
}

/// Reads one route; none for those that lead nowhere.
fn parse(payload: &[u8]) -> Result<Option<RawRoute>, Refusal> {
    let message = RouteMessage::parse(payload).map_err(unreadable)?;
    let header = &message.header;
    let gateway = message.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Gateway(gateway) => ip(gateway),
        _ => None,
    });
    if header.kind != RouteType::Unicast {
        return Ok(None);
    }
    let family = if header.address_family == AddressFamily::Inet { Family::Ipv4 } else { Family::Ipv6 };
    let mut raw = RawRoute {
        route: Route {
            destination: family.everything(),
            gateway,
            link: None,
            metric: 0,
            protocol: protocol(u8::from(header.protocol), gateway),
        },
        link: None,
    };
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(destination) => {
                let net =
                    ip(destination).and_then(|ip| IpNet::new(ip, header.destination_prefix_length).ok());
                raw.route.destination = net.unwrap_or(raw.route.destination);
            }
            RouteAttribute::Oif(index) => raw.link = Some(*index),
            RouteAttribute::Priority(metric) if family == Family::Ipv4 || *metric != IPV6_DEFAULT_METRIC => {
                raw.route.metric = *metric;
            }
            _ => {}
        }
    }
    Ok(Some(raw))
}

/// Older kernels file routes from router advertisements under "kernel", with a gateway.
fn protocol(number: u8, gateway: Option<IpAddr>) -> RouteProtocol {
    match RouteProtocol::from_number(number) {
        RouteProtocol::KERNEL if gateway.is_some() => RouteProtocol::RouterAdvertisement,
        other => other,
    }
}

fn came_with_address(raw: &RawRoute) -> bool {
    raw.route.protocol == RouteProtocol::KERNEL
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(address) => Some(IpAddr::V4(*address)),
        RouteAddress::Inet6(address) => Some(IpAddr::V6(*address)),
        _ => None,
    }
}
