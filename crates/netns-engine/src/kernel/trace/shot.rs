//! The probe itself: one packet, sent once, and what its sender hears of it.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::Instant,
};

use rustix::{
    event::PollFlags,
    io::Errno,
    net::{
        AddressFamily, RecvFlags, SendFlags, SocketAddrAny, SocketFlags, SocketType, bind, connect,
        getsockname, recv, send, socket_with, sockopt,
    },
};

use super::tag::{self, PORTS, Tag};
use crate::{
    address::Family,
    diagnose::{
        packet::Protocol,
        trace::{Fate, TraceProbe},
    },
    kernel::{
        probe::{self, Echo},
        refusal::Refusal,
    },
};

/// A socket that is about to send the probe, or has.
#[derive(Debug)]
pub(super) struct Shot {
    socket: OwnedFd,
    target: SocketAddr,
    tag: Tag,
    fired: Instant,
}

impl Shot {
    /// Opens a socket in the calling thread's netns and settles what the probe will be known by.
    pub(super) fn load(probe: &TraceProbe) -> Result<Self, Refusal> {
        let target = SocketAddr::new(probe.to, probe.port.unwrap_or_default());
        let socket = open(probe)?;
        let number = match probe.protocol {
            Protocol::Icmp => tag::draw_sequence(),
            Protocol::Tcp | Protocol::Udp => bind_anywhere(&socket, target)?,
        };
        let tag = Tag { family: Family::of(probe.to), protocol: probe.protocol, number };
        Ok(Self { socket, target, tag, fired: Instant::now() })
    }

    /// What the probe is known by.
    pub(super) fn tag(&self) -> Tag {
        self.tag
    }

    /// Sends the probe; an early refusal is its fate already.
    pub(super) fn fire(&mut self) -> Option<Fate> {
        self.fired = Instant::now();
        let sent = connect(&self.socket, &self.target).and_then(|()| match self.tag.protocol {
            Protocol::Tcp => Ok(()),
            Protocol::Udp => {
                let datagram = probe::datagram_for(self.target.port()).unwrap_or_default();
                send(&self.socket, &datagram, SendFlags::empty()).map(drop)
            }
            Protocol::Icmp => {
                send(&self.socket, &self.echo().request(self.target.ip()), SendFlags::empty()).map(drop)
            }
        });
        match sent {
            Err(Errno::INPROGRESS) | Ok(()) => None,
            Err(errno) => Some(refused(errno)),
        }
    }

    /// Its socket, and what to wait for.
    pub(super) fn waits(&self) -> (BorrowedFd<'_>, PollFlags) {
        let flags = if self.tag.protocol == Protocol::Tcp { PollFlags::OUT } else { PollFlags::IN };
        (self.socket.as_fd(), flags)
    }

    /// Returns what came of it, once there is something to hear; none if that was somebody else's.
    pub(super) fn outcome(&self) -> Option<Fate> {
        if self.tag.protocol == Protocol::Tcp {
            return match sockopt::socket_error(&self.socket) {
                Ok(Ok(())) => Some(self.answered()),
                Ok(Err(errno)) | Err(errno) => Some(refused(errno)),
            };
        }
        let mut packet = [0_u8; 2048];
        match recv(&self.socket, packet.as_mut_slice(), RecvFlags::DONTWAIT) {
            Ok((length, _)) => {
                let packet = packet.get(..length).unwrap_or_default();
                let is_answer = self.tag.protocol == Protocol::Udp
                    || self.echo().is_answered_by(self.target.ip(), packet);
                is_answer.then(|| self.answered())
            }
            Err(Errno::AGAIN | Errno::INTR) => None,
            Err(errno) => Some(refused(errno)),
        }
    }

    fn answered(&self) -> Fate {
        Fate::Answered { after_micros: u64::try_from(self.fired.elapsed().as_micros()).unwrap_or(u64::MAX) }
    }

    fn echo(&self) -> Echo {
        Echo::numbered(self.tag.number)
    }
}

fn refused(errno: Errno) -> Fate {
    Fate::Refused { why: Refusal::new(errno).to_string() }
}

fn open(probe: &TraceProbe) -> Result<OwnedFd, Refusal> {
    let family = if probe.to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let (kind, protocol) = match probe.protocol {
        Protocol::Icmp => return Ok(probe::open_for_pings(probe.to)?),
        Protocol::Tcp => (SocketType::STREAM, rustix::net::ipproto::TCP),
        Protocol::Udp => (SocketType::DGRAM, rustix::net::ipproto::UDP),
    };
    Ok(socket_with(family, kind, flags, Some(protocol))?)
}

/// Binds to a port that hardly anybody else uses, and returns it.
fn bind_anywhere(socket: &OwnedFd, target: SocketAddr) -> Result<u16, Refusal> {
    /// Far more than a stack has taken ports in this range.
    const TRIES: usize = 32;
    let unspecified: IpAddr =
        if target.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    for _ in 0..TRIES {
        let port = tag::draw(PORTS);
        // Both ends on one port could not be told from each other.
        if port != target.port() && bind(socket, &SocketAddr::new(unspecified, port)).is_ok() {
            return Ok(port);
        }
    }
    bind(socket, &SocketAddr::new(unspecified, 0))?;
    let bound: SocketAddrAny = getsockname(socket)?;
    Ok(SocketAddr::try_from(bound)?.port())
}
