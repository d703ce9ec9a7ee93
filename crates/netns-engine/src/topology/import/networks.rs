//! The host's bridges as networks: their names, subnets, and the way out.

use std::{collections::HashSet, net::IpAddr};

use ipnet::IpNet;

use super::{
    HOST, Meaning, Netns, Remarks, Sight,
    addresses::is_link_local,
    document::Value,
    rules::Masquerade,
    wiring::{Wiring, link_called},
};
use crate::{
    name::NetnsName,
    topology::{Position, file::Located, resolve::subnet::Subnet},
    view::{LinkView, RouteView, StackView},
};

/// The MTU of a link that nobody gave one.
pub(super) const USUAL_MTU: u32 = 1500;

/// A bridge with what is written of it.
pub(super) struct Site<'a> {
    pub(super) name: String,
    pub(super) bridge: &'a LinkView,
    pub(super) subnets: Vec<Subnet>,
    pub(super) way_out: Option<Value>,
    /// Whether all of its ports are.
    pub(super) isolated: bool,
    /// The MTU that its nodes get by themselves: that of the host's uplink if they get out.
    usual_mtu: u32,
}

impl Site<'_> {
    /// Returns the subnet that holds an address.
    pub(super) fn holding(&self, address: IpAddr) -> Option<&Subnet> {
        self.subnets.iter().find(|subnet| subnet.net.contains(&address))
    }

    /// Writes it as an entry of `networks:`.
    pub(super) fn body(&self) -> Value {
        let bridge = (self.name != self.bridge.name).then(|| Value::text(&self.bridge.name));
        let mtu = self.bridge.mtu_bytes;
        let gateways = self.subnets.iter().filter(|subnet| !subnet.has_usual_gateway());
        let gateways = gateways.map(|subnet| subnet.gateway().addr());
        Value::map([
            ("bridge", bridge),
            ("subnet", Value::one_or_many(self.subnets.iter().map(|subnet| subnet.net))),
            ("gateway", Value::one_or_many(gateways)),
            ("nat", self.way_out.clone()),
            ("isolated", self.isolated.then_some(Value::True)),
            ("mtu", (mtu != self.usual_mtu).then(|| Value::Number(mtu.into()))),
        ])
    }
}

/// Makes networks of all bridges.
pub(super) fn sites<'a>(
    wiring: &Wiring<'a>,
    said: (&Sight, &Meaning<'_>),
    nodes: &[Netns<'_>],
    remarks: &mut Remarks,
) -> Vec<Site<'a>> {
    let mut names: HashSet<String> = nodes.iter().map(|netns| netns.name.to_owned()).collect();
    let mut sites: Vec<Site<'a>> = Vec::new();
    for (number, bridge) in wiring.bridges.iter().enumerate() {
        let subnets = subnets(bridge, &sites, remarks);
        let way_out = way_out(&subnets, said, remarks);
        let of_uplink = default_link(&said.0.host).filter(|_| way_out.is_some());
        let usual_mtu = of_uplink.map_or(USUAL_MTU, |uplink| uplink.mtu_bytes);
        let name = network_name(&bridge.name, &mut names);
        let is_isolated = |port: &LinkView| said.0.of_host.isolated_ports.contains(&port.index);
        let isolated = wiring.ports_of(number).all(is_isolated);
        sites.push(Site { name, bridge, subnets, way_out, isolated, usual_mtu });
    }
    sites
}

/// The bridge's own name, or as close to it as a network's may be.
fn network_name(bridge: &str, taken: &mut HashSet<String>) -> String {
    let is_free =
        |name: &String| NetnsName::new(name.as_str()).is_ok() && name != HOST && !taken.contains(name);
    let mut name = bridge.to_owned();
    let mut number = 0_u32;
    while !is_free(&name) {
        number += 1;
        name = format!("net{number}");
    }
    taken.insert(name.clone());
    name
}

/// The subnets in which the bridge has an address, with that as their gateway.
fn subnets(bridge: &LinkView, others: &[Site<'_>], remarks: &mut Remarks) -> Vec<Subnet> {
    let mut subnets: Vec<Subnet> = Vec::new();
    for address in bridge.addresses.iter().filter(|address| !is_link_local(address)) {
        let overlaps = |other: &Subnet| other.net.contains(&address.trunc()) || address.contains(&other.net);
        let fault = match read_subnet(address) {
            Some(_)
                if others.iter().flat_map(|site| &site.subnets).any(overlaps)
                    || subnets.iter().any(overlaps) =>
            {
                "subnets must not overlap"
            }
            Some(subnet) => {
                subnets.push(subnet);
                continue;
            }
            None => "no subnet has such an address for a host",
        };
        remarks.add(format_args!("address '{address}' of bridge '{}': {fault}", bridge.name));
    }
    subnets
}

/// A subnet with room for somebody beside the host.
fn read_subnet(address: &IpNet) -> Option<Subnet> {
    let has_room = address.prefix_len() < address.max_prefix_len();
    let text = Located::new(address.trunc().to_string(), Position::default());
    let subnet =
        Subnet::read(&text).ok().filter(|subnet| subnet.reserved(address.addr()).is_none() && has_room)?;
    Some(subnet.without_first().with_gateway(address.addr()))
}

fn way_out(
    subnets: &[Subnet],
    (sight, meaning): (&Sight, &Meaning<'_>),
    remarks: &mut Remarks,
) -> Option<Value> {
    let covering = |subnet: &Subnet| {
        let mut all = meaning.masquerades.iter().map(|(_, masquerade)| masquerade);
        all.find(|masquerade| masquerade.covers(&subnet.net))
    };
    let first: &Masquerade = subnets.iter().find_map(covering)?;
    for subnet in subnets.iter().filter(|subnet| covering(subnet).is_none()) {
        remarks.add(format_args!("subnet '{}' is not translated on its way out; 'up' does", subnet.net));
    }
    let by_default = default_link(&sight.host).map(|link| &link.name);
    Some(match &first.uplink {
        Some(uplink) if Some(uplink) != by_default => Value::map([("uplink", Some(Value::text(uplink)))]),
        _ => Value::True,
    })
}

/// The link of the host's default route.
fn default_link(host: &StackView) -> Option<&LinkView> {
    let is_default = |route: &&RouteView| route.destination == "default" && route.table == "main";
    link_called(host, host.routes.iter().find(is_default)?.link.as_ref()?)
}
