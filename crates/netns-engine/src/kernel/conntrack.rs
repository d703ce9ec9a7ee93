//! Connection tracking: showing flows, and forgetting those that lead where a port no longer does.
//!
//! A tracked flow keeps its translation for as long as it lives, whatever the rules say by now;
//! a UDP flow lives for as long as packets come.

use std::net::{IpAddr, SocketAddr};

use rustix::io::Errno;

use super::{
    Refusal,
    netfilter::{Attributes, Subsystem, attribute, body, number_in},
    netlink::{Protocol, Request, Socket, flag},
};
use crate::{
    diagnose::scene::{Flow, Tuple},
    firewall::{PortForward, Transport},
};

/// `enum cntl_msg_types` (`linux/netfilter/nfnetlink_conntrack.h`).
const GET: u16 = 1;
const DELETE: u16 = 2;
/// `enum ctattr_type`: the two directions of a flow, what became of it, and its number.
const ORIGINAL: u16 = 1;
const REPLY: u16 = 2;
const STATUS: u16 = 3;
const ID: u16 = 12;

/// Deletes the tracked flows that `forwards` once sent to their targets.
///
/// The kernel walks all of its table for one as for many of them, so each family is asked for once.
pub(super) fn forget_flows(forwards: &[PortForward]) -> Result<(), Refusal> {
    let (v4, v6): (Vec<_>, Vec<_>) = forwards.iter().partition(|forward| forward.target.is_ipv4());
    [v4, v6].iter().filter(|of_family| !of_family.is_empty()).try_for_each(|of_family| forget(of_family))
}

fn forget(forwards: &[&PortForward]) -> Result<(), Refusal> {
    let Some(first) = forwards.first() else { return Ok(()) };
    let mut socket = Socket::open(Protocol::Netfilter)?;
    let family = protocol_family(first.target.ip());
    let mut stale = Vec::new();
    let every = Request { kind: kind(GET), flags: 0, payload: Attributes::new().message(family) };
    socket.dump(&every, |answer| match answer {
        None => stale.clear(),
        Some(flow) => {
            stale.extend(forwards.iter().find_map(|forward| deletion_if_stale(body(flow), forward, family)));
        }
    })?;
    for answer in socket.change_all(&stale) {
        match answer {
            // Gone by itself in the meantime.
            Err(refusal) if refusal.errno() == Errno::NOENT => {}
            answer => answer?,
        }
    }
    Ok(())
}

fn kind(message: u16) -> u16 {
    Subsystem::ConnectionTracking.message(message)
}

/// `AF_INET` and `AF_INET6`.
fn protocol_family(address: IpAddr) -> u8 {
    if address.is_ipv4() { 2 } else { 10 }
}

/// Returns the request that deletes the flow, if it went to the published port and its answers
/// come from the target.
fn deletion_if_stale(flow: &[u8], forward: &PortForward, family: u8) -> Option<Request> {
    let (original, reply) = (attribute(flow, ORIGINAL)?, attribute(flow, REPLY)?);
    let published = &forward.published;
    let leads_to_target = protocol(original)? == published.transport.number()
        && port(original, End::Destination)? == published.port
        && port(reply, End::Source)? == forward.target.port()
        && address(reply, End::Source)? == forward.target.ip();
    if !leads_to_target {
        return None;
    }
    // The number makes sure that it is this flow, and not a later one of the same addresses.
    let attributes = Attributes::new().nested(ORIGINAL, &Attributes::raw(original));
    let attributes = match attribute(flow, ID) {
        Some(id) => attributes.bytes(ID, id),
        None => attributes,
    };
    Some(Request { kind: kind(DELETE), flags: flag::ACK, payload: attributes.message(family) })
}

/// `CTA_PROTO_SRC_PORT` or `CTA_PROTO_DST_PORT`.
#[derive(Clone, Copy)]
enum End {
    Source = 2,
    Destination = 3,
}

/// `CTA_TUPLE_PROTO`, in it `CTA_PROTO_NUM`.
fn protocol(direction: &[u8]) -> Option<u8> {
    attribute(attribute(direction, 2)?, 1)?.first().copied()
}

fn port(direction: &[u8], end: End) -> Option<u16> {
    let bytes = attribute(attribute(direction, 2)?, end as u16)?;
    Some(u16::from_be_bytes(bytes.try_into().ok()?))
}

/// `CTA_TUPLE_IP`, in it `CTA_IP_V4_SRC` and `CTA_IP_V4_DST`, or the same of IPv6.
fn address(direction: &[u8], end: End) -> Option<IpAddr> {
    let (v4, v6) = match end {
        End::Source => (1, 3),
        End::Destination => (2, 4),
    };
    let addresses = attribute(direction, 1)?;
    if let Some(v4) = attribute(addresses, v4) {
        return Some(<[u8; 4]>::try_from(v4).ok()?.into());
    }
    Some(<[u8; 16]>::try_from(attribute(addresses, v6)?).ok()?.into())
}

/// Returns the tracked TCP and UDP flows of the calling thread's netns that are wanted.
pub(super) fn flows(is_wanted: impl Fn(&Flow) -> bool) -> Result<Vec<Flow>, Refusal> {
    /// `AF_UNSPEC`: both families.
    const BOTH: u8 = 0;
    let mut socket = Socket::open(Protocol::Netfilter)?;
    let every = Request { kind: kind(GET), flags: 0, payload: Attributes::new().message(BOTH) };
    let mut flows = Vec::new();
    socket.dump(&every, |answer| match answer {
        None => flows.clear(),
        Some(payload) => flows.extend(flow(body(payload)).filter(&is_wanted)),
    })?;
    Ok(flows)
}

fn flow(attributes: &[u8]) -> Option<Flow> {
    /// `IPS_SEEN_REPLY` (`linux/netfilter/nf_conntrack_common.h`).
    const SEEN_REPLY: u32 = 1 << 1;
    let original = attribute(attributes, ORIGINAL)?;
    let status = attribute(attributes, STATUS).and_then(number_in).unwrap_or_default();
    Some(Flow {
        transport: match protocol(original)? {
            6 => Transport::Tcp,
            17 => Transport::Udp,
            _ => return None,
        },
        original: tuple(original)?,
        reply: tuple(attribute(attributes, REPLY)?)?,
        answered: status & SEEN_REPLY != 0,
    })
}

fn tuple(direction: &[u8]) -> Option<Tuple> {
    let end = |end| Some(SocketAddr::new(address(direction, end)?, port(direction, end)?));
    Some(Tuple { source: end(End::Source)?, destination: end(End::Destination)? })
}
