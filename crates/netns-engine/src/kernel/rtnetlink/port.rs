//! Ports, as their bridges tell them.
//!
//! A bridge says of a link what matters to bridges (`br_fill_ifinfo` in `net/bridge/br_netlink.c`): an eighth of
//! the work of describing the link, nothing of its kind and mark, but the index of a veth's other end.

use super::{
    Rtnetlink, message,
    raw_link::{Carrier, RawLink, attribute, is_isolated, number, running},
};
use crate::{
    address::MacAddress,
    kernel::{
        netlink::{Request, attributes_of},
        refusal::Refusal,
    },
    name::LinkName,
    topology::Isolation,
};

/// A `struct ifinfomsg` that asks for what bridges (`AF_BRIDGE`) say.
const OF_BRIDGES: [u8; 16] = [7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// `IFLA_PROTINFO`, what is true of a link as a port.
const PORT_INFO: u16 = 12;

/// A link as a port of a bridge.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Port {
    pub(crate) index: u32,
    pub(crate) name: LinkName,
    pub(crate) carrier: Carrier,
    pub(crate) mac: Option<MacAddress>,
    pub(crate) mtu_bytes: u32,
    pub(crate) master: Option<u32>,
    pub(crate) isolation: Isolation,
    /// Index of a veth's other end; its own index if both happen to have the same.
    pub(crate) peer: u32,
}

impl Rtnetlink {
    /// Returns the ports of all bridges, in the order of their indices.
    pub(crate) fn ports_of_bridges(&mut self) -> Result<Vec<Port>, Refusal> {
        let request = Request { kind: message::GET_LINK, flags: 0, payload: OF_BRIDGES.to_vec() };
        let mut ports = Vec::new();
        self.socket.dump(&request, |payload| match payload {
            None => ports.clear(),
            Some(payload) => ports.extend(parse(payload)),
        })?;
        ports.sort_unstable_by_key(|port: &Port| port.index);
        Ok(ports)
    }
}

impl From<RawLink> for Port {
    /// A link that is no port, or may be none, told in the same words.
    fn from(link: RawLink) -> Self {
        Self {
            index: link.index,
            carrier: link.carrier,
            mac: link.mac,
            mtu_bytes: link.mtu_bytes,
            master: link.master,
            isolation: link.isolation,
            peer: link.peer.unwrap_or(link.index),
            name: link.name,
        }
    }
}

fn parse(payload: &[u8]) -> Option<Port> {
    let (header, attributes) = payload.split_at_checked(OF_BRIDGES.len())?;
    let index = number(header.get(4..8)?)?;
    let mut port = Port {
        index,
        name: LinkName::from_kernel(""),
        carrier: running(header)?,
        mac: None,
        mtu_bytes: 0,
        master: None,
        isolation: Isolation::Off,
        peer: index,
    };
    for (kind, value) in attributes_of(attributes) {
        match kind {
            attribute::NAME => {
                let name = value.strip_suffix(b"\0").unwrap_or(value);
                port.name = LinkName::from_kernel(String::from_utf8_lossy(name));
            }
            attribute::ADDRESS => port.mac = value.try_into().ok().map(MacAddress::from_octets),
            attribute::MTU => port.mtu_bytes = number(value)?,
            attribute::MASTER => port.master = number(value),
            attribute::LINK => port.peer = number(value)?,
            PORT_INFO if attributes_of(value).any(is_isolated) => port.isolation = Isolation::On,
            _ => {}
        }
    }
    Some(port)
}
