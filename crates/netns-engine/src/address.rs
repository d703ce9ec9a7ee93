//! Link-layer addresses and the words for IP ones.
//!
//! An interface address with its prefix length is an [`IpNet`] with host bits (`10.0.0.1/24`), a
//! network one without (`10.0.0.0/24`, from [`IpNet::trunc`]).

use std::{fmt, net::IpAddr, str::FromStr};

pub use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize, Serializer};
use smol_str::SmolStr;

/// The smallest MTU of a link with IPv6, in bytes (RFC 8200, section 5; `IPV6_MIN_MTU` in `linux/ipv6.h`). When it
/// becomes smaller, the kernel takes all of IPv6 off the link, with its settings (`addrconf_notify` in
/// `net/ipv6/addrconf.c`).
pub const LEAST_IPV6_MTU_BYTES: u32 = 1280;

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Family {
    /// Returns the family of `address`.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::Ipv4 } else { Self::Ipv6 }
    }

    /// Returns the family of `network`.
    #[must_use]
    pub fn of_net(network: &IpNet) -> Self {
        Self::of(network.addr())
    }

    /// The network that holds every address: `0.0.0.0/0` or `::/0`.
    #[must_use]
    pub fn everything(self) -> IpNet {
        match self {
            Self::Ipv4 => IpNet::V4(Ipv4Net::default()),
            Self::Ipv6 => IpNet::V6(Ipv6Net::default()),
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
        })
    }
}

/// Reads an interface address: an IP address with its prefix length, such as `10.0.0.1/24`.
///
/// # Errors
///
/// Tells what is missing. A bare address is refused, where `ip(8)` would take it for a network of
/// one: what follows from that is not what anybody wants to find out later.
///
/// ```
/// use netns_engine::address::interface_address;
///
/// assert!(interface_address("10.0.0.1/24").is_ok());
/// let bare = interface_address("10.0.0.1").unwrap_err();
/// assert_eq!(bare.to_string(), "address '10.0.0.1' lacks its prefix length, such as 10.0.0.1/24");
/// ```
pub fn interface_address(text: &str) -> Result<IpNet, InterfaceAddressError> {
    match (text.parse(), text.parse::<IpAddr>()) {
        (Ok(net), _) => Ok(net),
        (Err(_), Ok(address)) => Err(InterfaceAddressError::NoPrefix { address }),
        (Err(_), Err(_)) => Err(InterfaceAddressError::Malformed { text: text.to_owned() }),
    }
}

/// Why a text is no interface address.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InterfaceAddressError {
    /// An address, but no network around it.
    #[error("address '{address}' lacks its prefix length, such as {address}/{}", if address.is_ipv4() { 24 } else { 64 })]
    NoPrefix {
        /// The address.
        address: IpAddr,
    },
    /// No address at all.
    #[error("'{}' is not an address with a prefix length, such as 10.0.0.1/24 or fd00::1/64", text.escape_debug())]
    Malformed {
        /// The rejected text.
        text: String,
    },
}

/// An Ethernet address: six octets, written `02:42:ac:11:00:02`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Deserialize)]
#[serde(try_from = "SmolStr")]
pub struct MacAddress([u8; 6]);

impl MacAddress {
    /// Six times two digits, and a colon between them.
    const TEXT_BYTES: usize = 17;

    /// Takes six octets as the kernel reported them.
    #[must_use]
    pub fn from_octets(octets: [u8; 6]) -> Self {
        Self(octets)
    }

    /// Derives a stable, locally administered unicast address from `seed`.
    ///
    /// The same seed gives the same address on every host and in every run, so that a bridge keeps
    /// its address however its ports come and go.
    #[must_use]
    pub fn derived_from(seed: &str) -> Self {
        Self::from_hash(stable_hash(seed))
    }

    /// Derives one from what `parts` are with slashes between them.
    pub(crate) fn derived_from_path(parts: [&str; 3]) -> Self {
        let [first, second, third] = parts.map(str::bytes);
        let slash = || std::iter::once(b'/');
        Self::from_hash(stable_hash_of(first.chain(slash()).chain(second).chain(slash()).chain(third)))
    }

    fn from_hash(hash: u64) -> Self {
        let [first, rest @ .., _, _] = hash.to_be_bytes();
        let mut octets = [0; 6];
        octets[1..].copy_from_slice(&rest);
        // IEEE 802: bit 1 of the first octet marks local administration, bit 0 multicast.
        octets[0] = (first & 0xfc) | 0x02;
        Self(octets)
    }

    /// Notes and plans hold thousands of them: digit by digit takes a tenth of what formatting takes.
    fn text(self) -> String {
        const DIGITS: [char; 16] =
            ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
        let mut text = String::with_capacity(Self::TEXT_BYTES);
        for octet in self.0 {
            if !text.is_empty() {
                text.push(':');
            }
            text.push(DIGITS[usize::from(octet >> 4)]);
            text.push(DIGITS[usize::from(octet & 0xf)]);
        }
        text
    }

    /// Returns the six octets.
    #[must_use]
    pub fn octets(self) -> [u8; 6] {
        self.0
    }
}

/// FNV-1a over 64 bits: stable across Rust releases, which [`std::hash`] does not promise.
pub(crate) fn stable_hash(text: &str) -> u64 {
    stable_hash_of(text.bytes())
}

fn stable_hash_of(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl Serialize for MacAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

impl FromStr for MacAddress {
    type Err = MacAddressError;

    fn from_str(text: &str) -> Result<Self, MacAddressError> {
        let wrong = || MacAddressError::Malformed { text: text.to_owned() };
        if text.len() != Self::TEXT_BYTES {
            return Err(wrong());
        }
        let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let mut octets = [0; 6];
        for (octet, part) in octets.iter_mut().zip(text.as_bytes().chunks(3)) {
            let ([high, low] | [high, low, b':']) = part else { return Err(wrong()) };
            *octet = digit(high).ok_or_else(wrong)? << 4 | digit(low).ok_or_else(wrong)?;
        }
        if octets[0] & 1 == 1 || octets == [0; 6] {
            return Err(MacAddressError::NotUnicast { text: text.to_owned() });
        }
        Ok(Self(octets))
    }
}

impl TryFrom<SmolStr> for MacAddress {
    type Error = MacAddressError;

    fn try_from(text: SmolStr) -> Result<Self, MacAddressError> {
        text.parse()
    }
}

/// Why a text is not the [`MacAddress`] of a link.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MacAddressError {
    /// Not six two-digit hexadecimal numbers with colons between them.
    #[error("MAC address '{}' is not six hexadecimal octets such as 02:00:00:00:00:01", text.escape_debug())]
    Malformed {
        /// The rejected text.
        text: String,
    },
    /// A multicast or all-zero address, which no link can have.
    #[error("MAC address '{}' is multicast or zero; the first octet must be even, such as 02", text.escape_debug())]
    NotUnicast {
        /// The rejected text.
        text: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mac_addresses_survive_the_way_through_text() {
        let mac = MacAddress::derived_from("br0");
        assert_eq!(
            MacAddress::derived_from("lab/red/eth0"),
            MacAddress::derived_from_path(["lab", "red", "eth0"])
        );
        assert_eq!(mac.to_string().parse(), Ok(mac));
        assert_eq!(mac.octets()[0] & 3, 2, "locally administered unicast");
        assert_eq!("0A:bC:00:ff:10:01".parse(), Ok(MacAddress::from_octets([0x0a, 0xbc, 0, 0xff, 0x10, 1])));
        for wrong in [
            "",
            "02:00:00:00:00",
            "02:00:00:00:00:01:02",
            "2:0:0:0:0:1",
            "02-00-00-00-00-01",
            "02:00:00:00:00:+1",
            "02:00:00:00:00:é",
            "01:00:5e:00:00:01",
        ] {
            assert!(wrong.parse::<MacAddress>().is_err(), "{wrong}");
        }
    }
}
