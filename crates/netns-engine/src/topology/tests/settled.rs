//! What becomes of a file that is right.

use super::{good, wrong};
use crate::{
    firewall::Transport,
    topology::{Forwarding, Isolation, KnownHosts, Reach, Target, Topology, likely_name, read},
};

fn inner_addresses(topology: &Topology) -> Vec<String> {
    let ends =
        topology.cables.iter().flat_map(|cable| &cable.ends).filter(|end| end.at.place.netns().is_some());
    ends.flat_map(|end| &end.addresses).map(ToString::to_string).collect()
}

fn link_names(topology: &Topology) -> Vec<String> {
    topology.cables.iter().flat_map(|cable| &cable.ends).map(|end| end.at.name.to_string()).collect()
}

#[test]
fn asked_addresses_come_first_and_the_lowest_free_ones_follow() {
    let lab = good(
        "name: lab\nnetworks: { br0: { subnet: 10.0.0.0/29 } }\nnodes:\n  a: { networks: [br0] }\n  \
         b: { networks: [br0] }\n  c: { networks: { br0: { address: 10.0.0.2 } } }\n  \
         d: { networks: [br0], addresses: [10.0.0.5, 10.9.9.9] }\n",
    );
    assert_eq!(inner_addresses(&lab), ["10.0.0.3/29", "10.0.0.4/29", "10.0.0.2/29", "10.0.0.5/29"]);
    assert_eq!(lab.nodes[3].addresses[0].to_string(), "10.9.9.9/32", "on loopback");
    assert_eq!(lab.nodes[0].routes[0].to_string(), "default via 10.0.0.1");
}

#[test]
fn cables_that_share_a_subnet_get_the_lowest_free_addresses_of_it() {
    let lab = good(
        "name: lab\nnodes: { a: , b: }\nlinks:\n- { endpoints: [a, b], subnet: 10.0.0.0/28 }\n\
         - { endpoints: [a, b], addresses: [10.0.0.2/28, 10.0.0.6/28] }\n\
         - { endpoints: [a, b], subnet: [10.0.0.0/27, \"fd00::/64\"] }\n\
         - { endpoints: [a, b], subnet: 10.0.0.0/28 }\n\
         - { endpoints: [a, b], subnet: [10.0.0.0/27, 10.0.0.0/28, \"fd00::/64\"] }\n",
    );
    let expected = [
        "10.0.0.1/28 10.0.0.3/28",
        "10.0.0.2/28 10.0.0.6/28",
        "10.0.0.4/27 fd00::1/64 10.0.0.5/27 fd00::2/64",
        "10.0.0.7/28 10.0.0.8/28",
        "10.0.0.9/27 fd00::3/64 10.0.0.10/27 fd00::4/64",
    ];
    assert_eq!(inner_addresses(&lab).join(" "), expected.join(" "));
}

#[test]
fn the_host_has_the_address_that_the_file_says() {
    let lab = good(
        "name: lab\nnetworks:\n  br0: { subnet: 192.168.0.0/16, gateway: 192.168.100.1, nat: true }\n  \
         br1: { subnet: [10.0.0.0/29, \"fd00::/64\"], gateway: [\"fd00::ff\", 10.0.0.2/29] }\nnodes:\n  \
         a: { networks: [br0] }\n  b: { networks: [br1] }\n",
    );
    let of_host = lab.networks.iter().flat_map(|network| &network.addresses);
    let of_host: Vec<_> = of_host.map(ToString::to_string).collect();
    assert_eq!(of_host, ["192.168.100.1/16", "10.0.0.2/29", "fd00::ff/64"]);
    assert_eq!(inner_addresses(&lab), ["192.168.0.2/16", "10.0.0.3/29", "fd00::2/64"], "nobody has moved");
    let routes = lab.nodes.iter().flat_map(|node| &node.routes).map(ToString::to_string);
    let expected = ["default via 192.168.100.1", "default via 10.0.0.2", "default via fd00::ff"];
    assert_eq!(routes.collect::<Vec<_>>(), expected);
}

#[test]
fn links_are_named_in_order_around_those_with_names() {
    let lab = good(
        "name: lab\nnetworks: { br0: , br1: }\nnodes:\n  a: { networks: { br0: { link: eth1 }, br1: } }\n  b:\n\
         links: [a-b, { endpoints: [\"host:up0\", a] }, br0-br1]\n",
    );
    let names =
        ["veth-a-eth1", "eth1", "veth-a", "eth0", "eth2", "eth0", "up0", "eth3", "br0-br1", "br1-br0"];
    assert_eq!(link_names(&lab), names);
}

#[test]
fn a_network_leads_as_far_as_it_says() {
    let lab = good(
        "name: lab\nnetworks:\n  a: { subnet: 10.1.0.0/24, nat: { uplink: wan0 } }\n  b: { subnet: 10.2.0.0/24 }\n  \
         c: { subnet: 10.3.0.0/24, internal: true }\n  d:\n  e: { subnet: 10.5.0.0/24, nat: false }\n",
    );
    let reach: Vec<_> = lab.networks.iter().map(|network| network.reach.clone()).collect();
    let uplink = Some("wan0".parse().unwrap());
    let expected = [Reach::Internet { uplink }, Reach::Host, Reach::Internal, Reach::Internal, Reach::Host];
    assert_eq!(reach, expected);
    assert!(lab.networks[2].addresses.is_empty(), "the host takes no part in an internal network");
}

#[test]
fn long_names_of_networks_become_short_names_of_bridges() {
    let lab = good("name: lab\nnetworks: { a-long-name-for-a-bridge: , a-long-name-for-a-bridge-2: }\n");
    let bridges: Vec<_> = lab.networks.iter().map(|network| network.bridge.to_string()).collect();
    assert!(
        bridges.iter().all(|bridge| bridge.len() == 15 && bridge.starts_with("alongnam-")),
        "{bridges:?}"
    );
    assert_ne!(bridges[0], bridges[1]);
}

#[test]
fn limits_of_a_network_hold_unless_a_link_has_its_own() {
    let lab = good(
        "name: lab\nnetworks: { br0: { rate: 10mbit, isolated: true } }\nnodes:\n  a: { networks: [br0] }\n  \
         b: { networks: { br0: { rate: 1gbit, delay: 10ms, loss: 1%, isolated: false } } }\n",
    );
    let shown: Vec<_> =
        lab.cables.iter().map(|cable| cable.ends[1].shaping.clone().unwrap().to_string()).collect();
    assert_eq!(shown, ["rate 10000000bit", "rate 1000000000bit delay 10ms loss 1%"]);
    assert_eq!(lab.cables[0].ends[0].shaping, lab.cables[0].ends[1].shaping, "both directions");
    let isolation: Vec<_> = lab.cables.iter().map(|cable| cable.ends[0].isolation).collect();
    assert_eq!(isolation, [Isolation::On, Isolation::Off]);
}

#[test]
fn ports_lead_to_the_address_that_the_host_reaches() {
    let lab = good(
        "name: lab\nnetworks: { back: { subnet: 10.1.0.0/24, internal: true }, front: { subnet: [10.2.0.0/24, \
         \"fd00::/64\"] } }\nnodes: { web: { networks: [back, front], ports: [\"8080:80\", \"0.0.0.0:53:53/udp\", \
         \"[::]:80:80\"] } }\n",
    );
    let ports =
        lab.nodes[0].ports.iter().map(|port| format!("{} {} {}", port.published, port.target, port.bridge));
    let expected = [
        "127.0.0.1:8080/tcp 10.2.0.2:80 front",
        "0.0.0.0:53/udp 10.2.0.2:53 front",
        "[::]:80/tcp [fd00::2]:80 front",
    ];
    assert_eq!(ports.collect::<Vec<_>>(), expected);
}

#[test]
fn a_check_takes_the_address_on_the_network_that_both_share() {
    let lab = good(
        "name: lab\nhosts: { db.example: 192.0.2.9 }\nnetworks: { x: { subnet: 10.1.0.0/24 }, y: { subnet: \
         10.2.0.0/24 } }\nnodes: { a: { networks: [x, y] }, b: { networks: [y] } }\nchecks: [b reaches a:80, host \
         reaches a, b does not reach db.example:53/udp, b reaches host]\n",
    );
    let targets: Vec<_> = lab.checks.iter().map(|check| check.target.clone()).collect();
    let a = || "a".parse().unwrap();
    let expected = [
        Target::Node(a(), "10.2.0.2".parse().unwrap()),
        Target::Node(a(), "10.1.0.2".parse().unwrap()),
        Target::Name("db.example".to_owned()),
        Target::Address("10.2.0.1".parse().unwrap()),
    ];
    assert_eq!(targets, expected);
    assert!(lab.nodes.iter().all(|node| node.hosts == KnownHosts::OfTopology));
    assert_eq!(lab.hosts.last().unwrap().to_string(), "192.0.2.9 db.example");
}

#[test]
fn a_check_has_a_port_after_a_name_or_an_address_in_brackets() {
    let words = ["host", "host:80", "host:53/udp", "::1", "[::1]", "[::1]:80/tcp", "[127.0.0.1]:53/udp"];
    let checks: Vec<_> = words.iter().map(|word| format!("\"host reaches {word}\"")).collect();
    let lab = good(&format!("name: lab\nchecks: [{}]\n", checks.join(", ")));
    let ports: Vec<_> = lab.checks.iter().map(|check| check.port).collect();
    let (tcp, udp) = (Some((80, Transport::Tcp)), Some((53, Transport::Udp)));
    assert_eq!(ports, [None, tcp, udp, None, None, tcp, udp]);
}

#[test]
fn names_of_nodes_are_kept_where_a_node_is_told_them() {
    let names = |hosts: &str, told: &str| -> Vec<String> {
        let networks = "networks: { x: { subnet: 10.1.0.0/24 } }";
        let nodes = format!("nodes: {{ a: {{ networks: [x]{told} }}, b: {{ networks: [x] }} }}");
        good(&format!("name: lab\n{hosts}{networks}\n{nodes}\n"))
            .hosts
            .iter()
            .map(ToString::to_string)
            .collect()
    };
    assert!(names("", "").is_empty());
    assert_eq!(names("", ", hosts: true"), ["10.1.0.2 a", "10.1.0.3 b"]);
    assert_eq!(names("hosts: true\n", ""), ["10.1.0.2 a", "10.1.0.3 b"]);
    let told_nobody = wrong("name: lab\nhosts: { a..b: 192.0.2.9 }\nnodes: { a: { hosts: false } }\n");
    assert!(told_nobody.contains("a host name"), "{told_nobody}");
}

#[test]
fn programs_are_lines_words_or_several_of_them() {
    let lab = good(
        "name: lab\nnodes:\n  a: { run: sleep 9 | cat }\n  b: { run: [sleep, \"9\"] }\n  c: { run: [[sleep, \"9\"], \
         sleep 8], forwarding: true }\n",
    );
    let commands = |node: usize| lab.nodes[node].programs.iter().map(|program| program.command.join("+"));
    assert_eq!(commands(0).collect::<Vec<_>>(), ["sh+-c+sleep 9 | cat"]);
    assert_eq!(commands(1).collect::<Vec<_>>(), ["sleep+9"]);
    assert_eq!(commands(2).collect::<Vec<_>>(), ["sleep+9", "sh+-c+sleep 8"]);
    assert_eq!(lab.nodes[2].forwarding, Forwarding::On);
}

#[test]
fn a_tree_hangs_its_nodes_on_the_lowest_switches() {
    let lab = good("name: lab\ngenerate: { tree: { depth: 2, fanout: 2 } }\nchecks: [n1 reaches n4]\n");
    assert_eq!((lab.networks.len(), lab.nodes.len()), (3, 4));
    let ports = lab.cables.iter().filter_map(|cable| cable.ends[0].bridge.as_ref()).map(ToString::to_string);
    assert_eq!(ports.collect::<Vec<_>>(), ["s2", "s2", "s3", "s3", "s1", "s1"]);
    assert_eq!(inner_addresses(&lab)[3], "10.211.0.5/16");
    assert!(read("name: lab\ngenerate: { tree: { depth: 2, fanout: 2, nat: true } }\n").is_err());
    assert_eq!(good("name: lab\ngenerate: { mesh: 5 }\n").cables.len(), 10);
    assert_eq!(good("name: lab\ngenerate: { linear: 5 }\n").cables.len(), 9);
    let tree = good("name: lab\ngenerate: { tree: { depth: 3, fanout: 3 } }\n");
    assert_eq!((tree.networks.len(), tree.nodes.len()), (13, 27));
}

#[test]
fn containerlab_files_load_without_their_containers() {
    let file = "name: lab\ntopology:\n  defaults: { kind: linux }\n  nodes:\n    a: { image: alpine, exec: [ip link] }\n    \
                b: { kind: linux, image: alpine }\n    sw: { kind: bridge }\n    up: { kind: host }\n  links:\n    - \
                endpoints: [\"a:eth1\", \"b:eth1\"]\n    - endpoints: [\"sw:eth1\", \"a:eth2\"]\n      mtu: 1400\n    \
                - endpoints: [\"b:eth2\", \"up:lab0\"]\n";
    let (lab, warnings) = read(file).unwrap();
    assert_eq!(link_names(&lab), ["eth1", "eth1", "veth-a-eth2", "eth2", "lab0", "eth2"]);
    let ignored: Vec<_> = warnings.iter().map(|warning| warning.key.as_str()).collect();
    assert_eq!(ignored, ["image", "exec"], "each once");
    let error = read(&file.replace("kind: bridge", "kind: srl")).unwrap_err().to_string();
    assert!(
        error.starts_with("kind 'srl' is not supported: nodes of kind linux, bridge and host are"),
        "{error}"
    );
}

#[test]
fn containerlab_writes_links_in_two_ways() {
    let file = "name: lab\ntopology:\n  nodes:\n    a:\n    b: { kind: linux }\n    sw: { kind: bridge }\n  links:\n    - \
                type: veth\n      endpoints:\n        - { node: a, interface: eth1 }\n        - { node: b, interface: \
                eth1, mac: \"02:00:00:00:00:01\" }\n    - { type: host, endpoint: { node: a, interface: eth2 }, \
                host-interface: lab0 }\n    - endpoints: [{ node: sw, interface: p1 }, \"b:eth2\"]\n";
    let (lab, warnings) = read(file).unwrap();
    assert_eq!(link_names(&lab), ["eth1", "eth1", "lab0", "eth2", "veth-b-eth2", "eth2"]);
    assert_eq!(warnings.iter().map(|warning| warning.key.as_str()).collect::<Vec<_>>(), ["mac"]);
    let error = read(&file.replace("type: veth", "type: macvlan")).unwrap_err().to_string();
    assert!(error.starts_with("link type 'macvlan' is not supported: veth and host are\n"), "{error}");
    assert!(error.contains("--> line 8, column 13"), "{error}");
}

#[test]
fn the_likely_name_is_the_one_that_the_file_gives() {
    let likely = |text: &str| likely_name(text).map(|name| name.to_string());
    assert_eq!(likely("# a lab\nname: lab\nnodes: {}\n"), Some("lab".to_owned()));
    assert_eq!(likely("name:   lab  \n"), Some("lab".to_owned()));
    for unsure in ["nodes:\n  name: lab\n", "name: 'lab'\n", "name: lab # mine\n", "{name: lab}", ""] {
        assert_eq!(likely(unsure), None, "{unsure}");
    }
}

#[test]
fn the_same_text_gives_the_same_topology() {
    let text = "name: lab\ngenerate: { star: 30, mesh: 9 }\nnetworks: { remote: { remote: [192.0.2.1, 192.0.2.2], vni: 7 } }\n";
    assert_eq!(good(text), good(text));
    let tunnel = good(text).networks[0].tunnel.clone().unwrap();
    assert_eq!((tunnel.link.as_str(), tunnel.remotes.len()), ("vx1-remote", 2));
}
