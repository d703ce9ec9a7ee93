//! Files with one mistake each, and the first words that are said about it.

use super::wrong;

#[test]
fn an_error_points_at_what_is_wrong() {
    let error = wrong("name: lab\nnetworks:\n  br0: { subnet: 10.0.0.0/24, nta: true }\n");
    let expected = "\
unknown key 'nta'
 --> line 3, column 31
  |
3 |   br0: { subnet: 10.0.0.0/24, nta: true }
  |                               ^^^
  = did you mean 'nat'?";
    assert_eq!(error, expected);
}

/// What stands below `name:`, what is wrong with it, where, and what may have been meant.
const MISTAKES: &[(&str, &str, &str, &str)] = &[
    ("nodes: { a: { mtu: big } }", "expected a whole number", "2:20", ""),
    ("nodes: [a]", "expected a map from names to what they stand for, found sequence", "2:1", ""),
    ("nodes: { a: , a: }", "key 'a' is there twice", "2:15", ""),
    ("nodes: { a: }\nnetworks: { a: }", "name 'a' is there twice, first at line 3", "2:10", ""),
    ("nodes: { host: }", "'host' means the host; no node can be called that", "2:10", ""),
    ("nodes: { a/b: }", "netns name 'a/b' must start", "2:10", ""),
    ("networks: { br0: }\nnodes: { a: { networks: [br1] } }", "no network is called 'br1'", "3:26", "'br0'"),
    ("networks: { b: }\nnodes: { a: { networks: [b, b] } }", "network 'b' is there twice", "3:29", ""),
    (
        "networks: { b: { subnet: 10.0.0.1/24 } }",
        "'10.0.0.1/24' is an address in a subnet",
        "2:26",
        "'10.0.0.0/24'",
    ),
    ("networks: { b: { subnet: \"fe80::/64\" } }", "'fe80::/64' is not a subnet", "2:26", ""),
    ("networks: { all: }", "no link can be called 'all'", "2:13", "bridge: br0"),
    ("networks: { b: { bridge: default } }", "no link can be called 'default'", "2:26", ""),
    ("networks: { b: { subnet: 10.0.0.0 } }", "'10.0.0.0' is not a subnet", "2:26", ""),
    ("networks: { b: { nat: true } }", "the key 'nat' needs the key 'subnet' beside it", "2:23", "write"),
    (
        "networks: { b: { subnet: 10.0.0.0/24, nat: true, internal: true } }",
        "the keys 'nat' and 'internal'",
        "2:44",
        "",
    ),
    ("networks: { b: { gateway: 10.0.0.1 } }", "the key 'gateway' needs the key 'subnet'", "2:27", ""),
    (
        "networks: { b: { subnet: 10.0.0.0/24, gateway: 10.0.0.9, internal: true } }",
        "the keys 'gateway' and 'internal' contradict",
        "2:48",
        "",
    ),
    (
        "networks: { b: { subnet: 10.0.0.0/24, gateway: 10.0.1.1 } }",
        "address 10.0.1.1 is in no subnet of network 'b'",
        "2:48",
        "its subnet is 10.0.0.0/24",
    ),
    (
        "networks: { b: { subnet: 10.0.0.0/24, gateway: 10.0.0.255 } }",
        "address 10.0.0.255 is the broadcast address of subnet 10.0.0.0/24",
        "2:48",
        "",
    ),
    (
        "networks: { b: { subnet: 10.0.0.0/24, gateway: 10.0.0.1/16 } }",
        "'10.0.0.1/16' is not an address with the prefix length",
        "2:48",
        "'10.0.0.1/24'",
    ),
    (
        "networks: { b: { subnet: [10.0.0.0/24, \"fd00::/64\"], gateway: [10.0.0.1, 10.0.0.2] } }",
        "gateway of '10.0.0.0/24' is there twice, first at line 2, column 64",
        "2:74",
        "",
    ),
    ("networks: { b: { subnet: 10.0.0.0/24, gateway: first } }", "'first' is not an address", "2:48", ""),
    (
        "networks: { b: { subnet: 10.0.0.0/24, gatway: 10.0.0.9 } }",
        "unknown key 'gatway'",
        "2:39",
        "'gateway'",
    ),
    (
        "networks: { b: { subnet: 10.0.0.0/24, gateway: 10.0.0.9 } }\nnodes: { a: { networks: { b: { address: \
         10.0.0.9 } } } }",
        "address 10.0.0.9 is the gateway of subnet",
        "3:41",
        "",
    ),
    (
        "networks: { b: { vni: 5, remote: [192.0.2.1, \"2001:db8::1\"] } }",
        "'2001:db8::1' is not an address of the same family as the first",
        "2:46",
        "",
    ),
    ("networks: { b: { vni: 5, remote: [192.0.2.1, 192.0.2.1] } }", "remote '192.0.2.1'", "2:46", ""),
    (
        "networks: { b: { vni: 5, remote: 239.0.0.1 } }",
        "'239.0.0.1' is not the address of one host",
        "2:34",
        "",
    ),
    ("networks: { b: { vni: 5 } }", "the key 'vni' needs the key 'remote'", "2:23", ""),
    ("networks: { b: { vni: 16777216, remote: 192.0.2.1 } }", "'16777216' is not a VXLAN", "2:23", ""),
    (
        "networks: { b: { bridge: a-bridge-too-long } }",
        "link name 'a-bridge-too-long' is 17 bytes",
        "2:26",
        "",
    ),
    (
        "networks: { b: { bridge: x }, c: { bridge: x } }",
        "link 'x' is there twice, first at line 2",
        "2:44",
        "",
    ),
    ("networks: { b: { mtu: 20 } }", "'20' is not an MTU", "2:23", ""),
    ("networks: { b: { rate: 10mbps } }", "'10mbps' is not a rate", "2:24", ""),
    ("networks: { b: { jitter: 1ms } }", "the key 'jitter' needs the key 'delay'", "2:26", ""),
    (
        "networks: { b: { subnet: 10.0.0.0/8 }, c: { subnet: 10.1.0.0/16 } }",
        "subnet 10.1.0.0/16 overlaps 10.0.0.0/8 at line 2, column 26",
        "2:53",
        "",
    ),
    ("links: [a-b]", "no node or network is called 'a'", "2:9", ""),
    ("nodes: { alpha: , beta: }\nlinks: [alpha-bta]", "no node or network is called 'bta'", "3:9", "'beta'"),
    (
        "nodes: { a: , a-b: , c: , b-c: }\nlinks: [a-b-c]",
        "link 'a-b-c' can be read in two ways",
        "3:9",
        "endpoints",
    ),
    ("nodes: { a: }\nlinks: [a-a]", "'a link to itself' is not", "3:9", ""),
    ("nodes: { a: , b: }\nlinks: [{ endpoints: [a] }]", "'1' is not the number of ends", "3:9", ""),
    (
        "nodes: { a: , b: }\nlinks: [{ endpoints: [\"a:x\", \"b\"] }, { endpoints: [\"a:x\", b] }]",
        "link 'x' is there twice",
        "3:52",
        "",
    ),
    (
        "nodes: { a: , b: }\nlinks: [{ endpoints: [a, b], ratr: 1mbit }]",
        "unknown key 'ratr'",
        "3:30",
        "'rate'",
    ),
    (
        "nodes: { a: , b: }\nlinks: [{ endpoints: [a, b], addresses: [10.0.0.1, 10.0.0.2] }]",
        "'10.0.0.1' is not an address with a prefix length",
        "3:42",
        "'10.0.0.1/24'",
    ),
    (
        "networks: { b: }\nnodes: { a: }\nlinks: [{ endpoints: [a, b], subnet: 10.9.0.0/24 }]",
        "a link to network 'b' has no subnet of its own",
        "4:38",
        "write 'b: { subnet: 10.9.0.0/24 }' under 'networks'",
    ),
    (
        "networks: { b: { subnet: 10.0.0.0/24 }, c: }\nlinks: [{ endpoints: [c, b], subnet: [10.0.0.0/24] }]",
        "a link to network 'b' has no subnet of its own",
        "3:39",
        "leave it out: the network has 10.0.0.0/24",
    ),
    ("nodes: { a: { mac: \"01:00:00:00:00:01\" } }", "the key 'mac' needs the key 'networks'", "2:20", ""),
    (
        "nodes: { a: { addresses: [0.0.0.0] } }",
        "'0.0.0.0' is not an address that a link can have",
        "2:27",
        "",
    ),
    ("nodes: { a: { addresses: [\"::\"] } }", "'::' is not an address that a link can have", "2:27", ""),
    (
        "nodes: { a: { addresses: [10.0.0.1, 224.0.0.5/32] } }",
        "'224.0.0.5/32' is not an address that a link can have",
        "2:37",
        "",
    ),
    (
        "networks: { b: { subnet: 10.0.0.0/24, gateway: 224.0.0.5 } }",
        "'224.0.0.5' is not an address that a link can have",
        "2:48",
        "",
    ),
    (
        "nodes: { a: { macvlan: { parent: eth0, address: \"ff02::5/64\" } } }",
        "'ff02::5/64' is not an address that a link can have",
        "2:49",
        "",
    ),
    (
        "nodes: { a: { sysctls: { kernel.panic: 1 } } }",
        "'kernel.panic' is not a setting of a netns",
        "2:26",
        "",
    ),
    (
        "nodes: { a: { sysctls: { net.ipv4.conf.eth0.1.forwarding: 1 } } }",
        "'net.ipv4.conf.eth0.1.forwarding' is not a setting of a netns",
        "2:26",
        "'net.ipv4.conf.eth0/1.forwarding'",
    ),
    (
        "nodes: { a: { sysctls: { net.ipv4.conf.lo.tag: 1, net/ipv4/conf/lo/tag: 1 } } }",
        "setting 'net.ipv4.conf.lo.tag' is there twice, first at line 2, column 26",
        "2:51",
        "",
    ),
    (
        "nodes: { a: { sysctls: { net.ipv4.ip_forward: 1 } } }",
        "the keys 'sysctls' and 'forwarding' contradict each other",
        "2:26",
        "write 'forwarding: true'",
    ),
    (
        "nodes: { a: { macvlan: { parent: eth0, mode: brigde } } }",
        "'brigde' is not a macvlan mode",
        "2:46",
        "'bridge'",
    ),
    ("nodes: { a: { nameservers: [1.1.1.x] } }", "'1.1.1.x' is not the address of a name server", "2:29", ""),
    (
        "nodes: { a: { run: [sleep 9, sleep 8] } }",
        "'sleep 9' is not the name of a program",
        "2:20",
        "[[a, b], [c]]",
    ),
    (
        "nodes: { a: { ports: [\"80\"] } }",
        "'80' is not of the form [ADDRESS:]PORT:PORT[/udp]",
        "2:23",
        "'80:80'?",
    ),
    ("nodes: { a: { ports: [8080/udp] } }", "'8080/udp' is not of the form", "2:23", "'8080:8080/udp'?"),
    ("nodes: { a: { ports: [\"1:2:3:4\"] } }", "'1:2:3:4' is not of the form [ADDRESS:]PORT", "2:23", ""),
    ("nodes: { a: { ports: [\"x:80\"] } }", "port 'x:80' cannot be published: 'x' is not a port", "2:23", ""),
    (
        "nodes: { a: { ports: [\"80:80\"] } }",
        "port '80:80' cannot be published: the host reaches no IPv4",
        "2:23",
        "subnet",
    ),
    ("nodes: { a: }\nchecks: [a reach b]", "'a reach b' is not a check", "3:10", ""),
    (
        "nodes: { node1: , node2: }\nchecks: [node1 reaches nodee2]",
        "no node is called 'nodee2'",
        "3:10",
        "'node2'",
    ),
    (
        "networks: { br0: }\nnodes: { ns1: }\nchecks: [br0 reaches ns1]",
        "no node is called 'br0'",
        "4:10",
        "'br0' is a network",
    ),
    (
        "networks: { br0: }\nnodes: { bro1: }\nchecks: [host reaches br0]",
        "no node is called 'br0'",
        "4:10",
        "'br0' is a network",
    ),
    (
        "networks: { web: }\nnodes: { web10: }\nchecks: [web1 reaches 1.1.1.1]",
        "no node is called 'web1'",
        "4:10",
        "did you mean 'web10'?",
    ),
    ("nodes: { a: }\nchecks: [hots reaches a]", "no node is called 'hots'", "3:10", "'host'"),
    ("nodes: { a: , b: }\nchecks: [a reaches b]", "'b' has no address to be reached at", "3:10", ""),
    ("nodes: { a: }\nchecks: [a reaches \"1.1.1.1:99999\"]", "", "3:10", ""),
    (
        "nodes: { a: }\nchecks: [\"a reaches 1.1.1.1:99999\"]",
        "'a reaches 1.1.1.1:99999' is not a check with a port",
        "3:10",
        "",
    ),
    (
        "nodes: { a: }\nchecks: [\"a reaches [::1]80\"]",
        "'a reaches [::1]80' is not a check with a port",
        "3:10",
        "'[::1]:80'",
    ),
    ("nodes: { a: }\nchecks: [\"a reaches [::1]x\"]", "'a reaches [::1]x' is not a check", "3:10", ""),
    ("generate: { star: 0 }", "'0' is not a number to make something of", "2:19", ""),
    (
        "generate: { star: { nodes: 20, subnet: 10.0.0.0/29 } }",
        "subnet 10.0.0.0/29 has no address left for node 'n6'",
        "2:40",
        "",
    ),
    ("generate: { ring: 5 }", "unknown key 'ring'", "2:13", ""),
    ("generate: { star: 1100 }", "network 's1' has more than 1023 ports", "2:19", "several"),
    ("name: again", "key 'name' is there twice", "2:1", ""),
];

/// The same for what stands in the network `b`, 10.0.0.0/29, and the node `a` in it.
const MISTAKES_IN_A_NETWORK: &[(&str, &str, &str, &str)] = &[
    (
        "networks: { b: { address: 10.1.0.1 } }",
        "address 10.1.0.1 is in no subnet of network 'b'",
        "4:34",
        "10.0.0.0/29",
    ),
    ("networks: { b: { address: 10.0.0.1 } }", "address 10.0.0.1 is the gateway of subnet", "4:34", ""),
    (
        "networks: { b: { address: 10.0.0.0 } }",
        "address 10.0.0.0 is the network address of subnet",
        "4:34",
        "",
    ),
    (
        "networks: { b: { address: 10.0.0.7 } }",
        "address 10.0.0.7 is the broadcast address of subnet",
        "4:34",
        "",
    ),
    (
        "networks: { b: { address: 10.0.0.2/24 } }",
        "'10.0.0.2/24' is not an address with the prefix",
        "4:34",
        "'10.0.0.2/29'",
    ),
    (
        "networks: { b: { address: [10.0.0.3, 10.0.0.3] } }",
        "address '10.0.0.3' is there twice, first at",
        "4:45",
        "",
    ),
    (
        "networks: [b], ports: [\"80:80\", \"0.0.0.0:80:81\"]",
        "port 0.0.0.0:80/tcp is published twice",
        "4:40",
        "",
    ),
    ("networks: [b], ports: [\"80:80/sctp\"]", "port '80:80/sctp' cannot be published", "4:31", ""),
    (
        "networks: [b], routes: [{ to: 10.9.0.0/16, via: 10.8.0.1 }]",
        "gateway 10.8.0.1 is on no link of node 'a'",
        "4:56",
        "",
    ),
    (
        "networks: [b], routes: [{ to: 10.9.0.1/16, via: 10.0.0.1 }]",
        "'10.9.0.1/16' is an address in",
        "4:38",
        "'10.9.0.0/16'",
    ),
    ("networks: [b], routes: [{ to: default }]", "the key 'to' needs the key 'via'", "4:38", ""),
    (
        "networks: [b], routes: [{ to: default, link: eth7 }]",
        "no link of this node is called 'eth7'",
        "4:53",
        "'eth0'",
    ),
    ("networks: { b: { link: lo } }", "link 'lo' is there twice", "4:20", ""),
];

#[test]
fn every_mistake_is_named_where_it_is() {
    for (text, says, place, meant) in MISTAKES {
        judge(&format!("name: lab\n{text}\n"), says, place, meant);
    }
    for (text, says, place, meant) in MISTAKES_IN_A_NETWORK {
        let text =
            format!("name: lab\nnetworks: {{ b: {{ subnet: 10.0.0.0/29 }} }}\nnodes:\n  a: {{ {text} }}\n");
        judge(&text, says, place, meant);
    }
}

pub(super) fn judge(text: &str, says: &str, place: &str, meant: &str) {
    let error = wrong(text);
    let (line, column) = place.split_once(':').unwrap();
    assert!(error.starts_with(says), "{text}\n{error}");
    assert!(error.contains(&format!("--> line {line}, column {column}\n")), "{text}\n{error}");
    let suggestion = error.split_once("\n  = ").map_or("", |(_, suggestion)| suggestion);
    assert!(suggestion.contains(meant), "{text}\n{error}");
}

#[test]
fn a_port_is_only_suggested_where_a_number_stands() {
    for text in ["web", "80/sctp", "80/", "0", "65536", "80/udp/udp"] {
        let error = wrong(&format!("name: lab\nnodes: {{ a: {{ ports: [\"{text}\"] }} }}\n"));
        assert!(error.starts_with(&format!("'{text}' is not of the form")), "{error}");
        assert!(!error.contains("did you mean"), "{error}");
    }
}

#[test]
fn a_full_subnet_says_who_gets_nothing() {
    let text = "name: lab\nnetworks: { b: { subnet: 10.0.0.0/30 } }\nnodes: { one: { networks: [b] }, two: { networks: [b] } }\n";
    let error = wrong(text);
    let expected = "subnet 10.0.0.0/30 has no address left for node 'two'\n --> line 3, column 52\n";
    assert!(error.starts_with(expected), "{error}");
}
