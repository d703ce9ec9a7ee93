//! Netns seen from outside: that the host's cables still lead to whatever bears the name.
//!
//! To enter a netns and to read it takes as long as thirty looks from here.

use std::{
    collections::{BTreeMap, HashMap},
    os::fd::AsFd,
};

use super::{
    LinuxKernel, Refusal, namespace,
    rtnetlink::{Carrier, RawLink, Rtnetlink},
};
use crate::{
    name::{LinkName, NetnsName},
    observed::{LinkKind, Plug, Scope},
    place::Place,
};

/// A netns that was seen from outside.
#[derive(Debug)]
pub(super) struct Seen<'a> {
    pub(super) plugs: &'a [Plug],
    /// The id by which the host knows it.
    pub(super) id: i32,
}

/// Returns the netns that `scope` lets be seen from outside, and that look from there as they should.
pub(super) fn look<'a>(
    kernel: &mut LinuxKernel,
    scope: &'a Scope,
    host: &[RawLink],
) -> Result<BTreeMap<NetnsName, Seen<'a>>, Refusal> {
    if scope.outside.is_empty() {
        return Ok(BTreeMap::new());
    }
    let links: HashMap<&LinkName, &RawLink> = host.iter().map(|link| (&link.name, link)).collect();
    let talk = kernel.talk(&Place::Host)?;
    let seen = scope.outside.iter().filter_map(|(name, plugs)| {
        let id = where_to(plugs, &links)?;
        bears_name(talk, name, id).then(|| (name.clone(), Seen { plugs, id }))
    });
    Ok(seen.collect())
}

/// The id of the netns that all of these cables lead to, as long as they are ours and whole.
fn where_to(plugs: &[Plug], links: &HashMap<&LinkName, &RawLink>) -> Option<i32> {
    let mut ids = plugs.iter().map(|plug| {
        let link = links.get(&plug.outside)?;
        let whole = link.ours && link.kind == LinkKind::Veth && link.carrier == Carrier::On;
        link.peer_netns.filter(|_| whole)
    });
    let first = ids.next()??;
    ids.all(|id| id == Some(first)).then_some(first)
}

/// Whatever keeps it from being seen, a look from within will tell.
fn bears_name(talk: &mut Rtnetlink, name: &NetnsName, id: i32) -> bool {
    namespace::open(name).and_then(|file| talk.netns_id(file.as_fd())) == Ok(Some(id))
}
