//! Settings of links, which come with every link: no file has to be opened for them, and there are many links.

use super::{Attributes, u32_at};
use crate::name::LinkName;

/// `IFLA_AF_SPEC` of `linux/if_link.h`: attributes by family.
const AF_SPEC: u16 = 26;
/// `AF_INET`, in it `IFLA_INET_CONF`: an array of numbers.
const IPV4: (u16, u16) = (2, 1);
/// `AF_INET6`, in it `IFLA_INET6_CONF`.
const IPV6: (u16, u16) = (10, 2);

/// Names below `/proc/sys/net/ipv4/conf/LINK`, and `IPV4_DEVCONF_*` of `linux/ip.h`, counted from one.
const OF_IPV4: [(&str, usize); 8] = [
    ("forwarding", 1),
    ("proxy_arp", 3),
    ("rp_filter", 8),
    ("arp_ignore", 19),
    ("accept_local", 23),
    ("src_valid_mark", 24),
    ("route_localnet", 26),
    ("ignore_routes_with_linkdown", 29),
];

/// Names below `/proc/sys/net/ipv6/conf/LINK`, and `DEVCONF_*` of `linux/ipv6.h`, counted from zero. The last
/// one is there since Linux 6.17.
const OF_IPV6: [(&str, usize); 7] = [
    ("forwarding", 0),
    ("accept_ra", 3),
    ("autoconf", 5),
    ("proxy_ndp", 22),
    ("disable_ipv6", 26),
    ("ignore_routes_with_linkdown", 39),
    ("force_forwarding", 59),
];

/// Returns the settings of a link by their path below `/proc/sys`; none of a family that the link has not.
pub(super) fn of_link(name: &LinkName, attributes: Attributes<'_>) -> Vec<(String, i64)> {
    let by_family = attributes.nested(AF_SPEC);
    let numbers = |(family, array)| by_family.nested(family).get(array).unwrap_or_default();
    let (v4, v6) = (numbers(IPV4), numbers(IPV6));
    let of_v4 = OF_IPV4.iter().map(|(setting, number)| ("ipv4", setting, number_at(v4, number - 1)));
    let of_v6 = OF_IPV6.iter().map(|(setting, number)| ("ipv6", setting, number_at(v6, *number)));
    let path = |(family, setting, value): (&str, &&str, Option<i64>)| {
        Some((format!("net/{family}/conf/{name}/{setting}"), value?))
    };
    of_v4.chain(of_v6).filter_map(path).collect()
}

fn number_at(array: &[u8], place: usize) -> Option<i64> {
    Some(u32_at(array, place * size_of::<u32>())?.cast_signed().into())
}
