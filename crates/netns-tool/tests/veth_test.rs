//! The lessons on cables and switches: veth pairs, bridges, and a netns on a bridge in one line.

use std::process::ExitCode;

use netns_testkit::{Sandbox, Snapshot, sh, trials};

fn main() -> ExitCode {
    netns_testkit::main(trials!(bare:
        test_create_veth_pair,
        test_veth_by_hand_as_in_the_lesson,
        test_veth_with_addresses_and_gateway,
        test_veth_twice_changes_nothing,
        test_veth_on_a_bridge,
        test_veth_into_missing_namespace,
        test_veth_names_that_are_no_names,
        test_veth_name_taken,
        test_bridge_is_a_gateway,
        test_bridge_with_an_address_in_use,
        test_bridge_connects_namespaces,
        test_connect_takes_the_next_free_address,
        test_connect_to_a_bridge_without_address,
        test_connect_outside_the_subnet,
        test_connect_speaks_ipv6,
        test_link_between_namespaces,
        test_route_between_networks,
        test_dry_run_and_explain_change_nothing,
    ))
}

/// The network part of every lesson.
fn red_and_bridge(host: &Sandbox) {
    host.netns_tool("create red").succeeds();
    host.netns_tool("bridge br0 --address 10.0.0.1/24").succeeds();
}

fn test_create_veth_pair(host: &Sandbox) {
    host.netns_tool("create ns1").succeeds();
    host.netns_tool("veth veth-host ns1 veth-ns").succeeds().says("veth pair created");
    assert!(sh("ip -d link show veth-host").contains("veth"));
    assert!(sh("ip -n ns1 -d link show veth-ns").contains("veth"));
    assert_eq!(
        sh("ip -j addr show dev veth-host up").trim().trim_matches(['[', ']', '{', '}']),
        "",
        "it is down"
    );
}

fn test_veth_by_hand_as_in_the_lesson(host: &Sandbox) {
    host.netns_tool("create ns1").succeeds();
    host.netns_tool("veth veth-host ns1 veth-ns").succeeds();
    sh("ip addr add 10.0.0.1/24 dev veth-host
        ip link set veth-host up
        ip netns exec ns1 ip addr add 10.0.0.2/24 dev veth-ns
        ip netns exec ns1 ip link set veth-ns up
        ip netns exec ns1 ip route add default via 10.0.0.1
        ping -c 1 -W 1 10.0.0.2
        ip netns exec ns1 ping -c 1 -W 1 10.0.0.1
        ip link delete veth-host
        ip netns delete ns1");
}

fn test_veth_with_addresses_and_gateway(host: &Sandbox) {
    host.netns_tool("create ns1").succeeds();
    host.netns_tool(
        "veth veth-host ns1 veth-ns --host-address 10.0.0.1/24 --address 10.0.0.2/24 --gateway 10.0.0.1 \
         --mac 02:00:00:00:00:02 --mtu 1400",
    )
    .succeeds();
    sh("ping -c 1 -W 1 10.0.0.2; ip netns exec ns1 ping -c 1 -W 1 10.0.0.1");
    let inside = sh("ip -n ns1 link show veth-ns; ip -n ns1 route");
    for wanted in ["02:00:00:00:00:02", "mtu 1400", "default via 10.0.0.1"] {
        assert!(inside.contains(wanted), "{wanted} in {inside}");
    }
}

fn test_veth_twice_changes_nothing(host: &Sandbox) {
    host.netns_tool("create ns1").succeeds();
    host.netns_tool("veth veth-host ns1 veth-ns").succeeds();
    let before = Snapshot::take();
    host.netns_tool("veth veth-host ns1 veth-ns").succeeds();
    before.assert_same(&Snapshot::take(), "a second run adds nothing");
}

fn test_veth_on_a_bridge(host: &Sandbox) {
    red_and_bridge(host);
    host.netns_tool("veth veth-red red eth0 --bridge br0 --address 10.0.0.2/24 --up").succeeds();
    assert!(sh("ip link show veth-red").contains("master br0"));
    sh("ping -c 1 -W 1 10.0.0.2");
}

fn test_veth_into_missing_namespace(host: &Sandbox) {
    let before = Snapshot::take();
    host.netns_tool("veth veth-host ns1 veth-ns").fails_with(4).complains("netns 'ns1' does not exist");
    before.assert_same(&Snapshot::take(), "a refusal changes nothing");
}

fn test_veth_names_that_are_no_names(host: &Sandbox) {
    host.netns_tool("create ns1").succeeds();
    let before = Snapshot::take();
    for name in ["a-name-of-16-byte", "a%d", "a/b", "a:b", ".", "a b", ""] {
        host.tool().arg("veth").arg(name).words("ns1 veth-ns").run().fails_with(2).complains("link name");
    }
    before.assert_same(&Snapshot::take(), "no such name changes anything");
}

fn test_veth_name_taken(host: &Sandbox) {
    host.netns_tool("create ns1").succeeds();
    sh("ip link add veth-host type bridge");
    let before = Snapshot::take();
    host.netns_tool("veth veth-host ns1 veth-ns").fails_with(5).complains("'veth-host' already exists");
    before.assert_same(&Snapshot::take(), "a refusal changes nothing");
}

fn test_bridge_is_a_gateway(host: &Sandbox) {
    host.netns_tool("bridge br0 --address 192.168.100.1/16").succeeds();
    assert!(sh("ip -d link show br0").contains("bridge"));
    assert!(sh("ip -oneline addr show br0").contains("192.168.100.1/16"));
    sh("ping -c 1 -W 1 192.168.100.1");
}

fn test_bridge_with_an_address_in_use(host: &Sandbox) {
    sh("ip link add other type bridge; ip addr add 10.0.0.1/24 dev other; ip link set other up");
    let before = Snapshot::take();
    host.netns_tool("bridge br0 --address 10.0.0.1/24")
        .fails_with(5)
        .complains("'10.0.0.1' is already in use");
    host.netns_tool("bridge br0 --address 10.0.0.9/16").fails_with(5).complains("overlaps");
    before.assert_same(&Snapshot::take(), "a refusal changes nothing");
}

fn test_bridge_connects_namespaces(host: &Sandbox) {
    red_and_bridge(host);
    host.netns_tool("create blue").succeeds();
    host.netns_tool("connect red br0").succeeds();
    host.netns_tool("connect blue br0 --address 10.0.0.20").succeeds();
    sh("ip netns exec red ping -c 1 -W 1 10.0.0.20; ip netns exec blue ping -c 1 -W 1 10.0.0.1");
    assert!(sh("ip -n blue route").contains("default via 10.0.0.1"));
}

fn test_connect_takes_the_next_free_address(host: &Sandbox) {
    red_and_bridge(host);
    sh("ip netns add by-hand; ip link add v0 type veth peer name v1 netns by-hand
        ip link set v0 master br0 up; ip -n by-hand link set v1 up; ip -n by-hand addr add 10.0.0.2/24 dev v1");
    host.netns_tool("connect red br0").succeeds();
    assert!(sh("ip -n red -oneline addr show eth0").contains("10.0.0.3/24"));
}

fn test_connect_to_a_bridge_without_address(host: &Sandbox) {
    host.netns_tool("create red").succeeds();
    sh("ip link add br0 type bridge; ip link set br0 up");
    let before = Snapshot::take();
    host.netns_tool("connect red br0").fails_with(4).complains("bridge 'br0' has no address");
    before.assert_same(&Snapshot::take(), "a refusal changes nothing");
}

fn test_connect_outside_the_subnet(host: &Sandbox) {
    red_and_bridge(host);
    let before = Snapshot::take();
    host.netns_tool("connect red br0 --address 10.1.0.2").fails_with(5).complains("10.0.0.0/24");
    before.assert_same(&Snapshot::take(), "a refusal changes nothing");
}

fn test_connect_speaks_ipv6(host: &Sandbox) {
    host.netns_tool("create red").succeeds();
    host.netns_tool("bridge br0 --address fd00::1/64").succeeds();
    host.netns_tool("connect red br0").succeeds();
    sh("ip netns exec red ping -c 1 -W 2 fd00::1");
    assert!(sh("ip -n red -6 route").contains("default via fd00::1"));
}

fn test_link_between_namespaces(host: &Sandbox) {
    host.netns_tool("create red").succeeds();
    host.netns_tool("create blue").succeeds();
    host.netns_tool("link red:lan0 blue:lan0 --addresses 10.9.0.1/30 10.9.0.2/30").succeeds();
    sh("ip netns exec red ping -c 1 -W 1 10.9.0.2");
}

fn test_route_between_networks(host: &Sandbox) {
    for name in ["left", "router", "right"] {
        host.netns_tool(&format!("create {name}")).succeeds();
    }
    host.netns_tool("link left:eth0 router:left --addresses 10.1.0.2/24 10.1.0.1/24").succeeds();
    host.netns_tool("link right:eth0 router:right --addresses 10.2.0.2/24 10.2.0.1/24").succeeds();
    host.netns_tool("route add 10.2.0.0/24 via 10.1.0.1 --netns left").succeeds();
    host.netns_tool("route add default via 10.2.0.1 --netns right").succeeds();
    sh("ip netns exec router sysctl -qw net.ipv4.ip_forward=1; ip netns exec left ping -c 1 -W 1 10.2.0.2");
    host.netns_tool("route del default via 10.2.0.1 --netns right").succeeds();
    assert!(!sh("ip -n right route").contains("default"));
}

fn test_dry_run_and_explain_change_nothing(host: &Sandbox) {
    red_and_bridge(host);
    let before = Snapshot::take();
    for command in ["create blue", "delete red", "veth a red b", "bridge br1", "connect red br0"] {
        for show in ["--dry-run", "--explain"] {
            let _shown = host.netns_tool(&format!("{command} {show}")).succeeds();
        }
    }
    before.assert_same(&Snapshot::take(), "looking changes nothing");
}
