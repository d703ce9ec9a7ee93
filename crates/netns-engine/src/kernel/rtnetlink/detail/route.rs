//! Routes of all tables.

use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_route::route::RouteProtocol;

use super::{
    super::{message, survey},
    Attributes, Rtnetlink, family_of, ip_in, u16_at, u32_at,
};
use crate::{
    diagnose::scene::{NextHop, Route, RouteKind},
    kernel::refusal::Refusal,
};

/// The length of a `struct rtmsg` (`linux/rtnetlink.h`).
const HEADER_BYTES: usize = 12;

/// `RTA_*` of `linux/rtnetlink.h`.
mod attribute {
    pub(super) const DESTINATION: u16 = 1;
    pub(super) const LINK: u16 = 4;
    pub(super) const GATEWAY: u16 = 5;
    pub(super) const PRIORITY: u16 = 6;
    pub(super) const SOURCE: u16 = 7;
    pub(super) const METRICS: u16 = 8;
    pub(super) const MULTIPATH: u16 = 9;
    pub(super) const TABLE: u16 = 15;
    /// A gateway of another family: `struct rtvia`.
    pub(super) const VIA: u16 = 18;
    /// Inside `METRICS`: `RTAX_MTU`.
    pub(super) const MTU: u16 = 2;
}

impl Rtnetlink {
    /// Returns the routes of all tables, in the kernel's order.
    pub(crate) fn detailed_routes(&mut self) -> Result<Vec<Route>, Refusal> {
        self.detail_of_families(message::GET_ROUTE, HEADER_BYTES, read)
    }
}

/// Reads one route; none for what the kernel only remembers of single destinations.
fn read(payload: &[u8]) -> Option<Route> {
    /// `RTM_F_CLONED`.
    const CLONED: u32 = 0x200;
    let &[family, prefix, _, _, table, protocol, _, kind, ..] = payload else { return None };
    let flags = u32_at(payload, 8)?;
    if flags & CLONED != 0 {
        return None;
    }
    let attributes = Attributes::behind(payload, HEADER_BYTES);
    let everything = family_of(family)?.everything();
    let destination = attributes.ip(attribute::DESTINATION).unwrap_or_else(|| everything.addr());
    Some(Route {
        table: attributes.u32(attribute::TABLE).unwrap_or_else(|| u32::from(table)),
        kind: kind_of(kind)?,
        destination: IpNet::new(destination, prefix).ok()?,
        metric: attributes.u32(attribute::PRIORITY).unwrap_or_default(),
        source: attributes.ip(attribute::SOURCE),
        hops: match attributes.get(attribute::MULTIPATH) {
            Some(hops) => several(hops),
            None => one(attributes, flags).into_iter().collect(),
        },
        mtu_bytes: attributes.nested(attribute::METRICS).u32(attribute::MTU),
        protocol: survey::maker(RouteProtocol::from(protocol)),
    })
}

/// `RTN_*` of `linux/rtnetlink.h`; what is for any of several hosts is for this one, too.
fn kind_of(kind: u8) -> Option<RouteKind> {
    match kind {
        1 => Some(RouteKind::Unicast),
        2 | 4 => Some(RouteKind::Local),
        3 => Some(RouteKind::Broadcast),
        5 => Some(RouteKind::Multicast),
        6 => Some(RouteKind::Blackhole),
        7 => Some(RouteKind::Unreachable),
        8 => Some(RouteKind::Prohibit),
        9 => Some(RouteKind::Throw),
        _ => None,
    }
}

/// The only hop, unless the route leads nowhere.
fn one(attributes: Attributes<'_>, flags: u32) -> Option<NextHop> {
    let hop = hop(attributes, attributes.u32(attribute::LINK), flags);
    (hop.link.is_some() || hop.gateway.is_some()).then_some(hop)
}

/// Reads a run of `struct rtnexthop`: length, flags, weight, link, and attributes behind them.
fn several(mut hops: &[u8]) -> Vec<NextHop> {
    const HOP_BYTES: usize = 8;
    let mut found = Vec::new();
    while let (Some(length), Some(flags), Some(link)) = (u16_at(hops, 0), hops.get(2), u32_at(hops, 4)) {
        let length = usize::from(length);
        let Some(attributes) = hops.get(HOP_BYTES..length) else { break };
        found.push(hop(Attributes(attributes), Some(link), u32::from(*flags)));
        hops = hops.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    found
}

fn hop(attributes: Attributes<'_>, link: Option<u32>, flags: u32) -> NextHop {
    /// `RTNH_F_*`.
    const DEAD: u32 = 1;
    const ON_LINK: u32 = 4;
    let via = || attributes.get(attribute::VIA).and_then(gateway_of_other_family);
    NextHop {
        gateway: attributes.ip(attribute::GATEWAY).or_else(via),
        link,
        dead: flags & DEAD != 0,
        on_link: flags & ON_LINK != 0,
    }
}

/// The family comes first, in two bytes.
fn gateway_of_other_family(via: &[u8]) -> Option<IpAddr> {
    ip_in(via.get(2..)?)
}
