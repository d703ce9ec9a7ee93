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
        a_published_port_needs_the_switch_of_its_bridge,
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
