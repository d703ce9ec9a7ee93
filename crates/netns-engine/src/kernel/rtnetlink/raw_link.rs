//! Links as the kernel tells them.
//!
//! A thousand links may be read at once, each with some fifty attributes, of which ten matter here: so the
//! answer is read as it lies there.

use rustix::io::Errno;

use crate::{
    address::{Family, MacAddress},
    kernel::{netlink::attributes_of, refusal::Refusal},
    name::LinkName,
    observed::LinkKind,
    sysctl::Sysctl,
    topology::Isolation,
};

/// The alias (`IFLA_IFALIAS`, shown by `ip link`) that marks links made by this tool.
pub(super) const MARK: &str = "netns-tool";

/// A link as the kernel lists it: relations by index, not by name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct RawLink {
    pub(crate) index: u32,
    pub(crate) name: LinkName,
    pub(crate) kind: LinkKind,
    pub(crate) up: bool,
    pub(crate) carrier: Carrier,
    pub(crate) mac: Option<MacAddress>,
    pub(crate) mtu_bytes: u32,
    /// Index of the bridge it is a port of.
    pub(crate) master: Option<u32>,
    /// Whether that bridge sends frames back through it.
    pub(crate) hairpin: bool,
    /// Whether the other isolated ports of that bridge do not reach it.
    pub(crate) isolation: Isolation,
    /// Index of a veth's other end, in the netns of `peer_netns`.
    pub(crate) peer: Option<u32>,
    /// The id by which this netns knows the other end's netns; none if it is the same one.
    pub(crate) peer_netns: Option<i32>,
    pub(crate) ours: bool,
    settings: Settings,
}

/// Settings of `/proc/sys/net` that a link tells with everything else; none of a family that it does without.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Settings {
    ipv4_forwarding: Option<i32>,
    ipv6_forwarding: Option<i32>,
    accept_ra: Option<i32>,
}

/// Whether something answers at the other end; of a cable, that both ends are up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Carrier {
    Off,
    On,
}

/// Attributes of `linux/if_link.h`.
pub(super) mod attribute {
    pub(in super::super) const ADDRESS: u16 = 1;
    pub(in super::super) const NAME: u16 = 3;
    pub(in super::super) const MTU: u16 = 4;
    pub(in super::super) const LINK: u16 = 5;
    pub(in super::super) const MASTER: u16 = 10;
    pub(super) const INFO: u16 = 18;
    pub(super) const ALIAS: u16 = 20;
    pub(super) const BY_FAMILY: u16 = 26;
    pub(super) const LINK_NETNS_ID: u16 = 37;
    /// `IFLA_INFO_KIND`, `IFLA_INFO_SLAVE_KIND`, `IFLA_INFO_SLAVE_DATA`, inside of [`INFO`].
    pub(super) const KIND: u16 = 1;
    pub(super) const PORT_KIND: u16 = 4;
    pub(super) const PORT_DATA: u16 = 5;
    /// `IFLA_BRPORT_MODE` and `IFLA_BRPORT_ISOLATED`, inside of [`PORT_DATA`].
    pub(super) const HAIRPIN: u16 = 4;
    pub(super) const ISOLATED: u16 = 33;
    /// `AF_INET` and `AF_INET6`, inside of [`BY_FAMILY`].
    pub(super) const IPV4: u16 = 2;
    pub(super) const IPV6: u16 = 10;
    /// `IFLA_INET_CONF` and `IFLA_INET6_CONF`, inside of those: all settings, one number each.
    pub(super) const IPV4_SETTINGS: u16 = 1;
    pub(super) const IPV6_SETTINGS: u16 = 2;
}

impl RawLink {
    /// Returns what the link told of a setting of its own.
    pub(crate) fn setting(&self, sysctl: &Sysctl) -> Option<i32> {
        match sysctl {
            Sysctl::LinkForwarding(family, _) => self.forwarding(*family),
            Sysctl::AcceptRa(_) => self.settings.accept_ra,
            _ => None,
        }
    }

    /// Returns what the link told of its own switch for forwarding.
    pub(crate) fn forwarding(&self, family: Family) -> Option<i32> {
        match family {
            Family::Ipv4 => self.settings.ipv4_forwarding,
            Family::Ipv6 => self.settings.ipv6_forwarding,
        }
    }
}

/// Reads one link: a `struct ifinfomsg` with attributes behind it (`linux/rtnetlink.h`).
pub(super) fn parse(payload: &[u8]) -> Result<RawLink, Refusal> {
    let malformed = || Refusal::new(Errno::BADMSG).with_message("a link was told in less than its header");
    let (header, attributes) = payload.split_at_checked(16).ok_or_else(malformed)?;
    let mut link = born(header).ok_or_else(malformed)?;
    for (kind, value) in attributes_of(attributes) {
        read_attribute(&mut link, kind, value);
    }
    if link.kind != LinkKind::Veth {
        link.peer = None;
    }
    Ok(link)
}

fn born(header: &[u8]) -> Option<RawLink> {
    /// `ARPHRD_LOOPBACK` of `linux/if_arp.h`.
    const LOOPBACK: u16 = 772;
    /// `IFF_UP` of `linux/if.h`.
    const UP: u32 = 1;
    let layer = u16::from_ne_bytes(header.get(2..4)?.try_into().ok()?);
    let flags = number(header.get(8..12)?)?;
    Some(RawLink {
        index: number(header.get(4..8)?)?,
        name: LinkName::from_kernel(""),
        kind: if layer == LOOPBACK { LinkKind::Loopback } else { LinkKind::Other("physical".to_owned()) },
        up: flags & UP != 0,
        carrier: running(header)?,
        mac: None,
        mtu_bytes: 0,
        master: None,
        hairpin: false,
        isolation: Isolation::Off,
        peer: None,
        peer_netns: None,
        ours: false,
        settings: Settings::default(),
    })
}

/// Whether something answers at the other end.
pub(super) fn running(header: &[u8]) -> Option<Carrier> {
    /// `IFF_LOWER_UP` of `linux/if.h`.
    const CARRIER: u32 = 1 << 16;
    let flags = number(header.get(8..12)?)?;
    Some(if flags & CARRIER == 0 { Carrier::Off } else { Carrier::On })
}

/// Whether what is said of a port is that the other isolated ones do not reach it.
pub(super) fn is_isolated((kind, value): (u16, &[u8])) -> bool {
    kind == attribute::ISOLATED && value == [1]
}

fn read_attribute(link: &mut RawLink, kind: u16, value: &[u8]) {
    match kind {
        attribute::NAME => link.name = LinkName::from_kernel(text(value)),
        attribute::ADDRESS => {
            let octets: Option<[u8; 6]> = value.try_into().ok();
            link.mac = octets.filter(|octets| *octets != [0; 6]).map(MacAddress::from_octets);
        }
        attribute::MTU => link.mtu_bytes = number(value).unwrap_or_default(),
        attribute::MASTER => link.master = number(value),
        attribute::LINK => link.peer = number(value),
        attribute::LINK_NETNS_ID => link.peer_netns = number(value).map(u32::cast_signed),
        attribute::ALIAS => link.ours = text(value) == MARK,
        attribute::INFO => read_info(link, value),
        attribute::BY_FAMILY => read_settings(&mut link.settings, value),
        _ => {}
    }
}

fn read_info(link: &mut RawLink, info: &[u8]) {
    let mut of_bridge = false;
    for (kind, value) in attributes_of(info) {
        match kind {
            attribute::KIND => link.kind = kind_called(&text(value)),
            attribute::PORT_KIND => of_bridge = text(value) == "bridge",
            attribute::PORT_DATA if of_bridge => read_port(link, value),
            _ => {}
        }
    }
}

/// What the bridge says of its port.
fn read_port(link: &mut RawLink, port: &[u8]) {
    for (kind, value) in attributes_of(port) {
        match kind {
            attribute::HAIRPIN => link.hairpin = value == [1],
            _ if is_isolated((kind, value)) => link.isolation = Isolation::On,
            _ => {}
        }
    }
}

fn read_settings(settings: &mut Settings, by_family: &[u8]) {
    /// `IPV4_DEVCONF_FORWARDING` of `linux/ip.h`, where the first is 1.
    const IPV4_FORWARDING: usize = 0;
    /// `DEVCONF_FORWARDING` and `DEVCONF_ACCEPT_RA` of `linux/ipv6.h`.
    const IPV6_FORWARDING: usize = 0;
    const ACCEPT_RA: usize = 3;
    let told = |family: &[u8], kind: u16, setting: usize| {
        let (_, all) = attributes_of(family).find(|(found, _)| *found == kind)?;
        number(all.get(4 * setting..)?.get(..4)?).map(u32::cast_signed)
    };
    for (family, value) in attributes_of(by_family) {
        match family {
            attribute::IPV4 => {
                settings.ipv4_forwarding = told(value, attribute::IPV4_SETTINGS, IPV4_FORWARDING);
            }
            attribute::IPV6 => {
                settings.ipv6_forwarding = told(value, attribute::IPV6_SETTINGS, IPV6_FORWARDING);
                settings.accept_ra = told(value, attribute::IPV6_SETTINGS, ACCEPT_RA);
            }
            _ => {}
        }
    }
}

fn kind_called(name: &str) -> LinkKind {
    match name {
        "bridge" => LinkKind::Bridge,
        "veth" => LinkKind::Veth,
        other => LinkKind::Other(other.to_owned()),
    }
}

fn text(value: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(value.strip_suffix(b"\0").unwrap_or(value))
}

pub(super) fn number(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_ne_bytes)
}
