//! Links, addresses and routes by netlink (`rtnetlink(7)`), one file per kind of object.

mod address;
mod detail;
mod indices;
mod link;
mod link_group;
mod netconf;
mod new_link;
mod port;
mod qdisc;
mod qdisc_options;
mod raw_link;
mod route;
mod survey;

use std::collections::BTreeMap;

pub(crate) use link::VethEnd;
use netlink_packet_core::Emitable;
pub(crate) use port::Port;
pub(crate) use raw_link::{Carrier, RawLink};
pub(crate) use route::Routes;
pub(crate) use survey::{LinkNames, SurveyedLink};

use super::{
    netlink::{Protocol, Request, Socket},
    refusal::Refusal,
};
use crate::name::LinkName;

/// Message types of `linux/rtnetlink.h`.
mod message {
    pub(super) const NEW_LINK: u16 = 16;
    pub(super) const DELETE_LINK: u16 = 17;
    pub(super) const GET_LINK: u16 = 18;
    pub(super) const SET_LINK: u16 = 19;
    pub(super) const NEW_ADDRESS: u16 = 20;
    pub(super) const DELETE_ADDRESS: u16 = 21;
    pub(super) const GET_ADDRESS: u16 = 22;
    pub(super) const NEW_ROUTE: u16 = 24;
    pub(super) const DELETE_ROUTE: u16 = 25;
    pub(super) const GET_ROUTE: u16 = 26;
    pub(super) const NEW_NEIGHBOUR: u16 = 28;
    pub(super) const GET_NEIGHBOUR: u16 = 30;
    pub(super) const GET_RULE: u16 = 34;
    pub(super) const NEW_QDISC: u16 = 36;
    pub(super) const DELETE_QDISC: u16 = 37;
    pub(super) const GET_QDISC: u16 = 38;
    pub(super) const GET_NETCONF: u16 = 82;
    pub(super) const GET_NSID: u16 = 90;
    pub(super) const GET_STATISTICS: u16 = 94;
}

/// A conversation about the links, addresses and routes of one netns.
#[derive(Debug)]
pub(crate) struct Rtnetlink {
    socket: Socket,
    /// Indices of links that were asked for, as long as nobody else had a chance to change them.
    indices: BTreeMap<LinkName, u32>,
}

impl Rtnetlink {
    /// Opens a conversation about the calling thread's netns; it stays about that one for good.
    pub(crate) fn open() -> Result<Self, Refusal> {
        Ok(Self { socket: Socket::open(Protocol::Route)?, indices: BTreeMap::new() })
    }

    /// Looks links up anew from now on: a name may have another index by now.
    pub(crate) fn forget_indices(&mut self) {
        self.indices.clear();
    }

    /// The cookie of the netns this conversation is about: unique until the next boot.
    pub(crate) fn netns_cookie(&self) -> Result<u64, Refusal> {
        super::syscall::netns_cookie(self.socket.fd())
    }
}

/// Frames a typed message.
fn request(kind: u16, flags: u16, message: &impl Emitable) -> Request {
    let mut payload = vec![0; message.buffer_len()];
    message.emit(&mut payload);
    Request { kind, flags, payload }
}
