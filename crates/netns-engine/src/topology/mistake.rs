//! What can be wrong in a topology file.

use super::{Position, likeness::most_alike};
use crate::{
    address::MacAddressError,
    desired::PortForwardError,
    name::{NameError, shown},
    sysctl::SettingError,
};

/// What is wrong at some place of a topology file.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Mistake {
    /// No YAML, or not of the form that belongs there; in the words of the YAML reader.
    #[error("{}", what.escape_debug().to_string().replace("\\'", "'").replace("\\\"", "\""))]
    Form {
        /// What the reader says.
        what: String,
    },
    /// More bytes than a file may have.
    #[error("the file is larger than {most_bytes} bytes")]
    FileTooLarge {
        /// How many it may have.
        most_bytes: usize,
    },
    /// More of something than a topology may have.
    #[error("more than {most} {things}")]
    TooMany {
        /// Of what.
        things: &'static str,
        /// How many there may be.
        most: usize,
    },
    /// A key that means nothing there.
    #[error("unknown key '{}'", shown(key))]
    UnknownKey {
        /// The key.
        key: String,
    },
    /// A key that must be there.
    #[error("the key '{key}' is missing")]
    MissingKey {
        /// The key.
        key: &'static str,
    },
    /// A key that only makes sense with another one.
    #[error("the key '{key}' needs the key '{other}' beside it")]
    KeyNeedsKey {
        /// The key.
        key: &'static str,
        /// The one that is missing.
        other: &'static str,
    },
    /// Two keys that say the opposite.
    #[error("the keys '{key}' and '{other}' contradict each other")]
    KeysContradict {
        /// The key.
        key: &'static str,
        /// The other one.
        other: &'static str,
    },
    /// Translation behind more than one switch.
    #[error(
        "'{key}' with several switches cannot have 'nat': where br_netfilter is on, what has crossed one switch is translated no more"
    )]
    NatBehindSwitches {
        /// The rule.
        key: &'static str,
    },
    /// Something that may be there once is there twice.
    #[error("{thing} '{}' is there twice{}", shown(name), first.map(|at| format!(", first at {at}")).unwrap_or_default())]
    Twice {
        /// What it is.
        thing: &'static str,
        /// Its name.
        name: String,
        /// Where it is for the first time.
        first: Option<Position>,
    },
    /// No name for a netns or a link.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A word that stands for the host.
    #[error("'{name}' means the host; no {thing} can be called that")]
    Reserved {
        /// The name.
        name: String,
        /// What was to be called that.
        thing: &'static str,
    },
    /// A name under which the kernel keeps settings of no single link.
    #[error("no link can be called '{name}': the settings net.ipv4.conf.{name} are no single link's")]
    NameOfSettings {
        /// The name.
        name: String,
    },
    /// A name of nothing in the file.
    #[error("no {thing} is called '{}'", shown(name))]
    Nowhere {
        /// What was expected.
        thing: &'static str,
        /// The name.
        name: String,
    },
    /// A text that is not what belongs there.
    #[error("'{}' is not {expected}", shown(text))]
    Malformed {
        /// The text.
        text: String,
        /// What belongs there, with an example.
        expected: &'static str,
    },
    /// No link-layer address.
    #[error(transparent)]
    Mac(#[from] MacAddressError),
    /// No name of a setting.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// No port to publish.
    #[error("port '{}' cannot be published: {cause}", shown(text))]
    Port {
        /// The text.
        text: String,
        /// Why.
        cause: PortForwardError,
    },
    /// A subnet with host bits.
    #[error("'{text}' is an address in a subnet, not a subnet")]
    HostBits {
        /// The text.
        text: String,
    },
    /// Two subnets with addresses in common.
    #[error("subnet {subnet} overlaps {other} at {at}")]
    Overlap {
        /// The subnet.
        subnet: String,
        /// The other one.
        other: String,
        /// Where that is.
        at: Position,
    },
    /// A subnet of a cable that hangs on a network.
    #[error("a link to network '{network}' has no subnet of its own")]
    SubnetOfNetwork {
        /// The network.
        network: String,
    },
    /// A link with IPv6 and an MTU that is too small for it.
    #[error("an MTU of {mtu_bytes} is too small for {net}: IPv6 needs at least {least_bytes}")]
    SmallForIpv6 {
        /// The MTU.
        mtu_bytes: u32,
        /// The address that the link is to have, or the subnet it is in.
        net: ipnet::IpNet,
        /// What IPv6 needs.
        least_bytes: u32,
    },
    /// An address that is in none of the subnets it should be in.
    #[error("address {address} is in no subnet of network '{network}'")]
    OutsideSubnet {
        /// The address.
        address: String,
        /// The network.
        network: String,
    },
    /// An address that no node can have.
    #[error("address {address} is {reason} of subnet {subnet}")]
    ReservedAddress {
        /// The address.
        address: String,
        /// What it is for.
        reason: &'static str,
        /// The subnet.
        subnet: String,
    },
    /// No address is left.
    #[error("subnet {subnet} has no address left for node '{node}'")]
    SubnetFull {
        /// The subnet.
        subnet: String,
        /// Who gets none.
        node: String,
    },
    /// A gateway on none of the node's links.
    #[error("gateway {gateway} is on no link of node '{node}'")]
    NoWayToGateway {
        /// The gateway.
        gateway: String,
        /// The node.
        node: String,
    },
    /// More ports than the kernel gives a bridge (`BR_MAX_PORTS` in `net/bridge/br_private.h`).
    #[error("network '{network}' has more than 1023 ports, which is all that a Linux bridge takes")]
    BridgeFull {
        /// The network.
        network: String,
    },
    /// A published port of a node that the host does not reach.
    #[error(
        "port '{}' cannot be published: the host reaches no {family} address of node '{node}'",
        shown(text)
    )]
    PortUnreachable {
        /// The text.
        text: String,
        /// The family of the published address.
        family: crate::address::Family,
        /// The node.
        node: String,
    },
    /// Two published ports that take the same connections.
    #[error("port {port} is published twice, first at {first}")]
    PortTwice {
        /// The port.
        port: String,
        /// Where it is published first.
        first: Position,
    },
    /// A check of something without address.
    #[error("'{name}' has no address to be reached at")]
    NoAddress {
        /// Its name.
        name: String,
    },
    /// A short form of a link that can be split in two ways.
    #[error("link '{}' can be read in two ways", shown(text))]
    Ambiguous {
        /// The text.
        text: String,
    },
    /// A node of a containerlab file that is no netns.
    #[error("kind '{}' is not supported: nodes of kind linux, bridge and host are", shown(kind))]
    UnknownKind {
        /// The kind.
        kind: String,
    },
    /// A link of a containerlab file that is no cable.
    #[error("link type '{}' is not supported: veth and host are", shown(kind))]
    UnknownLinkType {
        /// The type.
        kind: String,
    },
}

/// A mistake, where it is, and what may have been meant.
#[derive(Clone, Debug)]
pub(super) struct Flaw(Box<FlawAt>);

/// What is in a [`Flaw`]: in a box, as it travels far and seldom.
#[derive(Clone, Debug)]
pub(super) struct FlawAt {
    pub(super) at: Position,
    pub(super) mistake: Mistake,
    pub(super) suggestion: Option<String>,
}

impl Flaw {
    pub(super) fn new(at: Position, mistake: impl Into<Mistake>) -> Self {
        Self(Box::new(FlawAt { at, mistake: mistake.into(), suggestion: None }))
    }

    /// Takes it apart.
    pub(super) fn into_parts(self) -> FlawAt {
        *self.0
    }

    /// Adds what may have been meant.
    pub(super) fn or_rather(mut self, suggestion: impl Into<String>) -> Self {
        self.0.suggestion = Some(suggestion.into());
        self
    }

    /// Adds the one of `known` that is most like what stands there, if any is.
    pub(super) fn or_one_of<'a>(self, found: &str, known: impl Iterator<Item = &'a str>) -> Self {
        match most_alike(found, known) {
            Some(meant) => self.or_rather(format!("did you mean '{meant}'?")),
            None => self,
        }
    }
}
