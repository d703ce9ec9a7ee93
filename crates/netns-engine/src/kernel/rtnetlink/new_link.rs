//! Links that are neither bridges nor veth pairs, being made.

use std::{
    net::IpAddr,
    os::fd::{AsRawFd, BorrowedFd},
};

use netlink_packet_route::{
    AddressFamily,
    link::{InfoData, InfoKind, InfoMacVlan, InfoVxlan, LinkAttribute, LinkInfo, LinkMessage, MacVlanMode},
    neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState},
};
use rustix::io::Errno;

use super::{Rtnetlink, message, request};
use crate::{
    kernel::{
        netlink::{Request, flag},
        refusal::{KernelOption, Refusal},
    },
    name::LinkName,
    plan::{NewLink, NewLinkKind},
    topology::MacvlanMode,
};

/// What the kernel says to a kind of link it does not know (`rtnl_newlink` in `net/core/rtnetlink.c`); the
/// same number has other meanings.
const UNKNOWN_KIND: &str = "Unknown device type";

impl Rtnetlink {
    /// Makes a tunnel to the first of its hosts in the netns of this conversation.
    pub(crate) fn add_vxlan(&mut self, link: &NewLink, master: Option<u32>) -> Result<(), Refusal> {
        self.bear_of_kind(link, KernelOption::Vxlan, birth(link, master))
    }

    /// Lets a tunnel lead to further hosts, too.
    pub(crate) fn lead_also_to(&mut self, tunnel: &LinkName, remotes: &[IpAddr]) -> Result<(), Refusal> {
        if remotes.is_empty() {
            return Ok(());
        }
        let index = self.index(tunnel)?;
        let entries: Vec<_> = remotes.iter().map(|remote| also_to(index, *remote)).collect();
        self.socket.change_all(&entries).into_iter().collect()
    }

    /// Makes a link that shares `parent`, which is in the netns of this conversation; it is born in
    /// another one, if that is given.
    pub(crate) fn add_macvlan(
        &mut self,
        link: &NewLink,
        parent: &LinkName,
        master: Option<u32>,
        netns: Option<BorrowedFd<'_>>,
    ) -> Result<(), Refusal> {
        let mut message = birth(link, master);
        message.attributes.push(LinkAttribute::Link(self.index(parent)?));
        message.attributes.extend(netns.map(|netns| LinkAttribute::NetNsFd(netns.as_raw_fd())));
        self.bear_of_kind(link, KernelOption::Macvlan, message)
    }

    fn bear_of_kind(
        &mut self,
        link: &NewLink,
        needed: KernelOption,
        mut message: LinkMessage,
    ) -> Result<(), Refusal> {
        message.attributes.push(LinkAttribute::LinkInfo(info(&link.kind)));
        self.bear(&message).map_err(|refusal| match (refusal.errno(), refusal.message()) {
            (Errno::OPNOTSUPP, Some(UNKNOWN_KIND)) => refusal.lacking(needed),
            _ => refusal,
        })
    }
}

fn birth(link: &NewLink, master: Option<u32>) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.attributes = vec![
        LinkAttribute::IfName(link.at.name.as_str().to_owned()),
        LinkAttribute::Address(link.mac.octets().to_vec()),
    ];
    message.attributes.extend(link.mtu_bytes.map(LinkAttribute::Mtu));
    message.attributes.extend(master.map(LinkAttribute::Controller));
    message
}

/// Adds a host to those that a tunnel sends to what has no known place: an entry of its forwarding table for the
/// address that stands for all others, as `bridge fdb append` makes it.
fn also_to(index: u32, remote: IpAddr) -> Request {
    let mut entry = NeighbourMessage::default();
    entry.header.family = AddressFamily::Bridge;
    entry.header.ifindex = index;
    entry.header.state = NeighbourState::Permanent;
    entry.header.flags = NeighbourFlags::Own;
    let remote = match remote {
        IpAddr::V4(remote) => NeighbourAddress::Inet(remote),
        IpAddr::V6(remote) => NeighbourAddress::Inet6(remote),
    };
    entry.attributes =
        vec![NeighbourAttribute::LinkLayerAddress(vec![0; 6]), NeighbourAttribute::Destination(remote)];
    request(message::NEW_NEIGHBOUR, flag::CREATE | flag::APPEND, &entry)
}

fn info(kind: &NewLinkKind) -> Vec<LinkInfo> {
    match kind {
        NewLinkKind::Vxlan { vni, remotes, port } => {
            let mut data = vec![InfoVxlan::Id(*vni), InfoVxlan::Port(*port), InfoVxlan::Learning(true)];
            data.extend(remotes.first().map(|remote| match remote {
                IpAddr::V4(remote) => InfoVxlan::Group(*remote),
                IpAddr::V6(remote) => InfoVxlan::Group6(*remote),
            }));
            vec![LinkInfo::Kind(InfoKind::Vxlan), LinkInfo::Data(InfoData::Vxlan(data))]
        }
        NewLinkKind::Macvlan { mode, .. } => {
            let data = vec![InfoMacVlan::Mode(mode_of(*mode))];
            vec![LinkInfo::Kind(InfoKind::MacVlan), LinkInfo::Data(InfoData::MacVlan(data))]
        }
    }
}

fn mode_of(mode: MacvlanMode) -> MacVlanMode {
    match mode {
        MacvlanMode::Bridge => MacVlanMode::Bridge,
        MacvlanMode::Private => MacVlanMode::Private,
        MacvlanMode::Vepa => MacVlanMode::Vepa,
    }
}
