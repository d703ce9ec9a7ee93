//! Finds the address inside a netns that the host reaches, and the way there.

use std::net::{IpAddr, SocketAddr};

use crate::{
    address::Family,
    desired::PortPublished,
    firewall::PortForward,
    name::{LinkName, NetnsName},
    observed::{Link, Observed},
    place::{LinkAt, Place},
    plan::Conflict,
};

/// The way from the host to a netns.
pub(super) struct Way {
    /// The netns' address.
    pub(super) address: IpAddr,
    /// The host's link with an address of the same network: a bridge, or a veth end.
    pub(super) gateway: LinkName,
    /// The port of that bridge which the netns hangs on.
    pub(super) port: Option<LinkName>,
}

impl Way {
    /// Finds the way to `netns`; of several, the one its default route takes.
    pub(super) fn to(observed: &Observed, netns: &NetnsName, family: Family) -> Result<Self, Conflict> {
        let place = Place::Netns(netns.clone());
        let stack = observed.stack(&place).ok_or_else(|| Conflict::NoNetns(netns.clone()))?;
        let has_default_route = |name: &LinkName| {
            let mut routes = stack.routes.iter().filter(|route| route.is_default());
            routes.any(|route| {
                route.link.as_ref() == Some(name) && Family::of_net(&route.destination) == family
            })
        };
        let mut links: Vec<_> = stack.links.iter().collect();
        links.sort_by_key(|(name, _)| !has_default_route(name));
        let mut ways = links.into_iter().filter_map(|(_, link)| Self::through(observed, link, family));
        ways.next().ok_or_else(|| Conflict::Unreachable(netns.clone()))
    }

    /// The way through one link of the netns.
    fn through(observed: &Observed, inner: &Link, family: Family) -> Option<Self> {
        let outer_at = inner.peer.as_ref().filter(|peer| peer.place == Place::Host)?;
        let outer = observed.link(outer_at)?;
        let gateway = outer.master.clone().unwrap_or_else(|| outer_at.name.clone());
        let networks = &observed.link(&LinkAt::on_host(gateway.clone()))?.addresses;
        let addresses = inner.addresses.iter().map(ipnet::IpNet::addr);
        let mut reached = addresses
            .filter(|address| Family::of(*address) == family)
            .filter(|address| networks.iter().any(|network| network.contains(address)));
        let port = outer.master.is_some().then(|| outer_at.name.clone());
        Some(Self { address: reached.next()?, gateway, port })
    }

    /// The forward that leads this way.
    pub(super) fn forward(&self, asked: &PortPublished) -> PortForward {
        PortForward {
            published: asked.published.clone(),
            target: SocketAddr::new(self.address, asked.target.port),
            bridge: self.gateway.clone(),
        }
    }
}
