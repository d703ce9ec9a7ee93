//! From a link to whoever has the next address: cables, bridges, and what lies beyond what can be seen.

use std::{collections::BTreeSet, net::IpAddr};

use crate::diagnose::scene::{Link, Scene, StackId};

/// A link that a packet passes between two routing decisions.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Touch {
    /// Its stack.
    pub stack: StackId,
    /// Its index there.
    pub link: u32,
    /// What it is to the packet.
    pub role: Role,
}

/// What a link is to a packet that passes it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Role {
    /// The packet is sent out of it by IP.
    Leaves,
    /// A port of a bridge, by which the packet enters that.
    InPort,
    /// A bridge, which passes the packet from port to port.
    Bridge,
    /// A port of a bridge, by which the packet leaves that.
    OutPort,
    /// The packet is taken from it by IP.
    Arrives,
}

/// The way from one routing decision to the next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wire {
    /// The links passed, in order.
    pub touches: Vec<Touch>,
    /// Who is at its end.
    pub end: WireEnd,
}

/// Who is at the end of a wire.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WireEnd {
    /// A stack that has the next address, and the link it takes packets from.
    Found(StackId, u32),
    /// The next address lies beyond what can be seen from here.
    World,
    /// Everybody on this wire was looked at, and nobody has the next address. The stack that may be meant:
    /// the one the cable, or the bridge, belongs to.
    Nobody(Option<(StackId, u32)>),
}

/// Follows a packet for the neighbour `next` out of a link.
#[must_use]
pub(super) fn follow(scene: &Scene, from: StackId, link: &Link, next: IpAddr) -> Wire {
    let start = Touch { stack: from, link: link.index, role: Role::Leaves };
    let mut search = Search { scene, next, seen: BTreeSet::new() };
    let found = if link.bridge.is_some() {
        search.seen.insert((from, link.index));
        search.out_of_ports(from, link, None)
    } else {
        search.over_cable(from, link)
    };
    match found {
        Passage::Found(rest) => {
            let last = rest.last().copied().unwrap_or(start);
            let touches = std::iter::once(start).chain(rest).collect();
            Wire { touches, end: WireEnd::Found(last.stack, last.link) }
        }
        Passage::Beyond(rest) => {
            Wire { touches: std::iter::once(start).chain(rest).collect(), end: WireEnd::World }
        }
        Passage::Missed(rest) if knows_neighbour(scene, from, link.index, next) => {
            Wire { touches: std::iter::once(start).chain(rest).collect(), end: WireEnd::World }
        }
        Passage::Missed(rest) => {
            let meant = rest.iter().find(|touch| matches!(touch.role, Role::Bridge | Role::Arrives));
            let end = WireEnd::Nobody(meant.map(|touch| (touch.stack, touch.link)));
            Wire { touches: std::iter::once(start).chain(rest).collect(), end }
        }
    }
}

/// Whether the stack has spoken with that neighbour: then it is somewhere, seen or not. If it was somebody who
/// can be seen and has lost the address since, it is there no more.
fn knows_neighbour(scene: &Scene, from: StackId, link: u32, address: IpAddr) -> bool {
    let is_seen = |mac| scene.stacks.iter().flat_map(|stack| &stack.links).any(|link| link.mac == Some(mac));
    let mut known = scene.stack(from).neighbours.iter();
    known.any(|it| {
        it.link == link
            && it.address == address
            && it.mac.is_some_and(|mac| !is_seen(mac))
            && matches!(it.state.as_str(), "reachable" | "delay" | "probe" | "stale")
    })
}

struct Search<'a> {
    scene: &'a Scene,
    next: IpAddr,
    /// Bridges that were searched: cables may form a ring.
    seen: BTreeSet<(StackId, u32)>,
}

enum Passage {
    Found(Vec<Touch>),
    Beyond(Vec<Touch>),
    Missed(Vec<Touch>),
}

impl Search<'_> {
    /// What happens to a frame that goes into the near end of a cable.
    fn over_cable(&mut self, near: StackId, link: &Link) -> Passage {
        let Some(peer) = link.peer else { return Passage::Beyond(Vec::new()) };
        let Some(stack) = peer.stack else { return Passage::Beyond(Vec::new()) };
        let Some(far) = self.scene.stack(stack).link(peer.index) else { return Passage::Beyond(Vec::new()) };
        if link.kind != "veth" {
            // A macvlan or VLAN link: the frame goes on out of the link below, which does not look into it.
            return if stack == near && far.index == link.index {
                Passage::Beyond(Vec::new())
            } else {
                self.over_cable(stack, far)
            };
        }
        match far.master.and_then(|bridge| self.scene.stack(stack).link(bridge)) {
            Some(bridge) => self.enter_bridge(stack, far, bridge),
            None if far.has_address(self.next)
                || self.scene.stack(stack).links.iter().any(|it| it.has_address(self.next)) =>
            {
                // Linux answers for all of its addresses on every link (arp_ignore=0).
                Passage::Found(vec![Touch { stack, link: far.index, role: Role::Arrives }])
            }
            None => Passage::Missed(vec![Touch { stack, link: far.index, role: Role::Arrives }]),
        }
    }

    fn enter_bridge(&mut self, stack: StackId, port: &Link, bridge: &Link) -> Passage {
        let entered = Touch { stack, link: port.index, role: Role::InPort };
        let owns = self.scene.stack(stack).links.iter().any(|link| link.has_address(self.next));
        if bridge.has_address(self.next) || (owns && !bridge.addresses.is_empty()) {
            return Passage::Found(vec![entered, Touch { stack, link: bridge.index, role: Role::Arrives }]);
        }
        let crossed = Touch { stack, link: bridge.index, role: Role::Bridge };
        let before = |rest: Vec<Touch>| [vec![entered, crossed], rest].concat();
        if !self.seen.insert((stack, bridge.index)) {
            return Passage::Missed(before(Vec::new()));
        }
        match self.out_of_ports(stack, bridge, Some(port.index)) {
            Passage::Found(rest) => Passage::Found(before(rest)),
            Passage::Beyond(rest) => Passage::Beyond(before(rest)),
            Passage::Missed(_) => Passage::Missed(before(Vec::new())),
        }
    }

    /// Tries every port of a bridge but the one the frame came by; a port that leads out of sight counts
    /// only if no other leads to the address.
    fn out_of_ports(&mut self, stack: StackId, bridge: &Link, came_by: Option<u32>) -> Passage {
        let mut beyond = None;
        let ports: Vec<&Link> = self.scene.stack(stack).ports(bridge.index).collect();
        for port in ports.into_iter().filter(|port| Some(port.index) != came_by) {
            let left = Touch { stack, link: port.index, role: Role::OutPort };
            match self.over_cable(stack, port) {
                Passage::Found(rest) => return Passage::Found([vec![left], rest].concat()),
                Passage::Beyond(rest) if port.kind != "veth" || !rest.is_empty() => {
                    beyond.get_or_insert_with(|| [vec![left], rest].concat());
                }
                Passage::Beyond(_) | Passage::Missed(_) => {}
            }
        }
        beyond.map_or_else(|| Passage::Missed(Vec::new()), Passage::Beyond)
    }
}
