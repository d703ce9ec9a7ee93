//! Programs of the host that listen on a port, asked of the kernel by `sock_diag(7)`.
//!
//! The tables in `/proc/net` say the same, but to write one the kernel walks every connection there
//! could be, which takes it milliseconds.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use rustix::io::Errno;

use super::{
    Refusal, modules,
    netlink::{Protocol, Request, Socket as Netlink, attributes_of},
    sockets,
};
use crate::{
    firewall::Transport,
    observed::Listener,
    view::{Process, Socket},
};

/// `SOCK_DIAG_BY_FAMILY` (`linux/sock_diag.h`).
const BY_FAMILY: u16 = 20;
/// The length of a `struct inet_diag_msg` (`linux/inet_diag.h`).
const ANSWER_BYTES: usize = 72;
/// `AF_INET` and `AF_INET6`.
const FAMILIES: [u8; 2] = [2, 10];
/// As the port in a question.
const EVERY_PORT: u16 = 0;

/// A listening socket, known by its inode.
#[derive(Clone, Debug)]
struct Listening {
    transport: Transport,
    address: SocketAddr,
    inode: u64,
    /// Whether a socket on `[::]` takes IPv4 connections, too.
    takes_ipv4: bool,
}

/// Returns who listens on one of `ports`, in the calling thread's network namespace.
///
/// The processes are searched only if somebody does. A socket whose process may not be known, or
/// that belongs to the kernel itself, is listed without a program.
pub(super) fn on_ports(ports: &BTreeSet<u16>) -> Result<BTreeSet<Listener>, Refusal> {
    if ports.is_empty() {
        return Ok(BTreeSet::new());
    }
    let found = match asked(ports) {
        // A kernel without INET_DIAG.
        Err(refusal) if refusal.errno() == Errno::NOENT => listed(ports)?,
        answer => answer?,
    };
    let programs = if found.is_empty() { BTreeMap::new() } else { programs(&found)? };
    Ok(found.into_iter().flat_map(|socket| listeners(&socket, &programs)).collect())
}

/// Returns every socket that waits for others in the calling thread's network namespace, by its inode, without
/// its programs.
///
/// To be called before the caller has sockets of its own there. Loads no module: where the kernel has not needed
/// `sock_diag` yet, the tables in `/proc/net` have to do.
pub(super) fn all() -> Result<Vec<(u64, Socket)>, Refusal> {
    let transports = sockets::transports_in_use();
    if transports.is_empty() {
        return Ok(Vec::new());
    }
    if !["tcp_diag", "udp_diag"].into_iter().all(modules::is_there) {
        let mut sockets = sockets::sockets()?;
        sockets.retain(|(_, socket)| socket.remote.is_none());
        return Ok(sockets);
    }
    let mut netlink = Netlink::open(Protocol::SockDiag)?;
    let mut found = Vec::new();
    for transport in transports {
        for family in FAMILIES {
            found.extend(listening(&mut netlink, &question(family, transport, EVERY_PORT), transport)?);
        }
    }
    Ok(found.iter().map(Listening::in_words).collect())
}

impl Listening {
    fn in_words(&self) -> (u64, Socket) {
        let state = match self.transport {
            Transport::Tcp => "listening",
            Transport::Udp => "open",
        };
        let socket = Socket {
            transport: self.transport,
            local: self.address,
            remote: None,
            state: state.to_owned(),
            programs: Vec::new(),
        };
        (self.inode, socket)
    }
}

fn asked(ports: &BTreeSet<u16>) -> Result<Vec<Listening>, Refusal> {
    let mut netlink = Netlink::open(Protocol::SockDiag)?;
    let mut found = Vec::new();
    for port in ports {
        for transport in [Transport::Tcp, Transport::Udp] {
            for family in FAMILIES {
                found.extend(listening(&mut netlink, &question(family, transport, *port), transport)?);
            }
        }
    }
    Ok(found)
}

/// The same by the tables in `/proc/net`, which do not tell whether `[::]` takes IPv4 as well; it
/// does unless told otherwise.
fn listed(ports: &BTreeSet<u16>) -> Result<Vec<Listening>, Refusal> {
    let mut sockets = sockets::sockets()?;
    sockets.retain(|(_, socket)| socket.remote.is_none() && ports.contains(&socket.local.port()));
    let listening = |(inode, socket): (u64, Socket)| Listening {
        transport: socket.transport,
        address: socket.local,
        inode,
        takes_ipv4: socket.local.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    Ok(sockets.into_iter().map(listening).collect())
}

fn listening(
    netlink: &mut Netlink,
    question: &Request,
    transport: Transport,
) -> Result<Vec<Listening>, Refusal> {
    let mut found = Vec::new();
    netlink.dump(question, |answer| match answer {
        None => found.clear(),
        Some(payload) => found.extend(read(payload, transport)),
    })?;
    Ok(found)
}

/// A `struct inet_diag_req_v2`: family, protocol, two bytes, states, and a `struct
/// inet_diag_sockid`, of which only the local port is given.
fn question(family: u8, transport: Transport, port: u16) -> Request {
    /// The port is followed by that of the other end, two addresses, link and cookie.
    const REST_OF_ID: usize = 46;
    // A UDP socket without a peer, which takes packets from anyone, is "closed" (`net/tcp_states.h`).
    let states: u32 = match transport {
        Transport::Tcp => 1 << 10,
        Transport::Udp => 1 << 7,
    };
    let mut payload = vec![family, transport.number(), 0, 0];
    payload.extend_from_slice(&states.to_ne_bytes());
    payload.extend_from_slice(&port.to_be_bytes());
    payload.resize(payload.len() + REST_OF_ID, 0);
    Request { kind: BY_FAMILY, flags: 0, payload }
}

/// Reads a `struct inet_diag_msg`: family and state, the socket's own port at 4 and address at 8,
/// the inode at 68; behind it attributes.
fn read(payload: &[u8], transport: Transport) -> Option<Listening> {
    /// `INET_DIAG_SKV6ONLY`.
    const IPV6_ONLY: u16 = 11;
    let port = u16::from_be_bytes(payload.get(4..6)?.try_into().ok()?);
    let address: [u8; 16] = payload.get(8..24)?.try_into().ok()?;
    let ip = match payload.first()? {
        2 => IpAddr::V4(Ipv4Addr::from(*address.first_chunk::<4>()?)),
        _ => IpAddr::V6(Ipv6Addr::from(address)),
    };
    let inode = u64::from(u32::from_ne_bytes(payload.get(68..ANSWER_BYTES)?.try_into().ok()?));
    let mut attributes = attributes_of(payload.get(ANSWER_BYTES..).unwrap_or_default());
    let ipv6_only = attributes.any(|(kind, value)| kind == IPV6_ONLY && value.first() == Some(&1));
    let takes_ipv4 = ip == IpAddr::V6(Ipv6Addr::UNSPECIFIED) && !ipv6_only;
    Some(Listening { transport, address: SocketAddr::new(ip, port), inode, takes_ipv4 })
}

fn programs(found: &[Listening]) -> Result<BTreeMap<SocketKey, Process>, Refusal> {
    let known = sockets::with_programs(found.iter().map(Listening::in_words).collect())?;
    Ok(known
        .into_iter()
        .filter_map(|socket| Some(((socket.transport, socket.local), socket.programs.into_iter().next()?)))
        .collect())
}

type SocketKey = (Transport, SocketAddr);

/// A socket on `[::]` that takes both families listens on `0.0.0.0` as well.
fn listeners(socket: &Listening, programs: &BTreeMap<SocketKey, Process>) -> Vec<Listener> {
    let program = programs.get(&(socket.transport, socket.address));
    let on = |address: IpAddr| Listener {
        transport: socket.transport,
        address: SocketAddr::new(address, socket.address.port()),
        program: program.map(|process| (process.pid, process.program.clone())),
    };
    let mut listeners = vec![on(socket.address.ip())];
    if socket.takes_ipv4 {
        listeners.push(on(Ipv4Addr::UNSPECIFIED.into()));
    }
    listeners
}
