//! The routes of a netns: those that are made by hand, but for the default route a network gives by itself.

use std::{
    collections::{BTreeMap, HashSet},
    net::IpAddr,
};

use super::{
    Scene,
    addresses::Given,
    document::Value,
    nodes::{Over, WayToHost},
};
use crate::{address::Family, view::RouteView};

/// The metric of IPv6 routes that nobody gave one (`IP6_RT_PRIO_USER` in `net/ip6_route.h`).
const USUAL_METRIC_OF_IPV6: u32 = 1024;

impl Scene<'_> {
    /// Writes the routes of a netns.
    pub(super) fn routes(&mut self, node: usize, given: &Given) -> Vec<Value> {
        let view = self.nodes[node].view;
        let ways = self.ways_to_host(node, given);
        let by_hand: Vec<_> = view.routes.iter().filter(|route| is_made_by_hand(route)).collect();
        let mut implied = Vec::new();
        for (family, (gateway, link)) in gateways(&ways) {
            let defaults: Vec<_> =
                by_hand.iter().filter(|route| is_default(route) && family_of(route) == family).collect();
            match defaults.as_slice() {
                [] => {
                    let netns = self.nodes[node].name;
                    let remark = format!("netns '{netns}' has no {family} default route; 'up' gives it one");
                    self.remarks.add(remark);
                }
                [one]
                    if one.gateway == Some(gateway)
                        && one.link.as_deref() == Some(link)
                        && metric(one).is_none() =>
                {
                    implied.push(**one);
                }
                _ => {}
            }
        }
        let mut seen = HashSet::new();
        let mut written = Vec::new();
        for route in by_hand.into_iter().filter(|route| !implied.contains(route)) {
            let key = (&route.destination, family_of(route), metric(route));
            let fault = self.fault_of(node, given, route);
            match fault.or_else(|| (!seen.insert(key)).then_some("there is another one with the same metric"))
            {
                None => written.push(self.route(node, given, route)),
                Some(fault) => self.note_route(node, route, fault),
            }
        }
        written
    }

    /// Why a file cannot say it.
    fn fault_of(&self, node: usize, given: &Given, route: &RouteView) -> Option<&'static str> {
        let leads = self.addresses_of(node, given);
        let is_neighbour =
            |gateway: &IpAddr| leads.iter().any(|(_, own)| own.contains(gateway) && own.addr() != *gateway);
        let is_written =
            |name: &String| name == "lo" || self.links_of(node).iter().any(|link| link.name == *name);
        if route.table != "main" {
            Some("only the table 'main' is written")
        } else if route.kind != "unicast" {
            Some("it leads nowhere")
        } else if !route.link.as_ref().is_some_and(is_written) {
            Some("its link is not written")
        } else if route.gateway.is_some_and(|gateway| !is_neighbour(&gateway)) {
            Some("no written link leads to its gateway")
        } else {
            None
        }
    }

    fn note_route(&mut self, node: usize, route: &RouteView, why: &str) {
        let words = in_words(route);
        let netns = self.nodes[node].name;
        self.remarks.add(format_args!("route '{words}' of netns '{netns}': {why}"));
    }

    /// Writes a route; the link only where the gateway does not tell it.
    fn route(&mut self, node: usize, given: &Given, route: &RouteView) -> Value {
        if let Some(source) = route.source {
            self.note_route(node, route, &format!("its source address '{source}' is not written"));
        }
        let leads = self.addresses_of(node, given);
        let told = route.gateway.and_then(|gateway| leads.iter().find(|(_, own)| own.contains(&gateway)));
        let link = route.link.as_ref().filter(|link| told.is_none_or(|(told, _)| told.name != **link));
        // Without a gateway, 'default' would be that of IPv4.
        let is_default_of_ipv6 =
            route.gateway.is_none() && is_default(route) && family_of(route) == Family::Ipv6;
        let to = if is_default_of_ipv6 { "::/0" } else { &route.destination };
        Value::map([
            ("to", Some(Value::text(to))),
            ("via", route.gateway.map(|gateway| Value::text(&gateway))),
            ("link", link.map(Value::text)),
            ("metric", metric(route).map(|metric| Value::Number(metric.into()))),
        ])
    }
}

/// The default route that a file gives by itself, in each family: over the first network with a gateway.
fn gateways<'a>(ways: &[WayToHost<'a>]) -> BTreeMap<Family, (IpAddr, &'a str)> {
    let mut gateways = BTreeMap::new();
    for way in ways.iter().filter(|way| way.over == Over::Network) {
        for host in &way.hosts {
            if way.own.iter().any(|own| host.contains(&own.addr())) {
                let gateway = (host.addr(), way.link.name.as_str());
                gateways.entry(Family::of_net(host)).or_insert(gateway);
            }
        }
    }
    gateways
}

/// Leaves out what comes with an address, and what routers tell.
pub(super) fn is_made_by_hand(route: &RouteView) -> bool {
    !["kernel", "ra", "icmp_redirect"].contains(&route.protocol.as_str())
}

fn is_default(route: &RouteView) -> bool {
    route.destination == "default" && route.table == "main" && route.kind == "unicast"
}

/// A default route without a gateway tells its family by its metric only: that of IPv6 is never zero.
fn family_of(route: &RouteView) -> Family {
    let is_ipv6 = match route.gateway {
        Some(gateway) => gateway.is_ipv6(),
        None if route.destination == "default" => route.metric == Some(USUAL_METRIC_OF_IPV6),
        None => route.destination.contains(':'),
    };
    if is_ipv6 { Family::Ipv6 } else { Family::Ipv4 }
}

fn metric(route: &RouteView) -> Option<u32> {
    let usual = family_of(route) == Family::Ipv6;
    route.metric.filter(|metric| *metric != 0 && !(usual && *metric == USUAL_METRIC_OF_IPV6))
}

/// The route as `ip route` says it.
pub(super) fn in_words(route: &RouteView) -> String {
    let kind = if route.kind == "unicast" { String::new() } else { format!("{} ", route.kind) };
    let via = route.gateway.map(|gateway| format!(" via {gateway}")).unwrap_or_default();
    let link = route.link.as_ref().map(|link| format!(" dev {link}")).unwrap_or_default();
    let table = if route.table == "main" { String::new() } else { format!(" table {}", route.table) };
    format!("{kind}{}{via}{link}{table}", route.destination)
}
