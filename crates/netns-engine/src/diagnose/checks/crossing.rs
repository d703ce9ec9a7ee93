//! One wire that a packet crosses, with everybody who hears the same broadcasts on it.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::{
    address::Family,
    diagnose::{
        case::Followed,
        finding::{Spot, Step},
        journey::{Departure, Leg, Touch},
        scene::{Link, Port, Scene, Stack, StackId},
    },
};

/// From one stack, out of one of its links, to the next.
#[derive(Clone, Copy)]
pub(super) struct Crossing<'a> {
    pub(super) scene: &'a Scene,
    pub(super) leg: &'a Leg,
    pub(super) departure: &'a Departure,
    /// The link that the packet leaves through.
    pub(super) leaving: &'a Link,
}

/// A link that speaks IP, and its stack.
#[derive(Clone, Copy)]
pub(super) struct Member<'a> {
    pub(super) stack: StackId,
    pub(super) link: &'a Link,
}

/// Returns all wires that a packet and its answer cross.
pub(super) fn crossings<'a>(
    scene: &'a Scene,
    followed: &'a Followed,
) -> impl Iterator<Item = Crossing<'a>> + 'a {
    followed.legs().filter_map(move |leg| {
        let departure = leg.departure.as_ref()?;
        let leaving = scene.stack(leg.stack).link(departure.link)?;
        Some(Crossing { scene, leg, departure, leaving })
    })
}

impl<'a> Crossing<'a> {
    pub(super) fn spot(&self) -> Spot {
        Spot { leg: self.leg.number, step: Step::Neighbour }
    }

    pub(super) fn family(&self) -> Family {
        self.leg.routed.family()
    }

    /// The stack that the packet leaves.
    pub(super) fn stack(&self) -> &'a Stack {
        self.scene.stack(self.leg.stack)
    }

    /// The address that is looked for.
    pub(super) fn next(&self) -> IpAddr {
        self.departure.next
    }

    /// Whether that is a router's, not the destination's own.
    pub(super) fn leads_to_router(&self) -> bool {
        self.next() != self.leg.routed.destination
    }

    /// The address that is looked for, with the length of the network it is in on the leaving link.
    pub(super) fn wanted(&self) -> Option<IpNet> {
        let net = self.leaving.addresses.iter().map(|it| it.net).find(|net| net.contains(&self.next()))?;
        IpNet::new(self.next(), net.prefix_len()).ok()
    }

    pub(super) fn touched(&self, touch: Touch) -> Option<Member<'a>> {
        let link = self.scene.stack(touch.stack).link(touch.link)?;
        Some(Member { stack: touch.stack, link })
    }

    pub(super) fn touches(&self) -> impl Iterator<Item = (Touch, Member<'a>)> + '_ {
        let touches = self.departure.wire.touches.iter();
        touches.filter_map(|touch| Some((*touch, self.touched(*touch)?)))
    }

    /// Everybody on this wire, the leaving link first.
    pub(super) fn members(&self) -> Vec<Member<'a>> {
        members(self.scene, self.leg.stack, self.leaving)
    }
}

/// Returns everybody who hears what a link broadcasts, itself first: across cables and bridges, as far as
/// can be seen. A bridge that filters VLANs joins only ports that share one.
pub(super) fn members<'a>(scene: &'a Scene, stack: StackId, link: &'a Link) -> Vec<Member<'a>> {
    let mut found = Vec::new();
    gather(scene, Member { stack, link }, None, &mut found);
    found
}

fn gather<'a>(scene: &'a Scene, at: Member<'a>, came_by: Option<&Port>, found: &mut Vec<Member<'a>>) {
    let there = scene.stack(at.stack);
    let bridge = at.link.master.and_then(|master| there.link(master)).filter(|it| it.bridge.is_some());
    if let Some(bridge) = bridge {
        return gather(scene, Member { link: bridge, ..at }, at.link.port.as_ref(), found);
    }
    if found.iter().any(|known| (known.stack, known.link.index) == (at.stack, at.link.index)) {
        return;
    }
    found.push(at);
    let filters = at.link.bridge.is_some_and(|bridge| bridge.vlan_filtering);
    let cables: Vec<&Link> = match at.link.bridge {
        Some(_) => there.ports(at.link.index).collect(),
        None => vec![at.link],
    };
    for near in cables.into_iter().filter(|it| it.kind == "veth") {
        let joined = !filters || came_by.zip(near.port.as_ref()).is_none_or(|(a, b)| share_vlan(a, b));
        if let Some(far) = far_end(scene, near).filter(|_| joined) {
            gather(scene, far, None, found);
        }
    }
}

fn share_vlan(one: &Port, other: &Port) -> bool {
    one.vlans.iter().any(|vlan| other.vlans.iter().any(|it| it.id == vlan.id))
}

/// Returns the other end of a cable, if it can be seen.
pub(super) fn far_end<'a>(scene: &'a Scene, near: &Link) -> Option<Member<'a>> {
    let peer = near.peer.filter(|_| near.kind == "veth")?;
    let stack = peer.stack?;
    Some(Member { stack, link: scene.stack(stack).link(peer.index)? })
}

/// Returns the networks of a link that reach beyond it.
pub(super) fn networks(link: &Link, family: Family) -> impl Iterator<Item = IpNet> + '_ {
    let networks = link.addresses.iter().map(|address| address.net);
    networks.filter(move |net| Family::of_net(net) == family && !is_link_local(net.addr()))
}

/// Addresses of a single link (RFC 3927, RFC 4291).
pub(super) fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

/// Returns an address for a link that has none: one that is free in the network of those it hears.
pub(super) fn address_for(scene: &Scene, member: Member<'_>, family: Family) -> Option<IpNet> {
    let others = members(scene, member.stack, member.link);
    let network = others.iter().skip(1).find_map(|other| networks(other.link, family).next())?;
    free_in(scene, network)
}

/// A network may be large, and all who are seen are few.
const MOST_TRIED: usize = 2048;

/// Returns the first address of a network that nobody has who can be seen.
pub(super) fn free_in(scene: &Scene, network: IpNet) -> Option<IpNet> {
    let free = |address: &IpAddr| scene.owners(*address).next().is_none();
    let free = match network {
        IpNet::V4(net) => net.hosts().map(IpAddr::V4).take(MOST_TRIED).find(free),
        IpNet::V6(net) => {
            // The first one of an IPv6 network is every router's (RFC 4291, 2.6.1).
            let first = u128::from(net.network());
            (1..MOST_TRIED as u128).map(|host| IpAddr::V6((first | host).into())).find(free)
        }
    };
    IpNet::new(free?, network.prefix_len()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::{
        scene::Vlan,
        tests::lab::{HOST, RED, lab},
    };

    fn names(scene: &Scene) -> Vec<String> {
        let red = &scene.stack(RED).links[1];
        members(scene, RED, red).iter().map(|it| format!("{}:{}", it.stack.0, it.link.name)).collect()
    }

    #[test]
    fn a_bridge_joins_all_its_ports() {
        assert_eq!(names(&lab()), ["1:eth0", "0:br0", "2:eth0"]);
    }

    #[test]
    fn vlans_keep_ports_apart() {
        let mut scene = lab();
        let host = &mut scene.stacks[HOST.0];
        host.links[2].bridge.as_mut().unwrap().vlan_filtering = true;
        for (place, id) in [(3, 10), (4, 20)] {
            host.links[place].port.as_mut().unwrap().vlans = vec![Vlan { id, pvid: true, untagged: true }];
        }
        assert_eq!(names(&scene), ["1:eth0", "0:br0"]);
    }

    #[test]
    fn a_free_address_is_nobodys() {
        let scene = lab();
        let free = free_in(&scene, "192.168.100.1/24".parse().unwrap());
        assert_eq!(free.unwrap().to_string(), "192.168.100.4/24");
        let free = free_in(&scene, "fd00::1/64".parse().unwrap());
        assert_eq!(free.unwrap().to_string(), "fd00::1/64");
    }
}
