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
    trials!(online: a_switch_thrown_back_by_hand_costs_none_of_what_was_noted)
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
