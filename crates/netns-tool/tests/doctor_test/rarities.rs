//! What takes a set-up of its own to be seen.

use std::{fs, net::TcpListener};

use libtest_mimic::Trial;
use netns_testkit::{Sandbox, sh, trials};

use crate::diagnosis::doctor;

pub(crate) fn trials() -> Vec<Trial> {
    trials!(online:
        doctor_names_the_guard_between_two_networks,
        doctor_names_a_loop_between_two_routers,
        doctor_names_a_port_that_a_program_on_the_host_has_too,
        doctor_names_the_manager_of_a_link_that_left_its_bridge,
    )
}

fn doctor_names_the_guard_between_two_networks(host: &Sandbox) {
    for (number, name) in [(0, "red"), (1, "blue")] {
        host.netns_tool(&format!("create {name}")).succeeds();
        host.netns_tool(&format!("bridge br{number} --address 10.{number}.0.1/24")).succeeds();
        host.netns_tool(&format!("connect {name} br{number} --address 10.{number}.0.2/24")).succeeds();
        host.netns_tool(&format!("nat br{number} --firewall nftables")).succeeds();
    }
    let _listening = host.inside("blue", || TcpListener::bind("10.1.0.2:80").expect("the port is free"));
    let diagnosis = doctor(host, "red blue:80");
    diagnosis.names_first("guarded");
    diagnosis.is_ill();
}

fn doctor_names_a_loop_between_two_routers(host: &Sandbox) {
    sh("ip netns add r1; ip netns add r2
        ip link add x netns r1 type veth peer name x netns r2
        ip -n r1 address add 10.0.0.1/24 dev x; ip -n r2 address add 10.0.0.2/24 dev x
        for r in r1 r2; do
            ip -n $r link set lo up; ip -n $r link set x up
            ip netns exec $r sysctl -qw net.ipv4.ip_forward=1
        done
        ip -n r1 route add 10.9.0.0/24 via 10.0.0.2; ip -n r2 route add 10.9.0.0/24 via 10.0.0.1");
    let diagnosis = doctor(host, "r1 10.9.0.5");
    diagnosis.names_first("routing-loop");
    diagnosis.is_ill();
}

fn doctor_names_a_port_that_a_program_on_the_host_has_too(host: &Sandbox) {
    host.netns_tool("create red").succeeds();
    host.netns_tool("bridge br0 --address 10.0.0.1/24").succeeds();
    host.netns_tool("connect red br0 --address 10.0.0.2/24").succeeds();
    host.netns_tool("publish 8080:red:80").succeeds();
    let _inside = host.inside("red", || TcpListener::bind("10.0.0.2:80").expect("the port is free"));
    let _outside = TcpListener::bind("127.0.0.1:8080").expect("the port is free");
    doctor(host, "8080").names("port-taken");
}

/// Told by the file in which systemd-networkd writes down what it manages.
fn doctor_names_the_manager_of_a_link_that_left_its_bridge(host: &Sandbox) {
    host.netns_tool("create red").succeeds();
    host.netns_tool("bridge br0 --address 10.0.0.1/24").succeeds();
    host.netns_tool("connect red br0 --address 10.0.0.2/24").succeeds();
    let index = sh("ip -o link show veth-red | cut -d: -f1");
    fs::create_dir_all("/run/systemd/netif/links").expect("/run is ours");
    fs::write(format!("/run/systemd/netif/links/{}", index.trim()), "ADMIN_STATE=configured\n")
        .expect("/run is ours");
    sh("ip link set veth-red nomaster");
    let diagnosis = doctor(host, "red 10.0.0.1");
    diagnosis.names_first("not-a-port");
    diagnosis.names("manager-took-link");
}
