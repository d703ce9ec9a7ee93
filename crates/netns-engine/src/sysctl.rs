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
    /// `net.ipv4.conf.LINK.promote_secondaries`: 0 or 1; with 0, the first address of a subnet takes all others in it
    /// along when it goes (`__inet_del_ifa` in `net/ipv4/devinet.c`).
    PromoteSecondaries(LinkName),
    /// Any other setting that each netns has its own of.
    Named(NamedSetting),
}

/// A setting of one netns by its name, such as `net.ipv4.tcp_syncookies`.
///
/// Only what a netns owns, and what cannot lead out of it: `net.ipv4.`, `net.ipv6.` and `net.core.`,
/// then small letters, digits, `_`, `-` and dots. As in `sysctl(8)` a name whose parts are separated by dots has
/// a slash where the name of a link has a dot; one with slashes is the path below `/proc/sys/`.
///
/// ```
/// use netns_engine::sysctl::NamedSetting;
///
/// assert!(NamedSetting::new("net.ipv4.conf.all.rp_filter").is_ok());
/// assert!(NamedSetting::new("kernel.panic").is_err());
/// assert!(NamedSetting::new("net.ipv4.conf.//.panic").is_err());
/// let path = NamedSetting::new("net/ipv4/conf/eth0.1/forwarding")?;
/// assert_eq!(path.as_str(), "net.ipv4.conf.eth0/1.forwarding");
/// # Ok::<(), netns_engine::sysctl::SettingError>(())
/// ```
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NamedSetting {
    name: String,
    /// The link it belongs to, unless it is of the whole netns.
    link: Option<LinkName>,
}

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
        let text = name.into();
        let is_path = text.find(['.', '/']).is_some_and(|at| text.as_bytes()[at] == b'/');
        let name = if is_path { dots_for_slashes(&text) } else { text.clone() };
        let parts: Vec<_> = name.split('.').collect();
        let own = matches!(parts.as_slice(), ["net", "ipv4" | "ipv6" | "core", _, ..]);
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
        let is_plain = |part: &str| !part.is_empty() && part.chars().all(plain);
        let (link, right) = match parts.as_slice() {
            ["net", "ipv4" | "ipv6", "conf" | "neigh", link, key] => {
                let link = link_called(link);
                let right = link.is_some() && is_plain(key);
                (link.filter(|link| !matches!(link.as_str(), "all" | "default")), right)
            }
            ["net", "ipv4" | "ipv6", "conf" | "neigh", ..] => (None, false),
            parts => (None, own && parts.iter().all(|part| is_plain(part))),
        };
        if right { Ok(Self { name, link }) } else { Err(SettingError(text)) }
    }

    /// Returns the setting that new links of the netns get this one from, for one of a link.
    #[must_use]
    pub fn of_default(&self) -> Option<Self> {
        self.link.as_ref()?;
        let mut parts: Vec<_> = self.name.split('.').collect();
        *parts.get_mut(3)? = "default";
        Self::new(parts.join(".")).ok()
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.name
    }
}

/// The link that a part of a name with dots stands for.
fn link_called(part: &str) -> Option<LinkName> {
    let harmless = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    LinkName::new(dots_for_slashes(part)).ok().filter(|link| link.as_str().chars().all(harmless))
}

/// From one way of writing a setting to the other.
fn dots_for_slashes(name: &str) -> String {
    let other = |c| match c {
        '.' => '/',
        '/' => '.',
        c => c,
    };
    name.chars().map(other).collect()
}

impl TryFrom<String> for NamedSetting {
    type Error = SettingError;

    fn try_from(name: String) -> Result<Self, SettingError> {
        Self::new(name)
    }
}

impl From<NamedSetting> for String {
    fn from(setting: NamedSetting) -> Self {
        setting.name
    }
}

impl From<NamedSetting> for Sysctl {
    /// What has a variant is that, so that no setting has two names.
    fn from(setting: NamedSetting) -> Self {
        let path = dots_for_slashes(setting.as_str());
        let of_link = setting.link.iter().flat_map(Self::of_link);
        let known = Self::of_stack().into_iter().chain(of_link).find(|known| known.path() == path);
        known.unwrap_or(Self::Named(setting))
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
    pub fn of_link(link: &LinkName) -> [Self; 8] {
        [
            Self::LinkForwarding(Family::Ipv4, link.clone()),
            Self::LinkForwarding(Family::Ipv6, link.clone()),
            Self::AcceptRa(link.clone()),
            Self::Autoconf(link.clone()),
            Self::DisableIpv6(link.clone()),
            Self::AddrGenMode(link.clone()),
            Self::RouteLocalnet(link.clone()),
            Self::PromoteSecondaries(link.clone()),
        ]
    }

    /// Returns the link the setting belongs to, unless it is global.
    #[must_use]
    pub fn link(&self) -> Option<&LinkName> {
        match self {
            Self::IpForward | Self::Ipv6Forwarding | Self::AcceptRedirects => None,
            Self::Named(setting) => setting.link.as_ref(),
            Self::LinkForwarding(_, link)
            | Self::AcceptRa(link)
            | Self::Autoconf(link)
            | Self::DisableIpv6(link)
            | Self::AddrGenMode(link)
            | Self::RouteLocalnet(link)
            | Self::PromoteSecondaries(link) => Some(link),
        }
    }

    /// Returns the setting of a link, or of `default`, that the kernel overwrites with this one of all links; none if
    /// it keeps the two apart.
    ///
    /// Nearly all it keeps apart. These it copies whenever they are written (`addrconf_disable_ipv6` and its likes in
    /// `net/ipv6/addrconf.c`); the switches for forwarding are no [`NamedSetting`]s.
    #[must_use]
    pub fn copied_to(&self, link: &LinkName) -> Option<Self> {
        let Self::Named(setting) = self else { return None };
        let key = setting.as_str().strip_prefix("net.ipv6.conf.all.")?;
        let is_copied = match key {
            "addr_gen_mode" | "disable_ipv6" | "ignore_routes_with_linkdown" => true,
            "force_forwarding" => link.as_str() != "default",
            _ => false,
        };
        let copy = NamedSetting::new(format!("net/ipv6/conf/{link}/{key}")).ok().filter(|_| is_copied);
        copy.map(Self::from)
    }

    /// Whether the kernel overwrites settings of links with it.
    #[must_use]
    pub fn is_copied(&self) -> bool {
        self.copied_to(&LinkName::from_kernel("lo")).is_some()
    }

    /// Whether it goes where IPv6 goes.
    #[must_use]
    pub fn is_of_ipv6(&self) -> bool {
        self.path().starts_with("net/ipv6/")
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
            Self::PromoteSecondaries(link) => of_link(Family::Ipv4, link, "promote_secondaries"),
            Self::Named(setting) => dots_for_slashes(setting.as_str()),
        }
    }
}

impl fmt::Display for Sysctl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path();
        match (self, self.link()) {
            (Self::Named(setting), _) => f.write_str(setting.as_str()),
            (_, Some(link)) if link.as_str().contains('.') => f.write_str(&path),
            _ => f.write_str(&path.replace('/', ".")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_in_the_name_of_a_link_is_no_separator() {
        let forms = ["net.ipv4.conf.eth0/1.rp_filter", "net/ipv4/conf/eth0.1/rp_filter"];
        let [dotted, path] = forms.map(|form| Sysctl::from(NamedSetting::new(form).unwrap()));
        assert_eq!(dotted, path);
        assert_eq!(dotted.path(), "net/ipv4/conf/eth0.1/rp_filter");
        assert_eq!(dotted.to_string(), "net.ipv4.conf.eth0/1.rp_filter");
        assert_eq!(dotted.link(), Some(&LinkName::new("eth0.1").unwrap()));
    }

    #[test]
    fn few_settings_of_all_links_are_copied_to_each() {
        let named = |name| Sysctl::from(NamedSetting::new(name).unwrap());
        let copy = |name, link| named(name).copied_to(&LinkName::new(link).unwrap());
        let link = LinkName::new("eth0.1").unwrap();
        assert_eq!(copy("net.ipv6.conf.all.disable_ipv6", "eth0.1"), Some(Sysctl::DisableIpv6(link)));
        let of_default = named("net.ipv6.conf.default.disable_ipv6");
        assert_eq!(copy("net.ipv6.conf.all.disable_ipv6", "default"), Some(of_default));
        for name in
            ["net.ipv6.conf.lo.disable_ipv6", "net.ipv6.conf.all.accept_ra", "net.ipv4.conf.all.rp_filter"]
        {
            assert!(!named(name).is_copied(), "{name}");
        }
    }

    #[test]
    fn no_setting_has_two_names() {
        let named = |name| Sysctl::from(NamedSetting::new(name).unwrap());
        let link = LinkName::new("eth0.1").unwrap();
        assert_eq!(named("net.ipv6.conf.eth0/1.accept_ra"), Sysctl::AcceptRa(link.clone()));
        assert_eq!(named("net/ipv4/conf/eth0.1/forwarding"), Sysctl::LinkForwarding(Family::Ipv4, link));
        assert_eq!(named("net.ipv4.ip_forward"), Sysctl::IpForward);
        let setting = named("net.ipv4.conf.all.rp_filter");
        assert!(matches!(setting, Sysctl::Named(_)) && setting.link().is_none());
    }

    #[test]
    fn no_name_leads_out_of_the_settings_of_a_netns() {
        for name in [
            "kernel.panic",
            "net.ipv4",
            "net.unix.max_dgram_qlen",
            "net.ipv4.conf.eth0.1.forwarding",
            "net.ipv4.conf.eth0",
            "net.ipv4.//.panic",
            "net.ipv4.conf.//.panic",
            "net.ipv4.conf./.panic",
            "net/ipv4/../../kernel/panic",
            "net/ipv4/conf/../panic",
            "net.ipv4.conf.a$b.forwarding",
            "net.ipv4..tcp_syncookies",
            "/net/ipv4/tcp_syncookies",
        ] {
            assert_eq!(NamedSetting::new(name), Err(SettingError(name.to_owned())));
        }
    }
}
