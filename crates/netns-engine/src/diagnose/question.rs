//! What is asked: which path is followed.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use super::packet::Protocol;
use crate::{firewall::Transport, place::Entrance};

/// What somebody wants to know.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Question {
    /// Is the host in order, and everything that this tool made?
    Host,
    /// Why does this not reach that?
    Path(Path),
    /// Why is this port of the host dead?
    Port(HostPort),
}

/// A way from a stack to somewhere.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Path {
    /// Where it begins.
    pub from: Entrance,
    /// Where it leads.
    pub to: Destination,
    /// What is sent: a ping if no port is given.
    pub protocol: Protocol,
    /// The port there; none for a ping.
    pub port: Option<u16>,
}

/// Where a path leads.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Destination {
    /// Out: to a well-known address, and to the name servers.
    Internet,
    /// To an address, whoever has it.
    Address(IpAddr),
    /// To another stack, at whichever of its addresses is nearest.
    Stack(Entrance),
    /// To a name, whatever address the name servers say.
    Name(String),
}

/// A port of the host, as others reach it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct HostPort {
    /// The host's address; any of them if not given.
    pub address: Option<IpAddr>,
    /// The port, 1 to 65535.
    pub port: u16,
    /// TCP or UDP.
    pub transport: Transport,
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Internet => f.write_str("the internet"),
            Self::Address(address) => write!(f, "{address}"),
            Self::Stack(entrance) => write!(f, "{entrance}"),
            Self::Name(name) => write!(f, "'{}'", name.escape_debug()),
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.from, self.to)?;
        match (self.port, self.protocol) {
            (Some(port), protocol) => write!(f, ", port {port}/{protocol}"),
            (None, _) => Ok(()),
        }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => {
                write!(f, "port {}/{} of the host", SocketAddr::new(address, self.port), self.transport)
            }
            None => write!(f, "port {}/{} of the host", self.port, self.transport),
        }
    }
}
