//! Counters of packets that went astray (`/proc/net/netstat` and `/proc/net/snmp`, `proc_pid_net(5)`).

use std::{collections::BTreeMap, fs};

/// Protocol and counter; what tells of trouble, and no more.
const WANTED: [(&str, &str); 13] = [
    ("TcpExt", "IPReversePathFilter"),
    ("TcpExt", "ListenDrops"),
    ("TcpExt", "ListenOverflows"),
    ("TcpExt", "TCPTimeouts"),
    ("IpExt", "InNoRoutes"),
    ("Ip", "ForwDatagrams"),
    ("Ip", "InAddrErrors"),
    ("Ip", "InDiscards"),
    ("Ip", "OutDiscards"),
    ("Ip", "OutNoRoutes"),
    ("Ip", "FragFails"),
    ("Udp", "NoPorts"),
    ("Udp", "RcvbufErrors"),
];

/// Reads the counters of the calling thread's stack; `/proc/net` would be the main thread's.
pub(super) fn read() -> BTreeMap<String, u64> {
    let text = |file| fs::read_to_string(format!("/proc/thread-self/net/{file}")).unwrap_or_default();
    counters_in(&(text("netstat") + &text("snmp")))
}

/// Each protocol has two lines, both beginning with its name: the counters' names, and their values.
fn counters_in(text: &str) -> BTreeMap<String, u64> {
    let mut counters = BTreeMap::new();
    let lines: Vec<&str> = text.lines().collect();
    for pair in lines.chunks_exact(2) {
        let Some((protocol, names)) = pair[0].split_once(':') else { continue };
        let values = pair[1].split_whitespace().skip(1);
        for (name, value) in names.split_whitespace().zip(values) {
            if WANTED.contains(&(protocol, name))
                && let Ok(value) = value.parse()
            {
                counters.insert(name.to_owned(), value);
            }
        }
    }
    counters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_read_by_protocol() {
        let text = "TcpExt: SyncookiesSent IPReversePathFilter\nTcpExt: 3 7\nIcmp: InErrors\nIcmp: -1\n";
        assert_eq!(counters_in(text), [("IPReversePathFilter".to_owned(), 7)].into());
    }
}
