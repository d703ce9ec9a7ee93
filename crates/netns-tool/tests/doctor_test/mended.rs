//! `doctor --fix`: what it mends beyond the table, and what it leaves alone.

use libtest_mimic::Trial;
use netns_testkit::{Sandbox, Snapshot, sh, trials};

use crate::{
    diagnosis::doctor,
    exchange::{PUBLISHED, RED_FETCHES},
    lab::{self, Lab},
};

pub(crate) fn trials() -> Vec<Trial> {
    trials!(online:
        a_fix_mends_several_things_at_once,
        a_fix_leaves_a_foreign_firewall_alone,
        a_fix_of_a_healthy_host_changes_nothing,
        a_fix_is_shown_before_it_is_made,
        a_published_port_is_mended_after_the_firewall_was_flushed,
    )
}

const BROKEN_TWICE: &str = "ip -n red route delete default; echo 0 > /proc/sys/net/ipv4/ip_forward";

fn a_fix_mends_several_things_at_once(host: &Sandbox) {
    let _servers = Lab::ByIptables.build(host);
    sh(BROKEN_TWICE);
    RED_FETCHES.must_fail(host, "though it is broken twice");
    host.netns_tool("doctor red --fix").succeeds();
    RED_FETCHES.must_work(host, "after the fix");
    doctor(host, "red").is_healthy();
}

fn a_fix_leaves_a_foreign_firewall_alone(host: &Sandbox) {
    let _servers = Lab::ByIptables.build(host);
    for wall in [
        "iptables -P FORWARD DROP",
        "iptables -P FORWARD ACCEPT; iptables-legacy -P FORWARD DROP",
        "iptables-legacy -P FORWARD ACCEPT; nft add table ip wall
         nft add chain ip wall gate '{ type filter hook forward priority 0; policy drop; }'",
    ] {
        sh(wall);
        RED_FETCHES.must_fail(host, "though it is dropped");
        lab::settle();
        let before = Snapshot::take();
        let _ended = host.netns_tool("doctor red --fix --timeout 0.3").fails_with(9);
        before.assert_same(&Snapshot::take(), wall);
    }
}

fn a_fix_of_a_healthy_host_changes_nothing(host: &Sandbox) {
    let _servers = Lab::ByTool.build(host);
    RED_FETCHES.must_work(host, "as it should");
    lab::settle();
    let before = Snapshot::take();
    for question in ["", "red", "red blue:80", "8080"] {
        host.netns_tool(&format!("doctor {question} --fix")).succeeds();
    }
    before.assert_same(&Snapshot::take(), "there was nothing to mend");
}

fn a_fix_is_shown_before_it_is_made(host: &Sandbox) {
    let _servers = Lab::ByIptables.build(host);
    sh(BROKEN_TWICE);
    lab::settle();
    let before = Snapshot::take();
    let shown = host.netns_tool("doctor red --fix --dry-run --timeout 0.3");
    let _shown = shown.says("default").says("ip_forward");
    before.assert_same(&Snapshot::take(), "a dry run");
}

fn a_published_port_is_mended_after_the_firewall_was_flushed(host: &Sandbox) {
    let _servers = Lab::ByToolWithNft.build(host);
    PUBLISHED.must_work(host, "before");
    sh("nft flush ruleset");
    PUBLISHED.must_fail(host, "though the rules are gone");
    doctor(host, "8080").names_first("own-rules-gone");
    host.netns_tool("doctor 8080 --fix").succeeds();
    PUBLISHED.must_work(host, "after the fix");
}
