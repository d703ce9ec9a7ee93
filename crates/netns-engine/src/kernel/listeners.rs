//! Programs of the host that listen on a port.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

use procfs::{
    FromReadSI, ProcError, ProcResult, current_system_info,
    net::{TcpNetEntries, TcpState, UdpNetEntries, UdpState},
    process::{FDTarget, all_processes},
};
use rustix::io::Errno;

use super::Refusal;
use crate::{firewall::Transport, observed::Listener};

/// A listening socket and its inode, by which its process can be found.
struct ListeningSocket {
    transport: Transport,
    address: SocketAddr,
    inode: u64,
}

/// Returns who listens on one of `ports`, in the calling thread's network namespace.
///
/// The processes are searched only if somebody does. A socket whose process may not be known, or
/// that belongs to the kernel itself, is listed without a program.
pub(super) fn on_ports(ports: &BTreeSet<u16>) -> Result<BTreeSet<Listener>, Refusal> {
    if ports.is_empty() {
        return Ok(BTreeSet::new());
    }
    let mut sockets = tcp_sockets().map_err(refusal)?;
    sockets.extend(udp_sockets().map_err(refusal)?);
    sockets.retain(|socket| ports.contains(&socket.address.port()));
    let programs =
        if sockets.is_empty() { BTreeMap::new() } else { programs_of(&sockets).map_err(refusal)? };
    let listener = |socket: ListeningSocket| Listener {
        program: programs.get(&socket.inode).cloned(),
        transport: socket.transport,
        address: socket.address,
    };
    Ok(sockets.into_iter().map(listener).collect())
}

fn tcp_sockets() -> ProcResult<Vec<ListeningSocket>> {
    let mut sockets = Vec::new();
    for file in files("tcp") {
        let TcpNetEntries(entries) = TcpNetEntries::from_file(file, current_system_info())?;
        let listening = entries.into_iter().filter(|entry| entry.state == TcpState::Listen);
        sockets.extend(listening.map(|entry| ListeningSocket {
            transport: Transport::Tcp,
            address: entry.local_address,
            inode: entry.inode,
        }));
    }
    Ok(sockets)
}

/// A UDP socket without a peer takes packets from anyone.
fn udp_sockets() -> ProcResult<Vec<ListeningSocket>> {
    let mut sockets = Vec::new();
    for file in files("udp") {
        let UdpNetEntries(entries) = UdpNetEntries::from_file(file, current_system_info())?;
        let listening = entries.into_iter().filter(|entry| entry.state == UdpState::Close);
        sockets.extend(listening.map(|entry| ListeningSocket {
            transport: Transport::Udp,
            address: entry.local_address,
            inode: entry.inode,
        }));
    }
    Ok(sockets)
}

/// The tables of both families. `/proc/net` would show the netns of the main thread, and a kernel
/// without IPv6 has one table less.
fn files(protocol: &str) -> impl Iterator<Item = String> {
    ["", "6"]
        .map(|version| format!("/proc/thread-self/net/{protocol}{version}"))
        .into_iter()
        .filter(|path| std::path::Path::new(path).exists())
}

/// Finds the processes that have one of the sockets open, as far as we may look.
fn programs_of(sockets: &[ListeningSocket]) -> ProcResult<BTreeMap<u64, (u32, String)>> {
    let wanted: BTreeSet<u64> = sockets.iter().map(|socket| socket.inode).collect();
    let mut programs = BTreeMap::new();
    for process in all_processes()?.flatten() {
        let Ok(descriptors) = process.fd() else { continue };
        for descriptor in descriptors.flatten() {
            let FDTarget::Socket(inode) = descriptor.target else { continue };
            if wanted.contains(&inode)
                && let (Ok(pid), Ok(stat)) = (u32::try_from(process.pid), process.stat())
            {
                programs.insert(inode, (pid, stat.comm));
            }
        }
        if programs.len() == wanted.len() {
            break;
        }
    }
    Ok(programs)
}

fn refusal(error: ProcError) -> Refusal {
    let errno = match &error {
        ProcError::PermissionDenied(_) => Errno::ACCESS,
        ProcError::NotFound(_) => Errno::NOENT,
        _ => Errno::IO,
    };
    Refusal::new(errno).with_message(error.to_string())
}
