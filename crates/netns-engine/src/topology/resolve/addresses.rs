//! Who gets which address: those asked for first, then the lowest free ones, in the order of the file.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
};

use ipnet::IpNet;

use super::{
    Found, Settled,
    networks::Site,
    subnet::Subnet,
    wires::{End, Seat, Wire},
    words::malformed,
};
use crate::{
    address::interface_address,
    topology::{
        Macvlan, Mistake, Position,
        file::{File, Text},
        mistake::Flaw,
    },
};

/// The addresses that are given out.
pub(super) struct Addresses {
    taken: HashMap<IpAddr, Position>,
}

impl Addresses {
    /// Begins with those of the gateways.
    pub(super) fn of_gateways(sites: &[Site]) -> Found<Self> {
        let mut addresses = Self { taken: HashMap::new() };
        for site in sites {
            for (address, (_, at)) in site.network.addresses.iter().zip(&site.subnets) {
                addresses.claim(address.addr(), *at)?;
            }
        }
        Ok(addresses)
    }

    /// Gives an address out, for the first and only time.
    pub(super) fn claim(&mut self, address: IpAddr, at: Position) -> Found<()> {
        match self.taken.insert(address, at) {
            None => Ok(()),
            Some(first) => {
                let name = address.to_string();
                Err(Flaw::new(at, Mistake::Twice { thing: "address", name, first: Some(first) }))
            }
        }
    }

    /// Gives all addresses of macvlan links out.
    pub(super) fn claim_macvlans(&mut self, file: &File, macvlans: &mut [Vec<Macvlan>]) -> Found<()> {
        for ((_, body), macvlans) in file.nodes.0.iter().zip(macvlans) {
            for (entry, macvlan) in body.macvlan.0.iter().zip(macvlans) {
                for text in &entry.address.0 {
                    let address = with_prefix(text)?;
                    self.claim(address.addr(), text.at)?;
                    macvlan.addresses.push(address);
                }
            }
        }
        Ok(())
    }

    /// Gives every end of a cable its addresses.
    pub(super) fn settle(
        &mut self,
        sites: &mut [Site],
        wires: &[Wire<'_>],
        settled: &mut Settled<'_>,
    ) -> Found<()> {
        for (wire, cable) in wires.iter().zip(&mut settled.cables) {
            let bridged = bridge_of(wire);
            for (end, made) in wire.ends.iter().zip(&mut cable.ends) {
                made.addresses = match bridged {
                    Some(network) if end.seat != Seat::Host => self.asked_in(&sites[network], end)?,
                    _ => self.asked(end)?,
                };
            }
        }
        // Cables may share a subnet: what was tried for one of them is not tried again for the next.
        let mut of_cables: HashMap<IpNet, Subnet> = HashMap::new();
        for (wire, cable) in wires.iter().zip(&mut settled.cables) {
            let network = bridge_of(wire);
            for (end, made) in wire.ends.iter().zip(&mut cable.ends) {
                let whose = match end.seat {
                    Seat::Node(node) => settled.names.node_name(node).as_str(),
                    Seat::Host if network.is_some() => continue,
                    Seat::Host => "host",
                };
                let mut pick = |subnet: &mut Subnet| self.pick(subnet, &mut made.addresses, (whose, end.at));
                match network {
                    Some(network) => {
                        sites[network].subnets.iter_mut().try_for_each(|(subnet, _)| pick(subnet))?;
                    }
                    None => wire.subnets.iter().try_for_each(|subnet| {
                        pick(of_cables.entry(subnet.net).or_insert_with(|| subnet.clone()))
                    })?,
                }
            }
        }
        Ok(())
    }

    /// Adds the lowest free address of a subnet, unless the link has one in it.
    fn pick(
        &mut self,
        subnet: &mut Subnet,
        addresses: &mut Vec<IpNet>,
        (node, at): (&str, Position),
    ) -> Found<()> {
        if addresses.iter().any(|address| subnet.net.contains(&address.addr())) {
            return Ok(());
        }
        let Some(address) = subnet.pick(|address| !self.taken.contains_key(&address)) else {
            let mistake = Mistake::SubnetFull { subnet: subnet.net.to_string(), node: node.to_owned() };
            return Err(Flaw::new(at, mistake).or_rather("take a larger subnet: a shorter prefix"));
        };
        self.claim(address.addr(), at)?;
        addresses.push(address);
        Ok(())
    }

    /// Reads the addresses asked for on a direct cable, or on a switch without subnet.
    fn asked(&mut self, end: &End<'_>) -> Found<Vec<IpNet>> {
        let claimed = end.asked.iter().map(|text| {
            let address = with_prefix(text)?;
            self.claim(address.addr(), text.at)?;
            Ok(address)
        });
        claimed.collect()
    }

    /// Reads the addresses asked for in a network.
    fn asked_in(&mut self, site: &Site, end: &End<'_>) -> Found<Vec<IpNet>> {
        if site.subnets.is_empty() {
            return self.asked(end);
        }
        let claimed = end.asked.iter().map(|text| {
            let address = in_network(site, text)?;
            self.claim(address.addr(), text.at)?;
            Ok(address)
        });
        claimed.collect()
    }
}

fn bridge_of(wire: &Wire<'_>) -> Option<usize> {
    wire.ends.iter().find_map(|end| end.bridge)
}

/// Reads an address with its prefix length.
pub(super) fn with_prefix(text: &Text) -> Found<IpNet> {
    let expected = "an address with a prefix length, such as 10.0.0.1/24 or fd00::1/64";
    let address = interface_address(&text.value).map_err(|_| {
        let flaw = malformed(text, expected);
        match text.value.parse::<IpAddr>() {
            Ok(address) => {
                let prefix = if address.is_ipv4() { 24 } else { 64 };
                flaw.or_rather(format!("did you mean '{address}/{prefix}'?"))
            }
            Err(_) => flaw,
        }
    })?;
    refuse_unusable(address.addr(), text)?;
    Ok(address)
}

/// Refuses what is not the address of one host: the kernel takes some of it, and nobody would answer there.
fn refuse_unusable(address: IpAddr, text: &Text) -> Found<()> {
    if address.is_unspecified() || address.is_multicast() {
        return Err(malformed(text, "an address that a link can have"));
    }
    Ok(())
}

/// Reads an address of a node in one of a network's subnets, with or without its prefix length.
fn in_network(site: &Site, text: &Text) -> Found<IpNet> {
    let address = in_subnets(&site.network.name, &site.subnets, text)?;
    if site.network.addresses.contains(&address) {
        let (subnet, address) = (address.trunc().to_string(), address.addr().to_string());
        let reason = "the gateway";
        return Err(Flaw::new(text.at, Mistake::ReservedAddress { address, reason, subnet }));
    }
    Ok(address)
}

/// Reads an address that the subnets of the network called `name` have for a host.
pub(super) fn in_subnets(name: &str, subnets: &[(Subnet, Position)], text: &Text) -> Found<IpNet> {
    let (address, prefix) = bare(text)?;
    let Some((subnet, _)) = subnets.iter().find(|(subnet, _)| subnet.net.contains(&address)) else {
        let (address, network) = (address.to_string(), name.to_owned());
        let subnets: Vec<_> = subnets.iter().map(|(subnet, _)| subnet.net.to_string()).collect();
        let flaw = Flaw::new(text.at, Mistake::OutsideSubnet { address, network });
        return Err(flaw.or_rather(format!("its subnet is {}", subnets.join(" and "))));
    };
    if let Some(reason) = subnet.reserved(address) {
        let (address, subnet) = (address.to_string(), subnet.net.to_string());
        return Err(Flaw::new(text.at, Mistake::ReservedAddress { address, reason, subnet }));
    }
    if prefix.is_some_and(|prefix| prefix != subnet.net.prefix_len()) {
        let meant = format!("did you mean '{}'?", subnet.with_prefix(address));
        return Err(malformed(text, "an address with the prefix length of its subnet").or_rather(meant));
    }
    Ok(subnet.with_prefix(address))
}

/// Reads an address, and its prefix length if there is one.
fn bare(text: &Text) -> Found<(IpAddr, Option<u8>)> {
    let (address, prefix) = if let Ok(address) = text.value.parse() {
        (address, None)
    } else {
        let expected = "an address, such as 192.168.100.20 or fd00::20";
        let net: IpNet = text.value.parse().map_err(|_| malformed(text, expected))?;
        (net.addr(), Some(net.prefix_len()))
    };
    refuse_unusable(address, text)?;
    Ok((address, prefix))
}

/// Puts the addresses that stand with a node on the link whose network holds them; returns what is left for
/// the loopback links, by node.
pub(super) fn place_node_addresses<'a>(
    settled: &Settled<'a>,
    sites: &[Site],
    wires: &mut [Wire<'a>],
    addresses: &mut Addresses,
) -> Found<Vec<Vec<IpNet>>> {
    let mut on_loopback = vec![Vec::new(); settled.links.len()];
    for (node, (_, body)) in settled.file.nodes.0.iter().enumerate() {
        if body.addresses.0.is_empty() {
            continue;
        }
        let mut known: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
        for link in &settled.links[node] {
            if let Some(network) = bridge_of(&wires[link.0]) {
                known.entry(network).or_insert(*link);
            }
        }
        for text in &body.addresses.0 {
            let (address, prefix) = bare(text)?;
            let holds =
                |network: usize| sites[network].subnets.iter().any(|(net, _)| net.net.contains(&address));
            if let Some((_, (cable, end))) = known.iter().find(|(network, _)| holds(**network)) {
                wires[*cable].ends[*end].asked.push(text);
                continue;
            }
            let whole = if address.is_ipv4() { 32 } else { 128 };
            addresses.claim(address, text.at)?;
            let address = IpNet::new_assert(address, prefix.unwrap_or(whole));
            on_loopback[node].push(address);
        }
    }
    Ok(on_loopback)
}
