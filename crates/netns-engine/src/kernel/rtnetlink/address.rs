//! Addresses of links.

use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_core::Parseable;
use netlink_packet_route::{
    AddressFamily,
    address::{AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage},
};

use super::{Rtnetlink, link::unreadable, message, request};
use crate::{
    kernel::{netlink::flag, refusal::Refusal},
    name::LinkName,
};

/// An address and the index of the link it is on.
pub(crate) type AddressOf = (u32, IpNet);

impl Rtnetlink {
    /// Returns all addresses, without the link-local ones that the kernel made by itself.
    pub(crate) fn addresses(&mut self) -> Result<Vec<AddressOf>, Refusal> {
        self.dump_addresses(&AddressMessage::default())
    }

    /// Returns the addresses of one link.
    pub(crate) fn addresses_on(&mut self, index: u32) -> Result<Vec<AddressOf>, Refusal> {
        let mut message = AddressMessage::default();
        message.header.index = index;
        self.dump_addresses(&message)
    }

    /// Returns the addresses of one link in the netns that this one knows by `netns_id`.
    ///
    /// No thread has to enter that netns, and it needs no name (`IFA_TARGET_NETNSID`).
    pub(crate) fn addresses_elsewhere(
        &mut self,
        netns_id: i32,
        index: u32,
    ) -> Result<Vec<AddressOf>, Refusal> {
        let mut message = AddressMessage::default();
        message.header.index = index;
        message.attributes.push(AddressAttribute::TargetNetNsId(netns_id));
        self.dump_addresses(&message)
    }

    fn dump_addresses(&mut self, message: &AddressMessage) -> Result<Vec<AddressOf>, Refusal> {
        let mut addresses = Vec::new();
        self.socket.dump(&request(message::GET_ADDRESS, 0, message), |payload| match payload {
            None => addresses.clear(),
            Some(payload) => addresses.push(parse(payload)),
        })?;
        let addresses: Result<Vec<_>, _> = addresses.into_iter().collect();
        Ok(addresses?.into_iter().flatten().collect())
    }

    /// Adds an address. An IPv6 one is usable at once: on a cable that we laid ourselves, the
    /// second of duplicate detection finds nobody (`IFA_F_NODAD`).
    pub(crate) fn add_address(&mut self, link: &LinkName, address: IpNet) -> Result<(), Refusal> {
        let message = self.address_message(link, address)?;
        self.socket.change(&request(message::NEW_ADDRESS, flag::CREATE | flag::EXCL, &message))
    }

    /// Takes an address away.
    pub(crate) fn delete_address(&mut self, link: &LinkName, address: IpNet) -> Result<(), Refusal> {
        let message = self.address_message(link, address)?;
        self.socket.change(&request(message::DELETE_ADDRESS, 0, &message))
    }

    fn address_message(&mut self, link: &LinkName, address: IpNet) -> Result<AddressMessage, Refusal> {
        let mut message = AddressMessage::default();
        message.header.index = self.index(link)?;
        message.header.prefix_len = address.prefix_len();
        message.attributes =
            vec![AddressAttribute::Address(address.addr()), AddressAttribute::Local(address.addr())];
        match address {
            // No broadcast address: `ip addr add` sets none either.
            IpNet::V4(_) => message.header.family = AddressFamily::Inet,
            IpNet::V6(_) => {
                message.header.family = AddressFamily::Inet6;
                message.header.flags = AddressHeaderFlags::Nodad;
                message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
            }
        }
        Ok(message)
    }
}

/// Reads one address; none for those no one asked for.
fn parse(payload: &[u8]) -> Result<Option<AddressOf>, Refusal> {
    let message = AddressMessage::parse(payload).map_err(unreadable)?;
    let find = |wanted: fn(&AddressAttribute) -> Option<IpAddr>| message.attributes.iter().find_map(wanted);
    // On a point-to-point link `Address` is the other end; `Local` is ours.
    let local = find(|attribute| match attribute {
        AddressAttribute::Local(address) => Some(*address),
        _ => None,
    });
    let address = local.or_else(|| {
        find(|attribute| match attribute {
            AddressAttribute::Address(address) => Some(*address),
            _ => None,
        })
    });
    let Some(address) = address else { return Ok(None) };
    if matches!(address, IpAddr::V6(address) if address.is_unicast_link_local()) {
        return Ok(None);
    }
    Ok(IpNet::new(address, message.header.prefix_len).ok().map(|net| (message.header.index, net)))
}
