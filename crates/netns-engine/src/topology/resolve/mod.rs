//! Settles what a file leaves open: names of links, addresses, MAC addresses, routes.
//!
//! Everything is looked up by map and taken in the order of the file, so that the work grows with the file
//! and the result does not depend on chance.

mod addresses;
mod checks;
mod gateways;
mod hosts;
mod ipv6_mtus;
mod macvlan;
mod names;
mod naming;
mod networks;
mod nodes;
mod overlap;
mod ports;
mod programs;
mod routes;
mod settings;
mod shaping;
pub(super) mod subnet;
mod wires;
mod words;

use super::{Cable, CableEnd, Mistake, Topology, file::File, mistake::Flaw};
use crate::{
    address::MacAddress,
    name::LinkName,
    place::{LinkAt, Place},
};
use addresses::Addresses;
pub(super) use names::HOST;
use names::Names;
use naming::Naming;
use networks::Site;
use wires::{End, Seat, Wire};

/// A result, or what is wrong with the file.
pub(super) type Found<T> = Result<T, Flaw>;

/// The most nodes of a topology, and the most networks.
pub(super) const MOST_NODES: usize = 10_000;
/// The most cables.
pub(super) const MOST_CABLES: usize = 20_000;
/// The most checks.
const MOST_CHECKS: usize = 20_000;

/// What is settled so far, for those who settle the rest.
struct Settled<'a> {
    file: &'a File,
    names: Names<'a>,
    sites: Vec<Site>,
    wires: Vec<Wire<'a>>,
    cables: Vec<Cable>,
    /// The cable ends of each node: index of the cable, and of the end.
    links: Vec<Vec<(usize, usize)>>,
}

/// Makes a topology of a file.
pub(super) fn resolve(file: &File) -> Found<Topology> {
    refuse_too_many(file)?;
    let names = Names::of(file)?;
    let mut naming = Naming::default();
    let mut sites = networks::sites(file, &names, &mut naming)?;
    overlap::refuse(&sites)?;
    let mut wires = wires::wires(file, &names, &sites)?;
    networks::refuse_full_bridges(&sites, &wires)?;
    let link_names = naming.name_ends(&names, &sites, &wires)?;
    let cables = cables(&names, &sites, &wires, link_names);
    let links = ends_by_node(&names, &wires);
    let mut macvlans = macvlan::all(file, &names, &mut naming)?;
    let mut addresses = Addresses::of_gateways(&sites)?;
    let mut settled = Settled { file, names, sites: Vec::new(), wires: Vec::new(), cables, links };
    let on_loopback = addresses::place_node_addresses(&settled, &sites, &mut wires, &mut addresses)?;
    addresses.claim_macvlans(file, &mut macvlans)?;
    addresses.settle(&mut sites, &wires, &mut settled)?;
    settled.sites = sites;
    settled.wires = wires;
    ipv6_mtus::refuse_too_small(&settled, &macvlans)?;
    let nodes = nodes::nodes(&settled, on_loopback, macvlans)?;
    ports::refuse_twice(&nodes, file)?;
    let checks = checks::checks(&settled, &nodes)?;
    let hosts = hosts::entries(&settled, &nodes)?;
    let Settled { names, sites, cables, .. } = settled;
    let networks = sites.into_iter().map(|site| site.network).collect();
    Ok(Topology { name: names.topology, networks, nodes, cables, hosts, checks })
}

fn refuse_too_many(file: &File) -> Found<()> {
    let refuse = |at, things, most| Err(Flaw::new(at, Mistake::TooMany { things, most }));
    if let Some((name, _)) = file.networks.0.get(MOST_NODES) {
        return refuse(name.at, "networks", MOST_NODES);
    }
    if let Some((name, _)) = file.nodes.0.get(MOST_NODES) {
        return refuse(name.at, "nodes", MOST_NODES);
    }
    match file.checks.iter().flatten().nth(MOST_CHECKS) {
        Some(check) => refuse(check.at, "checks", MOST_CHECKS),
        None => Ok(()),
    }
}

fn cables(names: &Names<'_>, sites: &[Site], wires: &[Wire<'_>], links: Vec<naming::Pair>) -> Vec<Cable> {
    let laid = wires.iter().zip(links).map(|(wire, [first, second])| {
        let end = |end: &End<'_>, name| CableEnd {
            shaping: wire.shaping.clone(),
            ..cable_end(names, sites, end, name)
        };
        Cable {
            ends: [end(&wire.ends[0], first), end(&wire.ends[1], second)],
            mtu_bytes: wire.mtu.map(|mtu| mtu.value),
        }
    });
    laid.collect()
}

fn cable_end(names: &Names<'_>, sites: &[Site], end: &End<'_>, name: LinkName) -> CableEnd {
    let (place, whose) = match end.seat {
        Seat::Host => (Place::Host, HOST),
        Seat::Node(node) => {
            let node = names.node_name(node);
            (Place::Netns(node.clone()), node.as_str())
        }
    };
    let derived = || MacAddress::derived_from_path([names.topology.as_str(), whose, name.as_str()]);
    CableEnd {
        mac: end.mac.unwrap_or_else(derived),
        at: LinkAt { place, name },
        bridge: end.bridge.map(|network| sites[network].network.bridge.clone()),
        isolation: end.isolation,
        addresses: Vec::new(),
        shaping: None,
    }
}

fn ends_by_node(names: &Names<'_>, wires: &[Wire<'_>]) -> Vec<Vec<(usize, usize)>> {
    let mut links = vec![Vec::new(); names.node_count()];
    for (cable, wire) in wires.iter().enumerate() {
        for (number, end) in wire.ends.iter().enumerate() {
            if let Seat::Node(node) = end.seat {
                links[node].push((cable, number));
            }
        }
    }
    links
}
