//! The names that nodes know each other by.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Found, Settled, words::malformed};
use crate::{
    address::Family,
    topology::{
        HostEntry, KnownHosts, Node,
        file::{Hosts, Text},
        mistake::Flaw,
    },
};

/// Lists every node with its first address of each family, then the further names of the file; nothing if no
/// node is told.
pub(super) fn entries(settled: &Settled<'_>, nodes: &[Node]) -> Found<Vec<HostEntry>> {
    let further = further(settled)?;
    if nodes.iter().all(|node| node.hosts == KnownHosts::OfHost) {
        return Ok(Vec::new());
    }
    let mut entries = Vec::new();
    for (number, node) in nodes.iter().enumerate() {
        for family in [Family::Ipv4, Family::Ipv6] {
            let mut addresses = addresses_of(settled, number, node);
            if let Some(address) = addresses.find(|address| Family::of(*address) == family) {
                entries.push(HostEntry { address, names: vec![node.name.to_string()] });
            }
        }
    }
    entries.extend(further);
    Ok(entries)
}

fn further(settled: &Settled<'_>) -> Found<Vec<HostEntry>> {
    let Some(Hosts::Further(further)) = &settled.file.hosts else { return Ok(Vec::new()) };
    let mut entries = Vec::new();
    for (name, addresses) in &further.0 {
        if !is_host_name(&name.value) {
            return Err(malformed(name, "a host name, such as db.example"));
        }
        for text in &addresses.0 {
            let address = text.value.parse().map_err(|_| not_an_address(text))?;
            entries.push(HostEntry { address, names: vec![name.value.clone()] });
        }
    }
    Ok(entries)
}

fn not_an_address(text: &Text) -> Flaw {
    malformed(text, "an address, such as 192.0.2.1 or 2001:db8::1")
}

/// Returns the addresses of a node: those of its cables in their order, of its macvlan links, of loopback.
pub(super) fn addresses_of<'a>(
    settled: &'a Settled<'_>,
    number: usize,
    node: &'a Node,
) -> impl Iterator<Item = IpAddr> + 'a {
    let cables =
        settled.links[number].iter().flat_map(|(cable, end)| &settled.cables[*cable].ends[*end].addresses);
    let macvlans = node.macvlans.iter().flat_map(|macvlan| &macvlan.addresses);
    cables.chain(macvlans).chain(&node.addresses).map(IpNet::addr)
}

/// Returns whether `name` is a host name by RFC 1123, or one with underscores, as service names have.
pub(super) fn is_host_name(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let label = |label: &str| {
        !label.is_empty() && label.len() <= 63 && !label.starts_with('-') && label.chars().all(letter)
    };
    name.len() <= 253 && name.split('.').all(label)
}
