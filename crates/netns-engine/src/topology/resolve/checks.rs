//! `checks:`, read as sentences.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{
    Found, Settled,
    hosts::{addresses_of, is_host_name},
    names::{HOST, Named},
    wires::Seat,
    words::malformed,
};
use crate::{
    firewall::Transport,
    topology::{
        Check, Expectation, Mistake, Node, Prober, Target,
        file::{Hosts, Located, Text},
        mistake::Flaw,
    },
};

const FORM: &str = "a check, such as 'ns1 reaches ns2:80' or 'ns1 does not reach ns2:53/udp'";

/// Reads all checks.
pub(super) fn checks(settled: &Settled<'_>, nodes: &[Node]) -> Found<Vec<Check>> {
    settled.file.checks.iter().flatten().map(|text| check(settled, nodes, text)).collect()
}

fn check(settled: &Settled<'_>, nodes: &[Node], text: &Text) -> Found<Check> {
    let words: Vec<_> = text.value.split_whitespace().take(6).collect();
    let (from, expectation, to) = match words.as_slice() {
        [from, "reaches", to] => (from, Expectation::Reached, to),
        [from, "does", "not", "reach", to] => (from, Expectation::NotReached, to),
        _ => return Err(malformed(text, FORM)),
    };
    let prober = match settled.names.get(from) {
        Some(Named::Node(node)) => Some(node),
        _ if *from == HOST => None,
        _ => return Err(settled.names.no_node(&Located::new((*from).to_owned(), text.at))),
    };
    let (name, port) = split_port(text, to)?;
    let target = target(settled, nodes, (prober, name), text)?;
    let from = prober.map_or(Prober::Host, |node| Prober::Node(settled.names.node_name(node).clone()));
    Ok(Check { text: words.join(" "), from, target, port, expectation })
}

/// Splits `NAME`, `NAME:PORT`, `NAME:PORT/udp`, `[ADDRESS]:PORT`.
fn split_port<'a>(text: &Text, to: &'a str) -> Found<(&'a str, Option<(u16, Transport)>)> {
    if to.parse::<IpAddr>().is_ok() {
        return Ok((to, None));
    }
    let wrong = || malformed(text, "a check with a port from 1 to 65535, such as ns2:80 or ns2:53/udp");
    let (name, port) = match to.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, "")) => (address, None),
        Some((address, rest)) => match rest.strip_prefix(':') {
            Some(port) => (address, Some(port)),
            None => return Err(or_with_colon(wrong(), address, rest)),
        },
        None => to.split_once(':').map_or((to, None), |(name, port)| (name, Some(port))),
    };
    match port {
        Some(port) => Ok((name, Some(read_port(port).ok_or_else(wrong)?))),
        None => Ok((name, None)),
    }
}

fn or_with_colon(flaw: Flaw, address: &str, port: &str) -> Flaw {
    match (address.parse::<IpAddr>(), read_port(port)) {
        (Ok(address), Some(_)) => flaw.or_rather(format!("did you mean '[{address}]:{port}'?")),
        _ => flaw,
    }
}

/// Reads `PORT`, `PORT/tcp` or `PORT/udp`.
fn read_port(text: &str) -> Option<(u16, Transport)> {
    let (number, transport) = match text.split_once('/') {
        None => (text, Transport::Tcp),
        Some((number, "tcp")) => (number, Transport::Tcp),
        Some((number, "udp")) => (number, Transport::Udp),
        Some(_) => return None,
    };
    Some((number.parse().ok().filter(|number| *number != 0)?, transport))
}

fn target(
    settled: &Settled<'_>,
    nodes: &[Node],
    (prober, name): (Option<usize>, &str),
    text: &Text,
) -> Found<Target> {
    let no_address = || Flaw::new(text.at, Mistake::NoAddress { name: name.to_owned() });
    if let Some(Named::Node(node)) = settled.names.get(name) {
        let near = near_address(settled, prober, node);
        let address = near.or_else(|| addresses_of(settled, node, &nodes[node]).next());
        let address = address.ok_or_else(no_address)?;
        return Ok(Target::Node(settled.names.node_name(node).clone(), address));
    }
    if name == HOST {
        return host_address(settled, prober).map(Target::Address).ok_or_else(no_address);
    }
    if let Ok(address) = name.parse() {
        return Ok(Target::Address(address));
    }
    let further = match &settled.file.hosts {
        Some(Hosts::Further(further)) => further.0.iter().any(|(known, _)| known.value == name),
        _ => false,
    };
    // A name without a dot that nothing in the file is called by is most likely a slip.
    if is_host_name(name) && (further || name.contains('.') || name == "localhost") {
        return Ok(Target::Name(name.to_owned()));
    }
    Err(settled.names.no_node(&Located::new(name.to_owned(), text.at)))
}

/// The address of `node` on the first network or cable that it shares with `prober`.
fn near_address(settled: &Settled<'_>, prober: Option<usize>, node: usize) -> Option<IpAddr> {
    let reached: std::collections::HashSet<Segment> = match prober {
        Some(prober) => settled.links[prober].iter().map(|(cable, _)| segment(settled, *cable)).collect(),
        None => return near_host(settled, node),
    };
    settled.links[node].iter().find_map(|(cable, end)| {
        let own = settled.cables[*cable].ends[*end].addresses.first()?;
        reached.contains(&segment(settled, *cable)).then(|| own.addr())
    })
}

/// What a cable is a part of: a network, or nothing but itself.
#[derive(Eq, Hash, PartialEq)]
enum Segment {
    Network(usize),
    Cable(usize),
}

fn segment(settled: &Settled<'_>, cable: usize) -> Segment {
    let bridge = settled.wires[cable].ends.iter().find_map(|end| end.bridge);
    bridge.map_or(Segment::Cable(cable), Segment::Network)
}

/// The address of `node` on the first network or cable that the host takes part in.
fn near_host(settled: &Settled<'_>, node: usize) -> Option<IpAddr> {
    settled.links[node].iter().find_map(|(cable, end)| {
        let own = settled.cables[*cable].ends[*end].addresses.first()?;
        host_part(settled, *cable).map(|_| own.addr())
    })
}

/// The host's own address that `prober` is nearest to.
fn host_address(settled: &Settled<'_>, prober: Option<usize>) -> Option<IpAddr> {
    match prober {
        None => Some(std::net::Ipv4Addr::LOCALHOST.into()),
        Some(prober) => settled.links[prober].iter().find_map(|(cable, _)| host_part(settled, *cable)),
    }
}

fn host_part(settled: &Settled<'_>, cable: usize) -> Option<IpAddr> {
    let addresses = match segment(settled, cable) {
        Segment::Network(network) => &settled.sites[network].network.addresses,
        Segment::Cable(_) if settled.wires[cable].ends[0].seat == Seat::Host => {
            &settled.cables[cable].ends[0].addresses
        }
        Segment::Cable(_) => return None,
    };
    addresses.first().map(IpNet::addr)
}
