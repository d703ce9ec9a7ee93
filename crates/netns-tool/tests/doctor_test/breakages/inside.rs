//! What is wrong inside the netns: its links, addresses, routes, neighbours.

use crate::{
    breakage::{Breakage, Part, breakage},
    exchange::{RED, RED_CALLS_BLUE, RED_FETCHES, RED_FETCHES_V6, tcp},
    lab::Lab,
};

pub(crate) const ALL: &[Breakage] = &[
    breakage("a_loopback_that_is_down", "loopback-down", Part::Aside, "ip -n red link set lo down")
        .asking("red 127.0.0.1:80", tcp(RED, "127.0.0.1:80"))
        .mended_by_fix(),
    breakage("a_missing_link", "no-link", Part::Link, "ip -n red link delete eth0").alone(),
    breakage(
        "a_link_that_was_not_moved",
        "no-link",
        Part::Link,
        "ip -n red link set eth0 down; ip -n red link set eth0 name veth-ns; ip -n red link set veth-ns netns $$",
    ).alone(),
    breakage("a_link_that_is_down", "link-down", Part::Link, "ip -n red link set eth0 down").mended_by_fix(),
    breakage("a_missing_address", "no-address", Part::Address, "ip -n red address flush dev eth0"),
    breakage(
        "an_address_that_is_tentative",
        "address-tentative",
        Part::Address,
        "ip netns exec red sh -c 'echo 60 > /proc/sys/net/ipv6/conf/eth0/dad_transmits'
         ip -n red address delete fd00:100::2/64 dev eth0
         ip -n red address add fd00:100::2/64 dev eth0",
    )
    .within(Lab::DualStack)
    .asking("red [2001:db8:ffff::8]:80", RED_FETCHES_V6),
    breakage(
        "an_ipv6_address_that_a_neighbour_has",
        "duplicate-address",
        Part::Address,
        "ip -n red address delete fd00:100::2/64 dev eth0
         ip -n blue address add fd00:100::2/64 dev eth0 nodad
         ip -n red address add fd00:100::2/64 dev eth0
         for try in $(seq 1000); do
             [ -z \"$(ip -n red address show dev eth0 dadfailed)\" ] || exit 0
         done
         exit 1",
    )
    .within(Lab::DualStack)
    .asking("red [2001:db8:ffff::8]:80", RED_FETCHES_V6),
    breakage(
        "an_address_that_a_neighbour_has",
        "duplicate-address",
        Part::Address,
        "ip -n blue address add 192.168.100.2/24 dev eth0",
    )
    .unsettles(),
    breakage(
        "a_mac_address_that_a_neighbour_has",
        "duplicate-mac",
        Part::Link,
        "ip -n blue link set eth0 address $(ip netns exec red cat /sys/class/net/eth0/address)
         ip -n red neigh flush all",
    )
    .asking("red blue:80", RED_CALLS_BLUE),
    breakage(
        "ipv6_that_is_disabled",
        "ipv6-disabled",
        Part::Address,
        "ip netns exec red sh -c 'echo 1 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6'",
    )
    .within(Lab::DualStack)
    .asking("red [2001:db8:ffff::8]:80", RED_FETCHES_V6),
    breakage("a_missing_default_route", "no-route", Part::Route, "ip -n red route delete default")
        .mended_by_fix(),
    breakage("a_missing_ipv6_default_route", "no-route", Part::Route, "ip -n red -6 route delete default")
        .within(Lab::DualStack)
        .asking("red [2001:db8:ffff::8]:80", RED_FETCHES_V6)
        .mended_by_fix(),
    breakage(
        "a_route_into_a_black_hole",
        "route-blackhole",
        Part::Route,
        "ip -n red route add blackhole 203.0.113.0/24",
    )
    .mended_by_typing().asking("red 203.0.113.8:80", RED_FETCHES),
    breakage(
        "a_route_that_says_unreachable",
        "route-blackhole",
        Part::Route,
        "ip -n red route add unreachable 203.0.113.8",
    )
    .mended_by_typing().asking("red 203.0.113.8:80", RED_FETCHES),
    breakage(
        "a_rule_that_prohibits",
        "rule-diverts",
        Part::Route,
        "ip -n red rule add pref 100 to 203.0.113.0/24 prohibit",
    )
    .mended_by_typing().asking("red 203.0.113.8:80", RED_FETCHES),
    breakage(
        "a_rule_that_leads_to_another_gateway",
        "rule-diverts",
        Part::Route,
        "ip -n red route add default via 192.168.100.3 table 77
         ip -n red rule add pref 100 from 192.168.100.2 lookup 77",
    ).asking("red 203.0.113.8:80", RED_FETCHES)
    .alone(),
    breakage(
        "a_gateway_that_is_off_the_link",
        "gateway-off-link",
        Part::Route,
        "ip -n red address add 192.168.200.2/24 dev eth0; ip -n red address delete 192.168.100.2/24 dev eth0",
    )
    .alone(),
    breakage(
        "a_gateway_of_another_network",
        "gateway-off-link",
        Part::Route,
        "ip -n red route replace default via 10.99.0.1 dev eth0 onlink",
    ),
    breakage(
        "a_gateway_that_nobody_is",
        "gateway-absent",
        Part::Route,
        "ip -n red route replace default via 192.168.100.77",
    ),
    breakage(
        "an_address_from_another_network",
        "gateway-absent",
        Part::Route,
        "ip -n red address flush dev eth0; ip -n red address add 192.168.200.2/24 dev eth0
         ip -n red route add default via 192.168.200.1",
    )
    .alone(),
    breakage(
        "a_missing_default_route_of_this_tools_netns",
        "no-route",
        Part::Route,
        "ip -n red route delete default",
    )
    .within(Lab::ByTool)
    .mended_by_fix(),
    breakage(
        "a_link_of_a_topology_that_is_down",
        "link-down",
        Part::Link,
        "ip -n red link set eth0 down",
    )
    .within(Lab::ByTopology)
    .mended_by_fix(),
    breakage(
        "a_gateway_that_does_not_answer",
        "neighbour-failed",
        Part::Neighbour,
        "echo 8 > /proc/sys/net/ipv4/conf/br0/arp_ignore; ip -n red neigh flush all",
    ),
    breakage(
        "a_gateway_with_a_wrong_mac_address",
        "wrong-neighbour",
        Part::Neighbour,
        "ip -n red neigh replace 192.168.100.1 lladdr 02:00:00:00:00:99 dev eth0 nud permanent",
    )
    .mended_by_typing(),
    breakage(
        "a_file_that_is_no_netns",
        "netns-half-made",
        Part::Link,
        "ip netns delete red; touch /run/netns/red",
    ).alone(),
];
