//! The routing decision: which rule, which table, which route (`net/core/fib_rules.c`,
//! `net/ipv4/fib_trie.c`).

use std::{cmp::Reverse, net::IpAddr};

use ipnet::IpNet;

use crate::{
    diagnose::{
        packet::Packet,
        scene::{NextHop, PolicyAction, PolicyRule, Route, RouteKind, Stack},
    },
    name::LinkName,
};

/// `RT_TABLE_MAIN` and `RT_TABLE_DEFAULT` of `linux/rtnetlink.h`, which are looked at where no rules were read.
const USUAL_TABLES: [u32; 2] = [254, 253];
/// `RT_TABLE_LOCAL` of `linux/rtnetlink.h`: what stands there is told by the addresses themselves.
const LOCAL_TABLE: u32 = 255;

/// What a stack decides to do with a packet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Routing {
    /// What becomes of it.
    pub way: Way,
    /// The route that says so, as a place in [`Stack::routes`].
    pub route: Option<usize>,
    /// The rule that led to it, as a place in [`Stack::policy`].
    pub rule: Option<usize>,
    /// Rules that may have caught the packet, but for conditions that are not known of it.
    pub doubtful_rules: Vec<usize>,
}

/// What becomes of a packet after the routing decision.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    /// It is for this stack.
    Here,
    /// It leaves.
    Out {
        /// Index of the link.
        link: u32,
        /// The next router; none if the destination is on the link.
        gateway: Option<IpAddr>,
    },
    /// A route or rule says that it may not go anywhere.
    Stopped(RouteKind),
    /// No route leads there.
    Nowhere,
}

/// Decides where `packet` goes; `incoming` is none for the stack's own packets.
#[must_use]
pub fn route(stack: &Stack, packet: &Packet, incoming: Option<&LinkName>) -> Routing {
    if stack.links.iter().any(|link| link.has_address(packet.destination)) || packet.destination.is_loopback()
    {
        return Routing { way: Way::Here, route: None, rule: None, doubtful_rules: Vec::new() };
    }
    if stack.policy.is_empty() {
        let found = USUAL_TABLES.iter().find_map(|table| look_up(stack, *table, None, packet.destination));
        return found.map_or_else(|| nowhere(Vec::new()), |(place, way)| decided(way, Some(place), None));
    }
    by_rules(stack, packet, incoming)
}

fn by_rules(stack: &Stack, packet: &Packet, incoming: Option<&LinkName>) -> Routing {
    let mut doubtful = Vec::new();
    let mut from_priority = 0;
    for (number, rule) in stack.policy.iter().enumerate() {
        if rule.family != packet.family() || rule.priority < from_priority {
            continue;
        }
        match applies(rule, packet, incoming) {
            Some(true) => {}
            Some(false) => continue,
            None => {
                doubtful.push(number);
                continue;
            }
        }
        let stopped = |kind| Routing {
            doubtful_rules: doubtful.clone(),
            ..decided(Way::Stopped(kind), None, Some(number))
        };
        match rule.action {
            PolicyAction::Lookup { table: LOCAL_TABLE, .. } | PolicyAction::Nop => {}
            PolicyAction::Lookup { table, suppress_prefix } => {
                if let Some((place, way)) = look_up(stack, table, suppress_prefix, packet.destination) {
                    return Routing { doubtful_rules: doubtful, ..decided(way, Some(place), Some(number)) };
                }
            }
            PolicyAction::Goto(priority) => from_priority = priority,
            PolicyAction::Blackhole => return stopped(RouteKind::Blackhole),
            PolicyAction::Unreachable => return stopped(RouteKind::Unreachable),
            PolicyAction::Prohibit => return stopped(RouteKind::Prohibit),
        }
    }
    nowhere(doubtful)
}

fn decided(way: Way, route: Option<usize>, rule: Option<usize>) -> Routing {
    Routing { way, route, rule, doubtful_rules: Vec::new() }
}

fn nowhere(doubtful_rules: Vec<usize>) -> Routing {
    Routing { way: Way::Nowhere, route: None, rule: None, doubtful_rules }
}

/// Returns whether the rule is for the packet; none if that hangs on what is not known of it.
fn applies(rule: &PolicyRule, packet: &Packet, incoming: Option<&LinkName>) -> Option<bool> {
    let within = |net: &Option<IpNet>, address: IpAddr| net.is_none_or(|net| net.contains(&address));
    // The stack's own packets count as coming in by `lo` (ip-rule(8)).
    let came_by = |name: &LinkName| incoming.map_or("lo", LinkName::as_str) == name.as_str();
    // A socket that is bound to no link has none it leaves by; our packets carry no mark.
    let met = within(&rule.source, packet.source)
        && within(&rule.destination, packet.destination)
        && rule.incoming.as_ref().is_none_or(came_by)
        && rule.outgoing.is_none()
        && rule.mark.is_none_or(|(value, mask)| value & mask == 0);
    if rule.others.is_some() && met { None } else { Some(met != rule.inverted) }
}

/// Finds the best route of a table: longest prefix, then smallest metric. None if the table does not decide.
fn look_up(
    stack: &Stack,
    table: u32,
    suppress_prefix: Option<u32>,
    destination: IpAddr,
) -> Option<(usize, Way)> {
    let candidates = stack.routes.iter().enumerate().filter(|(_, route)| {
        route.table == table
            && route.destination.contains(&destination)
            && suppress_prefix.is_none_or(|shortest| u32::from(route.destination.prefix_len()) > shortest)
            && is_alive(route)
    });
    let (place, best) = candidates
        .min_by_key(|(place, route)| (Reverse(route.destination.prefix_len()), route.metric, *place))?;
    match best.kind {
        RouteKind::Throw => None,
        RouteKind::Blackhole | RouteKind::Unreachable | RouteKind::Prohibit => {
            Some((place, Way::Stopped(best.kind)))
        }
        RouteKind::Local | RouteKind::Broadcast | RouteKind::Multicast => Some((place, Way::Here)),
        RouteKind::Unicast => {
            let hop = best.hops.iter().find(|hop| !hop.dead)?;
            Some((place, Way::Out { link: hop.link?, gateway: hop.gateway }))
        }
    }
}

/// A unicast route counts as long as one of its hops does.
fn is_alive(route: &Route) -> bool {
    route.kind != RouteKind::Unicast || route.hops.iter().any(|hop: &NextHop| !hop.dead)
}
