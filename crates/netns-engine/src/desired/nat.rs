//! Internet access for a bridge: its networks hide behind an address of the host.

use crate::{
    firewall::{Driver, Translation},
    name::LinkName,
};

/// Network address translation for everything on a bridge.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Nat {
    /// The bridge; the networks of all its addresses are translated.
    pub bridge: LinkName,
    /// The link to the world; that of the host's default route if not given.
    pub uplink: Option<LinkName>,
    /// What source addresses become. A fixed address stands for networks of its family alone.
    pub translation: Translation,
    /// Who holds the rules; if not given, iptables where it works, else nftables.
    pub driver: Option<Driver>,
}

/// No address translation of ours for a bridge, which may be gone itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NatRemoved {
    /// The bridge.
    pub bridge: LinkName,
    /// The uplink it is expected to leave through, if that matters.
    pub uplink: Option<LinkName>,
}
