//! The kernel settings this tool reads and writes: `/proc/sys/net`, as named variants.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{address::Family, name::LinkName};

/// A network setting (`Documentation/networking/ip-sysctl.rst`). Values are small integers.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Sysctl {
    /// `net.ipv4.ip_forward`: 0 or 1. Writing it rewrites [`Sysctl::LinkForwarding`] of every link.
    IpForward,
    /// `net.ipv6.conf.all.forwarding`: 0 or 1. Writing 1 drops default routes learned from router
    /// advertisements, but for links whose [`Sysctl::AcceptRa`] is 2.
    Ipv6Forwarding,
    /// `net.ipv{4,6}.conf.LINK.forwarding`: 0 or 1.
    LinkForwarding(Family, LinkName),
    /// `net.ipv6.conf.LINK.accept_ra`: 0 never, 1 unless forwarding, 2 always.
    AcceptRa(LinkName),
    /// `net.ipv6.conf.LINK.autoconf`: 0 or 1.
    Autoconf(LinkName),
    /// `net.ipv6.conf.LINK.disable_ipv6`: 0 or 1.
    DisableIpv6(LinkName),
    /// `net.ipv6.conf.LINK.addr_gen_mode`: how a link-local address is made when the link comes up;
    /// 1 makes none (`IN6_ADDR_GEN_MODE_NONE` of `linux/if_link.h`).
    AddrGenMode(LinkName),
    /// `net.ipv4.conf.all.accept_redirects`: 0 or 1. Every switch of [`Sysctl::IpForward`] sets it
    /// to the opposite (`inet_forward_change` in `net/ipv4/devinet.c`).
    AcceptRedirects,
    /// `net.ipv4.conf.LINK.route_localnet`: 0 or 1; 1 lets 127.0.0.0/8 cross the link.
    RouteLocalnet(LinkName),
    /// Any other setting that each netns has its own of.
    Named(NamedSetting),
}

/// A setting of one netns by its dotted name, such as `net.ipv4.tcp_syncookies`.
///
/// Only what a netns owns, and what cannot lead out of it: `net.ipv4.`, `net.ipv6.` and `net.core.`,
/// then small letters, digits, `_`, `-` and dots.
///
/// ```
/// use netns_engine::sysctl::NamedSetting;
///
/// assert!(NamedSetting::new("net.ipv4.conf.all.rp_filter").is_ok());
/// assert!(NamedSetting::new("kernel.panic").is_err());
/// assert!(NamedSetting::new("net.ipv4/../../kernel.panic").is_err());
/// ```
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NamedSetting(String);

/// A text that is not the name of a netns' setting.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("'{}' is not a setting of a netns: it must start with net.ipv4., net.ipv6. or net.core.", .0.escape_debug())]
pub struct SettingError(pub String);

impl NamedSetting {
    /// Checks `name`.
    ///
    /// # Errors
    ///
    /// Returns the text if it is no such name.
    pub fn new(name: impl Into<String>) -> Result<Self, SettingError> {
        let name = name.into();
        let own = ["net.ipv4.", "net.ipv6.", "net.core."].iter().any(|start| name.starts_with(start));
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-' | '.');
        let whole = name.split('.').all(|part| !part.is_empty());
        if own && whole && name.chars().all(plain) { Ok(Self(name)) } else { Err(SettingError(name)) }
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for NamedSetting {
    type Error = SettingError;

    fn try_from(name: String) -> Result<Self, SettingError> {
        Self::new(name)
    }
}

impl From<NamedSetting> for String {
    fn from(setting: NamedSetting) -> Self {
        setting.0
    }
}

impl Sysctl {
    /// The switch for forwarding of a whole family.
    #[must_use]
    pub fn forwarding(family: Family) -> Self {
        match family {
            Family::Ipv4 => Self::IpForward,
            Family::Ipv6 => Self::Ipv6Forwarding,
        }
    }

    /// Returns all settings of a stack as a whole; each of them after those that change it.
    #[must_use]
    pub fn of_stack() -> [Self; 3] {
        [Self::IpForward, Self::Ipv6Forwarding, Self::AcceptRedirects]
    }

    /// Returns all settings of a link.
    #[must_use]
    pub fn of_link(link: &LinkName) -> [Self; 7] {
        [
            Self::LinkForwarding(Family::Ipv4, link.clone()),
            Self::LinkForwarding(Family::Ipv6, link.clone()),
            Self::AcceptRa(link.clone()),
            Self::Autoconf(link.clone()),
            Self::DisableIpv6(link.clone()),
            Self::AddrGenMode(link.clone()),
            Self::RouteLocalnet(link.clone()),
        ]
    }

    /// Returns the link the setting belongs to, unless it is global.
    #[must_use]
    pub fn link(&self) -> Option<&LinkName> {
        match self {
            Self::IpForward | Self::Ipv6Forwarding | Self::AcceptRedirects | Self::Named(_) => None,
            Self::LinkForwarding(_, link)
            | Self::AcceptRa(link)
            | Self::Autoconf(link)
            | Self::DisableIpv6(link)
            | Self::AddrGenMode(link)
            | Self::RouteLocalnet(link) => Some(link),
        }
    }

    /// The path below `/proc/sys/`, which `sysctl(8)` takes too (it reads `/` as a separator, so
    /// that a dot in a link's name stays a dot).
    #[must_use]
    pub fn path(&self) -> String {
        let of_link = |family: Family, link: &LinkName, leaf: &str| {
            let version = if family == Family::Ipv4 { "ipv4" } else { "ipv6" };
            format!("net/{version}/conf/{link}/{leaf}")
        };
        match self {
            Self::IpForward => "net/ipv4/ip_forward".to_owned(),
            Self::Ipv6Forwarding => "net/ipv6/conf/all/forwarding".to_owned(),
            Self::AcceptRedirects => "net/ipv4/conf/all/accept_redirects".to_owned(),
            Self::LinkForwarding(family, link) => of_link(*family, link, "forwarding"),
            Self::AcceptRa(link) => of_link(Family::Ipv6, link, "accept_ra"),
            Self::Autoconf(link) => of_link(Family::Ipv6, link, "autoconf"),
            Self::DisableIpv6(link) => of_link(Family::Ipv6, link, "disable_ipv6"),
            Self::AddrGenMode(link) => of_link(Family::Ipv6, link, "addr_gen_mode"),
            Self::RouteLocalnet(link) => of_link(Family::Ipv4, link, "route_localnet"),
            Self::Named(setting) => setting.as_str().replace('.', "/"),
        }
    }
}

impl fmt::Display for Sysctl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path();
        match self.link() {
            Some(link) if link.as_str().contains('.') => f.write_str(&path),
            _ => f.write_str(&path.replace('/', ".")),
        }
    }
}
