//! Filters that drop: of the host and of the netns, by every program that makes them.

use crate::{
    breakage::{Breakage, Part, breakage},
    exchange::{Exchange, Kind, PUBLISHED, RED, RED_CALLS_BLUE, RED_FETCHES, RED_FETCHES_V6, tcp, udp},
    lab::Lab,
};

pub(crate) const ALL: &[Breakage] = &[
    breakage("a_forward_policy_that_drops", "iptables-drops", Part::Filter, "iptables -P FORWARD DROP")
        .mended_by_typing(),
    breakage(
        "a_rule_that_rejects_what_is_forwarded",
        "iptables-drops",
        Part::Filter,
        "iptables -A FORWARD -i br0 -j REJECT",
    )
    .mended_by_typing(),
    breakage(
        "a_rule_for_one_port_deep_in_a_chain",
        "iptables-drops",
        Part::Filter,
        "iptables -N GATE; iptables -N WALL
         iptables -A FORWARD -o eth0 -j GATE; iptables -A GATE -p tcp -j WALL
         iptables -A WALL -p tcp -m multiport --dports 80,443 -j DROP",
    )
    .asking("red 203.0.113.8:80", tcp(RED, "203.0.113.8:80"))
    .mended_by_typing(),
    breakage(
        "a_rule_that_drops_udp_alone",
        "iptables-drops",
        Part::Filter,
        "iptables -A FORWARD -p udp --dport 7 -j DROP",
    )
    .asking("red 203.0.113.8:7/udp", udp(RED, "203.0.113.8:7"))
    .mended_by_typing(),
    breakage(
        "a_rule_that_drops_the_answers",
        "iptables-drops",
        Part::Filter,
        "iptables -A FORWARD -i eth0 -o br0 -j DROP",
    )
    .mended_by_typing(),
    breakage(
        "a_drop_in_the_raw_table",
        "iptables-drops",
        Part::Filter,
        "iptables -t raw -A PREROUTING -i br0 -s 192.168.100.2 -j DROP",
    )
    .mended_by_typing(),
    breakage(
        "a_drop_in_the_mangle_table",
        "iptables-drops",
        Part::Filter,
        "iptables -t mangle -A FORWARD -o eth0 -j DROP",
    )
    .mended_by_typing(),
    breakage(
        "a_forward_policy_that_drops_beside_this_tools_rules",
        "iptables-drops",
        Part::Filter,
        "iptables -P FORWARD DROP",
    )
    .within(Lab::ByToolWithNft)
    .mended_by_typing(),
    breakage(
        "an_ip6tables_policy_that_drops",
        "iptables-drops",
        Part::Filter,
        "ip6tables -P FORWARD DROP",
    )
    .within(Lab::DualStack)
    .asking("red [2001:db8:ffff::8]:80", RED_FETCHES_V6)
    .mended_by_typing(),
    breakage(
        "a_legacy_policy_that_drops",
        "iptables-legacy-drops",
        Part::Filter,
        "iptables-legacy -P FORWARD DROP",
    )
    .mended_by_typing(),
    breakage(
        "a_legacy_rule_that_drops",
        "iptables-legacy-drops",
        Part::Filter,
        "iptables-legacy -A FORWARD -s 192.168.100.0/24 -j DROP",
    )
    .mended_by_typing(),
    breakage(
        "an_nft_policy_that_drops",
        "nftables-drops",
        Part::Filter,
        "nft add table inet wall
         nft add chain inet wall gate '{ type filter hook forward priority 0; policy drop; }'",
    )
    .mended_by_typing(),
    breakage(
        "an_nft_set_that_holds_the_netns",
        "nftables-drops",
        Part::Filter,
        "nft -f - <<'END'
table ip wall {
    set banned { type ipv4_addr; flags interval; elements = { 192.168.100.0/30, 10.0.0.0/8 } }
    chain gate { type filter hook forward priority -10; policy accept; ip saddr @banned drop; }
}
END",
    )
    .mended_by_typing(),
    breakage(
        "a_verdict_map_that_drops",
        "nftables-drops",
        Part::Filter,
        "nft -f - <<'END'
table inet wall {
    chain closed { drop; }
    chain gate {
        type filter hook forward priority 5; policy accept;
        ct state established,related accept
        iifname vmap { br0 : jump closed }
    }
}
END",
    )
    .mended_by_typing(),
    breakage(
        "a_drop_before_routing",
        "nftables-drops",
        Part::Filter,
        "nft -f - <<'END'
table ip wall {
    chain early { type filter hook prerouting priority raw; policy accept; iifname br0 tcp dport 80 drop; }
}
END",
    )
    .asking("red 203.0.113.8:80", tcp(RED, "203.0.113.8:80")),
    breakage(
        "a_drop_at_a_links_own_hook",
        "nftables-drops",
        Part::Filter,
        "nft -f - <<'END'
table netdev wall {
    chain edge { type filter hook ingress device v-red priority 0; policy accept; ip daddr 203.0.113.0/24 drop; }
}
END",
    ).asking("red 203.0.113.8:80", RED_FETCHES),
    breakage(
        "a_drop_among_bridged_packets",
        "nftables-drops",
        Part::Filter,
        "nft -f - <<'END'
table bridge wall {
    chain gate { type filter hook forward priority 0; policy accept; ip protocol tcp drop; }
}
END",
    )
    .asking("red blue:80", RED_CALLS_BLUE),
    breakage(
        "a_drop_of_what_is_for_the_host",
        "nftables-drops",
        Part::Filter,
        "nft -f - <<'END'
table inet wall {
    chain gate { type filter hook input priority 0; policy drop; iifname lo accept; }
}
END",
    )
    .asking("red 192.168.100.1", Exchange { from: RED, to: "192.168.100.1", kind: Kind::Ping }),
    breakage(
        "an_output_filter_of_the_netns",
        "netns-firewall-drops",
        Part::Firewall,
        "ip netns exec red nft -f - <<'END'
table inet own {
    chain out { type filter hook output priority 0; policy drop; oifname lo accept; }
}
END",
    )
    .mended_by_typing(),
    breakage(
        "an_input_filter_that_drops_the_answers",
        "netns-firewall-drops",
        Part::Firewall,
        "ip netns exec red iptables -P INPUT DROP",
    )
    .mended_by_typing(),
    breakage(
        "an_input_filter_of_the_other_netns",
        "netns-firewall-drops",
        Part::Firewall,
        "ip netns exec blue iptables -A INPUT -p tcp --dport 80 -j REJECT",
    )
    .asking("red blue:80", RED_CALLS_BLUE)
    .mended_by_typing(),
    breakage(
        "a_legacy_filter_of_the_netns",
        "netns-firewall-drops",
        Part::Firewall,
        "ip netns exec red iptables-legacy -A OUTPUT -d 203.0.113.0/24 -j DROP",
    )
    .mended_by_typing().asking("red 203.0.113.8:80", RED_FETCHES),
    breakage(
        "a_policy_that_drops_what_a_published_port_gets",
        "iptables-drops",
        Part::Filter,
        "iptables -P FORWARD DROP",
    )
    .asking("8080", PUBLISHED)
    .mended_by_typing(),
];
