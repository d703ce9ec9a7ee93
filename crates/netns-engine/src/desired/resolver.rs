//! The name servers that programs in a netns ask.

use std::net::IpAddr;

use crate::name::NetnsName;

/// A wish for the `resolv.conf` of a netns.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Resolver {
    /// The netns.
    pub netns: NetnsName,
    /// Where its name servers come from.
    pub source: ResolverSource,
}

/// Where the name servers of a netns come from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ResolverSource {
    /// These.
    Servers(Vec<IpAddr>),
    /// Those the host really asks, behind any stub on a loopback address.
    Host,
    /// The netns has no `resolv.conf` of its own: it reads the host's.
    None,
}
