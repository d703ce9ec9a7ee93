//! The packet whose way is followed.

use std::{fmt, net::IpAddr};

use serde::{Deserialize, Serialize};

use crate::{address::Family, firewall::Transport};

/// A packet, as far as routing and filtering look at it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Packet {
    /// Where it comes from, as it looks at this point of its way.
    pub source: IpAddr,
    /// Where it goes, as it looks at this point of its way.
    pub destination: IpAddr,
    /// What it carries.
    pub protocol: Protocol,
    /// Its source port, where it is known: the kernel chooses that of a new connection.
    pub source_port: Option<u16>,
    /// Its destination port; none for ICMP, or where it is not known.
    pub destination_port: Option<u16>,
    /// What connection tracking says of it.
    pub state: ConnectionState,
    /// Whether the destination of its connection was translated (`ct status dnat`).
    pub redirected: bool,
    /// Whether the source of its connection was translated (`ct status snat`).
    pub masqueraded: bool,
}

/// What a packet carries.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// An echo request or its answer (ICMP or `ICMPv6`, as the addresses say).
    Icmp,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// What connection tracking says of a packet (`ct state`).
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConnectionState {
    /// The first of its connection.
    New,
    /// An answer, or a later one.
    Established,
}

impl Packet {
    /// The first packet of a connection.
    #[must_use]
    pub fn new(source: IpAddr, destination: IpAddr, protocol: Protocol, port: Option<u16>) -> Self {
        Self {
            source,
            destination,
            protocol,
            source_port: None,
            destination_port: port,
            state: ConnectionState::New,
            redirected: false,
            masqueraded: false,
        }
    }

    /// Returns its family.
    #[must_use]
    pub fn family(&self) -> Family {
        Family::of(self.destination)
    }

    /// Returns its answer, as whoever received it sends it.
    #[must_use]
    pub fn answer(&self) -> Self {
        Self {
            source: self.destination,
            destination: self.source,
            source_port: self.destination_port,
            destination_port: self.source_port,
            state: ConnectionState::Established,
            ..*self
        }
    }
}

impl Protocol {
    /// Returns the number in an IP header of this family (IANA protocol numbers).
    #[must_use]
    pub fn number(self, family: Family) -> u8 {
        match (self, family) {
            (Self::Icmp, Family::Ipv4) => 1,
            (Self::Icmp, Family::Ipv6) => 58,
            (Self::Tcp, _) => 6,
            (Self::Udp, _) => 17,
        }
    }

    /// Returns the transport, unless it is ICMP.
    #[must_use]
    pub fn transport(self) -> Option<Transport> {
        match self {
            Self::Icmp => None,
            Self::Tcp => Some(Transport::Tcp),
            Self::Udp => Some(Transport::Udp),
        }
    }
}

impl From<Transport> for Protocol {
    fn from(transport: Transport) -> Self {
        match transport {
            Transport::Tcp => Self::Tcp,
            Transport::Udp => Self::Udp,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Icmp => "icmp",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}
