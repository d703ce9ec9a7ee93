//! What is wrong with a published port, and with who listens behind it.

use crate::{
    breakage::{Breakage, Part, breakage},
    exchange::{BLUE, Client, Exchange, Kind, PUBLISHED, RED, RED_CALLS_BLUE, tcp},
    lab::Lab,
    servers::Served,
};

const HOST_TO_ITSELF: Exchange = tcp(Client::Host, "127.0.0.1:8080");
const SIBLING: Exchange = tcp(RED, "198.51.100.2:8080");
const ONESELF: Exchange = tcp(BLUE, "198.51.100.2:8080");
const ONE_FLOW: Exchange =
    Exchange { from: Client::Internet, to: "198.51.100.2:8080", kind: Kind::UdpOfOneFlow };

pub(crate) const ALL: &[Breakage] = &[
    breakage("a_port_that_nobody_listens_on", "nothing-listens", Part::Server, "")
        .served(Served::Nowhere)
        .asking("red blue:80", RED_CALLS_BLUE),
    breakage("a_published_port_that_nobody_listens_on", "nothing-listens", Part::Server, "")
        .served(Served::Nowhere)
        .asking("8080", PUBLISHED),
    breakage("a_program_that_listens_on_loopback", "listens-elsewhere", Part::Server, "")
        .served(Served::BluesLoopback)
        .asking("red blue:80", RED_CALLS_BLUE),
    breakage("a_published_program_that_listens_on_loopback", "listens-elsewhere", Part::Server, "")
        .served(Served::BluesLoopback)
        .asking("8080", PUBLISHED),
    breakage("a_program_that_listens_on_the_host_instead", "listens-elsewhere", Part::Server, "")
        .served(Served::TheHost)
        .asking("8080", PUBLISHED),
    breakage(
        "a_port_that_is_not_published",
        "port-not-published",
        Part::Translation,
        "iptables -t nat -F PREROUTING; iptables -t nat -F OUTPUT",
    )
    .asking("8080", PUBLISHED)
    .alone(),
    breakage(
        "a_port_published_for_another_address",
        "port-not-published",
        Part::Translation,
        "iptables -t nat -F PREROUTING; iptables -t nat -F OUTPUT
         iptables -t nat -A PREROUTING -d 198.51.100.77 -p tcp --dport 8080 -j DNAT --to-destination 192.168.100.3:80",
    )
    .asking("8080", PUBLISHED)
    .alone(),
    breakage(
        "a_forward_to_an_address_that_nobody_has",
        "forward-to-nowhere",
        Part::Translation,
        "iptables -t nat -F PREROUTING
         iptables -t nat -A PREROUTING -p tcp --dport 8080 -j DNAT --to-destination 192.168.100.77:80",
    )
    .asking("8080", PUBLISHED)
    .alone(),
    breakage(
        "an_nft_forward_to_an_address_that_nobody_has",
        "forward-to-nowhere",
        Part::Translation,
        "nft flush chain ip lab in; nft add rule ip lab in tcp dport 8080 dnat to 192.168.100.77:80",
    )
    .within(Lab::ByNft)
    .asking("8080", PUBLISHED)
    .alone(),
    breakage(
        "a_published_netns_without_a_way_back",
        "no-way-back",
        Part::Route,
        "ip -n blue route delete default",
    )
    .asking("8080", PUBLISHED)
    .mended_by_fix(),
    breakage(
        "a_published_port_without_forwarding",
        "forwarding-off",
        Part::Forwarding,
        "echo 0 > /proc/sys/net/ipv4/ip_forward",
    )
    .asking("8080", PUBLISHED)
    .mended_by_fix(),
    breakage(
        "a_published_netns_whose_link_is_down",
        "link-down",
        Part::Link,
        "ip -n blue link set eth0 down",
    )
    .asking("8080", PUBLISHED)
    .mended_by_fix(),
    breakage(
        "a_missing_hairpin_masquerade",
        "hairpin-missing",
        Part::Translation,
        "for call in iptables ip6tables; do echo 0 > /proc/sys/net/bridge/bridge-nf-call-$call; done
         iptables -t nat -D POSTROUTING 2",
    )
    .asking("red 198.51.100.2:8080", SIBLING),
    breakage(
        "a_port_without_hairpin_mode",
        "hairpin-missing",
        Part::Cable,
        "bridge link set dev v-blue hairpin off",
    )
    .asking("blue 198.51.100.2:8080", ONESELF)
    .mended_by_typing(),
    breakage(
        "a_loopback_port_that_is_not_routed",
        "route-localnet-off",
        Part::Forwarding,
        "echo 0 > /proc/sys/net/ipv4/conf/br0/route_localnet",
    )
    .asking("127.0.0.1:8080", HOST_TO_ITSELF)
    .mended_by_typing(),
    breakage(
        "a_flow_that_still_goes_to_the_old_netns",
        "conntrack-stale",
        Part::Aside,
        "conntrack -D -p udp --orig-port-dst 8080 2>/dev/null || true
         conntrack -I -p udp -t 600 -s 198.51.100.1 -d 198.51.100.2 --sport 5000 --dport 8080 \\
             --reply-src 192.168.100.77 --reply-dst 198.51.100.1 --reply-port-src 80 --reply-port-dst 5000 \\
             --dst-nat 192.168.100.77:80 --status ASSURED,SEEN_REPLY",
    )
    .asking("8080/udp", ONE_FLOW)
    .stops_some()
    .mended_by_fix(),
    breakage(
        "pings_that_are_ignored",
        "ping-ignored",
        Part::Aside,
        "ip netns exec blue sh -c 'echo 1 > /proc/sys/net/ipv4/icmp_echo_ignore_all'",
    )
    .asking("red blue", Exchange { from: RED, to: "192.168.100.3", kind: Kind::Ping })
    .mended_by_fix(),
];
