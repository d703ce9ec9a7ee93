//! Ports of the host that lead into nodes.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
};

use super::{Found, Settled, wires::Seat};
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
    let wrong = |cause| Flaw::new(text.at, Mistake::Port { text: text.value.clone(), cause });
    let Some((published, inner)) = text.value.rsplit_once(':') else {
        let cause = PortForwardError::Malformed { text: text.value.clone() };
        let meant = format!("did you mean '{0}:{0}'?", text.value.split('/').next().unwrap_or_default());
        return Err(wrong(cause).or_rather(meant));
    };
    format!("{published}:{node}:{inner}").parse().map_err(wrong)
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
