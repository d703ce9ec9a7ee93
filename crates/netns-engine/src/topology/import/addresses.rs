//! Which addresses are written, and where: a file gives each out once, on a network only from its subnets.

use std::{collections::HashSet, net::IpAddr};

use ipnet::IpNet;

use super::{
    Netns, Remarks, Scene,
    networks::Site,
    wiring::{End, Seat},
};
use crate::view::LinkView;

/// The addresses that are written.
#[derive(Default)]
pub(super) struct Given {
    /// By netns and plug.
    pub(super) plugs: Vec<Vec<Vec<IpNet>>>,
    /// By cable and end.
    pub(super) cables: Vec<[Vec<IpNet>; 2]>,
    /// By netns: those of its loopback link.
    pub(super) loopback: Vec<Vec<IpNet>>,
}

/// Gives addresses out.
struct Register<'a> {
    taken: &'a mut HashSet<IpAddr>,
    remarks: &'a mut Remarks,
}

/// Whether every link has such an address by itself.
pub(super) fn is_link_local(address: &IpNet) -> bool {
    matches!(address.addr(), IpAddr::V6(address) if address.is_unicast_link_local())
}

impl Scene<'_> {
    /// Gives the host its address in each subnet.
    pub(super) fn claim_gateways(&mut self) {
        let subnets = self.sites.iter().flat_map(|site| &site.subnets);
        self.taken.extend(subnets.map(|subnet| subnet.gateway().addr()));
    }

    /// Gives all other addresses out.
    pub(super) fn give_addresses(&mut self) -> Given {
        let Self { nodes, wiring, sites, taken, remarks, .. } = self;
        let mut register = Register { taken, remarks };
        let mut given = Given::default();
        for (netns, plugs) in nodes.iter().zip(&wiring.plugs) {
            let each = plugs.iter().map(|plug| register.on_network(plug.link, netns, &sites[plug.bridge]));
            given.plugs.push(each.collect());
        }
        for cable in &wiring.cables {
            given.cables.push(register.on_cable(cable, nodes, sites));
        }
        for (netns, plugs) in nodes.iter().zip(&wiring.plugs) {
            let own: Vec<_> = plugs.iter().map(|plug| &sites[plug.bridge]).collect();
            given.loopback.push(register.on_loopback(netns, &own));
        }
        given
    }
}

impl Register<'_> {
    fn on_cable(&mut self, cable: &[End<'_>; 2], nodes: &[Netns<'_>], sites: &[Site<'_>]) -> [Vec<IpNet>; 2] {
        let site = cable.iter().find_map(|end| match end.seat {
            Seat::Bridge(bridge) => Some(&sites[bridge]),
            _ => None,
        });
        cable.map(|end| match (end.seat, site) {
            (Seat::Bridge(_), _) => Vec::new(),
            (Seat::Host, _) => self.freely(end.link, "the host"),
            (Seat::Node(node), Some(site)) => self.on_network(end.link, &nodes[node], site),
            (Seat::Node(node), None) => self.freely(end.link, &format!("netns '{}'", nodes[node].name)),
        })
    }

    fn on_network(&mut self, link: &LinkView, netns: &Netns<'_>, site: &Site<'_>) -> Vec<IpNet> {
        let whose = format!("netns '{}'", netns.name);
        if site.subnets.is_empty() {
            return self.freely(link, &whose);
        }
        let mut given = Vec::new();
        for address in addresses(link) {
            let about = format!("address '{address}' of link '{}' of {whose}", link.name);
            match fitting(address, site) {
                Ok(fitting) if self.claim(fitting, &about) => {
                    if fitting != *address {
                        self.remarks.add(format_args!("{about} becomes '{fitting}', as its subnet has it"));
                    }
                    given.push(fitting);
                }
                Ok(_) => {}
                Err(why) => self.remarks.add(format_args!("{about}: {why}")),
            }
        }
        for subnet in &site.subnets {
            if !given.iter().any(|address| subnet.net.contains(&address.addr())) {
                let (name, net) = (&link.name, subnet.net);
                self.remarks
                    .add(format_args!("link '{name}' of {whose} has no address in {net}; 'up' gives it one"));
            }
        }
        given
    }

    /// Gives a link what it has, where no subnet has a say.
    fn freely(&mut self, link: &LinkView, whose: &str) -> Vec<IpNet> {
        let about = |address: &IpNet| format!("address '{address}' of link '{}' of {whose}", link.name);
        addresses(link).filter(|address| self.claim(**address, &about(address))).copied().collect()
    }

    fn on_loopback(&mut self, netns: &Netns<'_>, sites: &[&Site<'_>]) -> Vec<IpNet> {
        let links = netns.view.links.iter().filter(|link| link.kind == "loopback");
        let mut given = Vec::new();
        for address in links.flat_map(addresses) {
            let about = format!("address '{address}' of link 'lo' of netns '{}'", netns.name);
            if sites.iter().any(|site| site.holding(address.addr()).is_some()) {
                self.remarks.add(format_args!("{about}: it is in the subnet of a network"));
            } else if self.claim(*address, &about) {
                given.push(*address);
            }
        }
        given
    }

    fn claim(&mut self, address: IpNet, about: &str) -> bool {
        let is_free = self.taken.insert(address.addr());
        if !is_free {
            self.remarks.add(format_args!("{about}: the same address stands elsewhere"));
        }
        is_free
    }
}

fn addresses(link: &LinkView) -> impl Iterator<Item = &IpNet> {
    let own = link.addresses.iter();
    own.filter(|address| !is_link_local(address) && !address.addr().is_loopback())
}

/// The address as the network's subnet has it.
fn fitting(address: &IpNet, site: &Site<'_>) -> Result<IpNet, String> {
    let ip = address.addr();
    let subnet = site.holding(ip).ok_or_else(|| format!("it is in no subnet of network '{}'", site.name))?;
    match subnet.reserved(ip) {
        Some(reason) => Err(format!("it is {reason} of {}", subnet.net)),
        None => Ok(subnet.with_prefix(ip)),
    }
}
