//! Why a desired state cannot be: found while planning, before anything was changed.

use std::{borrow::Cow, net::IpAddr};

use ipnet::IpNet;

use crate::{
    address::Family,
    boot::BootFile,
    firewall::Published,
    name::{LinkName, NetnsName},
    observed::{Holder, LinkKind},
    place::{LinkAt, Place},
    record::RecordKey,
    route::Route,
    topology::TopologyName,
};

/// A desired state that contradicts what is there. The program adds the hint.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Conflict {
    /// No such name under `/run/netns`.
    #[error("netns '{0}' does not exist")]
    NoNetns(NetnsName),
    /// The file under `/run/netns` is not a netns.
    #[error("netns '{0}' is half-made: /run/netns/{0} is an ordinary file, not a mounted netns")]
    HalfMadeNetns(NetnsName),
    /// Somebody else made a netns of this name.
    #[error("netns '{0}' already exists, and was not made by netns-tool")]
    NetnsTaken(NetnsName),
    /// This tool made a netns of this name, but for something else.
    #[error("netns '{name}' already exists, and is not part of topology '{topology}'")]
    NotOfTopology {
        /// The netns.
        name: NetnsName,
        /// The topology that wants one of this name.
        topology: TopologyName,
    },
    /// No such topology is up.
    #[error("topology '{0}' is not up")]
    NoTopology(TopologyName),
    /// No topology runs, or ran, a program in the netns.
    #[error("no program of a topology has run in netns '{0}'")]
    NoProgram(NetnsName),
    /// Somebody else's file is where one of ours would be.
    #[error("'{0}' already exists, and was not written by netns-tool")]
    BootFileTaken(BootFile),
    /// The topology would not return after a reboot anyway.
    #[error("topology '{0}' is not enabled")]
    NotEnabled(TopologyName),
    /// Somebody else wrote the file.
    #[error("/etc/netns/{0}/resolv.conf already exists, and was not written by netns-tool")]
    ResolverTaken(NetnsName),
    /// Somebody else wrote the file.
    #[error("/etc/netns/{0}/hosts already exists, and was not written by netns-tool")]
    HostsTaken(NetnsName),
    /// Processes, open files or mounts keep the netns alive.
    #[error("netns '{name}' is still held by {}", holders_in_words(holders))]
    NetnsHeld {
        /// The netns.
        name: NetnsName,
        /// Who holds it.
        holders: Vec<Holder>,
    },
    /// Processes, open files or mounts keep a netns of a topology alive.
    #[error("netns '{name}' of topology '{topology}' is still held by {}", holders_in_words(holders))]
    NodeHeld {
        /// The netns.
        name: NetnsName,
        /// The topology.
        topology: TopologyName,
        /// Who holds it.
        holders: Vec<Holder>,
    },
    /// No such link.
    #[error("{0} does not exist")]
    NoLink(LinkAt),
    /// No such bridge, nor any other link of that name.
    #[error("bridge '{0}' does not exist")]
    NoBridge(LinkName),
    /// A link of this name is there, but not as asked.
    #[error("{at} already exists: {difference}")]
    LinkTaken {
        /// The link.
        at: LinkAt,
        /// In what it is not what was asked for.
        difference: String,
    },
    /// Somebody else made it, so it is not ours to delete.
    #[error("{0} was not made by netns-tool")]
    NotOurs(LinkAt),
    /// Something that this tool set up still uses the bridge.
    #[error("bridge '{bridge}' is in use: {user}")]
    BridgeInUse {
        /// The bridge.
        bridge: LinkName,
        /// What uses it.
        user: RecordKey,
    },
    /// The link is no bridge.
    #[error("{at} is not a bridge but a {}", kind_in_words(kind))]
    NotABridge {
        /// The link.
        at: LinkAt,
        /// What it is.
        kind: LinkKind,
    },
    /// The bridge has no address, so it is nobody's gateway and has no subnet.
    #[error("bridge '{0}' has no address")]
    BridgeWithoutAddress(LinkName),
    /// The bridge has no address of the family that was asked for.
    #[error("bridge '{bridge}' has no {family} address")]
    BridgeWithoutFamily {
        /// The bridge.
        bridge: LinkName,
        /// The family.
        family: Family,
    },
    /// The host's default route leads through the bridge itself.
    #[error("bridge '{0}' cannot be its own uplink, though the default route leads through it")]
    BridgeIsUplink(LinkName),
    /// The name would mean something else in an iptables rule.
    #[error(
        "link name '{0}' cannot be used in an iptables rule: a final '+' is a wildcard there, and quotes are not taken"
    )]
    NotForIptables(LinkName),
    /// The link that was named as the way out does not exist.
    #[error("uplink '{0}' does not exist")]
    UplinkMissing(LinkName),
    /// The host has no default route to take the uplink from.
    #[error("the host has no default route, so the uplink is unknown")]
    NoUplink,
    /// The address is already on another link of the same stack, or used by a neighbour on the bridge.
    #[error("address '{address}' is already in use by {user}")]
    AddressInUse {
        /// The address.
        address: IpAddr,
        /// Who has it.
        user: String,
    },
    /// The address is in none of the bridge's networks.
    #[error(
        "address '{}' is not in {}, {} of bridge '{bridge}'",
        address_in_words(address),
        networks_in_words(networks),
        if networks.len() == 1 { "the network" } else { "the networks" }
    )]
    OutsideSubnet {
        /// The address.
        address: IpNet,
        /// The bridge.
        bridge: LinkName,
        /// Its networks.
        networks: Vec<IpNet>,
    },
    /// The network's own first or last address, which no host can have.
    #[error("address '{0}' is the network's or the broadcast address of its subnet")]
    NotAHostAddress(IpNet),
    /// Every address of the bridge's network is in use.
    #[error("no free address is left in {subnet} on bridge '{bridge}'")]
    SubnetFull {
        /// The network.
        subnet: IpNet,
        /// The bridge.
        bridge: LinkName,
    },
    /// The network overlaps one that the stack already has a route to.
    #[error("network '{network}' overlaps route '{route}' {}", place.location())]
    Overlap {
        /// The network asked for.
        network: IpNet,
        /// The route in its way.
        route: String,
        /// Where.
        place: Place,
    },
    /// The gateway is not on a network of any link.
    #[error("gateway '{gateway}' is not on a directly connected network of {place}")]
    GatewayUnreachable {
        /// The gateway.
        gateway: IpAddr,
        /// Where.
        place: Place,
    },
    /// Another route to the same destination is there.
    #[error("{place} already has route '{route}'")]
    RouteTaken {
        /// The route that is there.
        route: Route,
        /// Where.
        place: Place,
    },
    /// No such route.
    #[error("{place} has no route '{route}'")]
    NoRoute {
        /// The route that was to be deleted.
        route: Route,
        /// Where.
        place: Place,
    },
    /// No such address.
    #[error("{at} has no address '{address}'")]
    NoAddress {
        /// The link.
        at: LinkAt,
        /// The address that was to be deleted.
        address: IpNet,
    },
    /// A program on the host listens on the port.
    #[error("port {published} is taken: {program} listens on it")]
    PortTaken {
        /// The port asked for.
        published: Published,
        /// Who listens.
        program: String,
    },
    /// The port already leads elsewhere.
    #[error("port {published} is already published to {target}")]
    AlreadyPublished {
        /// The port asked for.
        published: Published,
        /// Where it leads.
        target: String,
    },
    /// The port is not published.
    #[error("port {0} is not published")]
    NotPublished(Published),
    /// The host does not have this address.
    #[error("address '{0}' is not an address of this host")]
    NotAHostsAddress(IpAddr),
    /// The kernel cannot send such packets elsewhere.
    #[error("port {0} cannot be published: the kernel keeps packets to ::1 on the loopback link")]
    OnIpv6Loopback(Published),
    /// Nothing inside the netns can be the target of a forward.
    #[error("netns '{0}' has no address that the host can reach")]
    Unreachable(NetnsName),
    /// The bridge has no NAT of ours to delete.
    #[error("bridge '{0}' has no NAT made by netns-tool")]
    NoNat(LinkName),
    /// The bridge has NAT, but not as asked.
    #[error("bridge '{bridge}' already has NAT: {difference}")]
    NatDiffers {
        /// The bridge.
        bridge: LinkName,
        /// In what it differs.
        difference: String,
    },
    /// A program or kernel feature that is needed is not there.
    #[error("{feature} is not available: {reason}")]
    Missing {
        /// What is missing.
        feature: String,
        /// How that was seen.
        reason: String,
    },
    /// No name server that would work inside a netns.
    #[error("the host has no name server that a netns can reach (only loopback stubs were found)")]
    NoNameServer,
    /// A name server on a loopback address answers nobody inside a netns.
    #[error("name server '{0}' is a loopback address: inside a netns that is the netns itself")]
    LoopbackNameServer(IpAddr),
}

fn kind_in_words(kind: &LinkKind) -> Cow<'_, str> {
    match kind {
        LinkKind::Loopback => "loopback link".into(),
        LinkKind::Bridge => "bridge".into(),
        LinkKind::Veth => "veth end".into(),
        LinkKind::Other(kind) => format!("{kind} link").into(),
    }
}

/// An address that was asked for without a prefix length is shown without.
fn address_in_words(address: &IpNet) -> String {
    if address.prefix_len() == address.max_prefix_len() {
        return address.addr().to_string();
    }
    address.to_string()
}

fn networks_in_words(networks: &[IpNet]) -> String {
    let words: Vec<_> = networks.iter().map(|network| network.trunc().to_string()).collect();
    words.join(" or ")
}

fn holders_in_words(holders: &[Holder]) -> String {
    let words: Vec<_> = holders.iter().map(ToString::to_string).collect();
    words.join(", ")
}
