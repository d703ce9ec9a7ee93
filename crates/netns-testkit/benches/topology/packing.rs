//! Netlink messages, packed by hand, and the socket they go through.

use std::os::fd::OwnedFd;

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind,
    netlink::{self, SocketAddrNetlink},
    recv, send, socket_with,
};

/// `linux/netlink.h`.
const ERROR: u16 = 2;
const REQUEST: u16 = 0x1;
const ACK: u16 = 0x4;
/// Answers carry no copy of the question (`NETLINK_CAP_ACK` would do the same): a datagram is read whole.
const ANSWER_BYTES: usize = 8192;

/// A socket, which stays in the netns it was opened in.
pub(crate) struct Conversation {
    socket: OwnedFd,
}

impl Conversation {
    /// Talks about links, addresses and routes.
    pub(crate) fn about_routing() -> Self {
        Self::open(None)
    }

    /// Talks about nftables.
    pub(crate) fn about_filtering() -> Self {
        Self::open(Some(netlink::NETFILTER))
    }

    fn open(protocol: Option<rustix::net::Protocol>) -> Self {
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)
            .expect("netlink is there");
        bind(&socket, &SocketAddrNetlink::new(0, 0)).expect("it may");
        Self { socket }
    }

    /// Sends all messages as one datagram, and reads an ack for each that asks for one.
    pub(crate) fn ask(&mut self, messages: &[Message]) {
        let datagram: Vec<u8> = messages.iter().flat_map(Message::finished).collect();
        send(&self.socket, &datagram, SendFlags::empty()).expect("it is sent");
        let mut missing = messages.iter().filter(|message| message.asks_for_ack()).count();
        let mut buffer = [0; ANSWER_BYTES];
        while missing > 0 {
            let (_, length) = recv(&self.socket, &mut buffer, RecvFlags::empty()).expect("it answers");
            let mut rest = &buffer[..length];
            while rest.len() >= 20 {
                assert_eq!(number(rest, 16), 0, "refused, with {missing} answers to come");
                rest = rest.get((number(rest, 0) as usize).next_multiple_of(4)..).unwrap_or_default();
                missing -= 1;
            }
        }
    }

    /// Asks for a link; its index is the second word of `struct ifinfomsg`, behind the header.
    pub(crate) fn index_in_answer_to(&self, question: &Message) -> u32 {
        send(&self.socket, &question.finished(), SendFlags::empty()).expect("it is sent");
        let mut buffer = [0; ANSWER_BYTES];
        recv(&self.socket, &mut buffer, RecvFlags::empty()).expect("it answers");
        assert_ne!(buffer[4], ERROR.to_ne_bytes()[0], "there is no such link");
        number(&buffer, 20)
    }
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(bytes[at..at + 4].try_into().expect("four bytes are four bytes"))
}

/// A message in the making, its length not yet known.
pub(crate) struct Message {
    bytes: Vec<u8>,
}

impl Message {
    /// A request that is answered with an ack.
    pub(crate) fn new(kind: u16, flags: u16) -> Self {
        Self::without_ack(kind, flags | ACK)
    }

    /// A request that is answered only if it is refused.
    pub(crate) fn without_ack(kind: u16, flags: u16) -> Self {
        let mut bytes = vec![0; 4];
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&(flags | REQUEST).to_ne_bytes());
        bytes.extend_from_slice(&[0; 8]);
        Self { bytes }
    }

    fn asks_for_ack(&self) -> bool {
        self.bytes[6] & ACK.to_ne_bytes()[0] != 0
    }

    fn finished(&self) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        let length = u32::try_from(bytes.len()).expect("a message is short");
        bytes[..4].copy_from_slice(&length.to_ne_bytes());
        bytes
    }

    pub(crate) fn put(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self
    }

    /// `struct ifinfomsg`.
    pub(crate) fn link_header(&mut self, index: u32, flags: u32, change: u32) -> &mut Self {
        self.put(&[0; 4]).put(&index.to_ne_bytes()).put(&flags.to_ne_bytes()).put(&change.to_ne_bytes())
    }

    /// `struct ifaddrmsg`, of an IPv4 address.
    pub(crate) fn address_header(&mut self, index: u32, prefix: u8) -> &mut Self {
        self.put(&[2, prefix, 0, 0]).put(&index.to_ne_bytes())
    }

    pub(crate) fn attribute(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        let length = u16::try_from(value.len() + 4).expect("a value is short");
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.put(value)
    }

    pub(crate) fn attribute_u32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.attribute(kind, &value.to_ne_bytes())
    }

    pub(crate) fn text(&mut self, kind: u16, value: &str) -> &mut Self {
        self.attribute(kind, &[value.as_bytes(), &[0]].concat())
    }

    pub(crate) fn nest(&mut self, kind: u16, inner: impl FnOnce(&mut Self)) -> &mut Self {
        let start = self.bytes.len();
        self.put(&[0; 2]).bytes[start + 2..].copy_from_slice(&kind.to_ne_bytes());
        inner(self);
        let length = u16::try_from(self.bytes.len() - start).expect("a value is short");
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self
    }

    /// `IN6_ADDR_GEN_MODE_NONE`.
    pub(crate) fn without_link_local(&mut self) -> &mut Self {
        self.nest(26, |families| {
            families.nest(10, |inet6| {
                inet6.attribute(8, &[1]);
            });
        })
    }
}
