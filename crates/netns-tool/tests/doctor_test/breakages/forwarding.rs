//! What is wrong on the host: forwarding, its routes, translation, the uplink.

use crate::{
    breakage::{Breakage, Part, breakage},
    exchange::{Exchange, Kind, RED, RED_FETCHES, RED_FETCHES_V6, tcp},
    lab::Lab,
};

/// More than fits in one packet, sent up to the pretend internet.
const RED_UPLOADS: Exchange = Exchange { from: RED, to: "203.0.113.8:7", kind: Kind::MuchByTcp };

pub(crate) const ALL: &[Breakage] = &[
    breakage(
        "forwarding_that_is_off",
        "forwarding-off",
        Part::Forwarding,
        "echo 0 > /proc/sys/net/ipv4/ip_forward",
    )
    .mended_by_fix(),
    breakage(
        "forwarding_that_is_off_on_the_bridge",
        "forwarding-off",
        Part::Forwarding,
        "echo 0 > /proc/sys/net/ipv4/conf/br0/forwarding",
    )
    .mended_by_fix(),
    breakage(
        "forwarding_that_is_off_on_the_uplink",
        "forwarding-off",
        Part::Forwarding,
        "echo 0 > /proc/sys/net/ipv4/conf/eth0/forwarding",
    )
    .mended_by_fix(),
    breakage(
        "forwarding_of_this_tool_that_was_switched_off",
        "forwarding-off",
        Part::Forwarding,
        "echo 0 > /proc/sys/net/ipv4/ip_forward",
    )
    .within(Lab::ByToolWithNft)
    .mended_by_fix(),
    breakage(
        "ipv6_forwarding_that_is_off",
        "forwarding-off",
        Part::Forwarding,
        "echo 0 > /proc/sys/net/ipv6/conf/all/forwarding",
    )
    .within(Lab::DualStack)
    .asking("red [2001:db8:ffff::8]:80", RED_FETCHES_V6)
    .mended_by_fix(),
    breakage(
        "forwarding_that_ends_with_the_next_boot",
        "forwarding-off-at-boot",
        Part::Aside,
        "mkdir -p /run/sysctl.d; echo net.ipv4.ip_forward=0 > /run/sysctl.d/99-hardened.conf",
    )
    .spares(),
    breakage(
        "a_reverse_path_filter_on_the_way_back",
        "reverse-path-filter",
        Part::Forwarding,
        "ip link add v-red2 type veth peer name eth1 netns red
         ip address add 192.168.102.1/24 dev v-red2; ip link set v-red2 up
         ip -n red address add 192.168.102.2/24 dev eth1; ip -n red link set eth1 up
         ip -n red route replace default via 192.168.102.1 dev eth1 src 192.168.100.2
         echo 1 > /proc/sys/net/ipv4/conf/v-red2/rp_filter",
    )
    .mended_by_fix().alone(),
    breakage(
        "a_host_rule_that_throws_packets_away",
        "rule-diverts",
        Part::HostRoute,
        "ip rule add pref 50 iif br0 blackhole",
    )
    .mended_by_typing(),
    breakage(
        "a_host_rule_that_throws_answers_away",
        "rule-diverts",
        Part::HostRoute,
        "ip rule add pref 50 iif eth0 to 192.168.100.0/24 blackhole",
    )
    .mended_by_typing(),
    breakage(
        "a_host_without_a_route_back",
        "no-way-back",
        Part::HostRoute,
        "ip route delete 192.168.100.0/24 dev br0",
    ),
    breakage(
        "a_host_table_that_leads_nowhere",
        "route-blackhole",
        Part::HostRoute,
        "ip route add unreachable 203.0.113.0/24",
    )
    .mended_by_typing().asking("red 203.0.113.8:80", RED_FETCHES),
    breakage("a_host_without_a_default_route", "no-uplink", Part::Uplink, "ip route delete default"),
    breakage("an_uplink_that_is_down", "uplink-down", Part::Uplink, "ip link set eth0 down"),
    breakage("an_uplink_without_a_cable", "no-carrier", Part::Uplink, "")
        .and_beyond("ip link set up0 down"),
    breakage("an_uplink_whose_gateway_is_silent", "neighbour-failed", Part::Uplink, "ip neigh flush dev eth0")
        .and_beyond("ip address delete 198.51.100.1/24 dev up0"),
    breakage("an_uplink_without_an_address", "no-address", Part::Uplink, "ip -4 address flush dev eth0"),
    breakage(
        "a_missing_masquerade",
        "masquerade-missing",
        Part::Translation,
        "iptables -t nat -D POSTROUTING -s 192.168.100.0/24 -o eth0 -j MASQUERADE",
    )
    .mended_by_fix(),
    breakage(
        "a_missing_nft_masquerade",
        "masquerade-missing",
        Part::Translation,
        "nft flush chain ip lab out",
    )
    .within(Lab::ByNft)
    .mended_by_fix(),
    breakage(
        "a_masquerade_for_another_uplink",
        "masquerade-wrong-uplink",
        Part::Translation,
        "iptables -t nat -R POSTROUTING 1 -s 192.168.100.0/24 -o wlan0 -j MASQUERADE",
    )
    .mended_by_fix(),
    breakage(
        "an_nft_masquerade_for_another_uplink",
        "masquerade-wrong-uplink",
        Part::Translation,
        "nft flush chain ip lab out; nft add rule ip lab out ip saddr 192.168.100.0/24 oifname wlan0 masquerade",
    )
    .within(Lab::ByNft)
    .mended_by_fix(),
    breakage(
        "a_masquerade_for_another_subnet",
        "masquerade-wrong-subnet",
        Part::Translation,
        "iptables -t nat -R POSTROUTING 1 -s 192.168.0.0/24 -o eth0 -j MASQUERADE",
    )
    .mended_by_fix(),
    breakage(
        "a_masquerade_that_is_never_reached",
        "masquerade-missing",
        Part::Translation,
        "iptables -t nat -I POSTROUTING -s 192.168.0.0/16 -j ACCEPT",
    )
    .mended_by_typing(),
    breakage(
        "a_missing_ipv6_masquerade",
        "masquerade-missing",
        Part::Translation,
        "ip6tables -t nat -F POSTROUTING",
    )
    .within(Lab::DualStack)
    .asking("red [2001:db8:ffff::8]:80", RED_FETCHES_V6)
    .mended_by_fix(),
    breakage("own_rules_that_were_flushed", "own-rules-gone", Part::Translation, "nft flush ruleset")
        .within(Lab::ByToolWithNft)
        .mended_by_fix(),
    breakage(
        "own_iptables_rules_that_were_flushed",
        "own-rules-gone",
        Part::Translation,
        "iptables -F; iptables -t nat -F",
    )
    .within(Lab::ByTool)
    .mended_by_fix(),
    breakage(
        "rules_of_a_topology_that_were_flushed",
        "own-rules-gone",
        Part::Translation,
        "nft flush ruleset",
    )
    .within(Lab::ByTopology),
    breakage(
        "packets_too_large_for_the_uplink",
        "mtu-black-hole",
        Part::Uplink,
        "ip link set eth0 mtu 1400; iptables -I OUTPUT -p icmp --icmp-type fragmentation-needed -j DROP",
    )
    .asking("red", RED_UPLOADS)
    .stops_some()
    .mended_by_fix(),
    breakage(
        "a_host_that_lost_its_ipv6_route",
        "host-lost-ipv6",
        Part::Uplink,
        "echo 1 > /proc/sys/net/ipv6/conf/eth0/accept_ra; ip -6 route delete default",
    )
    .within(Lab::DualStack)
    .asking("red [2001:db8:ffff::8]:80", RED_FETCHES_V6)
    .alone(),
    breakage(
        "a_way_back_that_is_missing",
        "no-way-back",
        Part::Route,
        "ip -n blue route delete default",
    )
    .within(Lab::Routed)
    .asking("red blue:80", tcp(RED, "192.168.101.3:80"))
    .mended_by_fix(),
    breakage(
        "settings_that_cannot_be_written",
        "forwarding-off",
        Part::Aside,
        "echo 0 > /proc/sys/net/ipv4/ip_forward
         mount --bind /proc/sys/net /proc/sys/net; mount -o remount,bind,ro /proc/sys/net",
    ).alone(),
    breakage(
        "rules_that_are_there_twice",
        "duplicate-rules",
        Part::Aside,
        "iptables -t nat -A POSTROUTING -s 192.168.100.0/24 -o eth0 -j MASQUERADE",
    )
    .spares(),
    breakage(
        "a_rule_about_a_link_that_is_missing",
        "rule-names-missing-link",
        Part::Aside,
        "iptables -A FORWARD -i br7 -j ACCEPT",
    )
    .asking("", RED_FETCHES)
    .spares(),
];
