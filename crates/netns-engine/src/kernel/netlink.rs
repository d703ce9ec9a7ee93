//! A synchronous netlink socket: requests out, answers and extended acks in.
//!
//! It knows the framing of `linux/netlink.h` and nothing of what travels inside; [`super::rtnetlink`],
//! [`super::nftables`] and [`super::conntrack`] build the payloads. A socket talks to the network
//! namespace it was opened in, for its whole life, whichever thread uses it later.

use std::os::fd::OwnedFd;

use rustix::{
    io::Errno,
    net::{
        self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType,
        netlink::{self, SocketAddrNetlink},
        sockopt,
    },
};

use super::refusal::Refusal;

/// `struct nlmsghdr` is 16 bytes (`linux/netlink.h`).
const HEADER_BYTES: usize = 16;
/// Large enough for every message the kernel sends in a dump (it fills at most 32 KiB a datagram).
const RECEIVE_BYTES: usize = 64 * 1024;

/// Flags of a request (`linux/netlink.h`), beside `NLM_F_REQUEST`, which is always set.
pub(crate) mod flag {
    /// Answer with an ack.
    pub(crate) const ACK: u16 = 0x4;
    /// Send the answer to whoever asked, not only to those who listen.
    pub(crate) const ECHO: u16 = 0x8;
    /// Return every object (`NLM_F_ROOT | NLM_F_MATCH`).
    pub(crate) const DUMP: u16 = 0x300;
    /// Replace the object if it exists.
    pub(crate) const REPLACE: u16 = 0x100;
    /// Refuse if the object exists.
    pub(crate) const EXCL: u16 = 0x200;
    /// Create the object if it does not exist.
    pub(crate) const CREATE: u16 = 0x400;
    /// Append to a list.
    pub(crate) const APPEND: u16 = 0x800;
}

const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_DUMP_INTR: u16 = 0x10;
const NLM_F_CAPPED: u16 = 0x100;
const NLM_F_ACK_TLVS: u16 = 0x200;
const NLMSG_ERROR: u16 = 0x2;
const NLMSG_DONE: u16 = 0x3;
/// The frame around a transaction (`linux/netfilter/nfnetlink.h`).
const NFNL_MSG_BATCH_BEGIN: u16 = 0x10;
const NFNL_MSG_BATCH_END: u16 = 0x11;
/// `NLMSGERR_ATTR_MSG`: the human text of an extended ack.
const NLMSGERR_ATTR_MSG: u16 = 1;

/// Which kernel subsystem a socket talks to (`linux/netlink.h`).
#[derive(Clone, Copy, Debug)]
pub(crate) enum Protocol {
    /// Links, addresses, routes, neighbours.
    Route,
    /// nftables and connection tracking.
    Netfilter,
    /// Sockets of other processes.
    SockDiag,
}

/// One request of a batch: message type, flags, payload behind the netlink header.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) payload: Vec<u8>,
}

/// A netlink socket bound to the network namespace of the thread that opened it.
#[derive(Debug)]
pub(crate) struct Socket {
    fd: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Socket {
    /// Opens a socket in the calling thread's network namespace.
    pub(crate) fn open(protocol: Protocol) -> Result<Self, Refusal> {
        let protocol = match protocol {
            // NETLINK_ROUTE is zero, which rustix spells as no protocol.
            Protocol::Route => None,
            Protocol::Netfilter => Some(netlink::NETFILTER),
            Protocol::SockDiag => Some(netlink::SOCK_DIAG),
        };
        let fd = net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
        for option in [libc::NETLINK_EXT_ACK, libc::NETLINK_CAP_ACK, libc::NETLINK_GET_STRICT_CHK] {
            super::syscall::set_netlink_option(&fd, option)?;
        }
        // A long dump must not overflow the queue while we parse; the kernel caps this by rmem_max.
        sockopt::set_socket_recv_buffer_size(&fd, 1024 * 1024)?;
        net::bind(&fd, &SocketAddrNetlink::new(0, 0))?;
        Ok(Self { fd, sequence: 0, buffer: vec![0; RECEIVE_BYTES] })
    }

    /// The socket's file descriptor, for `poll` and socket options.
    pub(crate) fn fd(&self) -> &OwnedFd {
        &self.fd
    }

    /// Sends one changing request and waits for its ack.
    pub(crate) fn change(&mut self, request: &Request) -> Result<(), Refusal> {
        self.change_all(std::slice::from_ref(request)).pop().unwrap_or(Ok(()))
    }

    /// Sends all requests at once and returns one answer for each, in order.
    ///
    /// A batch is no transaction: the kernel goes on after a refused request.
    pub(crate) fn change_all(&mut self, requests: &[Request]) -> Vec<Result<(), Refusal>> {
        let first = self.sequence.wrapping_add(1);
        let mut datagram =
            Vec::with_capacity(requests.iter().map(|r| r.payload.len() + HEADER_BYTES + 4).sum());
        for request in requests {
            self.sequence = self.sequence.wrapping_add(1);
            frame(&mut datagram, self.sequence, request.flags | flag::ACK, request);
        }
        let mut answers: Vec<Option<Result<(), Refusal>>> = vec![None; requests.len()];
        if let Err(refusal) = self.send(&datagram) {
            return vec![Err(refusal); requests.len()];
        }
        while answers.iter().any(Option::is_none) {
            let received = self.receive(|message| {
                let place = message.sequence.wrapping_sub(first) as usize;
                if let (NLMSG_ERROR, Some(answer)) = (message.kind, answers.get_mut(place)) {
                    *answer = Some(verdict(message.flags, message.payload));
                }
                Ok(())
            });
            if let Err(refusal) = received {
                return answers.into_iter().map(|a| a.unwrap_or_else(|| Err(refusal.clone()))).collect();
            }
        }
        answers.into_iter().flatten().collect()
    }

    /// Sends all requests as one transaction of a netfilter subsystem: all take effect, or none.
    ///
    /// Refusals arrive in the order of the requests, and the first one is returned. Only the last
    /// request asks for an ack: on the frame around the batch the kernel gives none before 6.10.
    /// If it refuses the batch itself, it answers to the frame's first message.
    pub(crate) fn transact(&mut self, subsystem: u16, requests: &[Request]) -> Result<(), Refusal> {
        let Some((last, others)) = requests.split_last() else { return Ok(()) };
        let first = self.sequence.wrapping_add(1);
        let mut datagram = Vec::new();
        frame(&mut datagram, first, 0, &batch_edge(NFNL_MSG_BATCH_BEGIN, subsystem));
        for (request, sequence) in others.iter().zip(first.wrapping_add(1)..) {
            frame(&mut datagram, sequence, request.flags, request);
        }
        let last_sequence = first.wrapping_add(u32::try_from(requests.len()).unwrap_or(u32::MAX));
        frame(&mut datagram, last_sequence, last.flags | flag::ACK, last);
        self.sequence = last_sequence.wrapping_add(1);
        frame(&mut datagram, self.sequence, 0, &batch_edge(NFNL_MSG_BATCH_END, subsystem));
        self.make_room(datagram.len())?;
        self.send(&datagram)?;
        let mut finished = false;
        let mut outcome = Ok(());
        while !finished {
            self.receive(|message| {
                let place = message.sequence.wrapping_sub(first);
                if message.kind == NLMSG_ERROR && place <= last_sequence.wrapping_sub(first) {
                    outcome = std::mem::replace(&mut outcome, Ok(()))
                        .and_then(|()| verdict(message.flags, message.payload));
                    finished |= place == 0 || message.sequence == last_sequence;
                }
                Ok(())
            })?;
        }
        outcome
    }

    /// Asks for one object and returns the payload of the answer.
    pub(crate) fn get(&mut self, request: &Request) -> Result<Vec<u8>, Refusal> {
        let mut answer = None;
        self.sequence = self.sequence.wrapping_add(1);
        let sequence = self.sequence;
        let mut datagram = Vec::new();
        frame(&mut datagram, sequence, request.flags, request);
        self.send(&datagram)?;
        while answer.is_none() {
            self.receive(|message| {
                if message.sequence == sequence {
                    answer = Some(match message.kind {
                        NLMSG_ERROR => verdict(message.flags, message.payload).map(|()| Vec::new()),
                        _ => Ok(message.payload.to_vec()),
                    });
                }
                Ok(())
            })?;
        }
        answer.unwrap_or(Ok(Vec::new()))
    }

    /// Asks for every object and hands each one's message type and payload to `each`.
    ///
    /// A dump that the kernel marks as interrupted by a concurrent change is asked again, so
    /// what `each` saw is handed to it anew: `each` gets `None` when the answers start over.
    pub(crate) fn dump(
        &mut self,
        request: &Request,
        mut each: impl FnMut(Option<&[u8]>),
    ) -> Result<(), Refusal> {
        /// More tries than any host with a busy network manager needs.
        const TRIES: usize = 16;
        for _ in 0..TRIES {
            each(None);
            if self.dump_once(request, &mut |payload| each(Some(payload)))? == Dump::Complete {
                return Ok(());
            }
        }
        Err(Refusal::new(Errno::INTR).with_message("the kernel's tables kept changing while they were read"))
    }

    fn dump_once(&mut self, request: &Request, each: &mut dyn FnMut(&[u8])) -> Result<Dump, Refusal> {
        self.sequence = self.sequence.wrapping_add(1);
        let sequence = self.sequence;
        let mut datagram = Vec::new();
        frame(&mut datagram, sequence, request.flags | flag::DUMP, request);
        self.send(&datagram)?;
        let mut outcome = Dump::Complete;
        let mut done = false;
        while !done {
            self.receive(|message| {
                if message.sequence != sequence {
                    return Ok(());
                }
                if message.flags & NLM_F_DUMP_INTR != 0 {
                    outcome = Dump::Interrupted;
                }
                match message.kind {
                    NLMSG_ERROR => {
                        done = true;
                        verdict(message.flags, message.payload)
                    }
                    NLMSG_DONE => {
                        done = true;
                        done_status(message.payload)
                    }
                    _ => {
                        each(message.payload);
                        Ok(())
                    }
                }
            })?;
        }
        Ok(outcome)
    }

    /// Makes the send buffer hold a datagram of this length: a transaction cannot be split. Only real
    /// root gets past `net.core.wmem_max`; for others the kernel then says EMSGSIZE.
    fn make_room(&self, bytes: usize) -> Result<(), Refusal> {
        /// What fits by default on every system (`net.core.wmem_default`).
        const ALWAYS_FITS: usize = 128 * 1024;
        if bytes > ALWAYS_FITS && super::syscall::force_send_buffer(&self.fd, bytes).is_err() {
            sockopt::set_socket_send_buffer_size(&self.fd, bytes)?;
        }
        Ok(())
    }

    /// Sends a datagram of whole, framed messages.
    fn send(&self, datagram: &[u8]) -> Result<(), Refusal> {
        let sent = retry_interrupted(|| net::send(&self.fd, datagram, SendFlags::empty()))?;
        if sent == datagram.len() { Ok(()) } else { Err(Refusal::new(Errno::NOBUFS)) }
    }

    /// Receives one datagram and hands each of its messages to `each`, until one fails.
    pub(crate) fn receive(
        &mut self,
        mut each: impl FnMut(Message<'_>) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let (filled, full) =
            retry_interrupted(|| net::recv(&self.fd, self.buffer.as_mut_slice(), RecvFlags::TRUNC))?;
        if full > filled {
            return Err(Refusal::new(Errno::NOBUFS).with_message("a netlink message was larger than 64 KiB"));
        }
        let mut rest = self.buffer.get(..filled).unwrap_or_default();
        while let Some((message, tail)) = split_message(rest) {
            each(message)?;
            rest = tail;
        }
        Ok(())
    }
}

/// One received message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) sequence: u32,
    pub(crate) payload: &'a [u8],
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Dump {
    Complete,
    Interrupted,
}

/// The first or last message of a transaction: a `struct nfgenmsg` that names the subsystem.
fn batch_edge(kind: u16, subsystem: u16) -> Request {
    let [high, low] = subsystem.to_be_bytes();
    Request { kind, flags: 0, payload: vec![0, 0, high, low] }
}

/// Appends one framed message, padded to four bytes (`NLMSG_ALIGNTO`).
fn frame(datagram: &mut Vec<u8>, sequence: u32, flags: u16, request: &Request) {
    let length = HEADER_BYTES + request.payload.len();
    datagram.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_ne_bytes());
    datagram.extend_from_slice(&request.kind.to_ne_bytes());
    datagram.extend_from_slice(&(flags | NLM_F_REQUEST).to_ne_bytes());
    datagram.extend_from_slice(&sequence.to_ne_bytes());
    datagram.extend_from_slice(&0_u32.to_ne_bytes());
    datagram.extend_from_slice(&request.payload);
    datagram.resize(datagram.len().next_multiple_of(4), 0);
}

fn split_message(bytes: &[u8]) -> Option<(Message<'_>, &[u8])> {
    let length = u32_at(bytes, 0)? as usize;
    let payload = bytes.get(HEADER_BYTES..length)?;
    let message =
        Message { kind: u16_at(bytes, 4)?, flags: u16_at(bytes, 6)?, sequence: u32_at(bytes, 8)?, payload };
    Some((message, bytes.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

/// Reads an `NLMSG_ERROR` payload: zero is the ack, anything else a negative errno.
fn verdict(flags: u16, payload: &[u8]) -> Result<(), Refusal> {
    let code = u32_at(payload, 0).map_or(0, u32::cast_signed);
    if code == 0 {
        return Ok(());
    }
    let refusal = Refusal::new(Errno::from_raw_os_error(-code));
    let text = extended_ack(flags, payload);
    Err(match text {
        Some(text) => refusal.with_message(text),
        None => refusal,
    })
}

/// The text of an extended ack: attributes behind the (possibly capped) copy of the request.
fn extended_ack(flags: u16, payload: &[u8]) -> Option<String> {
    if flags & NLM_F_ACK_TLVS == 0 {
        return None;
    }
    let request_bytes =
        if flags & NLM_F_CAPPED == 0 { u32_at(payload, size_of::<u32>())? as usize } else { HEADER_BYTES };
    let attributes = payload.get((size_of::<u32>() + request_bytes).next_multiple_of(4)..)?;
    let (_, text) = attributes_of(attributes).find(|(kind, _)| *kind == NLMSGERR_ATTR_MSG)?;
    Some(String::from_utf8_lossy(text).trim_end_matches('\0').to_owned())
}

/// The status in an `NLMSG_DONE`: a dump may end in an error.
fn done_status(payload: &[u8]) -> Result<(), Refusal> {
    match u32_at(payload, 0).map_or(0, u32::cast_signed) {
        code if code < 0 => Err(Refusal::new(Errno::from_raw_os_error(-code))),
        _ => Ok(()),
    }
}

/// Walks a run of netlink attributes (`struct nlattr`): type without its flag bits, and value.
pub(crate) fn attributes_of(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    /// `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER` are the two high bits of the type.
    const TYPE_MASK: u16 = 0x3fff;
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(bytes, 0)?);
        let kind = u16_at(bytes, 2)? & TYPE_MASK;
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(offset..offset + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(offset..offset + 4)?.try_into().ok()?))
}

fn retry_interrupted<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> Result<T, Refusal> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            result => return result.map_err(Refusal::new),
        }
    }
}
