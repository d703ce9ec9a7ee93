//! Settings of nodes: some of all links the kernel copies to each of them, whatever it had of its own.

use std::fs;

use libtest_mimic::Trial;
use netns_testkit::{Sandbox, Snapshot, sh, trials};

const FILE: &str = "/run/lab.yaml";

pub(crate) fn trials() -> Vec<Trial> {
    trials!(bare:
        settings_of_all_links_come_before_those_of_one,
        an_address_outlives_settings_of_all_links,
    )
}

fn up(host: &Sandbox, file: &str) {
    fs::write(FILE, file).unwrap();
    drop(host.netns_tool(&format!("up {FILE}")).succeeds());
}

/// One `up` was enough.
fn as_asked(host: &Sandbox) {
    drop(host.netns_tool("status lab").succeeds().says("as asked"));
    drop(host.netns_tool(&format!("up {FILE}")).succeeds().says("already"));
}

/// The file of a node with these settings.
fn lab(subnet: &str, settings: &str) -> String {
    format!(
        "name: lab\nnetworks:\n  lab0: {{ subnet: [{subnet}] }}\nnodes:\n  red: {{ networks: [lab0], sysctls: {{ {settings} }} }}\n"
    )
}

fn settings_of_all_links_come_before_those_of_one(host: &Sandbox) {
    const SUBNET: &str = "10.44.0.0/24";
    for key in ["disable_ipv6", "ignore_routes_with_linkdown", "addr_gen_mode"] {
        let of = |link: &str, value: u8| format!("net.ipv6.conf.{link}.{key}: {value}");
        let (all, others) = (of("all", 1), ["default", "lo", "eth0"].map(|link| of(link, 0)).join(", "));
        let read =
            format!("for link in all default lo eth0; do cat /proc/sys/net/ipv6/conf/$link/{key}; done");
        let asked = || sh(&format!("cd /; ip netns exec red sh -c '{read}'"));
        for edited in [format!("{all}, {others}"), format!("{others}, {all}")] {
            let untouched = Snapshot::take();
            up(host, &lab(SUBNET, &others));
            up(host, &lab(SUBNET, &edited));
            assert_eq!(asked(), "1\n0\n0\n0\n", "{key} after an edit");
            as_asked(host);
            let first = Snapshot::take();
            drop(host.netns_tool("down lab").succeeds());
            untouched.assert_same(&Snapshot::take(), "after down");
            up(host, &lab(SUBNET, &edited));
            assert_eq!(asked(), "1\n0\n0\n0\n", "{key} after a fresh start");
            as_asked(host);
            first.assert_same(&Snapshot::take(), "an edit leads where a fresh start does");
            drop(host.netns_tool("down lab").succeeds());
        }
    }
}

/// Where IPv6 is off on all links, one with an IPv6 address still has it.
fn an_address_outlives_settings_of_all_links(host: &Sandbox) {
    const SUBNET: &str = "10.44.0.0/24, \"fd00:44::/64\"";
    let whole = || {
        sh("ip netns exec red ping -c 1 -W 5 fd00:44::1; ip -n red -6 route show default | grep fd00:44::1")
    };
    for setting in ["net.ipv6.conf.all.disable_ipv6: 1", "net.ipv6.conf.default.disable_ipv6: 1"] {
        up(host, &lab(SUBNET, ""));
        whole();
        up(host, &lab(SUBNET, setting));
        whole();
        as_asked(host);
        drop(host.netns_tool("down lab").succeeds());
        up(host, &lab(SUBNET, &format!("{setting}, net.ipv6.conf.eth0.disable_ipv6: 0")));
        whole();
        as_asked(host);
        drop(host.netns_tool("down lab").succeeds());
    }
}
