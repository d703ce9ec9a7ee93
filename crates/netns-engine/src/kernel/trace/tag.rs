//! How the probe is known again in every stack, whatever was translated on the way.
//!
//! A mark (`SO_MARK`) would not do: it ends at the border of a netns, and on this side of it
//! `ip rule fwmark` and rules that ask for marks would send the probe another way than the packets it
//! stands for. Addresses change with every translation. What stays is the port the probe comes from,
//! and for a ping its sequence number; both are drawn where hardly anybody else draws from.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    net::IpAddr,
};

use crate::{
    address::Family,
    diagnose::{
        packet::Protocol,
        trace::{Direction, TracedHeaders},
    },
    kernel::{
        netfilter::Attributes,
        nftables::expression::{Comparison, Layer, Meta, compare, known, payload},
    },
};

/// Where a probe's source port is drawn from: below those that kernels give to connections
/// (`net.ipv4.ip_local_port_range` begins at 32768), above those that services commonly have.
pub(super) const PORTS: std::ops::Range<u16> = 20480..32768;
/// Where a ping's sequence number is drawn from: pings that run for long count from one.
const SEQUENCES: std::ops::Range<u16> = 0x8000..0xff00;

/// Type of an ICMP message (RFC 792, RFC 4443).
struct IcmpTypes {
    request: u8,
    reply: u8,
    unreachable: u8,
}

/// What the probe is known by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tag {
    pub(super) family: Family,
    pub(super) protocol: Protocol,
    /// Source port of the probe, or sequence number of the ping.
    pub(super) number: u16,
}

impl Tag {
    /// Returns conditions of rules, in the kernel's instructions: a packet that meets those of one is the
    /// probe, its answer, or a refusal of it.
    pub(super) fn conditions(self) -> Vec<Attributes> {
        let number = self.number.to_be_bytes();
        let icmp = icmp_types(self.family);
        let carries = |protocol| known(Meta::Protocol).and(&is(&[protocol]));
        let of_ours = carries(self.protocol.number(self.family));
        let echo = |kind| of_ours.clone().and(&holds(0, &[kind])).and(&holds(6, &number));
        // A refusal quotes the packet behind its own eight bytes: first its IP header.
        let (header, protocol_at) = match self.family {
            Family::Ipv4 => (20, 9),
            Family::Ipv6 => (40, 6),
        };
        let number_at = if self.protocol == Protocol::Icmp { 6 } else { 0 };
        let refusal = carries(Protocol::Icmp.number(self.family))
            .and(&holds(0, &[icmp.unreachable]))
            .and(&holds(8 + protocol_at, &[self.protocol.number(self.family)]))
            .and(&holds(8 + header + number_at, &number));
        let [there, back] = match self.protocol {
            Protocol::Icmp => [echo(icmp.request), echo(icmp.reply)],
            Protocol::Tcp | Protocol::Udp => {
                [of_ours.clone().and(&holds(0, &number)), of_ours.clone().and(&holds(2, &number))]
            }
        };
        vec![there, back, refusal]
    }

    /// Tells which packet this is; none if it is neither, or a later one of the same connection.
    ///
    /// `transport` is its transport header, of which the kernel tells the first 20 bytes.
    pub(super) fn direction(self, headers: &TracedHeaders, transport: &[u8]) -> Option<Direction> {
        let refuses = headers.protocol == Protocol::Icmp.number(self.family)
            && transport.first() == Some(&icmp_types(self.family).unreachable);
        if refuses {
            return Some(Direction::Back);
        }
        if headers.protocol != self.protocol.number(self.family) {
            return None;
        }
        let direction = match self.protocol {
            Protocol::Icmp if transport.first() == Some(&icmp_types(self.family).request) => Direction::There,
            Protocol::Icmp => Direction::Back,
            _ if headers.source_port == Some(self.number) => Direction::There,
            _ if headers.destination_port == Some(self.number) => Direction::Back,
            _ => return None,
        };
        (self.protocol != Protocol::Tcp || opens_connection(direction, transport)).then_some(direction)
    }
}

/// Draws a number out of a range, another one each time.
pub(super) fn draw(range: std::ops::Range<u16>) -> u16 {
    // The standard library seeds each state anew; this need not be hard to guess.
    let drawn = RandomState::new().build_hasher().finish();
    let width = u64::from(range.end - range.start);
    range.start + u16::try_from(drawn % width).unwrap_or(0)
}

/// Draws a ping's sequence number.
pub(super) fn draw_sequence() -> u16 {
    draw(SEQUENCES)
}

/// A connection's first packet says SYN alone, its answer SYN and ACK, or RST (RFC 9293).
fn opens_connection(direction: Direction, transport: &[u8]) -> bool {
    const SYN: u8 = 0x02;
    const RST: u8 = 0x04;
    const ACK: u8 = 0x10;
    let flags = transport.get(13).copied().unwrap_or_default();
    match direction {
        Direction::There => flags & (SYN | ACK) == SYN,
        Direction::Back => flags & (SYN | RST) != 0,
    }
}

fn icmp_types(family: Family) -> IcmpTypes {
    match family {
        Family::Ipv4 => IcmpTypes { request: 8, reply: 0, unreachable: 3 },
        Family::Ipv6 => IcmpTypes { request: 128, reply: 129, unreachable: 1 },
    }
}

fn holds(offset: u32, value: &[u8]) -> Attributes {
    payload(Layer::Transport, offset, u32::try_from(value.len()).unwrap_or(u32::MAX)).and(&is(value))
}

fn is(value: &[u8]) -> Attributes {
    compare(Comparison::Equal, value)
}

/// Reads what the kernel told of a packet: its network header and its transport header, or their beginnings.
pub(super) fn headers(network: &[u8], transport: &[u8]) -> Option<TracedHeaders> {
    // Offsets in `struct iphdr` and `struct ipv6hdr`.
    let address4 =
        |offset: usize| Some(IpAddr::from(<[u8; 4]>::try_from(network.get(offset..offset + 4)?).ok()?));
    let address6 =
        |offset: usize| Some(IpAddr::from(<[u8; 16]>::try_from(network.get(offset..offset + 16)?).ok()?));
    let (source, destination, protocol, hops_left) = match network.first()? >> 4 {
        4 => (address4(12)?, address4(16)?, *network.get(9)?, *network.get(8)?),
        6 => (address6(8)?, address6(24)?, *network.get(6)?, *network.get(7)?),
        _ => return None,
    };
    let port = |offset: usize| {
        let has_ports =
            [Protocol::Tcp, Protocol::Udp].map(|one| one.number(Family::Ipv4)).contains(&protocol);
        let bytes = transport.get(offset..offset + 2).filter(|_| has_ports)?;
        Some(u16::from_be_bytes(bytes.try_into().ok()?))
    };
    Some(TracedHeaders {
        source,
        destination,
        protocol,
        source_port: port(0),
        destination_port: port(2),
        hops_left,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYN: [u8; 20] = [0x50, 1, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x02, 0, 0, 0, 0, 0, 0];

    fn network() -> [u8; 20] {
        let mut header = [0; 20];
        (header[0], header[8], header[9]) = (0x45, 63, 6);
        header[12..16].copy_from_slice(&[10, 0, 0, 2]);
        header[16..20].copy_from_slice(&[192, 0, 2, 1]);
        header
    }

    fn tag(number: u16) -> Tag {
        Tag { family: Family::Ipv4, protocol: Protocol::Tcp, number }
    }

    #[test]
    fn headers_tell_addresses_ports_and_hops() {
        let read = headers(&network(), &SYN).unwrap();
        assert_eq!(read.source.to_string(), "10.0.0.2");
        assert_eq!(read.destination.to_string(), "192.0.2.1");
        assert_eq!((read.source_port, read.destination_port), (Some(0x5001), Some(80)));
        assert_eq!(read.hops_left, 63);
        assert!(headers(&network()[..10], &SYN).is_none(), "cut short");
    }

    #[test]
    fn only_the_first_packet_and_its_answer_count() {
        let read = headers(&network(), &SYN).unwrap();
        assert_eq!(tag(0x5001).direction(&read, &SYN), Some(Direction::There));
        assert_eq!(tag(80).direction(&read, &SYN), Some(Direction::Back));
        assert_eq!(tag(443).direction(&read, &SYN), None);
        let mut acknowledges = SYN;
        acknowledges[13] = 0x10;
        assert_eq!(tag(0x5001).direction(&read, &acknowledges), None);
    }

    #[test]
    fn numbers_are_drawn_from_their_range() {
        assert!((0..1000).all(|_| PORTS.contains(&draw(PORTS))));
    }
}
