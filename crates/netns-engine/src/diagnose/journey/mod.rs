//! A packet's way through the stacks of a scene, there and back, leg by leg.
//!
//! What is broken on the way is passed as if it were mended (a missing route is taken to lead where it
//! most likely should): so a check can look at each leg by itself, and finds what comes behind the first
//! fault as well.

mod guess;
mod routing;
mod walk;
mod wire;

use std::net::IpAddr;

pub use routing::{Routing, Way, route};
pub use wire::{Role, Touch, Wire, WireEnd};

use super::{
    firewall::{Hook, Passage, Translation},
    packet::Packet,
    scene::{Link, Scene, Stack, StackId},
};
use crate::name::LinkName;

/// A way there, and the way of the answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Journey {
    /// All legs in order: first those there, then those back.
    pub legs: Vec<Leg>,
    /// Where the way there ends.
    pub end: End,
    /// Whether the answer finds back to where the question came from.
    pub returns: bool,
}

/// Where a way ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// In this stack, which has the destination.
    Arrived(StackId),
    /// Beyond what can be seen from here, after it left this stack.
    World(StackId),
    /// On a wire of this stack, where everybody was looked at and nobody has the destination.
    Nobody(StackId),
    /// In this stack, from which no way on can even be guessed.
    Stuck(StackId),
    /// Nowhere: it goes round in circles.
    Loop(StackId),
}

/// Which way a leg leads.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Direction {
    /// With the question.
    There,
    /// With the answer.
    Back,
}

/// What a stack does with a packet, and how that reaches the next one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Leg {
    /// Counted from zero; the way back goes on counting.
    pub number: usize,
    /// There or back.
    pub direction: Direction,
    /// The stack.
    pub stack: StackId,
    /// The packet as it came, or was made.
    pub packet: Packet,
    /// Index of the link it came in by; none if this stack made it.
    pub arrival: Option<u32>,
    /// Index of the bridge port it came in by.
    pub arrival_port: Option<u32>,
    /// What its destination was translated to here.
    pub redirection: Option<Translation>,
    /// The packet as it is routed.
    pub routed: Packet,
    /// The decision.
    pub routing: Routing,
    /// Where it leaves; none if it ends here, or no way on can even be guessed.
    pub departure: Option<Departure>,
    /// What its source was translated to here.
    pub translation: Option<Translation>,
    /// The packet as it leaves.
    pub sent: Packet,
}

/// How a packet leaves a stack.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Departure {
    /// Index of the link.
    pub link: u32,
    /// The address that is looked for on it: a router's, or the destination itself.
    pub next: IpAddr,
    /// Whether this was guessed, since the stack itself does not know where to send it.
    pub guessed: bool,
    /// From here to the next stack.
    pub wire: Wire,
}

impl Journey {
    /// Follows `packet` from the stack that makes it. If its source is the unspecified address, it gets the
    /// one the stack would choose.
    #[must_use]
    pub fn follow(scene: &Scene, from: StackId, packet: Packet) -> Self {
        walk::journey(scene, from, packet)
    }

    /// Follows `packet` from outside: it arrives at the stack `at` by a link of that.
    #[must_use]
    pub fn follow_in(scene: &Scene, at: StackId, arrival: u32, packet: Packet) -> Self {
        walk::journey_in(scene, at, arrival, packet)
    }

    /// Returns the legs of the way there.
    pub fn there(&self) -> impl Iterator<Item = &Leg> {
        self.legs.iter().filter(|leg| leg.direction == Direction::There)
    }

    /// Returns the legs of the way back.
    pub fn back(&self) -> impl Iterator<Item = &Leg> {
        self.legs.iter().filter(|leg| leg.direction == Direction::Back)
    }

    /// Returns the last leg of the way there.
    #[must_use]
    pub fn last_there(&self) -> Option<&Leg> {
        self.there().last()
    }
}

impl Leg {
    /// Returns whether the stack passes the packet on for others.
    #[must_use]
    pub fn forwards(&self) -> bool {
        self.arrival.is_some() && !self.ends()
    }

    /// Returns whether the packet ends here.
    #[must_use]
    pub fn ends(&self) -> bool {
        self.routing.way == Way::Here
    }

    /// Returns the stack of the scene.
    #[must_use]
    pub fn stack_in<'a>(&self, scene: &'a Scene) -> &'a Stack {
        scene.stack(self.stack)
    }

    /// Returns the link the packet came in by.
    #[must_use]
    pub fn arrival_in<'a>(&self, scene: &'a Scene) -> Option<&'a Link> {
        self.stack_in(scene).link(self.arrival?)
    }

    /// Returns the link the packet leaves through.
    #[must_use]
    pub fn departure_in<'a>(&self, scene: &'a Scene) -> Option<&'a Link> {
        self.stack_in(scene).link(self.departure.as_ref()?.link)
    }

    /// Returns the points at which filters see the packet, in order.
    #[must_use]
    pub fn passages<'a>(&'a self, scene: &'a Scene) -> Vec<Passage<'a>> {
        let incoming = self.arrival_in(scene).map(|link| &link.name);
        let outgoing = self.departure_in(scene).map(|link| &link.name);
        let incoming_port =
            self.arrival_port.and_then(|port| self.stack_in(scene).link(port)).map(|link| &link.name);
        let passage = |hook: Hook, packet: &'a Packet, outgoing: Option<&'a LinkName>| Passage {
            packet,
            hook,
            incoming: if hook == Hook::Output { None } else { incoming },
            outgoing,
            incoming_port,
            outgoing_port: None,
            for_this_stack: self.routing.way == Way::Here,
            from_this_stack: self.arrival.is_none(),
        };
        match (self.arrival.is_some(), self.ends()) {
            (true, true) => vec![
                passage(Hook::Ingress, &self.packet, None),
                passage(Hook::Prerouting, &self.packet, None),
                passage(Hook::Input, &self.routed, None),
            ],
            (true, false) => vec![
                passage(Hook::Ingress, &self.packet, None),
                passage(Hook::Prerouting, &self.packet, None),
                passage(Hook::Forward, &self.routed, outgoing),
                passage(Hook::Postrouting, &self.routed, outgoing),
            ],
            (false, _) => vec![
                passage(Hook::Output, &self.packet, outgoing),
                passage(Hook::Postrouting, &self.routed, outgoing),
            ],
        }
    }
}
