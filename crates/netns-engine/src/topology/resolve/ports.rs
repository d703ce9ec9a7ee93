//! Ports of the host that lead into nodes.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    num::NonZeroU16,
};

use super::{Found, Settled, wires::Seat, words::malformed};
use crate::{
    address::Family,
    desired::{PortForwardError, PortPublished},
    firewall::{PortForward, Transport},
    name::LinkName,
    topology::{
        Mistake, Node, Position,
        file::{File, Text},
        mistake::Flaw,
    },
};

const FORM: &str = "of the form [ADDRESS:]PORT:PORT[/udp], such as 8080:80";

/// Settles the published ports of one node.
pub(super) fn of_node(settled: &Settled<'_>, node: usize) -> Found<Vec<PortForward>> {
    settled.file.nodes.0[node].1.ports.0.iter().map(|text| one(settled, node, text)).collect()
}

fn one(settled: &Settled<'_>, node: usize, text: &Text) -> Found<PortForward> {
    let name = settled.names.node_name(node);
    let PortPublished { published, target } = read(text, name.as_str())?;
    let family = Family::of(published.address);
    let Some((bridge, address)) = way_in(settled, node, family) else {
        let node = name.to_string();
        let flaw = Flaw::new(text.at, Mistake::PortUnreachable { text: text.value.clone(), family, node });
        return Err(flaw.or_rather("give the node a network with a subnet that is not internal"));
    };
    Ok(PortForward { published, target: SocketAddr::new(address, target.port), bridge })
}

/// Reads `[ADDRESS:]PORT:PORT[/udp]`: as `publish` does, where the node stands before the last port.
fn read(text: &Text, node: &str) -> Found<PortPublished> {
    let Some((published, inner)) = text.value.rsplit_once(':') else {
        return Err(or_the_port_twice(malformed(text, FORM), &text.value));
    };
    format!("{published}:{node}:{inner}").parse().map_err(|cause| match cause {
        // It would speak of the node, which nobody writes in a file.
        PortForwardError::Malformed { .. } => malformed(text, FORM),
        cause => Flaw::new(text.at, Mistake::Port { text: text.value.clone(), cause }),
    })
}

fn or_the_port_twice(flaw: Flaw, alone: &str) -> Flaw {
    let (port, transport) = alone.split_at(alone.find('/').unwrap_or(alone.len()));
    match (port.parse::<NonZeroU16>(), transport) {
        (Ok(port), "" | "/tcp" | "/udp") => {
            flaw.or_rather(format!("did you mean '{port}:{port}{transport}'?"))
        }
        _ => flaw,
    }
}

/// The host's link towards a node, and the node's address there.
fn way_in(settled: &Settled<'_>, node: usize, family: Family) -> Option<(LinkName, IpAddr)> {
    settled.links[node].iter().find_map(|(cable, end)| {
        let (wire, cable) = (&settled.wires[*cable], &settled.cables[*cable]);
        let own = &cable.ends[*end].addresses;
        let (link, hosts) = match wire.ends.iter().find_map(|end| end.bridge) {
            Some(network) => {
                let network = &settled.sites[network].network;
                (&network.bridge, &network.addresses)
            }
            None if wire.ends[0].seat == Seat::Host => (&cable.ends[0].at.name, &cable.ends[0].addresses),
            None => return None,
        };
        let near = own.iter().find(|own| {
            Family::of_net(own) == family && hosts.iter().any(|host| host.contains(&own.addr()))
        })?;
        Some((link.clone(), near.addr()))
    })
}

/// Refuses two published ports that would take the same connections.
pub(super) fn refuse_twice(nodes: &[Node], file: &File) -> Found<()> {
    let mut listening: HashMap<(u16, Transport, Family), HashMap<IpAddr, Position>> = HashMap::new();
    for (node, (_, body)) in nodes.iter().zip(&file.nodes.0) {
        for (forward, text) in node.ports.iter().zip(&body.ports.0) {
            let published = &forward.published;
            let address = published.address;
            let key = (published.port, published.transport, Family::of(address));
            let others = listening.entry(key).or_default();
            let everywhere = match key.2 {
                Family::Ipv4 => IpAddr::from([0_u8; 4]),
                Family::Ipv6 => IpAddr::from([0_u8; 16]),
            };
            let same = others.get(&address).or_else(|| others.get(&everywhere));
            let any = if address.is_unspecified() { others.values().min() } else { None };
            if let Some(first) = same.or(any) {
                return Err(Flaw::new(
                    text.at,
                    Mistake::PortTwice { port: published.to_string(), first: *first },
                ));
            }
            others.insert(address, text.at);
        }
    }
    Ok(())
}
