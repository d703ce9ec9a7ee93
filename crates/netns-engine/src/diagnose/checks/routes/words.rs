//! Routes and rules as `ip route` and `ip rule` say them.

use std::net::IpAddr;

use super::MAIN;
use crate::diagnose::scene::{PolicyAction as Action, PolicyRule, Route, RouteKind, Stack};

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

pub(super) fn rule_in_words(rule: &PolicyRule) -> String {
    let mut words = format!("{}:", rule.priority);
    if rule.inverted {
        words += " not";
    }
    words += &rule.source.map_or_else(|| " from all".to_owned(), |net| format!(" from {net}"));
    for (name, value) in [
        ("to", rule.destination.map(|net| net.to_string())),
        ("iif", rule.incoming.as_ref().map(ToString::to_string)),
        ("oif", rule.outgoing.as_ref().map(ToString::to_string)),
    ] {
        if let Some(value) = value {
            words.extend([" ", name, " ", value.as_str()]);
        }
    }
    words + &action_in_words(rule)
}

fn action_in_words(rule: &PolicyRule) -> String {
    match rule.action {
        Action::Lookup { table: 253, .. } => " lookup default".to_owned(),
        Action::Lookup { table: MAIN, .. } => " lookup main".to_owned(),
        Action::Lookup { table: 255, .. } => " lookup local".to_owned(),
        Action::Lookup { table, .. } => format!(" lookup {table}"),
        Action::Goto(priority) => format!(" goto {priority}"),
        Action::Nop => " nop".to_owned(),
        Action::Blackhole => " blackhole".to_owned(),
        Action::Unreachable => " unreachable".to_owned(),
        Action::Prohibit => " prohibit".to_owned(),
    }
}
