//! Links with their flags, and what a bridge says of itself and its ports.

use super::{super::message, Attributes, Rtnetlink, mac_in, settings, u16_at, u32_at};
use crate::{
    diagnose::scene::{Bridge, Link, Peer, Port, PortState},
    kernel::refusal::Refusal,
    name::LinkName,
};

/// The length of a `struct ifinfomsg` (`linux/rtnetlink.h`).
pub(super) const HEADER_BYTES: usize = 16;

/// A link with what belongs to it.
#[derive(Clone, Debug)]
pub(crate) struct DetailedLink {
    pub(crate) link: Link,
    /// The id by which its netns knows that of the other end; none if it is the same one.
    pub(crate) peer_netns: Option<i32>,
    /// Its settings, by their path below `/proc/sys`; none if it is a port of a bridge, which takes all that comes in.
    pub(crate) settings: Vec<(String, i64)>,
}

impl Rtnetlink {
    /// Returns every link, in the order of their indices, so far without addresses and VLANs.
    pub(crate) fn detailed_links(&mut self) -> Result<Vec<DetailedLink>, Refusal> {
        /// `RTEXT_FILTER_SKIP_STATS` of `linux/rtnetlink.h`: counters are most of an answer.
        const SKIP_STATISTICS: u32 = 1 << 3;
        let mut links = self.detail(message::GET_LINK, question(0, SKIP_STATISTICS), read)?;
        links.sort_by_key(|detailed| detailed.link.index);
        Ok(links)
    }
}

/// A question about all links of a family, with `IFLA_EXT_MASK`.
pub(super) fn question(family: u8, mask: u32) -> Vec<u8> {
    const IFLA_EXT_MASK: u16 = 29;
    let mut payload = vec![family];
    payload.resize(HEADER_BYTES, 0);
    payload.extend_from_slice(&8_u16.to_ne_bytes());
    payload.extend_from_slice(&IFLA_EXT_MASK.to_ne_bytes());
    payload.extend_from_slice(&mask.to_ne_bytes());
    payload
}

/// `IFLA_*` of `linux/if_link.h`.
mod attribute {
    pub(super) const ADDRESS: u16 = 1;
    pub(super) const NAME: u16 = 3;
    pub(super) const MTU: u16 = 4;
    pub(super) const LINK: u16 = 5;
    pub(super) const MASTER: u16 = 10;
    pub(super) const INFO: u16 = 18;
    pub(super) const ALIAS: u16 = 20;
    pub(super) const LINK_NETNS: u16 = 37;
    /// Inside `INFO`: `IFLA_INFO_*`.
    pub(super) const KIND: u16 = 1;
    pub(super) const DATA: u16 = 2;
    pub(super) const PORT_KIND: u16 = 4;
    pub(super) const PORT_DATA: u16 = 5;
}

fn read(payload: &[u8]) -> Option<DetailedLink> {
    /// `IFF_*` of `linux/if.h`.
    const UP: u32 = 1;
    const NO_ARP: u32 = 1 << 7;
    const LOWER_UP: u32 = 1 << 16;
    let flags = u32_at(payload, 8)?;
    let attributes = Attributes::behind(payload, HEADER_BYTES);
    let info = attributes.nested(attribute::INFO);
    let kind = kind(payload, info);
    let link = Link {
        index: u32_at(payload, 4)?,
        name: LinkName::from_kernel(attributes.text(attribute::NAME)?),
        up: flags & UP != 0,
        carrier: flags & LOWER_UP != 0,
        arp: flags & NO_ARP == 0,
        mac: attributes.get(attribute::ADDRESS).and_then(mac_in),
        mtu_bytes: attributes.u32(attribute::MTU).unwrap_or_default(),
        master: attributes.u32(attribute::MASTER),
        // Zero where the other end is gone, or a tunnel is bound to no link.
        peer: attributes
            .u32(attribute::LINK)
            .filter(|index| *index != 0)
            .map(|index| Peer { stack: None, index }),
        bridge: (kind == "bridge").then(|| bridge(info.nested(attribute::DATA))),
        port: (info.text(attribute::PORT_KIND).as_deref() == Some("bridge"))
            .then(|| port(info.nested(attribute::PORT_DATA))),
        addresses: Vec::new(),
        ours: attributes.text(attribute::ALIAS).as_deref() == Some(super::super::raw_link::MARK),
        kind,
    };
    Some(DetailedLink {
        peer_netns: attributes.u32(attribute::LINK_NETNS).map(u32::cast_signed),
        settings: if link.port.is_none() { settings::of_link(&link.name, attributes) } else { Vec::new() },
        link,
    })
}

fn kind(payload: &[u8], info: Attributes<'_>) -> String {
    /// `ARPHRD_LOOPBACK` of `linux/if_arp.h`.
    const LOOPBACK: u16 = 772;
    if u16_at(payload, 2) == Some(LOOPBACK) {
        return "loopback".to_owned();
    }
    info.text(attribute::KIND).unwrap_or_else(|| "physical".to_owned())
}

/// Reads `IFLA_BR_*` of `linux/if_link.h`.
fn bridge(data: Attributes<'_>) -> Bridge {
    const STP_STATE: u16 = 5;
    const VLAN_FILTERING: u16 = 7;
    const NF_CALL_IPTABLES: u16 = 36;
    const NF_CALL_IP6TABLES: u16 = 37;
    Bridge {
        vlan_filtering: data.is_set(VLAN_FILTERING),
        stp: data.u32(STP_STATE).is_some_and(|state| state != 0),
        calls_iptables: data.is_set(NF_CALL_IPTABLES),
        calls_ip6tables: data.is_set(NF_CALL_IP6TABLES),
    }
}

/// Reads `IFLA_BRPORT_*` of `linux/if_link.h`.
fn port(data: Attributes<'_>) -> Port {
    const STATE: u16 = 1;
    const MODE: u16 = 4;
    const ISOLATED: u16 = 33;
    Port {
        state: match data.get(STATE).and_then(|value| value.first()) {
            Some(1) => PortState::Listening,
            Some(2) => PortState::Learning,
            Some(3) => PortState::Forwarding,
            Some(4) => PortState::Blocking,
            _ => PortState::Disabled,
        },
        isolated: data.is_set(ISOLATED),
        hairpin: data.is_set(MODE),
        vlans: Vec::new(),
    }
}
