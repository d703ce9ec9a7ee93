//! The cables of a topology.

use crate::{
    address::LEAST_IPV6_MTU_BYTES,
    observed::{LinkKind, Observed},
    place::LinkAt,
    plan::{
        Conflict, Draft, LinkChange, LinkLimits, LinkLocal, NewVeth, NewVethEnd, Operation,
        address::{add_address, refuse_unusable, restore_route},
        veth::{link_local_for, switch_on},
    },
    topology::{Cable, CableEnd, ETHERNET_MTU, Isolation, Shaping},
};

use super::networks::set_mtu;

/// Lays a cable, or mends the one that is there. Both places must be there.
pub(super) fn lay(draft: &mut Draft, cable: &Cable, mtu_bytes: Option<u32>) -> Result<(), Conflict> {
    let [first, second] = &cable.ends;
    if is_laid(draft.state(), cable) && !is_to_begin_ipv6(draft.state(), cable, mtu_bytes) {
        for end in &cable.ends {
            mend(draft, end);
            resize(draft, end, mtu_bytes.unwrap_or(ETHERNET_MTU));
        }
    } else {
        for end in &cable.ends {
            clear_the_way(draft, &end.at)?;
        }
        let pair = NewVeth { main: born(first, mtu_bytes), peer: born(second, mtu_bytes) };
        let why = format!("A veth pair is a cable: what enters {} comes out of {}.", first.at, second.at);
        draft.then(Operation::AddVeth(pair), why);
    }
    let known: Vec<&CableEnd> = cable.ends.iter().filter(|end| is_known(draft.state(), end)).collect();
    for end in &known {
        limit(draft, end);
        isolate(draft, end);
    }
    for end in known.into_iter().rev() {
        address(draft, end)?;
        switch_on(draft, &end.at, "A new link is down; a cable carries packets only with both ends up.");
    }
    Ok(())
}

/// What is in a netns that was seen from outside is not known, and taken to be as asked.
fn is_known(state: &Observed, end: &CableEnd) -> bool {
    end.at.place.netns().is_none_or(|netns| !state.outside.contains(netns))
}

fn is_laid(state: &Observed, cable: &Cable) -> bool {
    let [first, second] = &cable.ends;
    state.link(&first.at).is_some_and(|link| link.peer.as_ref() == Some(&second.at))
}

/// Somebody made it too narrow for IPv6: to be made wider, it would begin with IPv6 in the kernel's own way.
fn is_to_begin_ipv6(state: &Observed, cable: &Cable, mtu_bytes: Option<u32>) -> bool {
    let is_narrow = |end: &CableEnd| state.link(&end.at).is_some_and(|link| !link.has_room_for_ipv6());
    mtu_bytes.unwrap_or(ETHERNET_MTU) >= LEAST_IPV6_MTU_BYTES && cable.ends.iter().any(is_narrow)
}

fn born(end: &CableEnd, mtu_bytes: Option<u32>) -> NewVethEnd {
    let link_local = if end.bridge.is_some() { LinkLocal::None } else { link_local_for(&end.addresses) };
    NewVethEnd {
        at: end.at.clone(),
        mac: Some(end.mac),
        mtu_bytes,
        master: end.bridge.clone(),
        link_local: link_local.at_mtu(mtu_bytes),
    }
}

/// What is left of a cable whose other end is gone or elsewhere.
fn clear_the_way(draft: &mut Draft, at: &LinkAt) -> Result<(), Conflict> {
    let Some(link) = draft.state().link(at) else { return Ok(()) };
    if link.ours && link.kind == LinkKind::Veth {
        let why = "It leads elsewhere, or is too narrow for what it is to carry, so the cable is laid anew.";
        draft.then(Operation::DeleteLink(at.clone()), why);
        return Ok(());
    }
    let difference = "it was not made by netns-tool".to_owned();
    Err(Conflict::LinkTaken { at: at.clone(), difference })
}

/// Plugs an end that is there in where it belongs, under its own address.
pub(super) fn mend(draft: &mut Draft, end: &CableEnd) {
    let Some(link) = draft.state().link(&end.at) else { return };
    let (mac, master) = (link.mac, link.master.clone());
    let mut set = |change, why: &str| draft.then(Operation::SetLink(end.at.clone(), change), why);
    if mac != Some(end.mac) {
        set(LinkChange::Mac(end.mac), "Its neighbours know it by the address that was asked for.");
    }
    match &end.bridge {
        Some(bridge) if master.as_ref() != Some(bridge) => {
            set(LinkChange::Master(bridge.clone()), "This end is plugged into the bridge.");
        }
        None if master.is_some() => set(LinkChange::NoMaster, "This end is plugged into no bridge."),
        _ => {}
    }
}

/// Changes the MTU, and makes room for a full packet in the limits that are there.
fn resize(draft: &mut Draft, end: &CableEnd, mtu_bytes: u32) {
    let link = draft.state().link(&end.at);
    let limits = link.and_then(|link| Some((link.shaping.clone()?, link.mtu_bytes)));
    let needs_room =
        |(shaping, before): &(Shaping, u32)| shaping.burst_bytes(*before) != shaping.burst_bytes(mtu_bytes);
    if let Some((shaping, _)) = limits.filter(needs_room) {
        draft.then(
            Operation::SetShaping(end.at.clone(), LinkLimits { shaping, mtu_bytes }),
            "A packet that is larger than what may leave at once would never leave.",
        );
    }
    set_mtu(draft, &end.at, Some(mtu_bytes));
}

fn limit(draft: &mut Draft, end: &CableEnd) {
    let Some(link) = draft.state().link(&end.at) else { return };
    let (is, mtu_bytes) = (link.shaping.clone(), link.mtu_bytes);
    // As the kernel tells it back; else a limit that it rounds would be set anew each time.
    let wanted = end.shaping.as_ref().map(Shaping::as_kept).filter(|kept| *kept != Shaping::default());
    match wanted {
        Some(shaping) if is.as_ref() != Some(&shaping) => draft.then(
            Operation::SetShaping(end.at.clone(), LinkLimits { shaping, mtu_bytes }),
            "What leaves through a link waits in a queue; the queue keeps to these limits.",
        ),
        None if is.is_some() => {
            draft.then(Operation::ClearShaping(end.at.clone()), "No limits are asked for here.");
        }
        _ => {}
    }
}

pub(super) fn isolate(draft: &mut Draft, end: &CableEnd) {
    let Some(link) = draft.state().link(&end.at) else { return };
    let change = match end.isolation {
        wanted if link.isolation == wanted => return,
        Isolation::On => LinkChange::IsolatedOn,
        Isolation::Off => LinkChange::IsolatedOff,
    };
    draft.then(
        Operation::SetLink(end.at.clone(), change),
        "Isolated ports of a bridge reach its other ports and the host, but not each other.",
    );
}

fn address(draft: &mut Draft, end: &CableEnd) -> Result<(), Conflict> {
    for address in &end.addresses {
        if draft.state().link(&end.at).is_some_and(|link| link.addresses.contains(address)) {
            restore_route(draft, &end.at, *address)?;
            continue;
        }
        refuse_unusable(draft.state(), &end.at, *address)?;
        let why =
            "The address says who the link is, and its prefix length which neighbours it reaches directly.";
        add_address(draft, &end.at, *address, why);
    }
    Ok(())
}
