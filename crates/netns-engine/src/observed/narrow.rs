//! Links that become too narrow for IPv6, and those that have room for it again.

use ipnet::IpNet;

use super::{Link, Observed, Stack};
use crate::{address::LEAST_IPV6_MTU_BYTES, name::LinkName, place::Place, sysctl::Sysctl};

impl Link {
    /// Whether the kernel has IPv6 on a link of this MTU.
    #[must_use]
    pub fn has_room_for_ipv6(&self) -> bool {
        self.mtu_bytes >= LEAST_IPV6_MTU_BYTES
    }
}

impl Stack {
    /// Changes an MTU as the kernel does, which takes IPv6 off a link (`addrconf_notify` in `net/ipv6/addrconf.c`) or
    /// begins it anew there.
    pub(super) fn set_mtu(&mut self, name: &LinkName, mtu_bytes: u32) {
        let Some(link) = self.links.get_mut(name) else { return };
        let had_room = link.has_room_for_ipv6();
        link.mtu_bytes = mtu_bytes;
        match (had_room, link.has_room_for_ipv6()) {
            (true, false) => self.take_ipv6_off(name),
            (false, true) => self.begin_ipv6_on(name),
            _ => {}
        }
    }

    fn take_ipv6_off(&mut self, name: &LinkName) {
        self.lose_ipv6(name);
        self.sysctls.retain(|sysctl, _| !(sysctl.link() == Some(name) && sysctl.is_of_ipv6()));
    }

    /// A link without IPv6 has none of its addresses, and no routes by it.
    pub(super) fn lose_ipv6(&mut self, name: &LinkName) {
        if let Some(link) = self.links.get_mut(name) {
            link.addresses.retain(|address| matches!(address, IpNet::V4(_)));
        }
        self.routes
            .retain(|route| route.link.as_ref() != Some(name) || matches!(route.destination, IpNet::V4(_)));
    }

    /// With the settings of a new link.
    fn begin_ipv6_on(&mut self, name: &LinkName) {
        for setting in [Sysctl::DisableIpv6, Sysctl::AcceptRa, Sysctl::Autoconf] {
            if let Some(value) = self.by_default(&setting) {
                self.sysctls.insert(setting(name.clone()), value);
            }
        }
    }

    /// What of IPv6 a link has to lose.
    pub(super) fn ipv6_settings_of(&self, name: &LinkName) -> impl Iterator<Item = (&Sysctl, i32)> {
        let of_link =
            self.sysctls.iter().filter(move |(sysctl, _)| sysctl.link() == Some(name) && sysctl.is_of_ipv6());
        of_link.map(|(sysctl, value)| (sysctl, *value))
    }
}

impl Observed {
    /// Whether a setting is not there because its link has no room for IPv6: a bridge becomes as narrow as its
    /// narrowest port.
    pub(super) fn went_with_ipv6(&self, place: &Place, sysctl: &Sysctl) -> bool {
        let link = sysctl.link().and_then(|link| self.stack(place)?.links.get(link));
        sysctl.is_of_ipv6() && link.is_some_and(|link| !link.has_room_for_ipv6())
    }
}
