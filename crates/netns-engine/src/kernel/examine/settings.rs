//! Kernel settings by file: `/proc/sys/net` shows the netns of the thread that looks. Those of links come with
//! the links.

use std::fs;

/// What the whole stack is set to.
const OF_THE_STACK: [&str; 9] = [
    "net/ipv4/ip_forward",
    "net/ipv4/icmp_echo_ignore_all",
    "net/ipv4/tcp_mtu_probing",
    "net/ipv6/icmp/echo_ignore_all",
    // These are there only once the modules are.
    "net/bridge/bridge-nf-call-iptables",
    "net/bridge/bridge-nf-call-ip6tables",
    "net/netfilter/nf_conntrack_count",
    "net/netfilter/nf_conntrack_max",
    "net/netfilter/nf_conntrack_tcp_be_liberal",
];

/// What counts for all links beside their own settings, and what new ones begin with.
const OF_ALL_AND_DEFAULT: [&str; 11] = [
    "net/ipv4/conf/*/forwarding",
    "net/ipv4/conf/*/rp_filter",
    "net/ipv4/conf/*/route_localnet",
    "net/ipv4/conf/*/arp_ignore",
    "net/ipv4/conf/*/proxy_arp",
    "net/ipv4/conf/*/accept_local",
    "net/ipv4/conf/*/src_valid_mark",
    "net/ipv4/conf/*/ignore_routes_with_linkdown",
    "net/ipv6/conf/*/forwarding",
    "net/ipv6/conf/*/disable_ipv6",
    "net/ipv6/conf/*/accept_ra",
];

/// Reads the settings of the calling thread's stack, by their path below `/proc/sys`.
pub(super) fn read() -> impl Iterator<Item = (String, i64)> {
    let of_links = ["all", "default"]
        .into_iter()
        .flat_map(|which| OF_ALL_AND_DEFAULT.into_iter().map(move |path| path.replace('*', which)));
    let paths = OF_THE_STACK.into_iter().map(str::to_owned).chain(of_links);
    paths.filter_map(|path| value(&path).map(|value| (path, value)))
}

/// Reads one number; none where there is no such setting, or it may not be read.
fn value(path: &str) -> Option<i64> {
    fs::read_to_string(format!("/proc/sys/{path}")).ok()?.trim().parse().ok()
}
