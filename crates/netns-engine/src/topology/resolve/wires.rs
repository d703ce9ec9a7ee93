//! Who is connected to whom, before names and addresses: nodes to their networks, then `links:`.

use std::collections::HashMap;

use super::{
    Found, MOST_CABLES,
    names::{HOST, Named, Names},
    networks::{Site, link_name, mtu},
    shaping::Limits,
    subnet::Subnet,
};
use crate::{
    address::MacAddress,
    name::LinkName,
    topology::{
        Isolation, Mistake, Position, Shaping,
        file::{File, LinkBody, LinkEntry, LinkForm, Located, Membership, NodeBody, Text},
        mistake::Flaw,
    },
};

/// A cable in the making.
pub(super) struct Wire<'a> {
    pub(super) at: Position,
    /// As in [`Cable::ends`](crate::topology::Cable::ends): the host's first.
    pub(super) ends: [End<'a>; 2],
    pub(super) mtu: Option<Located<u32>>,
    pub(super) shaping: Option<Shaping>,
    /// Where both ends of a direct cable get addresses from.
    pub(super) subnets: Vec<Subnet>,
}

/// One of its ends.
pub(super) struct End<'a> {
    pub(super) at: Position,
    pub(super) seat: Seat,
    /// The name asked for.
    pub(super) link: Option<LinkName>,
    /// The network whose bridge it is a port of.
    pub(super) bridge: Option<usize>,
    pub(super) isolation: Isolation,
    pub(super) mac: Option<MacAddress>,
    /// The addresses asked for.
    pub(super) asked: Vec<&'a Text>,
}

/// Where an end is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Seat {
    Host,
    Node(usize),
}

impl End<'_> {
    fn on(at: Position, seat: Seat) -> Self {
        let (link, bridge, mac) = (None, None, None);
        Self { at, seat, link, bridge, isolation: Isolation::Off, mac, asked: Vec::new() }
    }
}

/// Finds all cables of a file.
pub(super) fn wires<'a>(file: &'a File, names: &Names<'a>, sites: &[Site]) -> Found<Vec<Wire<'a>>> {
    let mut wires = Vec::with_capacity(file.nodes.0.len());
    let mut seen = HashMap::new();
    for (node, (_, body)) in file.nodes.0.iter().enumerate() {
        seen.clear();
        for (network, membership) in &body.networks.0 {
            if let Some(first) = seen.insert(network.value.as_str(), network.at) {
                let name = network.value.clone();
                return Err(Flaw::new(
                    network.at,
                    Mistake::Twice { thing: "network", name, first: Some(first) },
                ));
            }
            let site = names.network(network)?;
            add(&mut wires, plugged(network, membership, (node, body), (site, &sites[site]))?)?;
        }
    }
    for link in file.links.iter().flatten() {
        add(&mut wires, direct(file, names, sites, link)?)?;
    }
    give_nodes_their_macs(file, &mut wires)?;
    Ok(wires)
}

fn add<'a>(wires: &mut Vec<Wire<'a>>, wire: Wire<'a>) -> Found<()> {
    if wires.len() == MOST_CABLES {
        return Err(Flaw::new(wire.at, Mistake::TooMany { things: "cables", most: MOST_CABLES }));
    }
    wires.push(wire);
    Ok(())
}

fn plugged<'a>(
    at: &Text,
    membership: &'a Membership,
    (node, body): (usize, &NodeBody),
    (network, site): (usize, &Site),
) -> Found<Wire<'a>> {
    let isolation = match membership.isolated {
        None => site.isolation,
        Some(true) => Isolation::On,
        Some(false) => Isolation::Off,
    };
    let port = End { bridge: Some(network), isolation, ..End::on(at.at, Seat::Host) };
    let inside = End {
        link: membership.link.as_ref().map(link_name).transpose()?,
        mac: membership.mac.as_ref().map(mac).transpose()?,
        asked: membership.address.0.iter().collect(),
        ..End::on(at.at, Seat::Node(node))
    };
    Ok(Wire {
        at: at.at,
        ends: [port, inside],
        mtu: body.mtu.map(mtu).transpose()?.or(site.mtu),
        shaping: Limits::from(membership).read(site.shaping.as_ref())?,
        subnets: Vec::new(),
    })
}

fn direct<'a>(file: &'a File, names: &Names<'a>, sites: &[Site], link: &'a LinkForm) -> Found<Wire<'a>> {
    let at = link.at;
    let body = match &link.entry {
        LinkEntry::Short(text) => {
            let ends = split(names, &Located::new(text.clone(), at))?;
            let mut wire = Wire { at, ends, mtu: None, shaping: None, subnets: Vec::new() };
            settle(file, sites, &mut wire)?;
            return Ok(wire);
        }
        LinkEntry::Long(body) => body,
    };
    let ends = match body.endpoints.as_slice() {
        [first, second] => [end(names, first)?, end(names, second)?],
        other => {
            let expected = "the number of ends of a link, which is two";
            return Err(Flaw::new(at, Mistake::Malformed { text: other.len().to_string(), expected }));
        }
    };
    let mut wire = Wire {
        at,
        ends,
        mtu: body.mtu.map(mtu).transpose()?,
        shaping: Limits::from(&**body).read(None)?,
        subnets: body.subnet.0.iter().map(Subnet::read).collect::<Found<_>>()?,
    };
    refuse_second_subnet(body, sites, &wire)?;
    ask_for_addresses(body, &mut wire)?;
    settle(file, sites, &mut wire)?;
    Ok(wire)
}

/// Whoever hangs on a network has its addresses from there.
fn refuse_second_subnet(body: &LinkBody, sites: &[Site], wire: &Wire<'_>) -> Found<()> {
    let bridges = wire.ends.iter().filter_map(|end| end.bridge);
    let network = bridges.max_by_key(|network| sites[*network].subnets.len());
    let (Some(subnet), Some(network)) = (body.subnet.0.first(), network) else { return Ok(()) };
    let name = sites[network].network.name.clone();
    let instead = match sites[network].subnets.as_slice() {
        [] => format!("write '{name}: {{ subnet: {} }}' under 'networks'", subnet.value),
        [(own, _), ..] => format!("leave it out: the network has {}", own.net),
    };
    Err(Flaw::new(subnet.at, Mistake::SubnetOfNetwork { network: name }).or_rather(instead))
}

fn ask_for_addresses<'a>(body: &'a LinkBody, wire: &mut Wire<'a>) -> Found<()> {
    let Some(addresses) = &body.addresses else { return Ok(()) };
    if addresses.len() != 2 {
        let expected = "the number of addresses of a link: one, or a list of some, for each of the two ends";
        return Err(Flaw::new(wire.at, Mistake::Malformed { text: addresses.len().to_string(), expected }));
    }
    for (end, addresses) in wire.ends.iter_mut().zip(addresses) {
        end.asked = addresses.0.iter().collect();
    }
    Ok(())
}

/// Puts the host's end first, and takes from nodes and networks what the link itself does not say.
fn settle(file: &File, sites: &[Site], wire: &mut Wire<'_>) -> Found<()> {
    let [first, second] = &wire.ends;
    if first.seat == second.seat
        && (first.link.is_some() && first.link == second.link || first.seat != Seat::Host)
    {
        let expected = "a link between two different places";
        return Err(Flaw::new(wire.at, Mistake::Malformed { text: "a link to itself".to_owned(), expected }));
    }
    if second.seat == Seat::Host && first.seat != Seat::Host {
        wire.ends.swap(0, 1);
    }
    let networks: Vec<usize> = wire.ends.iter().filter_map(|end| end.bridge).collect();
    for end in &mut wire.ends {
        end.isolation = end.bridge.map_or(Isolation::Off, |network| sites[network].isolation);
    }
    let of_nodes = wire.ends.iter().filter_map(|end| match end.seat {
        Seat::Node(node) => file.nodes.0[node].1.mtu.map(mtu),
        Seat::Host => None,
    });
    let of_nodes = of_nodes.collect::<Found<Vec<_>>>()?.into_iter().min_by_key(|mtu| mtu.value);
    let of_networks = networks.iter().filter_map(|network| sites[*network].mtu).min_by_key(|mtu| mtu.value);
    wire.mtu = wire.mtu.or(of_nodes).or(of_networks);
    if wire.shaping.is_none() && wire.ends[1].bridge.is_none() {
        wire.shaping = networks.first().and_then(|network| sites[*network].shaping.clone());
    }
    Ok(())
}

/// Reads `a-b`, where a name may hold a `-` itself.
fn split<'a>(names: &Names<'_>, text: &Text) -> Found<[End<'a>; 2]> {
    const LONGEST: usize = 200;
    let dashes = text.value.match_indices('-').filter(|_| text.value.len() <= LONGEST);
    let pairs: Vec<_> = dashes.map(|(dash, _)| (&text.value[..dash], &text.value[dash + 1..])).collect();
    let mut fitting = pairs.iter().filter(|(first, second)| is_end(names, first) && is_end(names, second));
    let part = |part: &str| end(names, &Located::new(part.to_owned(), text.at));
    match (fitting.next(), fitting.next()) {
        (Some((first, second)), None) => Ok([part(first)?, part(second)?]),
        (Some(_), Some(_)) => Err(Flaw::new(text.at, Mistake::Ambiguous { text: text.value.clone() })
            .or_rather("write it as '{ endpoints: [A, B] }'")),
        (None, _) => {
            if let Some((first, second)) = pairs.first() {
                part(first)?;
                part(second)?;
            }
            Err(super::words::malformed(text, "a link between two nodes, such as a-b"))
        }
    }
}

/// Returns whether [`end`] can read `text`; to say why it cannot means to compare it with all names.
fn is_end(names: &Names<'_>, text: &str) -> bool {
    let (name, link) = name_and_link(text);
    (name == HOST || names.get(name).is_some()) && link.is_none_or(|link| LinkName::new(link).is_ok())
}

/// Reads `NODE`, `NODE:LINK`, `NETWORK`, `NETWORK:LINK`, `host` or `host:LINK`.
fn end<'a>(names: &Names<'_>, text: &Text) -> Found<End<'a>> {
    let (name, link) = name_and_link(&text.value);
    let link = link.map(|link| link_name(&Located::new(link.to_owned(), text.at))).transpose()?;
    let end = match names.get(name) {
        Some(Named::Node(node)) => End::on(text.at, Seat::Node(node)),
        Some(Named::Network(network)) => End { bridge: Some(network), ..End::on(text.at, Seat::Host) },
        None if name == HOST => End::on(text.at, Seat::Host),
        None => return Err(names.unknown(&Located::new(name.to_owned(), text.at))),
    };
    Ok(End { link, ..end })
}

fn name_and_link(text: &str) -> (&str, Option<&str>) {
    text.split_once(':').map_or((text, None), |(name, link)| (name, Some(link)))
}

/// Reads a link-layer address.
pub(super) fn mac(text: &Text) -> Found<MacAddress> {
    text.value.parse().map_err(|error: crate::address::MacAddressError| Flaw::new(text.at, error))
}

/// A node's own `mac` is that of its first link.
fn give_nodes_their_macs(file: &File, wires: &mut [Wire<'_>]) -> Found<()> {
    let mut wanted: Vec<Option<&Text>> = file.nodes.0.iter().map(|(_, body)| body.mac.as_ref()).collect();
    let mut given = HashMap::new();
    for end in wires.iter_mut().flat_map(|wire| &mut wire.ends) {
        if let Seat::Node(node) = end.seat
            && let Some(asked) = wanted[node].take()
        {
            end.mac = Some(end.mac.map_or_else(|| mac(asked), Ok)?);
        }
        if let Some(mac) = end.mac
            && let Some(first) = given.insert(mac, end.at)
        {
            let mistake = Mistake::Twice { thing: "MAC address", name: mac.to_string(), first: Some(first) };
            return Err(Flaw::new(end.at, mistake));
        }
    }
    match wanted.into_iter().flatten().next() {
        Some(unused) => Err(Flaw::new(unused.at, Mistake::KeyNeedsKey { key: "mac", other: "networks" })),
        None => Ok(()),
    }
}
