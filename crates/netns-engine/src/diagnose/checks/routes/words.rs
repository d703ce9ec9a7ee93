//! Routes and rules as `ip route` and `ip rule` say them.

use std::net::IpAddr;

use super::MAIN;
use crate::diagnose::scene::{Route, RouteKind, Stack};

pub(super) fn routes_in_words(stack: &Stack, destination: IpAddr) -> String {
    let shown =
        |route: &&Route| route.table == MAIN && route.destination.addr().is_ipv4() == destination.is_ipv4();
    let words: Vec<String> = stack.routes.iter().filter(shown).map(|route| in_words(stack, route)).collect();
    if words.is_empty() { "nothing".to_owned() } else { words.join("; ") }
}

/// Says a route as `ip route` does.
pub(super) fn in_words(stack: &Stack, route: &Route) -> String {
    let kind = match route.kind {
        RouteKind::Unicast => "",
        RouteKind::Blackhole => "blackhole ",
        RouteKind::Unreachable => "unreachable ",
        RouteKind::Prohibit => "prohibit ",
        RouteKind::Throw => "throw ",
        RouteKind::Local => "local ",
        RouteKind::Broadcast => "broadcast ",
        RouteKind::Multicast => "multicast ",
    };
    let to = if route.destination.prefix_len() == 0 {
        "default".to_owned()
    } else {
        route.destination.to_string()
    };
    let hop = route.hops.first();
    let via = hop.and_then(|hop| hop.gateway).map(|gateway| format!(" via {gateway}")).unwrap_or_default();
    let dev = hop
        .and_then(|hop| stack.link(hop.link?))
        .map(|link| format!(" dev {}", link.name))
        .unwrap_or_default();
    let table = if route.table == MAIN { String::new() } else { format!(" table {}", route.table) };
    format!("{kind}{to}{via}{dev}{table}")
}

pub(super) fn kind_in_words(kind: RouteKind) -> &'static str {
    match kind {
        RouteKind::Blackhole => "blackhole: invalid argument",
        RouteKind::Unreachable => "unreachable: no route to host",
        RouteKind::Prohibit => "prohibit: permission denied",
        _ => "no route",
    }
}
