//! The addresses of a name, as programs in a place would find them: hosts file first, then name servers.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

use crate::{kernel::resolver, place::Entrance, resolver::ResolvConf};

/// The port of name servers (RFC 1035).
pub(super) const PORT: u16 = 53;
/// Id, type and class and so on: what precedes the first name of a message, in bytes.
const HEADER_BYTES: usize = 12;

/// What is asked for (RFC 1035, RFC 3596).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum RecordType {
    /// IPv4 addresses.
    A = 1,
    /// IPv6 addresses.
    Aaaa = 28,
}

/// Returns the first address of `name`, as seen by who entered by `entrance`, where the calling thread is; none if there
/// is none, or nobody said so before the deadline.
///
/// Search domains are not tried.
pub(super) fn address_of(name: &str, entrance: &Entrance, deadline: Instant) -> Option<IpAddr> {
    if let Some(address) = address_in_hosts(name, entrance) {
        return Some(address);
    }
    let Ok(file) = resolver::seen_in_etc(entrance, "resolv.conf").1?.parse::<ResolvConf>();
    let servers: Vec<_> = file.servers.iter().take(ResolvConf::MOST_SERVERS).collect();
    let mut questions = u32::try_from(servers.len() * 2).unwrap_or(u32::MAX);
    for server in servers {
        for wanted in [RecordType::A, RecordType::Aaaa] {
            // A silent server leaves time for the next.
            let patience = deadline.saturating_duration_since(Instant::now()) / questions;
            questions -= 1;
            let found = ask(SocketAddr::new(*server, PORT), name, wanted, patience);
            if let Some(address) = found.ok().and_then(|found| found.first().copied()) {
                return Some(address);
            }
        }
    }
    None
}

/// Returns the address of `name` in the hosts file that programs see which entered by `entrance`. Asks nobody.
pub(in crate::kernel) fn address_in_hosts(name: &str, entrance: &Entrance) -> Option<IpAddr> {
    in_hosts(&resolver::seen_in_etc(entrance, "hosts").1?, name)
}

/// Looks a name up in the text of a hosts file (`hosts(5)`).
fn in_hosts(hosts: &str, name: &str) -> Option<IpAddr> {
    hosts.lines().find_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        let address = words.next()?.parse().ok()?;
        words.any(|known| known.eq_ignore_ascii_case(name)).then_some(address)
    })
}

/// Asks one server for the addresses of one name.
pub(super) fn ask(
    server: SocketAddr,
    name: &str,
    wanted: RecordType,
    patience: Duration,
) -> io::Result<Vec<IpAddr>> {
    let unspecified: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((unspecified, 0))?;
    socket.set_read_timeout(Some(patience.max(Duration::from_millis(1))))?;
    socket.connect(server)?;
    socket.send(&query(name, wanted)?)?;
    let mut answer = [0; 512];
    let length = socket.recv(&mut answer)?;
    addresses_in(answer.get(..length).unwrap_or_default()).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Writes a question.
pub(super) fn query(name: &str, wanted: RecordType) -> io::Result<Vec<u8>> {
    /// Id, "recursion desired", one question.
    const HEADER: [u8; HEADER_BYTES] = [0x6e, 0x74, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    let mut query = HEADER.to_vec();
    for label in name.trim_end_matches('.').split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..64).contains(length));
        query.push(length.ok_or(io::ErrorKind::InvalidInput)?);
        query.extend_from_slice(label.as_bytes());
    }
    // An empty label ends the name; the class is IN.
    query.extend_from_slice(&[0, 0, wanted as u8, 0, 1]);
    Ok(query)
}

/// Reads the addresses among the answers of a message; other records, such as aliases, are passed over.
fn addresses_in(message: &[u8]) -> Option<Vec<IpAddr>> {
    let number = |at: usize| Some(u16::from_be_bytes(*message.get(at..)?.first_chunk()?));
    let mut at = HEADER_BYTES;
    for _ in 0..number(4)? {
        at = after_name(message, at)? + 4;
    }
    let mut addresses = Vec::new();
    for _ in 0..number(6)? {
        // Type, class, time to live, length.
        let record = after_name(message, at)?;
        let data = record + 10;
        at = data + usize::from(number(record + 8)?);
        let data = message.get(data..at)?;
        match number(record)? {
            1 => addresses.push(Ipv4Addr::from(*data.first_chunk()?).into()),
            28 => addresses.push(Ipv6Addr::from(*data.first_chunk()?).into()),
            _ => {}
        }
    }
    Some(addresses)
}

/// Returns where a name ends: at an empty label, or after a reference of two bytes to another place.
fn after_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            reference if reference >= 0xc0 => return Some(at + 2),
            length => at += usize::from(length) + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_behind_aliases() {
        let mut message = query("a.example", RecordType::A).unwrap();
        message[7] = 2;
        // An alias (type 5) of two bytes, then the address.
        message.extend_from_slice(&[0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 9, 0, 2, 0xc0, 12]);
        message.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, 7]);
        assert_eq!(addresses_in(&message), Some(vec![IpAddr::from([192, 0, 2, 7])]));
    }

    #[test]
    fn a_message_cut_short_is_no_answer() {
        let mut message = query("a.example", RecordType::A).unwrap();
        message[7] = 1;
        message.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 192]);
        assert_eq!(addresses_in(&message), None);
        assert_eq!(addresses_in(&[]), None);
    }

    #[test]
    fn the_hosts_file_is_read_as_the_c_library_does() {
        let hosts = "# ns1\n192.0.2.1 ns1 ns1.lab # ns9\n2001:db8::2 NS2\n";
        assert_eq!(in_hosts(hosts, "ns1.lab"), Some(IpAddr::from([192, 0, 2, 1])));
        assert_eq!(in_hosts(hosts, "ns2"), Some("2001:db8::2".parse().unwrap()));
        assert_eq!(in_hosts(hosts, "ns9"), None);
    }
}
