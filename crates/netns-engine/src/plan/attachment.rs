//! Decides how a netns is plugged into a bridge.

use std::{collections::BTreeSet, net::IpAddr};

use ipnet::IpNet;

use super::{
    Conflict, Desired, Draft, NewVeth, NewVethEnd, Plan,
    address::{add_address, refuse_reserved},
    bridge, netns, route,
    veth::{link_local_for, make_cable, switch_on},
};
use crate::{
    desired::{AddressChoice, Attachment},
    observed::{Link, Observed, Scope},
    place::{LinkAt, Place},
    route::Route,
};

impl Desired for Attachment {
    fn scope(&self) -> Scope {
        let mut scope =
            Scope::default().with_netns(&self.netns).with_host_link(&self.bridge).with_link(&self.host_end());
        scope.bridge_users.insert(self.bridge.clone());
        scope
    }

    fn plan(&self, observed: &Observed) -> Result<Plan, Conflict> {
        netns::require(observed, &self.netns)?;
        bridge::require(observed, &self.bridge_at())?;
        let plugs = self.choose(observed)?;
        let addresses: Vec<IpNet> = plugs.iter().map(|plug| plug.address).collect();
        let mut draft = Draft::from(observed);
        make_cable(&mut draft, self.pair(observed, &addresses))?;
        for address in &addresses {
            let why = "An address of the bridge's network makes the netns a neighbour of all who hang on it.";
            add_address(&mut draft, &self.inner_end(), *address, why);
        }
        netns::switch_loopback_on(&mut draft, &self.netns);
        if observed.link(&self.bridge_at()).is_some_and(|bridge| bridge.ours) {
            switch_on(&mut draft, &self.bridge_at(), "A bridge that is down forwards nothing.");
        }
        switch_on(&mut draft, &self.inner_end(), "A new link is down; this is the end inside.");
        switch_on(&mut draft, &self.host_end(), "And this is the end that is a port of the bridge.");
        for plug in plugs {
            self.route(&mut draft, plug.gateway)?;
        }
        Ok(draft.finish())
    }
}

/// An address in one of the bridge's networks, and the bridge's own in it.
struct Plug {
    address: IpNet,
    gateway: IpAddr,
}

impl Attachment {
    fn bridge_at(&self) -> LinkAt {
        LinkAt::on_host(self.bridge.clone())
    }

    fn pair(&self, observed: &Observed, addresses: &[IpNet]) -> NewVeth {
        let mtu_bytes = observed.uplink_mtu();
        NewVeth {
            main: NewVethEnd {
                master: Some(self.bridge.clone()),
                link_local: super::LinkLocal::None.at_mtu(mtu_bytes),
                mtu_bytes,
                ..NewVethEnd::new(self.host_end())
            },
            peer: NewVethEnd {
                link_local: link_local_for(addresses).at_mtu(mtu_bytes),
                mtu_bytes,
                ..NewVethEnd::new(self.inner_end())
            },
        }
    }

    fn route(&self, draft: &mut Draft, gateway: IpAddr) -> Result<(), Conflict> {
        let place = Place::Netns(self.netns.clone());
        let wanted = Route::default_via(gateway).on(self.link.clone());
        let has_default = draft
            .state()
            .stack(&place)
            .is_some_and(|stack| stack.routes.iter().any(|route| route.destination == wanted.destination));
        if has_default {
            return Ok(());
        }
        let why = "Everything outside the bridge's network goes to the bridge's own address: the host is the gateway.";
        route::add_route(draft, &place, &wanted, why)
    }

    fn choose(&self, observed: &Observed) -> Result<Vec<Plug>, Conflict> {
        let bridge = observed.link(&self.bridge_at());
        let networks: Vec<IpNet> =
            bridge.into_iter().flat_map(|bridge| bridge.addresses.iter().copied()).collect();
        if networks.is_empty() {
            return Err(Conflict::BridgeWithoutAddress(self.bridge.clone()));
        }
        let there = observed.link(&self.inner_end());
        match self.address {
            AddressChoice::Auto => {
                let plug = |network: &IpNet| self.pick(observed, network, there);
                networks.iter().map(plug).collect()
            }
            AddressChoice::Address(address) => {
                let network = networks.iter().find(|network| network.contains(&address));
                let wanted = IpNet::from(address);
                let network = network.ok_or_else(|| self.outside(wanted, &networks))?;
                let wanted = IpNet::new(address, network.prefix_len()).unwrap_or(wanted);
                self.take(observed, wanted, network, there).map(|plug| vec![plug])
            }
            AddressChoice::AddressInNetwork(wanted) => {
                let network = networks.iter().find(|network| network.trunc() == wanted.trunc());
                let network = network.ok_or_else(|| self.outside(wanted, &networks))?;
                self.take(observed, wanted, network, there).map(|plug| vec![plug])
            }
        }
    }

    fn outside(&self, address: IpNet, networks: &[IpNet]) -> Conflict {
        Conflict::OutsideSubnet { address, bridge: self.bridge.clone(), networks: networks.to_vec() }
    }

    /// Takes the address that was asked for.
    fn take(
        &self,
        observed: &Observed,
        wanted: IpNet,
        network: &IpNet,
        there: Option<&Link>,
    ) -> Result<Plug, Conflict> {
        refuse_reserved(wanted)?;
        let plug = Plug { address: wanted, gateway: network.addr() };
        match there.and_then(|link| link.addresses.iter().find(|known| known.trunc() == wanted.trunc())) {
            Some(known) if *known == wanted => return Ok(plug),
            Some(known) => {
                let difference = format!("its address is {known}");
                return Err(Conflict::LinkTaken { at: self.inner_end(), difference });
            }
            None => {}
        }
        if wanted.addr() == network.addr() {
            let user = format!("bridge '{}' itself", self.bridge);
            return Err(Conflict::AddressInUse { address: wanted.addr(), user });
        }
        if self.users(observed).contains(&wanted.addr()) {
            let user = format!("another netns on bridge '{}'", self.bridge);
            return Err(Conflict::AddressInUse { address: wanted.addr(), user });
        }
        Ok(plug)
    }

    /// Picks the lowest free address of a network, or keeps the one that is there.
    fn pick(&self, observed: &Observed, network: &IpNet, there: Option<&Link>) -> Result<Plug, Conflict> {
        let gateway = network.addr();
        let mine = |address: &&IpNet| address.trunc() == network.trunc();
        if let Some(known) = there.and_then(|link| link.addresses.iter().find(mine)) {
            return Ok(Plug { address: *known, gateway });
        }
        let users = self.users(observed);
        // From the gateway's own address upwards, then from the start: 192.168.100.1/16 gives
        // 192.168.100.2 first, as people do by hand.
        let from_the_start = network.hosts().filter(|host| *host != network.network());
        let mut candidates = addresses_above(network).chain(from_the_start);
        let free = candidates.find(|host| *host != gateway && !users.contains(host));
        let address = free.and_then(|host| IpNet::new(host, network.prefix_len()).ok());
        match address {
            Some(address) => Ok(Plug { address, gateway }),
            None => Err(Conflict::SubnetFull { subnet: network.trunc(), bridge: self.bridge.clone() }),
        }
    }

    fn users<'a>(&self, observed: &'a Observed) -> &'a BTreeSet<IpAddr> {
        const NOBODY: &BTreeSet<IpAddr> = &BTreeSet::new();
        observed.bridge_users.get(&self.bridge).unwrap_or(NOBODY)
    }
}

/// The addresses a network has above the one that `gateway` itself carries.
fn addresses_above(gateway: &IpNet) -> Box<dyn Iterator<Item = IpAddr>> {
    match gateway {
        IpNet::V4(net) => {
            let last = u32::from(net.broadcast()).saturating_sub(1);
            Box::new((u32::from(net.addr()).saturating_add(1)..=last).map(|bits| IpAddr::V4(bits.into())))
        }
        IpNet::V6(net) => {
            let last = u128::from(net.broadcast());
            Box::new((u128::from(net.addr()).saturating_add(1)..=last).map(|bits| IpAddr::V6(bits.into())))
        }
    }
}
