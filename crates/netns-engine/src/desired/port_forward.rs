//! A port of the host that leads into a netns.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
    str::FromStr,
};

use crate::{
    firewall::{Published, Transport},
    name::{NameError, NetnsName},
};

/// A port published on the host: whoever connects to it talks to a program inside a netns.
///
/// Written `[ADDR:]PORT:NETNS:PORT[/udp]`. Without an address it is published on 127.0.0.1, where
/// only the host itself reaches it.
///
/// ```
/// use netns_engine::desired::PortPublished;
///
/// let web: PortPublished = "8080:red:80".parse()?;
/// assert_eq!(web.published.to_string(), "127.0.0.1:8080/tcp");
/// assert_eq!(web.target.to_string(), "red:80");
/// let dns: PortPublished = "[2001:db8::1]:53:red:53/udp".parse()?;
/// assert_eq!(dns.published.to_string(), "[2001:db8::1]:53/udp");
/// # Ok::<(), netns_engine::desired::PortForwardError>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PortPublished {
    /// Where the host listens.
    pub published: Published,
    /// Where it leads.
    pub target: NetnsPort,
}

/// A port published no longer.
///
/// Written as it was published; `:NETNS:PORT` may be left away.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PortUnpublished {
    /// Where the host listened.
    pub published: Published,
    /// Where it led, if that is to be checked.
    pub target: Option<NetnsPort>,
}

/// A port inside a netns.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NetnsPort {
    /// The netns.
    pub netns: NetnsName,
    /// The port inside, 1 to 65535.
    pub port: u16,
}

/// Why a text names no port forward.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PortForwardError {
    /// Not of the form at all.
    #[error("'{}' is not of the form [ADDR:]PORT:NETNS:PORT[/udp], such as 8080:red:80", text.escape_debug())]
    Malformed {
        /// The rejected text.
        text: String,
    },
    /// Not a number from 1 to 65535.
    #[error("'{}' is not a port: a number from 1 to 65535", text.escape_debug())]
    Port {
        /// The rejected text.
        text: String,
    },
    /// Neither an IPv4 address nor an IPv6 address in brackets.
    #[error("'{}' is not an address, such as 192.0.2.1 or [2001:db8::1]", text.escape_debug())]
    Address {
        /// The rejected text.
        text: String,
    },
    /// Neither `tcp` nor `udp`.
    #[error("'{}' is not a transport protocol: tcp and udp ports can be published", text.escape_debug())]
    Transport {
        /// The rejected text.
        text: String,
    },
    /// No name of a netns.
    #[error(transparent)]
    Netns(#[from] NameError),
}

impl FromStr for PortPublished {
    type Err = PortForwardError;

    fn from_str(text: &str) -> Result<Self, PortForwardError> {
        let (published, target) = parse(text)?;
        let target = target.ok_or_else(|| malformed(text))?;
        Ok(Self { published, target })
    }
}

impl FromStr for PortUnpublished {
    type Err = PortForwardError;

    fn from_str(text: &str) -> Result<Self, PortForwardError> {
        let (published, target) = parse(text)?;
        Ok(Self { published, target })
    }
}

impl fmt::Display for NetnsPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.netns, self.port)
    }
}

fn parse(text: &str) -> Result<(Published, Option<NetnsPort>), PortForwardError> {
    let (places, transport) = match text.rsplit_once('/') {
        Some((places, protocol)) if !protocol.contains(':') => (places, transport(protocol)?),
        _ => (text, Transport::Tcp),
    };
    let (address, places) = split_address(places)?;
    let published = |place: &str| port(place).map(|port| Published { address, port, transport });
    match places.split(':').collect::<Vec<_>>().as_slice() {
        [place] => Ok((published(place)?, None)),
        [place, netns, inner] => {
            Ok((published(place)?, Some(NetnsPort { netns: netns.parse()?, port: port(inner)? })))
        }
        _ => Err(malformed(text)),
    }
}

/// Splits the address off, if there is one: then the number of parts is even, as no name of a
/// netns holds a colon.
fn split_address(places: &str) -> Result<(IpAddr, &str), PortForwardError> {
    let wrong = |text: &str| PortForwardError::Address { text: text.to_owned() };
    if let Some(bracketed) = places.strip_prefix('[') {
        let (address, rest) = bracketed.split_once("]:").ok_or_else(|| wrong(places))?;
        let address = address.parse().map_err(|_| wrong(address))?;
        return Ok((IpAddr::V6(address), rest));
    }
    match places.split_once(':') {
        Some((address, rest)) if places.split(':').count().is_multiple_of(2) => {
            let address = address.parse().map_err(|_| wrong(address))?;
            Ok((IpAddr::V4(address), rest))
        }
        _ => Ok((Ipv4Addr::LOCALHOST.into(), places)),
    }
}

fn port(text: &str) -> Result<u16, PortForwardError> {
    let port = text.parse().ok().filter(|port| *port != 0 && !text.starts_with('+'));
    port.ok_or_else(|| PortForwardError::Port { text: text.to_owned() })
}

fn transport(text: &str) -> Result<Transport, PortForwardError> {
    match text {
        "tcp" => Ok(Transport::Tcp),
        "udp" => Ok(Transport::Udp),
        _ => Err(PortForwardError::Transport { text: text.to_owned() }),
    }
}

fn malformed(text: &str) -> PortForwardError {
    PortForwardError::Malformed { text: text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_parts_but_the_port_may_be_left_away_to_unpublish() {
        let read = |text: &str| text.parse::<PortUnpublished>().map(|port| port.published.to_string());
        assert_eq!(read("8080").as_deref(), Ok("127.0.0.1:8080/tcp"));
        assert_eq!(read("0.0.0.0:53/udp").as_deref(), Ok("0.0.0.0:53/udp"));
        assert_eq!(read("[::]:53:red:53/udp").as_deref(), Ok("[::]:53/udp"));
        assert!("8080".parse::<PortPublished>().is_err());
    }

    #[test]
    fn what_is_wrong_is_named() {
        let error = |text: &str| text.parse::<PortPublished>().expect_err(text).to_string();
        assert!(error("0:red:80").contains("'0' is not a port"));
        assert!(error("8080:red:70000").contains("'70000' is not a port"));
        assert!(error("+80:red:80").contains("'+80' is not a port"));
        assert!(error("8080:../x:80").contains("netns name '../x'"));
        assert!(error("8080:red:80/sctp").contains("'sctp' is not a transport protocol"));
        assert!(error("300.0.0.1:8080:red:80").contains("'300.0.0.1' is not an address"));
        assert!(error("[::1:8080:red:80").contains("is not an address"));
        assert!(error("8080:red").contains("is not an address"));
        assert!(error("a:b:c:d:e").contains("is not of the form"));
        assert!(error("80:r\u{1b}:80").contains("netns name"));
    }
}
