//! Leg by leg.

use std::{collections::BTreeSet, net::IpAddr};

use super::{
    Departure, Direction, End, Journey, Leg, guess,
    routing::{Routing, Way, route},
    wire::{self, Role, Wire, WireEnd},
};
use crate::{
    address::Family,
    diagnose::{
        firewall::{Hook, Passage, Translation},
        packet::{ConnectionState, Packet},
        scene::{Link, Scene, Stack, StackId},
    },
};

/// More hops than any network on one host has.
const MOST_LEGS: usize = 40;

/// Follows a packet from the stack that makes it, and its answer back.
pub(super) fn journey(scene: &Scene, from: StackId, packet: Packet) -> Journey {
    let packet = with_source(scene, from, packet);
    let mut walk = Walk { scene, legs: Vec::new() };
    let end = walk.go(Direction::There, Start { stack: from, arrival: None, arrival_port: None, packet });
    let back = walk.go_back(end);
    let returns = back == Some(End::Arrived(from)) && walk.answer_is_known(packet);
    Journey { legs: walk.legs, end, returns }
}

/// Follows a packet that comes in from beyond what can be seen, and its answer out again.
pub(super) fn journey_in(scene: &Scene, at: StackId, arrival: u32, packet: Packet) -> Journey {
    let mut walk = Walk { scene, legs: Vec::new() };
    let start = Start { stack: at, arrival: Some(arrival), arrival_port: None, packet };
    let end = walk.go(Direction::There, start);
    let back = walk.go_back(end);
    let leaves_where_it_came = walk.legs.last().is_some_and(|leg| {
        leg.stack == at && leg.departure.as_ref().is_some_and(|departure| departure.link == arrival)
    });
    let returns = back == Some(End::World(at)) && leaves_where_it_came && walk.answer_is_known(packet);
    Journey { legs: walk.legs, end, returns }
}

/// A packet that comes to a stack, or is made there.
#[derive(Clone, Copy)]
struct Start {
    stack: StackId,
    arrival: Option<u32>,
    arrival_port: Option<u32>,
    packet: Packet,
}

struct Walk<'a> {
    scene: &'a Scene,
    legs: Vec<Leg>,
}

impl Walk<'_> {
    fn go(&mut self, direction: Direction, mut at: Start) -> End {
        let mut seen = BTreeSet::new();
        for _ in 0..MOST_LEGS {
            if !seen.insert((at.stack, at.arrival, at.packet.destination)) {
                return End::Loop(at.stack);
            }
            let leg = self.leg(direction, at);
            let next = onward(&leg);
            self.legs.push(leg);
            match next {
                Ok(start) => at = start,
                Err(end) => return end,
            }
        }
        End::Loop(at.stack)
    }

    /// Sends the answer from where the question ended; none if nobody would answer.
    fn go_back(&mut self, end: End) -> Option<End> {
        let last = self.legs.last()?;
        let start = match end {
            End::Arrived(stack) => {
                Start { stack, arrival: None, arrival_port: None, packet: last.routed.answer() }
            }
            End::World(stack) => Start {
                stack,
                arrival: last.departure.as_ref().map(|departure| departure.link),
                arrival_port: None,
                packet: last.sent.answer(),
            },
            End::Nobody(_) | End::Stuck(_) | End::Loop(_) => return None,
        };
        Some(self.go(Direction::Back, start))
    }

    /// Whoever asked only takes an answer that comes from where the question went.
    fn answer_is_known(&self, asked: Packet) -> bool {
        let last = self.legs.last().filter(|leg| leg.direction == Direction::Back);
        last.is_some_and(|leg| {
            leg.sent.source == asked.destination && leg.sent.source_port == asked.destination_port
        })
    }

    fn leg(&self, direction: Direction, at: Start) -> Leg {
        let stack = self.scene.stack(at.stack);
        let mut packet = at.packet;
        packet.state =
            if direction == Direction::There { ConnectionState::New } else { ConnectionState::Established };
        let redirection = match direction {
            Direction::There => redirection(stack, &packet, at.arrival),
            Direction::Back => None,
        };
        let routed = match &redirection {
            Some(to) => redirected(packet, to),
            None if direction == Direction::Back => self.with_source_restored(at, packet),
            None => packet,
        };
        let incoming = at.arrival.and_then(|link| stack.link(link)).map(|link| &link.name);
        let routing = route(stack, &routed, incoming);
        let departure = self.departure(at.stack, &routed, &routing);
        let leaving = departure.as_ref().and_then(|departure| stack.link(departure.link));
        let translation = match (direction, leaving) {
            (Direction::There, Some(link)) => translation(stack, &routed, at.arrival, link),
            _ => None,
        };
        let sent = match &translation {
            Some(to) => translated(routed, to),
            None if direction == Direction::Back => self.with_destination_hidden(at, routed),
            None => routed,
        };
        Leg {
            number: self.legs.len(),
            direction,
            stack: at.stack,
            packet,
            arrival: at.arrival,
            arrival_port: at.arrival_port,
            redirection,
            routed,
            routing,
            departure,
            translation,
            sent,
        }
    }

    /// What masquerading changed on the way there, the same stack changes back.
    fn with_source_restored(&self, at: Start, packet: Packet) -> Packet {
        let masqueraded = |leg: &&Leg| leg.translation.is_some() && leg.sent.source == packet.destination;
        self.came_through(at.stack).find(masqueraded).map_or(packet, |leg| Packet {
            destination: leg.packet.source,
            destination_port: leg.packet.source_port,
            ..packet
        })
    }

    /// An answer from where a port was forwarded to looks as if it came from the port.
    fn with_destination_hidden(&self, at: Start, packet: Packet) -> Packet {
        let forwarded = |leg: &&Leg| leg.redirection.is_some() && leg.routed.destination == packet.source;
        self.came_through(at.stack).find(forwarded).map_or(packet, |leg| Packet {
            source: leg.packet.destination,
            source_port: leg.packet.destination_port,
            ..packet
        })
    }

    /// The legs of the way there that lead through a stack.
    fn came_through(&self, stack: StackId) -> impl Iterator<Item = &Leg> {
        self.legs.iter().filter(move |leg| leg.direction == Direction::There && leg.stack == stack)
    }

    fn departure(&self, from: StackId, packet: &Packet, routing: &Routing) -> Option<Departure> {
        let (link, next, guessed) = match routing.way {
            Way::Here => return None,
            Way::Out { link, gateway } => (link, gateway.unwrap_or(packet.destination), false),
            Way::Stopped(_) | Way::Nowhere => {
                let guess = guess::way_out(self.scene, from, packet)?;
                (guess.link, guess.next, true)
            }
        };
        let wire = match self.scene.stack(from).link(link) {
            Some(leaving) => wire::follow(self.scene, from, leaving, next),
            None => Wire { touches: Vec::new(), end: WireEnd::World },
        };
        Some(Departure { link, next, guessed, wire })
    }
}

/// Where the packet is after a leg, or how its way ends.
fn onward(leg: &Leg) -> Result<Start, End> {
    if leg.routing.way == Way::Here {
        return Err(End::Arrived(leg.stack));
    }
    let departure = leg.departure.as_ref().ok_or(End::Stuck(leg.stack))?;
    let (stack, link) = match departure.wire.end {
        WireEnd::Found(stack, link) => (stack, link),
        WireEnd::World => return Err(End::World(leg.stack)),
        // A router that lacks its address is still the one that is meant.
        WireEnd::Nobody(Some(meant)) if departure.next != leg.routed.destination => meant,
        WireEnd::Nobody(_) => return Err(End::Nobody(leg.stack)),
    };
    let port =
        departure.wire.touches.iter().rev().find(|touch| touch.role == Role::InPort && touch.stack == stack);
    let through_bridge =
        departure.wire.touches.last().is_some_and(|last| last.link == link || last.role == Role::Bridge);
    let arrival_port = port.filter(|_| through_bridge).map(|touch| touch.link);
    Ok(Start { stack, arrival: Some(link), arrival_port, packet: leg.sent })
}

/// What a port forward of this stack makes of the destination.
fn redirection(stack: &Stack, packet: &Packet, arrival: Option<u32>) -> Option<Translation> {
    let incoming = arrival.and_then(|link| stack.link(link)).map(|link| &link.name);
    let routing = route(stack, packet, incoming);
    let outgoing = match routing.way {
        // To itself, a stack sends through `lo`.
        Way::Here => stack.links.iter().find(|link| link.is_loopback()),
        Way::Out { link, .. } => stack.link(link),
        Way::Stopped(_) | Way::Nowhere => None,
    };
    let outgoing = outgoing.filter(|_| arrival.is_none()).map(|link| &link.name);
    stack.firewall.destination(&Passage {
        packet,
        hook: if arrival.is_some() { Hook::Prerouting } else { Hook::Output },
        incoming,
        outgoing,
        incoming_port: None,
        outgoing_port: None,
        for_this_stack: routing.way == Way::Here,
        from_this_stack: arrival.is_none(),
    })
}

fn redirected(packet: Packet, to: &Translation) -> Packet {
    Packet {
        destination: to.target.address.unwrap_or(packet.destination),
        destination_port: to.target.port.or(packet.destination_port),
        redirected: true,
        ..packet
    }
}

fn translation(stack: &Stack, packet: &Packet, arrival: Option<u32>, leaving: &Link) -> Option<Translation> {
    let passage = Passage {
        packet,
        hook: Hook::Postrouting,
        incoming: arrival.and_then(|link| stack.link(link)).map(|link| &link.name),
        outgoing: Some(&leaving.name),
        incoming_port: None,
        outgoing_port: None,
        for_this_stack: false,
        from_this_stack: arrival.is_none(),
    };
    stack.firewall.source(&passage, address_on(leaving, packet.family(), packet.destination))
}

fn translated(packet: Packet, to: &Translation) -> Packet {
    Packet {
        source: to.target.address.unwrap_or(packet.source),
        source_port: to.target.port.or(packet.source_port),
        masqueraded: true,
        ..packet
    }
}

/// The address a stack would speak by on a link: one in the neighbour's network, else the first.
fn address_on(link: &Link, family: Family, neighbour: IpAddr) -> Option<IpAddr> {
    let of_family =
        || link.addresses.iter().map(|address| address.net).filter(|net| Family::of_net(net) == family);
    let near = of_family().find(|net| net.contains(&neighbour));
    let usual = || of_family().find(|net| !guess::is_link_local(net.addr()));
    near.or_else(usual).or_else(|| of_family().next()).map(|net| net.addr())
}

/// Gives a packet the source that the stack would choose for it.
fn with_source(scene: &Scene, from: StackId, packet: Packet) -> Packet {
    if !packet.source.is_unspecified() {
        return packet;
    }
    let stack = scene.stack(from);
    let routing = route(stack, &packet, None);
    let (link, next) = match routing.way {
        Way::Here => return Packet { source: packet.destination, ..packet },
        Way::Out { link, gateway } => (Some(link), gateway),
        Way::Stopped(_) | Way::Nowhere => {
            let guess = guess::way_out(scene, from, &packet);
            (guess.map(|guess| guess.link), guess.map(|guess| guess.next))
        }
    };
    let of_route = routing.route.and_then(|place| stack.routes.get(place)).and_then(|route| route.source);
    let leaving = link.and_then(|link| stack.link(link));
    let family = packet.family();
    let source = of_route
        .or_else(|| leaving.and_then(|link| address_on(link, family, next.unwrap_or(packet.destination))))
        .or_else(|| any_address(stack, family))
        .or_else(|| leaving.and_then(|link| guess::source_for(scene, link, family)));
    source.map_or(packet, |source| Packet { source, ..packet })
}

fn any_address(stack: &Stack, family: Family) -> Option<IpAddr> {
    let links = stack.links.iter().filter(|link| !link.is_loopback());
    let mut addresses = links.flat_map(|link| &link.addresses).map(|address| address.net.addr());
    addresses.find(|address| Family::of(*address) == family && !guess::is_link_local(*address))
}
