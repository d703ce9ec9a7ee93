//! Links, addresses, routes, rules and neighbours with all that a diagnosis looks at.
//!
//! The attributes are read here byte by byte: what a newer kernel adds is passed over, and an object that is
//! not understood costs itself only, not the whole answer.

mod address;
mod link;
mod neighbour;
mod policy;
mod route;
mod settings;
mod vlan;

use std::net::IpAddr;

use super::Rtnetlink;
use crate::{
    address::Family,
    kernel::{
        netlink::{Request, attributes_of},
        refusal::Refusal,
    },
};

/// The families that have routes, as the first byte of a message (`AF_INET`, `AF_INET6`).
const FAMILIES: [u8; 2] = [2, 10];

impl Rtnetlink {
    /// Asks for all objects of a kind and reads each; those that are not understood are left out.
    fn detail<T>(
        &mut self,
        kind: u16,
        payload: Vec<u8>,
        read: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<Vec<T>, Refusal> {
        let mut found = Vec::new();
        self.socket.dump(&Request { kind, flags: 0, payload }, |payload| match payload {
            None => found.clear(),
            Some(payload) => found.extend(read(payload)),
        })?;
        Ok(found)
    }

    /// The same for IPv4 and IPv6 in turn; a kernel without one of them has none of it.
    fn detail_of_families<T>(
        &mut self,
        kind: u16,
        header_bytes: usize,
        read: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<Vec<T>, Refusal> {
        let mut found = Vec::new();
        for family in FAMILIES {
            let mut header = vec![family];
            header.resize(header_bytes, 0);
            // Asked for a family it has not, the kernel tells of all others.
            let of_family = |payload: &[u8]| (payload.first() == Some(&family)).then(|| read(payload))?;
            match self.detail(kind, header, of_family) {
                Ok(of_family) => found.extend(of_family),
                Err(refusal) if refusal.errno() == rustix::io::Errno::OPNOTSUPP => {}
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(found)
    }
}

/// The attributes of one object, in front of which is a header.
#[derive(Clone, Copy)]
struct Attributes<'a>(&'a [u8]);

impl<'a> Attributes<'a> {
    /// Takes those behind a header of this length.
    fn behind(payload: &'a [u8], header_bytes: usize) -> Self {
        Self(payload.get(header_bytes..).unwrap_or_default())
    }

    fn get(self, kind: u16) -> Option<&'a [u8]> {
        attributes_of(self.0).find(|(found, _)| *found == kind).map(|(_, value)| value)
    }

    fn nested(self, kind: u16) -> Self {
        Self(self.get(kind).unwrap_or_default())
    }

    fn u32(self, kind: u16) -> Option<u32> {
        u32_at(self.get(kind)?, 0)
    }

    /// A number of one byte that is not zero.
    fn is_set(self, kind: u16) -> bool {
        self.get(kind).is_some_and(|value| value.first().is_some_and(|byte| *byte != 0))
    }

    fn text(self, kind: u16) -> Option<String> {
        let value = self.get(kind)?;
        Some(String::from_utf8_lossy(value).trim_end_matches('\0').to_owned())
    }

    fn ip(self, kind: u16) -> Option<IpAddr> {
        ip_in(self.get(kind)?)
    }
}

fn ip_in(value: &[u8]) -> Option<IpAddr> {
    match value.len() {
        4 => Some(<[u8; 4]>::try_from(value).ok()?.into()),
        16 => Some(<[u8; 16]>::try_from(value).ok()?.into()),
        _ => None,
    }
}

fn mac_in(value: &[u8]) -> Option<crate::address::MacAddress> {
    let octets: [u8; 6] = value.try_into().ok()?;
    (octets != [0; 6]).then(|| crate::address::MacAddress::from_octets(octets))
}

/// `AF_INET` and `AF_INET6`.
fn family_of(number: u8) -> Option<Family> {
    match number {
        2 => Some(Family::Ipv4),
        10 => Some(Family::Ipv6),
        _ => None,
    }
}

fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(offset..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(offset..)?.first_chunk()?))
}
