//! The sets and maps of the own table.

use crate::address::Family;

/// A set, or a map, of the own table.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum Set {
    /// Source network and uplink of traffic that is masqueraded.
    Masquerade(Family),
    /// Source network and uplink of traffic that gets one fixed source address.
    Snat(Family),
    /// Pairs of links that new connections may take although one of them is guarded or confined.
    Egress,
    /// Links that nothing new is forwarded to.
    Guards,
    /// Links that nothing new is forwarded from.
    Confined,
    /// Guarded links as pairs with themselves: what comes from such a link and goes back to it.
    Hairpins,
    /// Ports published on one address.
    Forwards(Family),
    /// Ports published on every address of the host.
    WildcardForwards(Family),
}

/// A data type of nftables, as far as our sets use it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Column {
    /// An address or, in a set of ranges, a network.
    Address(Family),
    /// The name of a link.
    Link,
    /// The number of a transport protocol.
    Protocol,
    /// A port.
    Port,
}

use Family::{Ipv4, Ipv6};

impl Set {
    /// Every set, in the order they are made and listed.
    pub(crate) const ALL: [Self; 12] = [
        Self::Masquerade(Ipv4),
        Self::Masquerade(Ipv6),
        Self::Snat(Ipv4),
        Self::Snat(Ipv6),
        Self::Egress,
        Self::Guards,
        Self::Confined,
        Self::Hairpins,
        Self::Forwards(Ipv4),
        Self::Forwards(Ipv6),
        Self::WildcardForwards(Ipv4),
        Self::WildcardForwards(Ipv6),
    ];

    /// Returns whether it holds port forwards.
    pub(crate) fn has_forwards(self) -> bool {
        matches!(self, Self::Forwards(_) | Self::WildcardForwards(_))
    }

    /// Returns the name inside the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Masquerade(Ipv4) => "masquerade4",
            Self::Masquerade(Ipv6) => "masquerade6",
            Self::Snat(Ipv4) => "snat4",
            Self::Snat(Ipv6) => "snat6",
            Self::Egress => "egress",
            Self::Guards => "guards",
            Self::Confined => "confined",
            Self::Hairpins => "hairpins",
            Self::Forwards(Ipv4) => "forwards4",
            Self::Forwards(Ipv6) => "forwards6",
            Self::WildcardForwards(Ipv4) => "wildcard_forwards4",
            Self::WildcardForwards(Ipv6) => "wildcard_forwards6",
        }
    }

    /// Returns what a key is made of.
    pub(crate) fn key(self) -> &'static [Column] {
        match self {
            Self::Masquerade(Ipv4) | Self::Snat(Ipv4) => &[Column::Address(Ipv4), Column::Link],
            Self::Masquerade(Ipv6) | Self::Snat(Ipv6) => &[Column::Address(Ipv6), Column::Link],
            Self::Egress | Self::Hairpins => &[Column::Link, Column::Link],
            Self::Guards | Self::Confined => &[Column::Link],
            Self::Forwards(Ipv4) => &[Column::Address(Ipv4), Column::Protocol, Column::Port],
            Self::Forwards(Ipv6) => &[Column::Address(Ipv6), Column::Protocol, Column::Port],
            Self::WildcardForwards(_) => &[Column::Protocol, Column::Port],
        }
    }

    /// Returns what a key leads to; nothing for a set that is no map.
    pub(crate) fn value(self) -> &'static [Column] {
        match self {
            Self::Snat(Ipv4) => &[Column::Address(Ipv4)],
            Self::Snat(Ipv6) => &[Column::Address(Ipv6)],
            Self::Forwards(Ipv4) | Self::WildcardForwards(Ipv4) => &[Column::Address(Ipv4), Column::Port],
            Self::Forwards(Ipv6) | Self::WildcardForwards(Ipv6) => &[Column::Address(Ipv6), Column::Port],
            _ => &[],
        }
    }

    /// Returns whether its keys are ranges: networks instead of single addresses.
    pub(crate) fn has_ranges(self) -> bool {
        matches!(self, Self::Masquerade(_) | Self::Snat(_))
    }
}

impl Column {
    /// Returns the name of the type in nft's language.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Address(Ipv4) => "ipv4_addr",
            Self::Address(Ipv6) => "ipv6_addr",
            Self::Link => "ifname",
            Self::Protocol => "inet_proto",
            Self::Port => "inet_service",
        }
    }

    /// Returns the size in bytes.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::Address(Ipv4) => 4,
            // `IFNAMSIZ` (`linux/if.h`) happens to be as long as an IPv6 address.
            Self::Address(Ipv6) | Self::Link => 16,
            Self::Protocol => 1,
            Self::Port => 2,
        }
    }
}
