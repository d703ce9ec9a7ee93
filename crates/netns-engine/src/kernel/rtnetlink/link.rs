//! Links: read, made, changed, deleted.

use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_core::Parseable;
use netlink_packet_route::{
    link::{
        AfSpecInet6, AfSpecUnspec, In6AddrGenMode, InfoBridgePort, InfoData, InfoKind, InfoPortData,
        InfoPortKind, InfoVeth, LinkAttribute, LinkExtentMask, LinkFlags, LinkHeader, LinkInfo, LinkMessage,
    },
    nsid::{NsidAttribute, NsidMessage},
};
use rustix::{io::Errno, net::netdevice};

use super::{
    Rtnetlink, message,
    raw_link::{MARK, RawLink, parse},
    request,
};
use crate::{
    address::MacAddress,
    kernel::{netlink::flag, refusal::Refusal},
    name::LinkName,
    plan::{LinkChange, LinkLocal, NewVethEnd},
};

/// One end of a veth pair to be made, and the netns it is born in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VethEnd<'a> {
    pub(crate) wanted: &'a NewVethEnd,
    /// Not given for the netns of the conversation.
    pub(crate) netns: Option<BorrowedFd<'a>>,
}

impl Rtnetlink {
    /// Returns the link called `name`, or none.
    pub(crate) fn link(&mut self, name: &LinkName) -> Result<Option<RawLink>, Refusal> {
        let mut message = without_statistics();
        message.attributes.push(LinkAttribute::IfName(name.as_str().to_owned()));
        self.get_link(&message)
    }

    /// Returns the link with `index`, or none.
    pub(crate) fn link_by_index(&mut self, index: u32) -> Result<Option<RawLink>, Refusal> {
        let mut message = without_statistics();
        message.header.index = index;
        self.get_link(&message)
    }

    fn get_link(&mut self, message: &LinkMessage) -> Result<Option<RawLink>, Refusal> {
        match self.socket.get(&request(message::GET_LINK, 0, message)) {
            Ok(payload) => parse(&payload).map(Some),
            Err(refusal) if refusal.errno() == Errno::NODEV => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    /// Returns every link.
    pub(crate) fn links(&mut self) -> Result<Vec<RawLink>, Refusal> {
        self.dump_links(&without_statistics())
    }

    /// Returns the ports of the bridge with `index`; the kernel does the filtering.
    pub(crate) fn ports(&mut self, index: u32) -> Result<Vec<RawLink>, Refusal> {
        let mut message = without_statistics();
        message.attributes.push(LinkAttribute::Controller(index));
        self.dump_links(&message)
    }

    fn dump_links(&mut self, message: &LinkMessage) -> Result<Vec<RawLink>, Refusal> {
        let mut links = Vec::new();
        self.socket.dump(&request(message::GET_LINK, 0, message), |payload| match payload {
            None => links.clear(),
            Some(payload) => links.push(parse(payload)),
        })?;
        links.into_iter().collect()
    }

    /// Returns the id by which this netns knows another one, or none if it never met it.
    pub(crate) fn netns_id(&mut self, other: BorrowedFd<'_>) -> Result<Option<i32>, Refusal> {
        let mut message = NsidMessage::default();
        let fd = u32::try_from(other.as_raw_fd()).map_err(|_| Errno::BADF)?;
        message.attributes.push(NsidAttribute::Fd(fd));
        let payload = self.socket.get(&request(message::GET_NSID, 0, &message))?;
        let answer = NsidMessage::parse(payload.as_slice()).map_err(unreadable)?;
        Ok(answer.attributes.into_iter().find_map(|attribute| match attribute {
            // -1 (NETNSA_NSID_NOT_ASSIGNED) says that there is none.
            NsidAttribute::Id(id) if id >= 0 => Some(id),
            _ => None,
        }))
    }

    /// Makes a bridge with a fixed link-layer address, down.
    pub(crate) fn add_bridge(&mut self, name: &LinkName, mac: MacAddress) -> Result<(), Refusal> {
        let mut message = LinkMessage::default();
        message.attributes = vec![
            LinkAttribute::IfName(name.as_str().to_owned()),
            LinkAttribute::Address(mac.octets().to_vec()),
            LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Bridge)]),
        ];
        self.bear(&message)
    }

    /// Makes a veth pair; `peer` may be born in another netns.
    ///
    /// One message carries both names, addresses, MTUs and the bridge. One queue a direction: the
    /// default of one per possible CPU is shrunk right after, at the price of two RCU waits.
    pub(crate) fn add_veth(&mut self, main: &NewVethEnd, peer: VethEnd<'_>) -> Result<(), Refusal> {
        let mut message = self.new_veth_end(main)?;
        let mut peer_message = LinkMessage::default();
        peer_message.attributes = birth_attributes(peer.wanted);
        if let Some(netns) = peer.netns {
            peer_message.attributes.push(LinkAttribute::NetNsFd(netns.as_raw_fd()));
        }
        message.attributes.push(LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer_message))),
        ]));
        self.bear(&message)
    }

    fn new_veth_end(&mut self, end: &NewVethEnd) -> Result<LinkMessage, Refusal> {
        let mut message = LinkMessage::default();
        message.attributes = birth_attributes(end);
        if let Some(bridge) = &end.master {
            message.attributes.push(LinkAttribute::Controller(self.index(bridge)?));
        }
        Ok(message)
    }

    pub(super) fn bear(&mut self, birth: &LinkMessage) -> Result<(), Refusal> {
        self.socket.change(&request(message::NEW_LINK, flag::CREATE | flag::EXCL, birth))
    }

    /// Marks a new link as ours, and takes link-local addressing away if that is asked.
    ///
    /// The creating message can say neither. Nor may both travel in one datagram: of a batch the
    /// kernel works off the second message even where it refused the first, and would mark
    /// somebody else's link of that name.
    pub(crate) fn finish_birth(&mut self, name: &LinkName, link_local: LinkLocal) -> Result<(), Refusal> {
        self.socket.change(&request(message::SET_LINK, 0, &finishing_touches(name, link_local)))
    }

    /// Deletes a link; of a veth pair, both ends.
    pub(crate) fn delete_link(&mut self, name: &LinkName) -> Result<(), Refusal> {
        let mut message = LinkMessage::default();
        message.attributes.push(LinkAttribute::IfName(name.as_str().to_owned()));
        self.socket.change(&request(message::DELETE_LINK, 0, &message))
    }

    /// Changes one property of a link.
    pub(crate) fn set_link(&mut self, name: &LinkName, change: &LinkChange) -> Result<(), Refusal> {
        match change {
            LinkChange::Up => self.switch(name, LinkFlags::Up),
            LinkChange::Down => self.switch(name, LinkFlags::empty()),
            LinkChange::Master(bridge) => {
                let index = self.index(bridge)?;
                self.set(name, vec![LinkAttribute::Controller(index)])
            }
            LinkChange::NoMaster => self.set(name, vec![LinkAttribute::Controller(0)]),
            LinkChange::Mtu(bytes) => self.set(name, vec![LinkAttribute::Mtu(*bytes)]),
            LinkChange::Mac(mac) => self.set(name, vec![LinkAttribute::Address(mac.octets().to_vec())]),
            LinkChange::DefaultGroup => self.set(name, vec![LinkAttribute::Group(0)]),
            LinkChange::HairpinOn => self.set_port(name, InfoBridgePort::HairpinMode(true)),
            LinkChange::HairpinOff => self.set_port(name, InfoBridgePort::HairpinMode(false)),
            LinkChange::IsolatedOn => self.set_port(name, InfoBridgePort::Isolated(true)),
            LinkChange::IsolatedOff => self.set_port(name, InfoBridgePort::Isolated(false)),
        }
    }

    /// Changes a link's property as a port of its bridge, which only `RTM_NEWLINK` can.
    fn set_port(&mut self, name: &LinkName, property: InfoBridgePort) -> Result<(), Refusal> {
        let mut message = LinkMessage::default();
        message.attributes = vec![
            LinkAttribute::IfName(name.as_str().to_owned()),
            LinkAttribute::LinkInfo(vec![
                LinkInfo::PortKind(InfoPortKind::Bridge),
                LinkInfo::PortData(InfoPortData::BridgePort(vec![property])),
            ]),
        ];
        self.socket.change(&request(message::NEW_LINK, 0, &message))
    }

    fn switch(&mut self, name: &LinkName, flags: LinkFlags) -> Result<(), Refusal> {
        let mut message = LinkMessage::default();
        message.header = LinkHeader { flags, change_mask: LinkFlags::Up, ..message.header };
        message.attributes.push(LinkAttribute::IfName(name.as_str().to_owned()));
        self.socket.change(&request(message::NEW_LINK, 0, &message))
    }

    fn set(&mut self, name: &LinkName, mut attributes: Vec<LinkAttribute>) -> Result<(), Refusal> {
        attributes.push(LinkAttribute::IfName(name.as_str().to_owned()));
        let mut message = LinkMessage::default();
        message.attributes = attributes;
        self.socket.change(&request(message::SET_LINK, 0, &message))
    }

    /// Returns the index of the link called `name`.
    pub(crate) fn index(&mut self, name: &LinkName) -> Result<u32, Refusal> {
        if let Some(index) = self.indices.get(name) {
            return Ok(*index);
        }
        // Not by netlink: the kernel would tell all that there is to know of the link.
        match netdevice::name_to_index(self.socket.fd(), name.as_str()) {
            Ok(index) => {
                self.indices.insert(name.clone(), index);
                Ok(index)
            }
            Err(Errno::NODEV) => Err(Refusal::new(Errno::NODEV).with_message(format!("no link '{name}'"))),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// Our mark, and no link-local address if that is asked: neither can be said in the creating message.
fn finishing_touches(name: &LinkName, link_local: LinkLocal) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.attributes =
        vec![LinkAttribute::IfName(name.as_str().to_owned()), LinkAttribute::IfAlias(MARK.to_owned())];
    if link_local == LinkLocal::None {
        let mode = AfSpecInet6::AddrGenMode(In6AddrGenMode::None);
        message.attributes.push(LinkAttribute::AfSpecUnspec(vec![AfSpecUnspec::Inet6(vec![mode])]));
    }
    message
}

fn birth_attributes(end: &NewVethEnd) -> Vec<LinkAttribute> {
    let mut attributes = vec![
        LinkAttribute::IfName(end.at.name.as_str().to_owned()),
        LinkAttribute::NumTxQueues(1),
        LinkAttribute::NumRxQueues(1),
    ];
    attributes.extend(end.mac.map(|mac| LinkAttribute::Address(mac.octets().to_vec())));
    attributes.extend(end.mtu_bytes.map(LinkAttribute::Mtu));
    attributes
}

/// A question about links that leaves the counters out: they are most of an answer.
pub(super) fn without_statistics() -> LinkMessage {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    message
}

/// An answer that does not follow the kernel's own headers.
#[expect(clippy::needless_pass_by_value, reason = "used as a function in map_err")]
pub(super) fn unreadable(error: netlink_packet_core::DecodeError) -> Refusal {
    Refusal::new(Errno::BADMSG).with_message(error.to_string())
}
