//! The addresses of a subnet, and which are given out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::{
    address::Family,
    topology::{Mistake, file::Text, mistake::Flaw, resolve::Found},
};

/// A subnet, with a mark up to where its addresses were tried.
#[derive(Clone, Debug)]
pub(in crate::topology) struct Subnet {
    pub(in crate::topology) net: IpNet,
    first: u128,
    last: u128,
    next: u128,
    /// What is tried when nothing else is left.
    spare: Option<u128>,
    gateway: u128,
}

impl Subnet {
    /// Reads a subnet.
    pub(in crate::topology) fn read(text: &Text) -> Found<Self> {
        let expected = "a subnet, such as 192.168.100.0/24 or fd00::/64";
        let malformed = || Flaw::new(text.at, Mistake::Malformed { text: text.value.clone(), expected });
        let net: IpNet = text.value.parse().map_err(|_| malformed())?;
        if net.trunc() != net {
            let meant = format!("did you mean '{}'?", net.trunc());
            return Err(Flaw::new(text.at, Mistake::HostBits { text: text.value.clone() }).or_rather(meant));
        }
        let first = net.addr();
        // Of fe80::/10 every link has its own, which leads nowhere else.
        let is_link_local = matches!(first, IpAddr::V6(first) if first.is_unicast_link_local());
        let unusable = first.is_multicast() || first.is_loopback() || first.is_unspecified() || is_link_local;
        if unusable { Err(malformed()) } else { Ok(Self::new(net)) }
    }

    fn new(net: IpNet) -> Self {
        let (start, end) = (number(net.network()), number(net.broadcast()));
        // RFC 3021 and RFC 6164: a network of two has neither a network nor a broadcast address.
        let (first, last) = match net {
            _ if end - start < 2 => (start, end),
            IpNet::V4(_) => (start + 1, end - 1),
            IpNet::V6(_) => (start + 1, end),
        };
        Self { net, first, last, next: first, spare: None, gateway: first }
    }

    /// The first and the last address, as numbers.
    pub(in crate::topology) fn range(&self) -> (u128, u128) {
        (number(self.net.network()), number(self.net.broadcast()))
    }

    pub(in crate::topology) fn family(&self) -> Family {
        Family::of_net(&self.net)
    }

    /// The gateway's address, with the subnet's prefix length: the first one of a host, unless another was
    /// asked for.
    pub(in crate::topology) fn gateway(&self) -> IpNet {
        self.with_prefix(address(self.gateway, self.family()))
    }

    /// Whether nothing needs to be said about the gateway.
    pub(in crate::topology) fn has_usual_gateway(&self) -> bool {
        self.gateway == self.first
    }

    /// Has the gateway at another address; the first one is then the last to be picked, so that a gateway
    /// that moves moves nobody else.
    pub(in crate::topology) fn with_gateway(mut self, gateway: IpAddr) -> Self {
        self.gateway = number(gateway);
        self.spare = (self.gateway != self.first && self.next > self.first).then_some(self.first);
        self
    }

    /// Leaves the first address out when picking: a network that loses or gets its gateway moves nobody.
    pub(in crate::topology) fn without_first(mut self) -> Self {
        self.next = self.first + u128::from(self.last > self.first);
        self
    }

    pub(in crate::topology) fn with_prefix(&self, address: IpAddr) -> IpNet {
        IpNet::new_assert(address, self.net.prefix_len())
    }

    /// Why nobody may have `address`, if that is so.
    pub(in crate::topology) fn reserved(&self, address: IpAddr) -> Option<&'static str> {
        let number = number(address);
        if (self.first..=self.last).contains(&number) {
            return None;
        }
        Some(match (number < self.first, address) {
            (true, IpAddr::V4(_)) => "the network address",
            (true, IpAddr::V6(_)) => "the anycast address of all routers",
            (false, _) => "the broadcast address",
        })
    }

    /// Picks the lowest address that `is_free`; what was tried once is not tried again.
    pub(in crate::topology) fn pick(&mut self, is_free: impl Fn(IpAddr) -> bool) -> Option<IpNet> {
        while self.next <= self.last {
            let candidate = address(self.next, self.family());
            self.next += 1;
            if is_free(candidate) {
                return Some(self.with_prefix(candidate));
            }
        }
        let spare = address(self.spare.take()?, self.family());
        is_free(spare).then(|| self.with_prefix(spare))
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

fn address(number: u128, family: Family) -> IpAddr {
    match family {
        Family::Ipv4 => Ipv4Addr::from(u32::try_from(number).unwrap_or(u32::MAX)).into(),
        Family::Ipv6 => Ipv6Addr::from(number).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(text: &str) -> Subnet {
        Subnet::new(text.parse().unwrap())
    }

    #[test]
    fn hosts_get_what_is_left_between_the_reserved_addresses() {
        let mut small = subnet("10.0.0.0/30").without_first();
        assert_eq!(small.gateway().to_string(), "10.0.0.1/30");
        assert_eq!(small.pick(|_| true).unwrap().to_string(), "10.0.0.2/30");
        assert_eq!(small.pick(|_| true), None);
        assert_eq!(small.reserved("10.0.0.3".parse().unwrap()), Some("the broadcast address"));
        assert_eq!(subnet("fd00::/64").gateway().to_string(), "fd00::1/64");
    }

    #[test]
    fn the_first_address_is_the_last_to_be_picked_where_the_gateway_is_another() {
        for (net, gateway, others) in [
            ("10.0.0.0/29", "10.0.0.6/29", &["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.1"][..]),
            ("10.0.0.0/31", "10.0.0.1/31", &["10.0.0.0"]),
        ] {
            let gateway: IpNet = gateway.parse().unwrap();
            let mut subnet = subnet(net).without_first().with_gateway(gateway.addr());
            assert_eq!(subnet.gateway(), gateway);
            let picked = std::iter::from_fn(|| subnet.pick(|address| address != gateway.addr()));
            assert_eq!(picked.map(|address| address.addr().to_string()).collect::<Vec<_>>(), others);
        }
    }

    #[test]
    fn two_ends_share_a_network_of_two() {
        for (net, both) in
            [("10.0.0.0/31", ["10.0.0.0/31", "10.0.0.1/31"]), ("fd00::/127", ["fd00::/127", "fd00::1/127"])]
        {
            let mut pair = subnet(net);
            assert_eq!([pair.pick(|_| true), pair.pick(|_| true)].map(|a| a.unwrap().to_string()), both);
            assert_eq!(pair.pick(|_| true), None);
        }
        assert_eq!(subnet("::/0").pick(|_| true).unwrap().to_string(), "::1/0");
    }
}
