//! One ping.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    os::fd::{AsFd, OwnedFd},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    net::{
        AddressFamily, RecvFlags, SendFlags, SocketAddrAny, SocketFlags, SocketType, connect, ipproto,
        recvfrom, send, socket_with,
    },
};

/// Echo request and reply (RFC 792).
const V4: Kinds = Kinds { request: 8, reply: 0 };
/// Echo request and reply (RFC 4443).
const V6: Kinds = Kinds { request: 128, reply: 129 };
/// Tells our echo from those of other pings on the same machine.
const IDENTIFIER: [u8; 2] = [0x6e, 0x74];
/// The sequence number of a ping that nothing else is told by.
const FIRST: u16 = 1;
/// Type, code, checksum, identifier, sequence number.
const HEADER_BYTES: usize = 8;

struct Kinds {
    request: u8,
    reply: u8,
}

/// An echo request, as it is known again by its answer.
#[derive(Clone, Copy, Debug)]
pub(in crate::kernel) struct Echo {
    sequence: [u8; 2],
}

impl Echo {
    /// An echo with this sequence number, which no translation on the way changes.
    pub(in crate::kernel) fn numbered(sequence: u16) -> Self {
        Self { sequence: sequence.to_be_bytes() }
    }

    /// Returns the message that asks `address`.
    pub(in crate::kernel) fn request(self, address: IpAddr) -> Vec<u8> {
        let mut message = vec![kinds(address).request, 0, 0, 0];
        message.extend_from_slice(&IDENTIFIER);
        message.extend_from_slice(&self.sequence);
        message.extend_from_slice(b"netns-tool");
        // For ICMPv6 the kernel fills in its own, which covers addresses too.
        let checksum = checksum(&message).to_be_bytes();
        message.splice(2..4, checksum);
        message
    }

    /// Returns whether what a socket for pings received from `address` is the answer.
    pub(in crate::kernel) fn is_answered_by(self, address: IpAddr, packet: &[u8]) -> bool {
        let message = strip_ip_header(address, packet);
        message.len() >= HEADER_BYTES
            && message.first() == Some(&kinds(address).reply)
            && message.get(4..6) == Some(&IDENTIFIER)
            && message.get(6..8) == Some(&self.sequence)
    }
}

fn kinds(address: IpAddr) -> &'static Kinds {
    if address.is_ipv4() { &V4 } else { &V6 }
}

/// How long to wait before asking a second time; twice as long before each further time.
const FIRST_PATIENCE: Duration = Duration::from_millis(200);

/// Sends echo requests until a reply comes.
pub(super) fn ping(address: IpAddr, patience: Duration) -> io::Result<()> {
    exchange(&open(address)?, address, Instant::now() + patience)
}

/// Opens a socket for pings to `address`. Until it is connected it hears every answer that comes to this netns.
pub(in crate::kernel) fn open(address: IpAddr) -> io::Result<OwnedFd> {
    let (family, protocol) = match address {
        IpAddr::V4(_) => (AddressFamily::INET, ipproto::ICMP),
        IpAddr::V6(_) => (AddressFamily::INET6, ipproto::ICMPV6),
    };
    Ok(socket_with(family, SocketType::RAW, SocketFlags::CLOEXEC, Some(protocol))?)
}

/// Sends echo requests to `address` until a reply comes.
pub(super) fn exchange(socket: &OwnedFd, address: IpAddr, deadline: Instant) -> io::Result<()> {
    let echo = Echo::numbered(FIRST);
    // Answers to pings of other threads may be waiting already; from now on, only `address` is heard.
    connect(socket, &SocketAddr::new(address, 0))?;
    loop {
        let request = echo.request(address);
        ask_again_and_again(socket, deadline, || Ok(send(socket, &request, SendFlags::empty()).map(drop)?))?;
        let mut packet = [0_u8; 2048];
        let (length, _, sender) = recvfrom(socket, packet.as_mut_slice(), RecvFlags::empty())?;
        let packet = packet.get(..length).unwrap_or_default();
        if is_from(sender, address) && echo.is_answered_by(address, packet) {
            return Ok(());
        }
    }
}

fn is_from(sender: Option<SocketAddrAny>, address: IpAddr) -> bool {
    let sender = sender.and_then(|sender| SocketAddr::try_from(sender).ok());
    sender.is_some_and(|sender| sender.ip() == address)
}

/// Sends, and waits until something can be received; after a while without it, sends again.
pub(super) fn ask_again_and_again(
    socket: &impl AsFd,
    deadline: Instant,
    mut send: impl FnMut() -> io::Result<()>,
) -> io::Result<()> {
    let mut patience = FIRST_PATIENCE;
    loop {
        send()?;
        let left = deadline.saturating_duration_since(Instant::now());
        if wait(socket, left.min(patience))? {
            return Ok(());
        }
        if left <= patience {
            return Err(io::ErrorKind::TimedOut.into());
        }
        patience *= 2;
    }
}

/// Waits until there is something to receive, an error included; returns whether there is.
fn wait(socket: &impl AsFd, patience: Duration) -> io::Result<bool> {
    let patience = Timespec::try_from(patience).map_err(|_| io::ErrorKind::InvalidInput)?;
    Ok(poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&patience))? > 0)
}

/// The Internet checksum (RFC 1071) of a message whose checksum field is zero.
fn checksum(message: &[u8]) -> u16 {
    let words = message.chunks(2).map(|pair| match pair {
        [high, low] => u32::from(u16::from_be_bytes([*high, *low])),
        [high] => u32::from(*high) << 8,
        _ => 0,
    });
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    !u16::try_from(folded).unwrap_or(u16::MAX)
}

/// A raw IPv4 socket receives the header too (`raw(7)`); its length is in words of four bytes.
fn strip_ip_header(address: IpAddr, packet: &[u8]) -> &[u8] {
    match (address, packet.first()) {
        (IpAddr::V4(_), Some(first)) => packet.get(usize::from(first & 0xf) * 4..).unwrap_or_default(),
        _ => packet,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    #[test]
    fn a_message_with_its_checksum_sums_to_zero() {
        assert_eq!(checksum(&Echo::numbered(FIRST).request(Ipv4Addr::LOCALHOST.into())), 0);
    }

    #[test]
    fn only_who_was_asked_can_answer() {
        let from = |sender: [u8; 4]| Some(SocketAddr::from((sender, 0)).into());
        let asked = Ipv4Addr::new(203, 0, 113, 8).into();
        assert!(is_from(from([203, 0, 113, 8]), asked));
        assert!(!is_from(from([192, 168, 100, 1]), asked), "heard before the socket was connected");
        assert!(!is_from(None, asked));
    }

    #[test]
    fn only_our_own_reply_counts() {
        // A raw IPv6 socket receives no header.
        let answers = |packet: &[u8]| Echo::numbered(7).is_answered_by(Ipv6Addr::LOCALHOST.into(), packet);
        assert!(answers(&[129, 0, 1, 2, 0x6e, 0x74, 0, 7]));
        assert!(!answers(&[129, 0, 1, 2, 0, 1, 0, 7]), "another ping's");
        assert!(!answers(&[129, 0, 1, 2, 0x6e, 0x74, 0, 1]), "to another of ours");
        assert!(!answers(&[1, 1, 1, 2, 0x6e, 0x74, 0, 7]), "destination unreachable");
        assert!(!answers(&[129, 0]), "cut short");
    }
}
