//! Links that go: tunnels and shared links, what is on the host, then what only connects nodes.

use ipnet::IpNet;

use super::{Kept, ends, has_ipv6};
use crate::{
    name::LinkName,
    observed::Link,
    place::{LinkAt, Place},
    plan::{
        Draft, LinkChange, NewLink, Operation,
        topology::{networks::new_tunnel, nodes::new_macvlan},
    },
    sysctl::Sysctl,
    topology::{Cable, CableEnd, Macvlan, Topology, Tunnel},
};

impl Kept<'_> {
    /// Deletes what is on the host together; then what only connects nodes, if its nodes stay.
    pub(super) fn delete_links(&self, draft: &mut Draft, before: &Topology) {
        self.delete_tunnels(draft, before);
        self.delete_macvlans(draft, before);
        before.cables.iter().filter(|cable| !self.cables.contains_key(&ends(cable))).for_each(|cable| {
            cable.ends.iter().for_each(|end| assume_settings(draft, end));
        });
        let gone = || before.cables.iter().filter(|cable| !self.cables.contains_key(&ends(cable)));
        let mut on_host: Vec<LinkName> = Vec::new();
        for network in &before.networks {
            let kept = self.networks.get(&network.bridge);
            on_host.extend(kept.is_none().then(|| network.bridge.clone()));
        }
        let has_host_end = |cable: &&Cable| ends(cable)[0].place == Place::Host;
        on_host.extend(gone().filter(has_host_end).map(|cable| ends(cable)[0].name.clone()));
        on_host
            .retain(|link| draft.state().link(&LinkAt::on_host(link.clone())).is_some_and(|link| link.ours));
        if !on_host.is_empty() {
            let why = "Together, because the kernel makes every deletion wait for all packets on their way.";
            draft.then(Operation::DeleteLinks(on_host), why);
        }
        for cable in gone().filter(|cable| !has_host_end(cable)) {
            self.delete_inner_cable(draft, cable);
        }
    }

    /// A cable goes with either of its netns, but a moment later.
    fn delete_inner_cable(&self, draft: &mut Draft, cable: &Cable) {
        let staying = cable
            .ends
            .iter()
            .filter(|end| end.at.place.netns().is_some_and(|netns| self.nodes.contains_key(netns)));
        for at in staying.map(|end| &end.at) {
            if draft.state().link(at).is_some_and(|link| link.ours) {
                draft.then(Operation::DeleteLink(at.clone()), "The cable is asked for no more.");
            }
        }
    }

    fn delete_tunnels(&self, draft: &mut Draft, before: &Topology) {
        for network in &before.networks {
            let kept = self.networks.get(&network.bridge);
            let stays = |tunnel: &&Tunnel| kept.is_some_and(|kept| kept.tunnel.as_ref() == Some(*tunnel));
            for tunnel in network.tunnel.iter().filter(|tunnel| !stays(tunnel)) {
                delete_link(draft, new_tunnel(network, tunnel), &[]);
            }
        }
    }

    fn delete_macvlans(&self, draft: &mut Draft, before: &Topology) {
        for node in &before.nodes {
            let kept = self.nodes.get(&node.name);
            let stays = |macvlan: &&Macvlan| kept.is_some_and(|kept| kept.macvlans.contains(macvlan));
            for macvlan in node.macvlans.iter().filter(|macvlan| !stays(macvlan)) {
                delete_link(draft, new_macvlan(&node.name, macvlan), &macvlan.addresses);
            }
        }
    }
}

/// Deletes a link of another kind; only what was asked for tells how to make it again.
pub(in crate::plan::topology) fn delete_link(draft: &mut Draft, birth: NewLink, addresses: &[IpNet]) {
    let at = birth.at.clone();
    if !draft.state().link(&at).is_some_and(|link| link.ours) {
        return;
    }
    let mut undo = vec![Operation::AddLink(birth)];
    undo.extend(addresses.iter().map(|address| Operation::AddAddress(at.clone(), *address)));
    undo.push(Operation::SetLink(at.clone(), LinkChange::Up));
    draft.then_undone_by(Operation::DeleteLink(at), undo, "The link is asked for no more, or not like this.");
}

/// What was set when the cable was laid: to read it all again would take as long as the rest.
fn assume_settings(draft: &mut Draft, end: &CableEnd) {
    let name = || end.at.name.clone();
    if has_ipv6(end) {
        draft.assume(&end.at, Sysctl::AcceptRa(name()), 0);
        draft.assume(&end.at, Sysctl::Autoconf(name()), 0);
    } else if draft.state().link(&end.at).is_some_and(Link::has_room_for_ipv6) {
        draft.assume(&end.at, Sysctl::AddrGenMode(name()), 1);
    }
}
