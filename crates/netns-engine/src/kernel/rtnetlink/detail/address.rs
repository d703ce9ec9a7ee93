//! Addresses with what duplicate detection says of them.

use ipnet::IpNet;

use super::{super::message, Attributes, Rtnetlink, u32_at};
use crate::{diagnose::scene::Address, kernel::refusal::Refusal};

/// The length of a `struct ifaddrmsg` (`linux/if_addr.h`).
const HEADER_BYTES: usize = 8;

impl Rtnetlink {
    /// Returns all addresses by the index of their link, link-local ones as well.
    pub(crate) fn detailed_addresses(&mut self) -> Result<Vec<(u32, Address)>, Refusal> {
        self.detail(message::GET_ADDRESS, vec![0; HEADER_BYTES], read)
    }
}

fn read(payload: &[u8]) -> Option<(u32, Address)> {
    /// `IFA_*` of `linux/if_addr.h`.
    const ADDRESS: u16 = 1;
    const LOCAL: u16 = 2;
    const FLAGS: u16 = 8;
    /// `IFA_F_*`: an optimistic address is used while duplicates are still being looked for.
    const OPTIMISTIC: u32 = 0x04;
    const DAD_FAILED: u32 = 0x08;
    const TENTATIVE: u32 = 0x40;
    let attributes = Attributes::behind(payload, HEADER_BYTES);
    // On a point-to-point link ADDRESS is the other end; LOCAL is ours.
    let ip = attributes.ip(LOCAL).or_else(|| attributes.ip(ADDRESS))?;
    let flags = attributes.u32(FLAGS).unwrap_or_else(|| payload.get(2).copied().map_or(0, u32::from));
    let address = Address {
        net: IpNet::new(ip, *payload.get(1)?).ok()?,
        tentative: flags & TENTATIVE != 0 && flags & (OPTIMISTIC | DAD_FAILED) == 0,
        duplicate: flags & DAD_FAILED != 0,
    };
    Some((u32_at(payload, 4)?, address))
}
