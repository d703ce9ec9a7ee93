//! A netns plugged into a bridge, with everything it needs to talk.

use std::{
    net::{AddrParseError, IpAddr},
    str::FromStr,
};

use ipnet::IpNet;

use crate::{
    address::stable_hash,
    name::{LinkName, NetnsName},
    place::LinkAt,
};

/// A netns as a user of a bridge: cable, address, loopback, default route.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attachment {
    /// The netns.
    pub netns: NetnsName,
    /// The bridge; its own address is the gateway.
    pub bridge: LinkName,
    /// The address in the netns.
    pub address: AddressChoice,
    /// Name of the link in the netns.
    pub link: LinkName,
}

/// Which address a netns gets on a bridge.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum AddressChoice {
    /// The lowest free one of each of the bridge's networks.
    #[default]
    Auto,
    /// This one, in whichever of the bridge's networks holds it.
    Address(IpAddr),
    /// This one, whose prefix length must be that of the bridge's network.
    AddressInNetwork(IpNet),
}

impl FromStr for AddressChoice {
    type Err = AddrParseError;

    /// Reads `auto`, `192.168.100.20` or `192.168.100.20/16`.
    fn from_str(text: &str) -> Result<Self, AddrParseError> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        match text.parse() {
            Ok(net) => Ok(Self::AddressInNetwork(net)),
            Err(_) => text.parse().map(Self::Address),
        }
    }
}

impl Attachment {
    /// Names the link inside.
    #[must_use]
    pub fn inner_end(&self) -> LinkAt {
        LinkAt::inside(self.netns.clone(), self.link.clone())
    }

    /// Names the port on the host.
    #[must_use]
    pub fn host_end(&self) -> LinkAt {
        LinkAt::on_host(host_end(&self.netns, &self.link))
    }
}

/// Names the host's end of a cable to `link` in `netns`.
///
/// `veth-NETNS` for the first link where it fits into 15 bytes, else a name made of the netns'
/// first letters and a hash, the same in every run. Not `ve-` or `vb-`: systemd-networkd
/// configures links with those prefixes by itself.
pub(crate) fn host_end(netns: &NetnsName, link: &LinkName) -> LinkName {
    let of_first = format!("veth-{netns}");
    let name = if link.as_str() == "eth0" { of_first } else { format!("{of_first}-{link}") };
    if name.len() <= LinkName::MAX_BYTES && !name.contains('%') {
        return LinkName::from_kernel(name);
    }
    let start: String = netns.as_str().chars().take(4).collect();
    let hash = stable_hash(&name) & 0xff_ffff;
    LinkName::from_kernel(format!("veth{start}-{hash:06x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attachment(netns: &str, link: &str) -> Attachment {
        Attachment {
            netns: netns.parse().unwrap(),
            bridge: "br0".parse().unwrap(),
            address: AddressChoice::Auto,
            link: link.parse().unwrap(),
        }
    }

    #[test]
    fn host_ends_fit_and_differ() {
        assert_eq!(attachment("ns1", "eth0").host_end().name.as_str(), "veth-ns1");
        assert_eq!(attachment("ns1", "eth1").host_end().name.as_str(), "veth-ns1-eth1");
        let long = attachment("a-very-long-name-1", "eth0").host_end().name;
        let other = attachment("a-very-long-name-2", "eth0").host_end().name;
        assert!(LinkName::new(long.as_str()).is_ok(), "{long}");
        assert_ne!(long, other);
    }
}
