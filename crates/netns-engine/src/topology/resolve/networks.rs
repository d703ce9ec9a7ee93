//! The networks: bridges, subnets, a tunnel.

use std::net::IpAddr;

use super::{
    Found, HOST, gateways, names::Names, naming::Naming, shaping::Limits, subnet::Subnet, wires::Wire,
    words::malformed,
};
use crate::{
    address::MacAddress,
    name::LinkName,
    topology::{
        Isolation, Mistake, Network, Position, Reach, Shaping, Tunnel,
        file::{File, Located, Nat, NetworkBody, Text, Texts, Truth},
        mistake::Flaw,
    },
};

/// The most ports of a bridge: `BR_MAX_PORTS` in `net/bridge/br_private.h`, less the one that is never used.
const MOST_PORTS: usize = 1023;

/// A network with what its cables need to know.
pub(super) struct Site {
    pub(super) network: Network,
    pub(super) subnets: Vec<(Subnet, Position)>,
    pub(super) mtu: Option<Located<u32>>,
    pub(super) shaping: Option<Shaping>,
    pub(super) isolation: Isolation,
}

/// Settles all networks of the file.
pub(super) fn sites(file: &File, names: &Names<'_>, naming: &mut Naming) -> Found<Vec<Site>> {
    // Names that are asked for come first: a made one gives way.
    for bridge in file.networks.0.iter().filter_map(|(_, body)| body.bridge.as_ref()) {
        naming.asked_on_host(&link_name(bridge)?, bridge.at)?;
    }
    file.networks.0.iter().map(|(name, body)| site(names, naming, name, body)).collect()
}

fn site(names: &Names<'_>, naming: &mut Naming, name: &Text, body: &NetworkBody) -> Found<Site> {
    let subnets = body.subnet.0.iter().map(|text| Ok((Subnet::read(text)?.without_first(), text.at)));
    let mut subnets = subnets.collect::<Found<Vec<_>>>()?;
    let reach = reach(name, body)?;
    gateways::place(name, body, &mut subnets)?;
    let addresses = match reach {
        Reach::Internal => Vec::new(),
        _ => subnets.iter().map(|(subnet, _)| subnet.gateway()).collect(),
    };
    let bridge = if let Some(asked) = &body.bridge {
        link_name(asked)?
    } else {
        refuse_name_of_settings(name)
            .map_err(|flaw| flaw.or_rather(format!("write '{}: {{ bridge: br0 }}'", name.value)))?;
        naming.made_on_host(&name.value, name.at)?
    };
    let mac = MacAddress::derived_from_path([names.topology.as_str(), HOST, bridge.as_str()]);
    let tunnel = tunnel(names, naming, name, body)?;
    let mtu = body.mtu.map(mtu).transpose()?;
    let mtu_bytes = mtu.map(|mtu| mtu.value);
    Ok(Site {
        network: Network { name: name.value.clone(), bridge, mac, mtu_bytes, addresses, reach, tunnel },
        subnets,
        mtu,
        shaping: Limits::from(body).read(None)?,
        isolation: if body.isolated == Some(true) { Isolation::On } else { Isolation::Off },
    })
}

fn reach(name: &Text, body: &NetworkBody) -> Found<Reach> {
    let nat = body.nat.as_ref().filter(|nat| !matches!(nat.value, Nat::Flag(Truth::False)));
    let Some(nat) = nat else {
        let closed = body.internal == Some(true) || body.subnet.0.is_empty();
        return Ok(if closed { Reach::Internal } else { Reach::Host });
    };
    if body.internal == Some(true) {
        return Err(Flaw::new(nat.at, Mistake::KeysContradict { key: "nat", other: "internal" }));
    }
    if body.subnet.0.is_empty() {
        let flaw = Flaw::new(nat.at, Mistake::KeyNeedsKey { key: "nat", other: "subnet" });
        return Err(
            flaw.or_rather(format!("write '{}: {{ subnet: 192.168.100.0/24, nat: true }}'", name.value))
        );
    }
    let uplink = match &nat.value {
        Nat::Flag(_) => None,
        Nat::Through(body) => body.uplink.as_ref().map(link_name).transpose()?,
    };
    Ok(Reach::Internet { uplink })
}

fn tunnel(names: &Names<'_>, naming: &mut Naming, name: &Text, body: &NetworkBody) -> Found<Option<Tunnel>> {
    const VXLAN_PORT: u16 = 4789;
    let vni = match (&body.vni, body.remote.0.first()) {
        (None, None) => return Ok(None),
        (None, Some(remote)) => {
            return Err(Flaw::new(remote.at, Mistake::KeyNeedsKey { key: "remote", other: "vni" }));
        }
        (Some(vni), None) => {
            return Err(Flaw::new(vni.at, Mistake::KeyNeedsKey { key: "vni", other: "remote" }));
        }
        (Some(vni), Some(_)) => vni,
    };
    if !(1..1 << 24).contains(&vni.value) {
        let expected = "a VXLAN network identifier, 1 to 16777215";
        return Err(Flaw::new(vni.at, Mistake::Malformed { text: vni.value.to_string(), expected }));
    }
    let link = naming.made_on_host(&format!("vx1-{}", name.value), name.at)?;
    let mac = MacAddress::derived_from_path([names.topology.as_str(), HOST, link.as_str()]);
    Ok(Some(Tunnel { link, mac, vni: vni.value, remotes: remotes(&body.remote)?, port: VXLAN_PORT }))
}

/// Reads the addresses of other hosts. Of two families, each would need a tunnel of its own, and what came in by
/// one would go out by the other, for ever.
fn remotes(texts: &Texts) -> Found<Vec<IpAddr>> {
    let mut remotes: Vec<IpAddr> = Vec::new();
    for text in &texts.0 {
        let wrong = |expected| malformed(text, expected);
        let remote: IpAddr =
            text.value.parse().map_err(|_| wrong("the address of a host, such as 192.0.2.1"))?;
        if remotes.first().is_some_and(|first| first.is_ipv4() != remote.is_ipv4()) {
            return Err(wrong("an address of the same family as the first one"));
        }
        if remote.is_multicast() || remote.is_unspecified() {
            return Err(wrong("the address of one host, such as 192.0.2.1"));
        }
        if remotes.contains(&remote) {
            let name = text.value.clone();
            return Err(Flaw::new(text.at, Mistake::Twice { thing: "remote", name, first: None }));
        }
        remotes.push(remote);
    }
    Ok(remotes)
}

/// Reads the name of a link.
pub(super) fn link_name(text: &Text) -> Found<LinkName> {
    refuse_name_of_settings(text)?;
    LinkName::new(text.value.as_str()).map_err(|error| Flaw::new(text.at, error))
}

/// The kernel would, in the middle of the work (`devinet_sysctl_register` in `net/ipv4/devinet.c`).
fn refuse_name_of_settings(text: &Text) -> Found<()> {
    if ["all", "default"].contains(&text.value.as_str()) {
        return Err(Flaw::new(text.at, Mistake::NameOfSettings { name: text.value.clone() }));
    }
    Ok(())
}

/// Reads an MTU: what every IPv4 host must take (RFC 791), up to what fits into an IPv4 packet.
pub(super) fn mtu(bytes: Located<u32>) -> Found<Located<u32>> {
    let expected = "an MTU in bytes, 68 to 65535";
    let wrong = || Flaw::new(bytes.at, Mistake::Malformed { text: bytes.value.to_string(), expected });
    Some(bytes).filter(|bytes| (68..=65535).contains(&bytes.value)).ok_or_else(wrong)
}

/// Refuses what the kernel would refuse in the middle of the work.
pub(super) fn refuse_full_bridges(sites: &[Site], wires: &[Wire<'_>]) -> Found<()> {
    let mut ports: Vec<usize> = sites.iter().map(|site| site.network.tunnel.iter().count()).collect();
    for wire in wires {
        for network in wire.ends.iter().filter_map(|end| end.bridge) {
            ports[network] += 1;
            if ports[network] > MOST_PORTS {
                let mistake = Mistake::BridgeFull { network: sites[network].network.name.clone() };
                return Err(Flaw::new(wire.at, mistake).or_rather("spread the nodes over several networks"));
            }
        }
    }
    Ok(())
}
