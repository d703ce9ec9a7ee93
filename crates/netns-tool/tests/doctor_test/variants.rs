//! Setups that work, though they look unusual.

use crate::{
    exchange::{Exchange, Kind, PUBLISHED, RED, RED_FETCHES, RED_FETCHES_V6, tcp},
    healthy::{Variant, variant},
    lab::Lab,
};

const RED_UPLOADS: Exchange = Exchange { from: RED, to: "203.0.113.8:7", kind: Kind::MuchByTcp };

pub(crate) const ALL: &[Variant] = &[
    variant(
        "a_table_that_drops_all_but_this",
        Lab::ByNft,
        "nft -f - <<'END'
table inet wall {
    chain gate {
        type filter hook forward priority 0; policy drop;
        ct state established,related accept
        ct state invalid drop
        iifname br0 oifname eth0 accept
    }
}
END",
    ),
    variant(
        "an_accept_by_a_set",
        Lab::ByNft,
        "nft -f - <<'END'
table inet wall {
    set friends { type ipv4_addr; flags interval; elements = { 192.168.100.0/25, 10.0.0.0/8 } }
    set doors { type ipv4_addr . inet_service; elements = { 203.0.113.8 . 80, 203.0.113.8 . 443 } }
    chain open { accept; }
    chain gate {
        type filter hook forward priority 0; policy drop;
        ct state vmap { established : accept, related : accept, invalid : drop }
        ip saddr @friends ip daddr . tcp dport @doors jump open
    }
}
END",
    )
    .asking("red 203.0.113.8:80", RED_FETCHES),
    variant(
        "a_set_that_bans_others",
        Lab::ByNft,
        "nft -f - <<'END'
table inet wall {
    set banned { type ipv4_addr; flags interval; elements = { 192.168.100.128/25, 10.0.0.0/8 } }
    chain gate {
        type filter hook forward priority 0; policy accept;
        ip saddr @banned drop
        tcp dport { 25, 135-139 } drop
        iifname { docker0, virbr0 } drop
        meta nfproto ipv6 drop
    }
}
END",
    ),
    variant(
        "a_limit_that_is_not_reached",
        Lab::ByNft,
        "nft -f - <<'END'
table inet wall {
    chain gate {
        type filter hook forward priority 0; policy accept;
        ct state new limit rate over 10000/second drop
    }
}
END",
    ),
    variant(
        "an_iptables_wall_with_a_door",
        Lab::ByIptables,
        "iptables -P FORWARD DROP
         iptables -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
         iptables -A FORWARD -s 10.0.0.0/8 -j DROP
         iptables -A FORWARD -p tcp --dport 25 -j REJECT
         iptables -A FORWARD -i br0 ! -o br0 -j ACCEPT",
    ),
    variant(
        "an_iptables_wall_with_a_door_for_a_published_port",
        Lab::ByIptables,
        "iptables -P FORWARD DROP
         iptables -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
         iptables -A FORWARD -d 192.168.100.3 -p tcp --dport 80 -m conntrack --ctstate DNAT -j ACCEPT",
    )
    .asking("8080", PUBLISHED),
    variant("a_port_published_for_others_alone", Lab::ByIptables, "iptables -t nat -F OUTPUT")
        .asking("198.51.100.2:8080", PUBLISHED),
    variant(
        "a_table_chosen_by_a_rule",
        Lab::ByIptables,
        "ip -n red route add default via 192.168.100.1 table 77
         ip -n red route delete default
         ip -n red rule add pref 100 from 10.0.0.0/8 prohibit
         ip -n red rule add pref 101 lookup 77",
    ),
    variant(
        "a_host_table_chosen_by_a_rule",
        Lab::ByIptables,
        "ip route add default via 198.51.100.1 dev eth0 table 88
         ip rule add pref 90 iif br0 lookup 88
         ip rule add pref 91 from 198.51.100.2 lookup 88
         ip route add 192.168.100.0/24 dev br0 table 88
         ip route delete default",
    ),
    variant(
        "a_netns_with_ipv6_alone",
        Lab::DualStack,
        "ip -n red -4 address flush dev eth0
         printf 'nameserver 2001:db8:ffff::8\\n' > /etc/netns/red/resolv.conf",
    )
    .asking("red", RED_FETCHES_V6),
    variant("a_loose_reverse_path_filter", Lab::ByIptables, OTHER_WAY_BACK),
    variant(
        "a_reverse_path_filter_that_is_off",
        Lab::ByIptables,
        "for link in /proc/sys/net/ipv4/conf/*; do echo 0 > $link/rp_filter; done",
    ),
    variant(
        "a_strict_reverse_path_filter",
        Lab::ByIptables,
        "for link in /proc/sys/net/ipv4/conf/*; do echo 1 > $link/rp_filter; done",
    ),
    variant("docker_that_lets_it_pass", Lab::ByIptables, DOCKER_WITH_DOOR),
    variant("ufw_that_lets_it_pass", Lab::ByIptables, UFW_WITH_DOOR),
    variant(
        "jumbo_frames",
        Lab::ByIptables,
        "ip link set eth0 mtu 9000; ip link set v-red mtu 9000; ip link set v-blue mtu 9000
         ip link set br0 mtu 9000; ip -n red link set eth0 mtu 9000; ip -n blue link set eth0 mtu 9000",
    )
    .and_beyond("ip link set up0 mtu 9000")
    .asking("red", RED_UPLOADS),
    variant(
        "a_small_uplink_that_says_so",
        Lab::ByIptables,
        "ip link set eth0 mtu 1400",
    )
    .and_beyond("ip link set up0 mtu 1400")
    .asking("red", RED_UPLOADS),
    variant(
        "two_uplinks",
        Lab::ByIptables,
        "ip netns add isp2; ip link add eth1 type veth peer name up1 netns isp2
         ip address add 198.51.101.2/24 dev eth1; ip link set eth1 up
         ip -n isp2 address add 198.51.101.1/24 dev up1; ip -n isp2 link set up1 up
         ip route add default via 198.51.101.1 dev eth1 metric 500",
    ),
    variant(
        "a_direct_cable",
        Lab::ByIptables,
        "ip link add dir0 netns red type veth peer name dir0 netns blue
         ip -n red address add 10.9.0.1/30 dev dir0; ip -n red link set dir0 up
         ip -n blue address add 10.9.0.2/30 dev dir0; ip -n blue link set dir0 up",
    )
    .asking("red 10.9.0.2:80", tcp(RED, "10.9.0.2:80")),
    variant("a_router_netns", Lab::ByIptables, ROUTER).asking("red 10.2.0.2:80", tcp(RED, "10.2.0.2:80")),
    variant(
        "snat_to_a_fixed_address",
        Lab::ByIptables,
        "iptables -t nat -R POSTROUTING 1 -s 192.168.100.0/24 -o eth0 -j SNAT --to-source 198.51.100.2",
    ),
    variant(
        "snat_by_nft_with_a_map",
        Lab::ByNft,
        "nft flush chain ip lab out
         nft add rule ip lab out oifname eth0 snat to ip saddr map { 192.168.100.0/24 : 198.51.100.2 }",
    ),
    variant(
        "nat_by_iptables_legacy",
        Lab::ByIptables,
        "iptables -t nat -F
         iptables-legacy -t nat -A POSTROUTING -s 192.168.100.0/24 -o eth0 -j MASQUERADE
         iptables-legacy -P FORWARD DROP; iptables-legacy -A FORWARD -i br0 -j ACCEPT
         iptables-legacy -A FORWARD -o br0 -m conntrack --ctstate ESTABLISHED -j ACCEPT",
    ),
    variant(
        "masquerade_of_everything",
        Lab::ByIptables,
        "iptables -t nat -F POSTROUTING; iptables -t nat -A POSTROUTING -j MASQUERADE",
    ),
    variant(
        "a_network_that_others_know_the_way_to",
        Lab::ByIptables,
        "iptables -t nat -F POSTROUTING",
    )
    .and_beyond("ip route add 192.168.100.0/24 via 198.51.100.2"),
    variant(
        "forwarding_of_two_links_alone",
        Lab::ByIptables,
        "echo 0 > /proc/sys/net/ipv4/ip_forward
         for link in br0 eth0; do echo 1 > /proc/sys/net/ipv4/conf/$link/forwarding; done",
    ),
    variant(
        "a_gateway_that_others_answer_for",
        Lab::ByIptables,
        "ip -n red route flush dev eth0
         ip -n red address flush dev eth0; ip -n red address add 192.168.100.2/32 dev eth0
         ip -n red route add 169.254.1.1 dev eth0 scope link
         ip -n red route add default via 169.254.1.1 dev eth0
         echo 1 > /proc/sys/net/ipv4/conf/br0/proxy_arp",
    ),
    variant(
        "a_macvlan_on_the_uplink",
        Lab::ByIptables,
        "ip -n red link delete eth0
         ip link add link eth0 name mv0 type macvlan mode bridge
         ip link set mv0 netns red name eth0
         ip -n red address add 198.51.100.50/24 dev eth0; ip -n red link set eth0 up
         ip -n red route add default via 198.51.100.1",
    ),
    variant(
        "a_netns_with_a_firewall_of_its_own",
        Lab::ByIptables,
        "ip netns exec red nft -f - <<'END'
table inet own {
    chain in { type filter hook input priority 0; policy drop; ct state established,related accept; iif lo accept; }
    chain out { type filter hook output priority 0; policy drop; oif lo accept; ct state new,established accept; }
}
END",
    ),
];

const OTHER_WAY_BACK: &str = "
    ip link add v-red2 type veth peer name eth1 netns red
    ip address add 192.168.102.1/24 dev v-red2; ip link set v-red2 up
    ip -n red address add 192.168.102.2/24 dev eth1; ip -n red link set eth1 up
    ip -n red route replace default via 192.168.102.1 dev eth1 src 192.168.100.2
    echo 2 > /proc/sys/net/ipv4/conf/v-red2/rp_filter";

const ROUTER: &str = "
    ip netns add router; ip -n router link set lo up
    ip link add r0 netns red type veth peer name r0 netns router
    ip link add r1 netns blue type veth peer name r1 netns router
    ip -n red address add 10.1.0.2/24 dev r0; ip -n red link set r0 up
    ip -n blue address add 10.2.0.2/24 dev r1; ip -n blue link set r1 up
    ip -n router address add 10.1.0.1/24 dev r0; ip -n router link set r0 up
    ip -n router address add 10.2.0.1/24 dev r1; ip -n router link set r1 up
    ip netns exec router sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'
    ip -n red route add 10.2.0.0/24 via 10.1.0.1; ip -n blue route add 10.1.0.0/24 via 10.2.0.1";

/// What Docker 28 makes, and the rules its manual has for others.
const DOCKER_WITH_DOOR: &str = "
    iptables-restore --noflush <<'END'
*filter
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-BRIDGE - [0:0]
:DOCKER-CT - [0:0]
:DOCKER-FORWARD - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-FORWARD
-A DOCKER ! -i docker0 -o docker0 -j DROP
-A DOCKER-BRIDGE -o docker0 -j DOCKER
-A DOCKER-CT -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A DOCKER-FORWARD -j DOCKER-CT
-A DOCKER-FORWARD -j DOCKER-BRIDGE
-A DOCKER-FORWARD -i docker0 -j ACCEPT
-A DOCKER-USER -i br0 -j ACCEPT
-A DOCKER-USER -o br0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
COMMIT
END";

/// The chains ufw makes for what is forwarded, with `ufw route allow in on br0 out on eth0`.
const UFW_WITH_DOOR: &str = "
    iptables-restore --noflush <<'END'
*filter
:FORWARD DROP [0:0]
:ufw-before-forward - [0:0]
:ufw-after-forward - [0:0]
:ufw-reject-forward - [0:0]
:ufw-user-forward - [0:0]
-A FORWARD -j ufw-before-forward
-A FORWARD -j ufw-after-forward
-A FORWARD -j ufw-reject-forward
-A ufw-before-forward -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-before-forward -p icmp -m icmp --icmp-type 8 -j ACCEPT
-A ufw-before-forward -j ufw-user-forward
-A ufw-user-forward -i br0 -o eth0 -j ACCEPT
COMMIT
END";
