//! The routes of a node: its own, and the default route over its first network that leads somewhere.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Found, Settled, networks::link_name, words::malformed};
use crate::{
    address::Family,
    route::{Route, RouteProtocol},
    topology::{
        Macvlan, Mistake, Reach,
        file::{RouteEntry, Text},
        mistake::Flaw,
    },
};

/// Settles the routes of one node.
pub(super) fn of_node(settled: &Settled<'_>, node: usize, macvlans: &[Macvlan]) -> Found<Vec<Route>> {
    let entries = settled.file.nodes.0[node].1.routes.iter().flatten();
    let own = entries.map(|entry| one(settled, node, macvlans, entry)).collect::<Found<Vec<_>>>()?;
    refuse_twice(settled, node, &own)?;
    let mut routes = Vec::new();
    for family in [Family::Ipv4, Family::Ipv6] {
        let given =
            own.iter().any(|route| route.is_default() && Family::of_net(&route.destination) == family);
        if !given && let Some(gateway) = gateway(settled, node, family) {
            routes.push(Route::default_via(gateway));
        }
    }
    routes.extend(own);
    Ok(routes)
}

/// The host's address on the first network that leads to it, if the node has an address there, too.
fn gateway(settled: &Settled<'_>, node: usize, family: Family) -> Option<IpAddr> {
    settled.links[node].iter().find_map(|(cable, end)| {
        let network = settled.wires[*cable].ends.iter().find_map(|end| end.bridge)?;
        let network = &settled.sites[network].network;
        let own = &settled.cables[*cable].ends[*end].addresses;
        let gateways = network.addresses.iter().filter(|_| network.reach != Reach::Internal);
        let mut reached = gateways.filter(|gateway| own.iter().any(|own| gateway.contains(&own.addr())));
        reached.find(|gateway| Family::of_net(gateway) == family).map(IpNet::addr)
    })
}

fn one(settled: &Settled<'_>, node: usize, macvlans: &[Macvlan], entry: &RouteEntry) -> Found<Route> {
    let gateway = entry.via.as_ref().map(gateway_of).transpose()?;
    let link = entry.link.as_ref().map(link_name).transpose()?;
    if let (Some(name), Some(link)) = (&entry.link, &link) {
        let cables =
            settled.links[node].iter().map(|(cable, end)| &settled.cables[*cable].ends[*end].at.name);
        let known: Vec<_> = cables.chain(macvlans.iter().map(|macvlan| &macvlan.link)).collect();
        if !known.contains(&link) && link.as_str() != "lo" {
            let mistake = Mistake::Nowhere { thing: "link of this node", name: name.value.clone() };
            return Err(
                Flaw::new(name.at, mistake).or_one_of(&name.value, known.iter().map(|link| link.as_str()))
            );
        }
    }
    match (gateway, &entry.via, &link) {
        (None, _, None) => {
            return Err(Flaw::new(entry.to.at, Mistake::KeyNeedsKey { key: "to", other: "via" }));
        }
        (Some(gateway), Some(text), None) => refuse_unreachable(settled, node, macvlans, (gateway, text))?,
        _ => {}
    }
    let destination = destination(&entry.to, gateway)?;
    if gateway.is_some_and(|gateway| Family::of(gateway) != Family::of_net(&destination)) {
        return Err(malformed(&entry.to, "of the family of its gateway"));
    }
    Ok(Route { destination, gateway, link, metric: entry.metric.unwrap_or(0), protocol: RouteProtocol::Ours })
}

fn gateway_of(text: &Text) -> Found<IpAddr> {
    text.value.parse().map_err(|_| malformed(text, "the address of a gateway, such as 10.0.0.1"))
}

fn destination(text: &Text, gateway: Option<IpAddr>) -> Found<IpNet> {
    if text.value == "default" {
        return Ok(gateway.map_or(Family::Ipv4, Family::of).everything());
    }
    if let Ok(address) = text.value.parse::<IpAddr>() {
        return Ok(address.into());
    }
    let expected = "a network to route to: default, or such as 10.1.0.0/16";
    let net: IpNet = text.value.parse().map_err(|_| malformed(text, expected))?;
    if net.trunc() == net {
        return Ok(net);
    }
    let meant = format!("did you mean '{}'?", net.trunc());
    Err(Flaw::new(text.at, Mistake::HostBits { text: text.value.clone() }).or_rather(meant))
}

/// The kernel refuses a gateway that no link leads to.
fn refuse_unreachable(
    settled: &Settled<'_>,
    node: usize,
    macvlans: &[Macvlan],
    (gateway, text): (IpAddr, &Text),
) -> Found<()> {
    let of_cables =
        settled.links[node].iter().flat_map(|(cable, end)| &settled.cables[*cable].ends[*end].addresses);
    let mut addresses = of_cables.chain(macvlans.iter().flat_map(|macvlan| &macvlan.addresses));
    if addresses.any(|address| address.contains(&gateway) && address.addr() != gateway) {
        return Ok(());
    }
    let node = settled.names.node_name(node).to_string();
    Err(Flaw::new(text.at, Mistake::NoWayToGateway { gateway: gateway.to_string(), node }))
}

fn refuse_twice(settled: &Settled<'_>, node: usize, routes: &[Route]) -> Found<()> {
    let entries = settled.file.nodes.0[node].1.routes.iter().flatten();
    let mut seen = std::collections::HashMap::new();
    for (entry, route) in entries.zip(routes) {
        if let Some(first) = seen.insert((route.destination, route.metric), entry.to.at) {
            let name = entry.to.value.clone();
            return Err(Flaw::new(entry.to.at, Mistake::Twice { thing: "route", name, first: Some(first) }));
        }
    }
    Ok(())
}
