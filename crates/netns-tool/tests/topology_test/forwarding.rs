//! The switches that let packets through the host: what a topology needs of them, and what it leaves of them.

use std::fs;

use libtest_mimic::Trial;
use netns_testkit::{Sandbox, Snapshot, sh, trials};

const FILE: &str = "/run/lab.yaml";

const LAB: &str = r#"
name: lab
networks:
  lab0: { subnet: [10.44.0.0/24, "fd00:44::/64"], nat: true }
nodes:
  red: { networks: [lab0] }
"#;

pub(crate) fn trials() -> Vec<Trial> {
    trials!(online:
        a_switch_thrown_back_by_hand_costs_none_of_what_was_noted,
        a_bridge_passes_on_what_it_gets_whatever_new_links_do,
        the_switch_of_a_bridge_is_named_and_put_back,
        a_published_port_needs_the_switch_of_its_bridge;
        bare:
        a_node_passes_on_what_it_was_asked_to,
        a_node_seen_from_outside_is_asked_with_the_next_look_inside,
    )
}

fn up(host: &Sandbox) {
    fs::write(FILE, LAB).unwrap();
    drop(host.netns_tool(&format!("up {FILE}")).succeeds());
}

fn a_switch_thrown_back_by_hand_costs_none_of_what_was_noted(host: &Sandbox) {
    sh("cd /proc/sys/net
        echo 1 > ipv6/conf/eth0/accept_ra; echo 1 > ipv4/conf/lo/forwarding
        echo 0 > ipv4/conf/all/accept_redirects");
    let untouched = Snapshot::take();
    up(host);
    sh("cd /proc/sys/net; echo 0 > ipv6/conf/all/forwarding; echo 0 > ipv4/ip_forward");
    drop(host.netns_tool("status lab").fails_with(9).says("net.ipv6.conf.all.forwarding is not 1"));
    up(host);
    drop(host.netns_tool("status lab").succeeds().says("as asked"));
    drop(host.netns_tool("down lab").succeeds());
    untouched.assert_same(&Snapshot::take(), "after down");
}

const RED_GETS_OUT: &str = "ip netns exec red ping -n -c 1 -W 5 203.0.113.8";

/// A host that forwards, and whose new links do not.
fn a_bridge_passes_on_what_it_gets_whatever_new_links_do(host: &Sandbox) {
    sh("cd /proc/sys/net/ipv4; echo 1 > ip_forward; echo 0 > conf/default/forwarding");
    let untouched = Snapshot::take();
    up(host);
    sh(RED_GETS_OUT);
    drop(host.netns_tool("status lab").succeeds().says("as asked"));
    drop(host.netns_tool("down lab").succeeds());
    untouched.assert_same(&Snapshot::take(), "after down");
}

fn the_switch_of_a_bridge_is_named_and_put_back(host: &Sandbox) {
    let untouched = Snapshot::take();
    up(host);
    let made = Snapshot::take();
    sh(&format!("echo 0 > /proc/sys/net/ipv4/conf/lab0/forwarding; ! {RED_GETS_OUT} -W 1"));
    drop(host.netns_tool("status lab").fails_with(9).says("net.ipv4.conf.lab0.forwarding is not 1"));
    up(host);
    made.assert_same(&Snapshot::take(), "after the repair");
    sh(RED_GETS_OUT);
    drop(host.netns_tool("down lab").succeeds());
    untouched.assert_same(&Snapshot::take(), "after down");
}

fn a_published_port_needs_the_switch_of_its_bridge(host: &Sandbox) {
    let no_nat = LAB.replace(", nat: true", "").replace("[lab0]", r#"[lab0], ports: ["0.0.0.0:8080:80"]"#);
    let switch = "/proc/sys/net/ipv4/conf/lab0/forwarding";
    fs::write(FILE, no_nat).unwrap();
    drop(host.netns_tool(&format!("up {FILE}")).succeeds());
    for by in [format!("up {FILE}"), "publish 0.0.0.0:8080:red:80".to_owned()] {
        sh(&format!("echo 0 > {switch}"));
        drop(host.netns_tool("status lab").fails_with(9).says("net.ipv4.conf.lab0.forwarding is not 1"));
        drop(host.netns_tool(&by).succeeds());
        assert_eq!(fs::read_to_string(switch).unwrap().trim(), "1", "{by}");
    }
}

const HALLWAY: &str = "
name: lab
networks:
  left: { subnet: 10.45.0.0/24 }
  right: { subnet: 10.46.0.0/24 }
nodes:
  a: { networks: [left] }
  b: { networks: [left, right] }
  r: { networks: [left, right], forwarding: true }
  s: { networks: [left, right], sysctls: { net.ipv4.conf.eth1.forwarding: 1 } }
";

fn a_node_passes_on_what_it_was_asked_to(host: &Sandbox) {
    fs::write(FILE, HALLWAY).unwrap();
    drop(host.netns_tool(&format!("up {FILE}")).succeeds());
    let first = switches();
    for (netns, deed, named) in [
        ("b", "ip_forward=1", "net.ipv4.ip_forward is not 0 in netns 'b'"),
        ("b", "conf.all.forwarding=1", "net.ipv4.ip_forward is not 0 in netns 'b'"),
        ("b", "conf.eth0.forwarding=1", "net.ipv4.conf.eth0.forwarding is not 0 in netns 'b'"),
        ("r", "ip_forward=0", "net.ipv4.ip_forward is not 1 in netns 'r'"),
        ("r", "conf.eth1.forwarding=0", "net.ipv4.conf.eth1.forwarding is not 1 in netns 'r'"),
        ("s", "conf.eth0.forwarding=1", "net.ipv4.conf.eth0.forwarding is not 0 in netns 's'"),
        ("s", "conf.eth1.forwarding=0", "net.ipv4.conf.eth1.forwarding is not 1 in netns 's'"),
        ("s", "ip_forward=1", "net.ipv4.ip_forward is not 0 in netns 's'"),
    ] {
        sh(&format!("ip netns exec {netns} sysctl -qw net.ipv4.{deed}"));
        drop(host.netns_tool("status lab").fails_with(9).says(named));
        put_right(host, &first, deed);
    }
    for (netns, value) in [("b", 1), ("r", 0)] {
        sh(&format!("ip netns exec {netns} sysctl -qw net.ipv6.conf.all.forwarding={value}"));
        let named = format!("net.ipv6.conf.all.forwarding is not {} in netns '{netns}'", 1 - value);
        drop(host.netns_tool("status lab").fails_with(9).says(&named));
        put_right(host, &first, "IPv6");
    }
}

fn put_right(host: &Sandbox, first: &str, deed: &str) {
    drop(host.netns_tool(&format!("up {FILE}")).succeeds());
    assert_eq!(switches(), first, "after {deed}");
    drop(host.netns_tool("status lab").succeeds().says("as asked"));
    drop(host.netns_tool(&format!("up {FILE}")).succeeds().says("already"));
}

fn switches() -> String {
    sh("for n in a b r s; do
            ip netns exec $n grep -r . /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/eth*/forwarding \
                /proc/sys/net/ipv6/conf/all/forwarding | sort
        done")
}

/// An edit enters only the nodes that it touches.
fn a_node_seen_from_outside_is_asked_with_the_next_look_inside(host: &Sandbox) {
    let up = |file: &str, options: &str| {
        fs::write(FILE, file).unwrap();
        drop(host.netns_tool(&format!("up {options} {FILE}")).succeeds());
    };
    let passes_on =
        |netns: &str| sh(&format!("ip netns exec {netns} cat /proc/sys/net/ipv4/ip_forward")).trim() == "1";
    let throw = || sh("for n in a b; do ip netns exec $n sysctl -qw net.ipv4.ip_forward=1; done");
    let edited =
        HALLWAY.replace("a: { networks: [left] }", "a: { networks: [left], nameservers: [192.0.2.53] }");
    up(HALLWAY, "");
    throw();
    up(&edited, "");
    assert!(!passes_on("a") && passes_on("b"), "only one was touched");
    up(&edited, "");
    assert!(!passes_on("b"));
    throw();
    up(HALLWAY, "--verify");
    assert!(!passes_on("a") && !passes_on("b"));
}
