//! `--explain` tells the truth: its script, run by `sh` on one host, and the command, run on
//! another, give the same state as other programs see it.

#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::{fs, process::ExitCode};

use netns_testkit::{Sandbox, Snapshot, Uplink, hostless, on_fresh_host, sh};

/// Commands by name, with what is done before them; behind `$ `, by other programs.
const CHANGES: &[(&str, &[&str], &str)] = &[
    ("create", &[], "create red"),
    ("delete", &["create red", "veth veth-host red veth-ns"], "delete red"),
    ("veth", &["create red"], "veth veth-host red veth-ns"),
    (
        "veth_with_everything",
        &["create red", "bridge br0 --address 10.0.0.1/24"],
        "veth veth-red red eth0 --address 10.0.0.2/24 --mac 02:00:00:00:00:02 --mtu 1400 --gateway 10.0.0.1 --bridge br0",
    ),
    ("bridge", &[], "bridge br0"),
    ("bridge_with_addresses", &[], "bridge br0 --address 10.0.0.1/24 --address fd00::1/64"),
    ("connect", &["create red", "bridge br0 --address 192.168.100.1/16"], "connect red br0"),
    ("connect_ipv6", &["create red", "bridge br0 --address fd00::1/64"], "connect red br0 --name lan0"),
    ("link", &["create red", "create blue"], "link red:a blue:b --addresses 10.9.0.1/30 10.9.0.2/30"),
    ("address_add", &["bridge br0"], "address add 10.0.0.1/24 dev br0"),
    ("address_add_ipv6", &["bridge br0"], "address add fd00::1/64 dev br0"),
    ("address_del", &["bridge br0 --address 10.0.0.1/24"], "address del 10.0.0.1/24 dev br0"),
    ("route_add", &[], "route add 10.50.0.0/16 via 198.51.100.1"),
    ("route_del", &["route add 10.50.0.0/16 via 198.51.100.1"], "route del 10.50.0.0/16 via 198.51.100.1"),
    ("nat", CONNECTED, "nat br0 eth0"),
    ("nat_iptables", CONNECTED, "nat br0 --firewall iptables"),
    ("nat_nftables", CONNECTED, "nat br0 --firewall nftables"),
    (
        "nat_both_families",
        &["bridge br0 --address 10.0.0.1/24 --address fd00::1/64"],
        "nat br0 --firewall iptables",
    ),
    ("nat_ipv6", &["bridge br0 --address fd00::1/64"], "nat br0 --firewall iptables"),
    ("nat_ipv6_nftables", &["bridge br0 --address fd00::1/64"], "nat br0 --firewall nftables"),
    ("nat_delete", WITH_NAT, "nat br0 --delete"),
    ("nat_delete_nftables", WITH_NATIVE_NAT, "nat br0 --delete"),
    ("snat", CONNECTED, "snat br0 eth0 --to-source 198.51.100.2"),
    ("dns", &["create red"], "dns red 192.0.2.53 2001:db8::53"),
    ("dns_from_host", &["create red"], "dns red --from-host"),
    ("dns_remove", &["create red", "dns red 192.0.2.53"], "dns red --remove"),
    ("delete_with_dns", &["create red", "dns red 192.0.2.53"], "delete red"),
    ("publish", CONNECTED, "publish 8080:red:80"),
    ("publish_to_all", CONNECTED, "publish 0.0.0.0:8080:red:80"),
    ("publish_udp", CONNECTED, "publish 198.51.100.2:5353:red:53/udp"),
    ("publish_ipv6", CONNECTED_BY_IPV6, "publish [2001:db8:100::2]:8080:red:80"),
    ("publish_one_more", WITH_PORT, "publish 0.0.0.0:8081:red:80"),
    ("delete_with_ports", WITH_PORTS, "delete red"),
    ("unpublish", WITH_PORT, "unpublish 8080"),
    ("unpublish_one_of_two", WITH_PORTS, "unpublish 8080"),
    ("unpublish_for_all", WITH_PORTS, "unpublish 0.0.0.0:8081"),
    ("gc", LEFT_OVER, "gc"),
    ("up_bridge", &[], "up /run/bridge.yaml"),
    ("up_direct_cable", &[], "up /run/direct-cable.yaml"),
    ("up_dual_stack", &[], "up /run/dual-stack.yaml"),
    ("up_egress", &[], "up /run/egress.yaml"),
    ("up_internal", &[], "up /run/internal.yaml"),
    ("up_routers", &[], "up /run/routers.yaml"),
    ("up_slow_link", &[], "up /run/slow-link.yaml"),
    ("up_tree", &[], "up /run/tree.yaml"),
    ("up_veth", &[], "up /run/veth.yaml"),
    ("down_egress", &["up /run/egress.yaml"], "down lesson-egress"),
    ("down_routers", &["up /run/routers.yaml"], "down routers"),
];

/// Held by the test itself, which may run where the sources cannot be read.
const EXAMPLES: &[(&str, &str)] = &[
    ("bridge", include_str!("../../../examples/bridge.yaml")),
    ("direct-cable", include_str!("../../../examples/direct-cable.yaml")),
    ("dual-stack", include_str!("../../../examples/dual-stack.yaml")),
    ("egress", include_str!("../../../examples/egress.yaml")),
    ("internal", include_str!("../../../examples/internal.yaml")),
    ("routers", include_str!("../../../examples/routers.yaml")),
    ("slow-link", include_str!("../../../examples/slow-link.yaml")),
    ("tree", include_str!("../../../examples/tree.yaml")),
    ("veth", include_str!("../../../examples/veth.yaml")),
];

const CONNECTED: &[&str] = &["create red", "bridge br0 --address 192.168.100.1/24", "connect red br0"];
const WITH_NAT: &[&str] = &["bridge br0 --address 192.168.100.1/24", "nat br0 --firewall iptables"];
const WITH_NATIVE_NAT: &[&str] = &["bridge br0 --address 192.168.100.1/24", "nat br0 --firewall nftables"];
const WITH_PORT: &[&str] =
    &["create red", "bridge br0 --address 192.168.100.1/24", "connect red br0", "publish 8080:red:80"];
const WITH_PORTS: &[&str] = &[
    "create red",
    "bridge br0 --address 192.168.100.1/24",
    "connect red br0",
    "publish 8080:red:80",
    "publish 0.0.0.0:8081:red:80",
];
const LEFT_OVER: &[&str] = &[
    "create red",
    "bridge br0 --address 192.168.100.1/24",
    "connect red br0",
    "dns red 192.0.2.53",
    "publish 8080:red:80",
    "publish 0.0.0.0:8081:red:80",
    "$ ip -n red link delete eth0",
    "$ ip netns delete red",
    "$ touch /run/netns/half",
];
const CONNECTED_BY_IPV6: &[&str] = &["create red", "bridge br0 --address fd00::1/64", "connect red br0"];

fn main() -> ExitCode {
    let trials = CHANGES.iter().map(|&(name, before, command)| {
        hostless(&format!("script_and_command_agree::{name}"), move || {
            script_and_command_agree(before, command);
        })
    });
    netns_testkit::main(trials.collect())
}

fn script_and_command_agree(before: &[&str], command: &str) {
    let by_command = after(before, |host| {
        host.netns_tool(command).succeeds();
    });
    let mut script = String::new();
    let by_script = after(before, |host| {
        script.push_str(host.netns_tool(&format!("{command} --explain")).succeeds().stdout());
        sh(&script);
    });
    by_command.assert_same(&by_script, &format!("- by '{command}', + by its script\n{script}"));
}

/// The state of a host of its own after `change`, as far as two hosts can be compared.
fn after(before: &[&str], change: impl FnOnce(&Sandbox) + Send) -> Snapshot {
    let state = on_fresh_host(Uplink::PretendInternet, |host| {
        prepare(host, before);
        change(host);
        Snapshot::take()
    });
    state.unwrap_or_else(|error| panic!("{error}")).without_random_macs().without_notes()
}

fn prepare(host: &Sandbox, commands: &[&str]) {
    for (name, example) in EXAMPLES {
        fs::write(format!("/run/{name}.yaml"), example).expect("/run is this host's own");
    }
    for command in commands {
        match command.strip_prefix("$ ") {
            Some(words) => drop(sh(words)),
            None => drop(host.netns_tool(command).succeeds()),
        }
    }
}
