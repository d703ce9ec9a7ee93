//! MTUs that are too small for IPv6, and those that are not.

use super::{good, mistakes::judge};

/// What stands below `name:`, what is too small for what, and where.
const TOO_SMALL: &[(&str, &str, &str)] = &[
    (
        "networks: { b: { subnet: \"fd00::/64\", mtu: 1279 } }",
        "an MTU of 1279 is too small for fd00::/64:",
        "2:44",
    ),
    (
        "networks: { b: { subnet: [10.0.0.0/24, \"fd00::/64\"], internal: true, mtu: 1000 } }",
        "an MTU of 1000 is too small for fd00::/64:",
        "2:75",
    ),
    (
        "networks: { b: { subnet: \"fd00::/64\", mtu: 1500 } }\nnodes: { a: { networks: [b], mtu: 1000 } }",
        "an MTU of 1000 is too small for fd00::2/64:",
        "3:35",
    ),
    (
        "networks: { b: { mtu: 576 } }\nnodes: { a: { networks: { b: { address: \"fd00::5/64\" } } } }",
        "an MTU of 576 is too small for fd00::5/64:",
        "2:23",
    ),
    (
        "nodes: { a: , b: }\nlinks: [{ endpoints: [a, b], subnet: \"fd00::/64\", mtu: 1000 }]",
        "an MTU of 1000 is too small for fd00::1/64:",
        "3:56",
    ),
    (
        "nodes: { a: { mtu: 1400 }, b: { mtu: 1000 } }\nlinks: [{ endpoints: [a, b], addresses: [[], \"fd00::2/64\"] }]",
        "an MTU of 1000 is too small for fd00::2/64:",
        "2:38",
    ),
    (
        "networks: { b: { subnet: \"fd00::/64\" }, c: }\nlinks: [{ endpoints: [c, b], mtu: 1000 }]",
        "an MTU of 1000 is too small for fd00::/64:",
        "3:35",
    ),
    (
        "nodes: { a: { mtu: 1000, macvlan: { parent: eth0, address: \"fd00::7/64\" } } }",
        "an MTU of 1000 is too small for fd00::7/64:",
        "2:20",
    ),
];

#[test]
fn a_link_with_ipv6_takes_no_smaller_packets_than_ipv6_allows() {
    for (text, says, place) in TOO_SMALL {
        judge(&format!("name: lab\n{text}\n"), says, place, "write 'mtu: 1280', or leave fd00::");
        let wide_enough = ["576", "1000", "1279"]
            .iter()
            .fold((*text).to_owned(), |text, small| text.replace(&format!("mtu: {small}"), "mtu: 1280"));
        good(&format!("name: lab\n{wide_enough}\n"));
    }
}

#[test]
fn ipv4_takes_small_packets() {
    for text in [
        "networks: { b: { subnet: 10.0.0.0/24, mtu: 576 } }\nnodes: { a: { networks: [b], mtu: 68 } }",
        "nodes: { a: { mtu: 576, addresses: [\"fd00::9\"] }, b: }\nlinks: [{ endpoints: [a, b], subnet: 10.0.0.0/30 }]",
        "networks: { b: { mtu: 576 } }\nnodes: { a: { mtu: 1280, networks: { b: { address: \"fd00::5/64\" } } } }",
        "nodes: { a: { mtu: 576, macvlan: { parent: eth0, address: 192.0.2.7/24 } } }",
    ] {
        good(&format!("name: lab\n{text}\n"));
    }
}
