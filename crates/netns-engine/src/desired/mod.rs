//! What can be asked for: plain data in checked types, one file per noun.
//!
//! How each is turned into steps is decided in the file of the same name in [`crate::plan`].

mod address;
mod attachment;
mod boot;
mod bridge;
mod cable;
mod leftovers;
mod nat;
mod netns;
mod port_forward;
mod resolver;
mod route;
mod topology;
mod veth;

pub use address::{AddressOn, AddressRemoved};
pub(crate) use attachment::host_end;
pub use attachment::{AddressChoice, Attachment};
pub use boot::{TopologyDisabled, TopologyEnabled};
pub use bridge::{Bridge, BridgeRemoved};
pub use cable::Cable;
pub use leftovers::NoLeftovers;
pub use nat::{Nat, NatRemoved};
pub use netns::{Netns, NetnsRemoved, OnHolders};
pub use port_forward::{NetnsPort, PortForwardError, PortPublished, PortUnpublished};
pub use resolver::{Resolver, ResolverSource};
pub use route::{RouteIn, RouteRemoved};
pub use topology::{Look, TopologyExpired, TopologyRemoved, TopologyUp};
pub use veth::{LinkState, Veth};
