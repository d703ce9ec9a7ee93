//! A part of a packet in a register, and what bytes it is compared with mean.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{
    address::Family,
    diagnose::firewall::{Field, Values},
    kernel::netfilter::text_in,
};

/// A part of a packet.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    /// None if nothing is known of it.
    pub(super) field: Option<Field>,
    /// As nft calls it.
    pub(super) words: String,
    pub(super) form: Form,
    /// How much of it was loaded; of an address perhaps only the start.
    pub(super) bytes: usize,
    /// The bits that were kept.
    pub(super) mask: Option<Vec<u8>>,
}

/// How its bytes are to be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Form {
    /// A link's name in 16 bytes.
    Name,
    Address(Family),
    /// A number in network byte order.
    Network,
    /// A number in the machine's byte order.
    Host,
    /// A link's index in the machine's byte order.
    Index,
    /// An address type in the machine's byte order.
    AddressType,
    /// An Ethernet type, of which two are families.
    EtherType,
    /// Only whether something was found; it is, for an ordinary packet.
    Found,
    Opaque,
}

impl Piece {
    /// A part that is understood.
    pub(super) fn new(field: Field, words: impl Into<String>, form: Form, bytes: usize) -> Self {
        Self { field: Some(field), words: words.into(), form, bytes, mask: None }
    }

    /// A part that is not.
    pub(super) fn opaque(words: impl Into<String>, bytes: usize) -> Self {
        Self { field: None, words: words.into(), form: Form::Opaque, bytes, mask: None }
    }

    /// Returns the range between two keys, both included.
    pub(super) fn values(&self, first: &[u8], last: &[u8]) -> Option<Values> {
        let (first, last) =
            (first.get(..self.bytes.min(first.len()))?, last.get(..self.bytes.min(last.len()))?);
        Some(match self.form {
            Form::Name => Values::Words(vec![name(first, last)]),
            Form::Address(family) => {
                Values::Addresses(vec![(address(family, first, 0)?, address(family, last, 0xff)?)])
            }
            Form::Network => Values::Numbers(vec![(network_number(first)?, network_number(last)?)]),
            Form::Host => Values::Numbers(vec![(host_number(first)?, host_number(last)?)]),
            Form::Index if first == last => Values::Words(vec![link_name(host_number(first)?)]),
            Form::AddressType if first == last => Values::Words(vec![address_type(host_number(first)?)]),
            Form::EtherType if first == last => {
                let ether_type = network_number(first)?;
                // `ETH_P_IP` and `ETH_P_IPV6` of `linux/if_ether.h`; others are no family's.
                let family = match ether_type {
                    0x0800 => 2,
                    0x86dd => 10,
                    _ => ether_type,
                };
                Values::Numbers(vec![(family, family)])
            }
            Form::Index | Form::AddressType | Form::EtherType | Form::Found | Form::Opaque => return None,
        })
    }

    /// Reads a number as it lies in the register.
    pub(super) fn number(&self, bytes: &[u8]) -> Option<u64> {
        match self.form {
            Form::Network => network_number(bytes),
            Form::Host => host_number(bytes),
            _ => None,
        }
    }
}

/// Puts values of the same kind together.
pub(super) fn joined(all: impl IntoIterator<Item = Values>) -> Option<Values> {
    let mut all = all.into_iter();
    let mut joined = all.next()?;
    for more in all {
        match (&mut joined, more) {
            (Values::Words(words), Values::Words(more)) => words.extend(more),
            (Values::Addresses(ranges), Values::Addresses(more)) => ranges.extend(more),
            (Values::Numbers(ranges), Values::Numbers(more)) => ranges.extend(more),
            _ => return None,
        }
    }
    Some(joined)
}

/// A name that ends without NUL stands for all that start so, as does a range.
fn name(first: &[u8], last: &[u8]) -> String {
    /// `IFNAMSIZ` of `linux/if.h`.
    const LONGEST: usize = 16;
    if first == last {
        let is_whole = first.contains(&0) || first.len() >= LONGEST;
        return if is_whole { text_in(first) } else { format!("{}*", String::from_utf8_lossy(first)) };
    }
    let common = first.iter().zip(last).take_while(|(one, other)| one == other).count();
    format!("{}*", text_in(first.get(..common).unwrap_or_default()))
}

/// Fills up what was not loaded.
fn address(family: Family, bytes: &[u8], filler: u8) -> Option<IpAddr> {
    let mut whole = bytes.to_vec();
    Some(match family {
        Family::Ipv4 => {
            whole.resize(4, filler);
            Ipv4Addr::from(<[u8; 4]>::try_from(whole).ok()?).into()
        }
        Family::Ipv6 => {
            whole.resize(16, filler);
            Ipv6Addr::from(<[u8; 16]>::try_from(whole).ok()?).into()
        }
    })
}

fn network_number(bytes: &[u8]) -> Option<u64> {
    let mut whole = [0; 8];
    whole.get_mut(8_usize.checked_sub(bytes.len())?..)?.copy_from_slice(bytes);
    Some(u64::from_be_bytes(whole))
}

fn host_number(bytes: &[u8]) -> Option<u64> {
    Some(match bytes {
        [one] => u64::from(*one),
        [_, _] => u64::from(u16::from_ne_bytes(bytes.try_into().ok()?)),
        [_, _, _, _] => u64::from(u32::from_ne_bytes(bytes.try_into().ok()?)),
        _ => u64::from_ne_bytes(bytes.try_into().ok()?),
    })
}

/// Index zero is no link, which is called nothing.
fn link_name(index: u64) -> String {
    if index == 0 {
        return String::new();
    }
    let index = u32::try_from(index).unwrap_or_default();
    let socket = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None);
    let name = socket.and_then(|socket| rustix::net::netdevice::index_to_name(socket, index));
    // A link that is gone leaves its number in rules.
    name.unwrap_or_else(|_| format!("#{index}"))
}

/// `RTN_*` of `linux/rtnetlink.h`.
fn address_type(number: u64) -> String {
    let words = ["unspec", "unicast", "local", "broadcast", "anycast", "multicast"];
    let more = ["blackhole", "unreachable", "prohibit"];
    let known = usize::try_from(number).ok().and_then(|number| words.iter().chain(&more).nth(number));
    known.map_or_else(|| number.to_string(), |word| (*word).to_owned())
}
