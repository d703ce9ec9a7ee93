//! The switches of a topology: bridges, their guards, their way out.

use std::{collections::BTreeSet, net::IpAddr};

use super::{cables, retirement::delete_link};
use crate::{
    address::{Family, LEAST_IPV6_MTU_BYTES},
    desired::Nat,
    firewall::{Driver, Translation},
    name::LinkName,
    observed::{Link, Observed},
    place::{LinkAt, Place},
    plan::{
        Conflict, Draft, LinkChange, LinkLocal, NewBridge, NewLink, NewLinkKind, Operation,
        address::{add_address, ipv6_probe, refuse_unusable, restore_route},
        own_table,
        veth::switch_on,
    },
    sysctl::Sysctl,
    topology::{CableEnd, ETHERNET_MTU, Isolation, Network, Reach, Topology, Tunnel},
};

/// Makes what is missing: all bridges, then all guards at once, then the ways out, then bridges up.
pub(super) fn make(draft: &mut Draft, wanted: &Topology) -> Result<(), Conflict> {
    for network in &wanted.networks {
        make_bridge(draft, network)?;
        network.tunnel.iter().for_each(|tunnel| make_tunnel(draft, network, tunnel));
    }
    guard(draft, &wanted.networks);
    for network in &wanted.networks {
        if let Reach::Internet { uplink } = &network.reach {
            let nat = Nat {
                bridge: network.bridge.clone(),
                uplink: uplink.clone(),
                translation: Translation::Masquerade,
                driver: draft.state().firewall.nftables.then_some(Driver::Nftables),
            };
            nat.extend(draft)?;
        }
    }
    for network in &wanted.networks {
        switch_on(draft, &bridge_of(network), "A bridge that is down forwards nothing.");
    }
    Ok(())
}

fn bridge_of(network: &Network) -> LinkAt {
    LinkAt::on_host(network.bridge.clone())
}

fn make_bridge(draft: &mut Draft, network: &Network) -> Result<(), Conflict> {
    let at = bridge_of(network);
    match draft.state().link(&at) {
        None => {
            let new = NewBridge { at: at.clone(), mac: network.mac };
            draft.then(
                Operation::AddBridge(new),
                format!("Network '{}' is a bridge: a virtual switch on the host.", network.name),
            );
        }
        Some(link) if link.mac != Some(network.mac) => {
            let back = Operation::SetLink(at.clone(), LinkChange::Mac(network.mac));
            draft.then(back, "The address that the bridge is known by is part of what was asked for.");
        }
        Some(_) => {}
    }
    set_mtu(draft, &at, network.mtu_bytes);
    close_to_ipv6(draft, network);
    for address in &network.addresses {
        if !has_address(draft.state(), &at, address) {
            refuse_unusable(draft.state(), &at, *address)?;
            let why = "With an address the host takes part in the network, as its gateway.";
            add_address(draft, &at, *address, why);
        }
        restore_route(draft, &at, *address)?;
    }
    Ok(())
}

fn has_address(state: &Observed, at: &LinkAt, address: &ipnet::IpNet) -> bool {
    state.link(at).is_some_and(|link| link.addresses.contains(address))
}

/// Without a link-local address, nothing on the bridge reaches the host's services by it.
fn close_to_ipv6(draft: &mut Draft, network: &Network) {
    let setting = Sysctl::DisableIpv6(network.bridge.clone());
    let asked = network.addresses.iter().any(|address| Family::of_net(address) == Family::Ipv6);
    let exists = draft.state().sysctl(&Place::Host, &ipv6_probe()).is_some()
        && draft.state().link(&bridge_of(network)).is_some_and(Link::has_room_for_ipv6);
    if exists && !asked && draft.state().sysctl(&Place::Host, &setting) != Some(1) {
        draft.then(
            Operation::SetSysctl(Place::Host, setting, 1),
            "Nobody asked for IPv6 here: without a link-local address, nothing on the bridge reaches the host's services by it.",
        );
        for setting in [Sysctl::AcceptRa, Sysctl::Autoconf] {
            back_to_default(draft, &setting, network);
        }
    }
}

/// Gives a setting that an IPv6 address brought with it the value of a link that never had one.
fn back_to_default(draft: &mut Draft, setting: &dyn Fn(LinkName) -> Sysctl, network: &Network) {
    let by_default = setting(LinkName::from_kernel("default"));
    let of_bridge = setting(network.bridge.clone());
    let state = draft.state();
    if let (Some(value), Some(is)) =
        (state.sysctl(&Place::Host, &by_default), state.sysctl(&Place::Host, &of_bridge))
        && value != is
    {
        let why = "Without IPv6, the bridge is set as any new link.";
        draft.then(Operation::SetSysctl(Place::Host, of_bridge, value), why);
    }
}

/// Sets the MTU of a link, unless it is that already or none is asked for.
pub(super) fn set_mtu(draft: &mut Draft, at: &LinkAt, wanted: Option<u32>) {
    let Some(bytes) = wanted else { return };
    if draft.state().link(at).is_some_and(|link| link.mtu_bytes != bytes) {
        let change = Operation::SetLink(at.clone(), LinkChange::Mtu(bytes));
        draft.then(change, "The largest packet is the same for all who share a network.");
    }
}

fn make_tunnel(draft: &mut Draft, network: &Network, tunnel: &Tunnel) {
    let end = near_end(network, tunnel);
    remove_narrow_tunnel(draft, network, tunnel);
    if draft.state().link(&end.at).is_some() {
        cables::mend(draft, &end);
        set_mtu(draft, &end.at, Some(network.mtu_bytes.unwrap_or(ETHERNET_MTU)));
        cables::isolate(draft, &end);
    } else {
        draft.then(
            Operation::AddLink(new_tunnel(network, tunnel)),
            format!(
                "The tunnel carries the network's frames to {}, inside UDP packets.",
                listed(&tunnel.remotes)
            ),
        );
    }
    switch_on(draft, &end.at, "A new link is down.");
}

/// Somebody made it too narrow for IPv6: to be made wider, it would begin with IPv6 in the kernel's own way.
fn remove_narrow_tunnel(draft: &mut Draft, network: &Network, tunnel: &Tunnel) {
    let birth = new_tunnel(network, tunnel);
    let Some(link) = draft.state().link(&birth.at) else { return };
    if !link.has_room_for_ipv6() && network.mtu_bytes.is_none_or(|bytes| bytes >= LEAST_IPV6_MTU_BYTES) {
        let mtu_bytes = Some(link.mtu_bytes);
        let as_it_is = NewLink { mtu_bytes, link_local: birth.link_local.at_mtu(mtu_bytes), ..birth };
        delete_link(draft, as_it_is, &[]);
    }
}

/// A tunnel is a cable with one end here.
fn near_end(network: &Network, tunnel: &Tunnel) -> CableEnd {
    CableEnd {
        at: LinkAt::on_host(tunnel.link.clone()),
        mac: tunnel.mac,
        bridge: Some(network.bridge.clone()),
        isolation: Isolation::Off,
        addresses: Vec::new(),
        shaping: None,
    }
}

fn listed(remotes: &[IpAddr]) -> String {
    remotes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

pub(super) fn new_tunnel(network: &Network, tunnel: &Tunnel) -> NewLink {
    NewLink {
        at: LinkAt::on_host(tunnel.link.clone()),
        kind: NewLinkKind::Vxlan { vni: tunnel.vni, remotes: tunnel.remotes.clone(), port: tunnel.port },
        mac: tunnel.mac,
        mtu_bytes: network.mtu_bytes,
        master: Some(network.bridge.clone()),
        link_local: LinkLocal::None.at_mtu(network.mtu_bytes),
    }
}

/// Nobody outside reaches a network but by published ports, and none of its nodes gets out but as asked.
fn guard(draft: &mut Draft, networks: &[Network]) {
    if networks.is_empty() || !draft.state().firewall.nftables {
        return;
    }
    own_table::restore_rules(draft);
    let wanted = networks.iter().map(|network| &network.bridge).collect::<BTreeSet<_>>();
    let entries = wanted.into_iter().flat_map(own_table::closed_by);
    let missing: Vec<_> = entries.filter(|entry| !own_table::has(draft.state(), entry)).collect();
    if missing.is_empty() {
        return;
    }
    own_table::make_table(draft);
    draft.then(
        Operation::AddEntries(missing),
        "Before anything can pass: nobody outside reaches these networks but by published ports, and they reach nobody else.",
    );
}
