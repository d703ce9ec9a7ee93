//! Kernel settings by file: `/proc/sys/net` shows the netns of the thread that looks.

use std::{collections::BTreeMap, fs, net::IpAddr};

use crate::{
    address::Family,
    diagnose::scene::{Address, Link},
};

/// What the whole stack is set to.
const OF_THE_STACK: [&str; 10] = [
    "net/ipv4/ip_forward",
    "net/ipv4/icmp_echo_ignore_all",
    "net/ipv4/ip_nonlocal_bind",
    "net/ipv6/icmp/echo_ignore_all",
    // These are there only once the modules are.
    "net/bridge/bridge-nf-call-iptables",
    "net/bridge/bridge-nf-call-ip6tables",
    "net/netfilter/nf_conntrack_count",
    "net/netfilter/nf_conntrack_max",
    "net/netfilter/nf_conntrack_tcp_be_liberal",
    "net/ipv4/tcp_mtu_probing",
];

/// What each link is set to, and `all` and `default`.
const OF_A_LINK_IPV4: [&str; 7] = [
    "forwarding",
    "rp_filter",
    "route_localnet",
    "arp_ignore",
    "proxy_arp",
    "accept_local",
    "ignore_routes_with_linkdown",
];
const OF_A_LINK_IPV6: [&str; 4] = ["forwarding", "disable_ipv6", "accept_ra", "ignore_routes_with_linkdown"];

/// Reads the settings of the calling thread's stack, by their path below `/proc/sys`.
pub(super) fn read(links: &[Link]) -> BTreeMap<String, i64> {
    let mut settings = BTreeMap::new();
    for path in OF_THE_STACK {
        settings.extend(value(path).map(|value| (path.to_owned(), value)));
    }
    let of_links = links.iter().filter(|link| has_a_say(link)).map(|link| link.name.as_str());
    for link in ["all", "default"].into_iter().chain(of_links) {
        for family in [Family::Ipv4, Family::Ipv6] {
            settings.extend(of_link(family, link));
        }
    }
    settings
}

/// A bridge takes what comes in by its ports, whose own settings then count for nothing. Link-local addresses
/// come by themselves.
fn has_a_say(link: &Link) -> bool {
    let is_chosen = |address: &Address| match address.net.addr() {
        IpAddr::V4(_) => true,
        IpAddr::V6(address) => !address.is_unicast_link_local(),
    };
    link.port.is_none() || link.addresses.iter().any(is_chosen)
}

fn of_link(family: Family, link: &str) -> Vec<(String, i64)> {
    let (folder, names) = match family {
        Family::Ipv4 => ("net/ipv4/conf", &OF_A_LINK_IPV4[..]),
        Family::Ipv6 => ("net/ipv6/conf", &OF_A_LINK_IPV6[..]),
    };
    let read = |name: &&str| {
        let path = format!("{folder}/{link}/{name}");
        let value = value(&path)?;
        Some((path, value))
    };
    names.iter().filter_map(read).collect()
}

/// Reads one number; none where there is no such setting, or it may not be read.
fn value(path: &str) -> Option<i64> {
    fs::read_to_string(format!("/proc/sys/{path}")).ok()?.trim().parse().ok()
}
