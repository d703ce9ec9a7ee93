//! What is wrong with the cable, the bridge and its ports.

use crate::{
    breakage::{Breakage, Part, breakage},
    exchange::{Exchange, Kind, RED, RED_CALLS_BLUE, RED_FETCHES},
};

pub(crate) const ALL: &[Breakage] = &[
    breakage("a_host_end_that_is_down", "link-down", Part::Cable, "ip link set v-red down").mended_by_fix(),
    breakage("a_cable_that_is_no_port", "not-a-port", Part::Cable, "ip link set v-red nomaster")
        .mended_by_fix(),
    breakage("a_bridge_that_is_down", "link-down", Part::Bridge, "ip link set br0 down").mended_by_fix(),
    breakage(
        "a_bridge_without_an_address",
        "bridge-without-address",
        Part::Bridge,
        "ip address flush dev br0",
    ),
    breakage(
        "a_bridge_with_an_address_from_another_network",
        "gateway-absent",
        Part::Bridge,
        "ip address flush dev br0; ip address add 192.168.200.1/24 dev br0",
    )
    .alone(),
    breakage("a_bridge_that_was_deleted", "not-a-port", Part::Bridge, "ip link delete br0").alone(),
    breakage("a_port_that_is_blocked", "port-blocked", Part::Cable, "bridge link set dev v-red state 0")
        .mended_by_typing(),
    breakage(
        "a_port_that_waits_for_the_spanning_tree",
        "port-blocked",
        Part::Cable,
        "ip link set br0 type bridge stp_state 1
         ip link set v-red nomaster; ip link set v-red master br0",
    ),
    breakage(
        "ports_that_are_isolated",
        "port-isolated",
        Part::Cable,
        "bridge link set dev v-red isolated on; bridge link set dev v-blue isolated on",
    )
    .asking("red blue:80", RED_CALLS_BLUE)
    .mended_by_typing(),
    breakage(
        "a_port_in_another_vlan",
        "port-vlan",
        Part::Cable,
        "ip link set br0 type bridge vlan_filtering 1
         bridge vlan delete vid 1 dev v-red; bridge vlan add vid 7 dev v-red pvid untagged",
    )
    .asking("red blue:80", RED_CALLS_BLUE),
    breakage(
        "packets_too_large_for_the_cable",
        "mtu-black-hole",
        Part::Link,
        "ip -n red link set eth0 mtu 9000",
    )
    .asking("red blue:80/udp", Exchange { from: RED, to: "192.168.100.3:80", kind: Kind::MuchByUdp })
    .stops_some(),
    breakage(
        "a_drop_that_no_rule_explains",
        "unknown-drop",
        Part::Cable,
        "ip xfrm policy add src 192.168.100.0/24 dst 203.0.113.0/24 dir fwd action block",
    )
    .asking("red 203.0.113.8:80", RED_FETCHES)
    .alone(),
    breakage(
        "filters_that_bridged_packets_pass",
        "bridge-netfilter-drops",
        Part::Filter,
        "iptables -P FORWARD DROP",
    )
    .asking("red blue:80", RED_CALLS_BLUE)
    .mended_by_typing(),
];
