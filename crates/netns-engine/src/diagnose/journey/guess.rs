//! Where a packet most likely should go, where its stack does not know.

use std::net::IpAddr;

use ipnet::IpNet;

use super::wire::{self, WireEnd};
use crate::{
    address::Family,
    diagnose::{
        packet::Packet,
        scene::{Link, Peer, Scene, StackId},
    },
};

/// A way on that was guessed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Guess {
    /// Index of the link.
    pub(super) link: u32,
    /// The address to be looked for on it.
    pub(super) next: IpAddr,
}

/// Guesses how `packet` should leave a stack that has no route for it.
pub(super) fn way_out(scene: &Scene, from: StackId, packet: &Packet) -> Option<Guess> {
    let links: Vec<&Link> = scene.stack(from).links.iter().filter(|link| may_lead_out(link)).collect();
    let direct = links
        .iter()
        .find(|link| link.is_on_link(packet.destination) || reaches(scene, from, link, packet.destination));
    if let Some(link) = direct {
        return Some(Guess { link: link.index, next: packet.destination });
    }
    let by_router = links.iter().find_map(|link| {
        let next = router_behind(scene, link, packet.family())?;
        Some(Guess { link: link.index, next })
    });
    // Last, a link that leads out of sight: whoever is there may know more.
    let out_of_sight =
        |link: &&&Link| link.bridge.is_none() && link.peer.is_none_or(|peer| peer.stack.is_none());
    by_router.or_else(|| {
        let link = links.iter().find(out_of_sight)?;
        Some(Guess { link: link.index, next: packet.destination })
    })
}

/// A port of a bridge does not speak IP, and nothing leaves through `lo`.
fn may_lead_out(link: &Link) -> bool {
    !link.is_loopback() && link.master.is_none()
}

fn reaches(scene: &Scene, from: StackId, link: &Link, address: IpAddr) -> bool {
    matches!(wire::follow(scene, from, link, address).end, WireEnd::Found(..))
}

/// The address of whoever is at the other end and could be the router: the bridge's, or the peer's own.
pub(super) fn router_behind(scene: &Scene, link: &Link, family: Family) -> Option<IpAddr> {
    networks_behind(scene, link, family).first().map(IpNet::addr)
}

/// The addresses, with their networks, that the other end of a cable has.
fn networks_behind(scene: &Scene, link: &Link, family: Family) -> Vec<IpNet> {
    let Some(Peer { stack: Some(stack), index }) = link.peer else { return Vec::new() };
    let there = scene.stack(stack);
    let Some(far) = there.link(index) else { return Vec::new() };
    let far = far.master.and_then(|bridge| there.link(bridge)).unwrap_or(far);
    let of_family =
        far.addresses.iter().map(|address| address.net).filter(|net| Family::of_net(net) == family);
    of_family.filter(|net| !is_link_local(net.addr())).collect()
}

/// An address that a link without one could have: the last of the network behind it.
pub(super) fn source_for(scene: &Scene, link: &Link, family: Family) -> Option<IpAddr> {
    let net = networks_behind(scene, link, family).into_iter().next()?;
    match net {
        IpNet::V4(net) => net.hosts().last().map(IpAddr::V4),
        IpNet::V6(net) => Some(IpAddr::V6((u128::from(net.network()) | 0xffff).into())),
    }
}

/// IPv6 addresses of a single link (RFC 4291).
pub(super) fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}
