//! `nat` and `snat`: a netns reaches a pretend internet, and the host gets back what it had.
//!
//! The judges are `iptables`, `nft`, `ip`, the files under `/proc/sys`, `ping` and `curl`.

#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::{fs, process::ExitCode};

use netns_testkit::{Program, Sandbox, Snapshot, eventually, sh, trials};

#[path = "nat_test/router.rs"]
mod router;
#[path = "nat_test/testnet.rs"]
mod testnet;

use testnet::{INTERNET, INTERNET_V6, add_ipv6, assert_reaches, build_testnet, in_testnet, pings};

fn main() -> ExitCode {
    netns_testkit::main(trials!(online:
        test_setup_nat,
        test_namespace_internet_access,
        test_nat_cleanup,
        what_it_says_is_the_lessons_transcript,
        a_second_run_adds_nothing_and_says_so,
        traffic_passes_where_forward_drops,
        rules_made_by_hand_stay,
        forwarding_stays_on_for_whoever_else_needs_it,
        deletion_works_after_the_bridge_is_gone,
        settings_of_an_uplink_without_a_default_route_come_back,
        gc_takes_the_nat_of_a_bridge_that_is_gone,
        ipv6_passes_and_the_host_keeps_the_route_it_learned,
        nftables_serves_where_there_is_no_iptables,
        nftables_passes_where_iptables_drops,
        a_drop_of_somebody_elses_is_named_with_its_remedy,
        nothing_uninvited_passes_the_guard,
        with_nftables_there_is_one_way_out,
        snat_takes_the_address_it_is_told,
        what_cannot_be_leaves_the_host_as_it_was,
        a_refusal_at_the_last_step_leaves_the_host_as_it_was,
    ))
}

fn rules() -> String {
    sh("iptables-save | grep '^-A' || true; ip6tables-save | grep '^-A' || true")
}

fn setting(path: &str) -> String {
    fs::read_to_string(format!("/proc/sys/net/{path}")).expect(path).trim().to_owned()
}

/// All that the forwarding switches could touch.
fn settings() -> String {
    sh("cd /proc/sys/net
        grep -r . ipv4/ip_forward ipv4/conf/*/forwarding ipv4/conf/*/accept_redirects \
            ipv6/conf/*/forwarding ipv6/conf/*/accept_ra")
}

fn test_setup_nat(host: &Sandbox) {
    let route = sh("ip route show default");
    let interface =
        route.split_whitespace().skip_while(|&word| word != "dev").nth(1).expect("a default route");
    sh("ip link add br_nat_test type bridge
        ip addr add 10.0.99.1/24 dev br_nat_test
        ip link set br_nat_test up");
    host.netns_tool(&format!("nat br_nat_test {interface}")).succeeds().says("NAT configured");
    assert_eq!(setting("ipv4/ip_forward"), "1");
    let listed = sh("iptables -t nat -L POSTROUTING -v -n");
    assert!(listed.contains("MASQUERADE") && listed.contains("10.0.99.0/24"), "{listed}");
}

fn test_namespace_internet_access(host: &Sandbox) {
    build_testnet();
    let fetch = format!("curl -sS --max-time 2 http://{INTERNET}/");
    assert!(!pings(INTERNET), "without NAT there is no way out");
    assert!(!in_testnet(&fetch), "without NAT there is no way out");
    host.netns_tool("nat br0").succeeds().says("Namespaces on br0 can now access the internet");
    assert_reaches(INTERNET);
    assert!(in_testnet(&fetch));
    host.netns_tool("nat br0 --delete").succeeds();
    assert!(!pings(INTERNET), "the way out is gone with NAT");
}

fn test_nat_cleanup(host: &Sandbox) {
    build_testnet();
    host.netns_tool("nat br0 eth0").succeeds();
    // The lesson's clean-up, word for word.
    sh("iptables -t nat -D POSTROUTING -s 10.0.0.0/24 -o eth0 -j MASQUERADE
        iptables -D FORWARD -i br0 -j ACCEPT
        iptables -D FORWARD -o br0 -j ACCEPT");
    assert_eq!(rules(), "");

    // And ours, around settings that a mere switch would lose.
    host.netns_tool("nat br0 --delete").succeeds();
    sh("iptables -A FORWARD -i br9 -j DROP
        iptables -t nat -A PREROUTING -i br9 -j RETURN
        cd /proc/sys/net/ipv4/conf && echo 1 > br0/forwarding && echo 0 > all/accept_redirects");
    let (rules_before, settings_before) = (rules(), settings());
    host.netns_tool("nat br0 eth0").succeeds();
    assert_eq!(setting("ipv4/conf/eth0/forwarding"), "1");
    host.netns_tool("nat br0 --delete").succeeds().says("off again");
    assert_eq!(rules(), rules_before);
    assert_eq!(settings(), settings_before);
    host.netns_tool("nat br0 --delete").fails_with(4).complains("bridge 'br0' has no NAT made by netns-tool");
}

const TRANSCRIPT: &str = "\
Setting up NAT for bridge br0 via eth0
  Enabling IP forwarding...
  Bridge subnet detected: 10.0.0.0/24
  Configuring iptables MASQUERADE rule...
  Configuring FORWARD rules...

NAT configured successfully!

Summary:
  IP forwarding: enabled
  NAT rule: 10.0.0.0/24 -> eth0 (MASQUERADE)
  Forward rules: br0 <-> external networks

Namespaces on br0 can now access the internet

Note: To allow namespace DNS resolution, ensure /etc/resolv.conf
      is accessible or configure nameservers manually
";

fn what_it_says_is_the_lessons_transcript(host: &Sandbox) {
    build_testnet();
    assert_eq!(host.netns_tool("nat br0 eth0").succeeds().stdout(), TRANSCRIPT);
}

fn a_second_run_adds_nothing_and_says_so(host: &Sandbox) {
    build_testnet();
    host.netns_tool("nat br0").succeeds();
    let before = Snapshot::take();
    let again = host.netns_tool("nat br0").succeeds();
    before.assert_same(&Snapshot::take(), "a second run changed something");
    let (detected, rule) = ("rule...\n", "rule...\n  (MASQUERADE rule already exists)\n");
    assert_eq!(again.stdout(), TRANSCRIPT.replacen(detected, rule, 1));
}

fn traffic_passes_where_forward_drops(host: &Sandbox) {
    build_testnet();
    sh("iptables -P FORWARD DROP; iptables -A FORWARD -j DROP");
    host.netns_tool("nat br0").succeeds();
    assert_reaches(INTERNET);
    host.netns_tool("nat br0 --delete").succeeds();
    assert_eq!(rules(), "-A FORWARD -j DROP\n");
}

fn rules_made_by_hand_stay(host: &Sandbox) {
    build_testnet();
    sh(
        "iptables -t nat -A POSTROUTING -s 10.0.0.0/24 -o eth0 -j MASQUERADE; iptables -A FORWARD -i br0 -j ACCEPT",
    );
    let before = rules();
    host.netns_tool("nat br0").succeeds().says("(MASQUERADE rule already exists)");
    assert_eq!(rules().lines().count(), 3);
    assert_reaches(INTERNET);
    host.netns_tool("nat br0 --delete").succeeds().says("stays on, needed by iptables rule");
    assert_eq!(rules(), before);
}

fn forwarding_stays_on_for_whoever_else_needs_it(host: &Sandbox) {
    build_testnet();
    sh("ip link add br1 type bridge; ip addr add 10.1.0.1/24 dev br1; ip link set br1 up");
    host.netns_tool("nat br0").succeeds();
    host.netns_tool("nat br1").succeeds();
    host.netns_tool("nat br0 --delete").succeeds().says("needed by NAT of bridge 'br1'");
    assert_eq!(setting("ipv4/ip_forward"), "1");
    sh("nft add table ip others; nft add chain ip others out '{ type nat hook postrouting priority 100; }'");
    host.netns_tool("nat br1 --delete").succeeds().says("needed by nftables chain 'ip others out'");
    assert_eq!(setting("ipv4/ip_forward"), "1");
    sh(
        "nft delete table ip others; mkdir -p /run/sysctl.d; echo net.ipv4.ip_forward=1 > /run/sysctl.d/router.conf",
    );
    host.netns_tool("nat br1").succeeds();
    host.netns_tool("nat br1 --delete").succeeds().says("needed by the host's sysctl configuration");
    sh("rm /run/sysctl.d/router.conf");
    host.netns_tool("nat br1").succeeds();
    host.netns_tool("nat br1 --delete").succeeds().says("off again");
    assert_eq!(setting("ipv4/ip_forward"), "0");
}

fn deletion_works_after_the_bridge_is_gone(host: &Sandbox) {
    build_testnet();
    host.netns_tool("nat br0").succeeds();
    sh("ip netns delete testnet; ip link delete br0");
    host.netns_tool("nat br0 --delete").succeeds();
    assert_eq!((rules().as_str(), setting("ipv4/ip_forward").as_str()), ("", "0"));
}

fn settings_of_an_uplink_without_a_default_route_come_back(host: &Sandbox) {
    build_testnet();
    add_ipv6();
    sh("ip link add dsl type veth peer name dsl0; ip link set dsl up; ip link set dsl0 up");
    let before = settings();
    host.netns_tool("nat br0 dsl").succeeds();
    assert_eq!(setting("ipv6/conf/dsl/accept_ra"), "2");
    host.netns_tool("nat br0 --delete").succeeds();
    assert_eq!(settings(), before);
}

fn gc_takes_the_nat_of_a_bridge_that_is_gone(host: &Sandbox) {
    build_testnet();
    sh("ip link add br1 type bridge; ip addr add 10.1.0.1/24 dev br1; ip link set br1 up");
    host.netns_tool("nat br0").succeeds();
    host.netns_tool("nat br1 --firewall nftables").succeeds();
    sh("ip link delete br0");
    host.netns_tool("gc").succeeds();
    assert_eq!((rules().as_str(), setting("ipv4/ip_forward").as_str()), ("", "1"));
    sh("nft list table inet netns_tool >/dev/null; ip link delete br1");
    host.netns_tool("gc").succeeds();
    assert_eq!(setting("ipv4/ip_forward"), "0");
    sh("! nft list table inet netns_tool 2>/dev/null");
}

fn ipv6_passes_and_the_host_keeps_the_route_it_learned(host: &Sandbox) {
    build_testnet();
    add_ipv6();
    let learned = || sh("ip -6 route show default proto ra");
    router::connect();
    // Again and again, as routers do: a link that just came up may not listen yet.
    let advertised = || {
        router::advertise();
        !learned().is_empty()
    };
    eventually("a default route learned from the router", advertised);
    // What all the care is for: the bare switch drops the route.
    sh("echo 1 > /proc/sys/net/ipv6/conf/all/forwarding");
    eventually("the kernel drops the learned route", || learned().is_empty());
    sh("echo 0 > /proc/sys/net/ipv6/conf/all/forwarding");
    eventually("a default route learned again", advertised);

    let before = settings();
    assert!(!pings(INTERNET_V6));
    host.netns_tool("nat br0 eth0").succeeds().says("NAT rule: fd00:7::/64 -> eth0 (MASQUERADE)");
    assert_reaches(INTERNET_V6);
    assert_reaches(INTERNET);
    assert!(!learned().is_empty(), "forwarding cost the host its default route");
    host.netns_tool("nat br0 --delete").succeeds();
    assert_eq!(settings(), before);
    assert!(!learned().is_empty());
}

/// Makes a program of the iptables family vanish from this host.
fn hide_iptables() {
    sh("for program in iptables-save ip6tables-save iptables-legacy-save ip6tables-legacy-save; do
            file=$(command -v $program) || continue
            mount --bind /dev/null \"$(readlink -f \"$file\")\"
        done");
}

fn nftables_serves_where_there_is_no_iptables(host: &Sandbox) {
    build_testnet();
    add_ipv6();
    hide_iptables();
    let before = Snapshot::take();
    host.netns_tool("nat br0 --firewall iptables").fails_with(7).complains("iptables is not available");
    before.assert_same(&Snapshot::take(), "a refusal changed something");
    host.netns_tool("nat br0").succeeds().says("Configuring nftables MASQUERADE rule...");
    assert_reaches(INTERNET);
    assert_reaches(INTERNET_V6);
    host.netns_tool("nat br0 --delete").succeeds();
    before.assert_same(&Snapshot::take(), "something was left behind");
}

fn nftables_passes_where_iptables_drops(host: &Sandbox) {
    build_testnet();
    sh("iptables -P FORWARD DROP");
    let before = Snapshot::take();
    host.netns_tool("nat br0 --firewall nftables").succeeds();
    assert_reaches(INTERNET);
    host.netns_tool("nat br0 --delete").succeeds();
    before.assert_same(&Snapshot::take(), "something was left behind");
}

fn a_drop_of_somebody_elses_is_named_with_its_remedy(host: &Sandbox) {
    build_testnet();
    sh(
        "nft add table inet wall; nft add chain inet wall gate '{ type filter hook forward priority 0; policy drop; }'",
    );
    let said = host.netns_tool("nat br0").succeeds();
    let said =
        said.says("Note: nftables chain 'inet wall gate' judges forwarded packets too; if it drops them:");
    assert!(!pings(INTERNET), "an accept in one table does not help against a drop in another");
    sh(said.stdout().lines().last().expect("the remedy is the last line"));
    assert_reaches(INTERNET);
}

fn nothing_uninvited_passes_the_guard(host: &Sandbox) {
    build_testnet();
    host.netns_tool("nat br0 --firewall nftables").succeeds();
    sh("ip netns add neighbour
        ip link add lan type veth peer name lan0 netns neighbour
        ip addr add 192.168.5.1/24 dev lan; ip link set lan up
        ip -n neighbour addr add 192.168.5.2/24 dev lan0; ip -n neighbour link set lan0 up
        ip -n neighbour route add default via 192.168.5.1");
    let comes_in = || {
        Program::new("ip").words("netns exec neighbour ping -n -c 1 -W 1 10.0.0.2").run().code() == Some(0)
    };
    assert!(!comes_in(), "a neighbour of the host walked in by a route");
    assert_reaches(INTERNET);
    host.netns_tool("nat br0 --delete").succeeds();
    sh("echo 1 > /proc/sys/net/ipv4/ip_forward");
    eventually("without the guard the neighbour gets in", comes_in);
}

/// A bridge that was given one uplink is not given the lab behind another link of the host.
fn with_nftables_there_is_one_way_out(host: &Sandbox) {
    build_testnet();
    sh("ip netns add lab
        ip link add lab0 type veth peer name eth0 netns lab
        ip addr add 10.77.0.1/24 dev lab0; ip link set lab0 up
        ip -n lab addr add 10.77.0.2/24 dev eth0; ip -n lab link set eth0 up
        ip -n lab route add default via 10.77.0.1");
    host.netns_tool("nat br0 --firewall nftables").succeeds();
    assert_reaches(INTERNET);
    assert!(!pings("10.77.0.2"), "nobody asked for a way into the lab");
    // The witness: it is the guard that keeps them apart, not a cable that is not there.
    sh("nft flush chain inet netns_tool forward_filter");
    assert!(pings("10.77.0.2"));
}

fn snat_takes_the_address_it_is_told(host: &Sandbox) {
    build_testnet();
    host.netns_tool("snat br0 --to-source 192.0.2.77")
        .fails_with(4)
        .complains("'192.0.2.77' is not an address of this host");
    let said = host.netns_tool("snat br0 eth0 --to-source 198.51.100.2").succeeds();
    let _said = said.says("NAT rule: 10.0.0.0/24 -> eth0 (SNAT to 198.51.100.2)");
    assert!(rules().contains("-A POSTROUTING -s 10.0.0.0/24 -o eth0 -j SNAT --to-source 198.51.100.2\n"));
    assert_reaches(INTERNET);
    host.netns_tool("nat br0")
        .fails_with(5)
        .complains("already has NAT: its source address becomes '198.51.100.2'");
    host.netns_tool("nat br0 --delete").succeeds();
    assert_eq!(rules(), "");
}

fn what_cannot_be_leaves_the_host_as_it_was(host: &Sandbox) {
    build_testnet();
    sh("ip link add br1 type bridge; ip link set br1 addrgenmode none; ip link set br1 up");
    let before = Snapshot::take();
    let refused = |words: &str, code: i32, why: &str| {
        host.netns_tool(words).fails_with(code).complains(why);
        before.assert_same(&Snapshot::take(), words);
    };
    refused("nat br7", 4, "bridge 'br7' does not exist");
    refused("nat eth0", 5, "link 'eth0' is not a bridge but a veth end");
    refused("nat br1", 4, "bridge 'br1' has no address");
    refused("nat br0 wlan7", 4, "link 'wlan7' does not exist");
    refused("nat br0 br0", 2, "bridge 'br0' cannot be its own uplink");
    refused("nat br0 --delete", 4, "bridge 'br0' has no NAT");
    refused("nat br0 --delete --firewall nftables", 2, "cannot be used with");
    sh("ip route delete default; ip -6 route delete default");
    let before = Snapshot::take();
    host.netns_tool("nat br0").fails_with(4).complains("the host has no default route");
    before.assert_same(&Snapshot::take(), "nat without a default route");
}

fn a_refusal_at_the_last_step_leaves_the_host_as_it_was(host: &Sandbox) {
    build_testnet();
    // Chains that are there already are not left behind by the program itself.
    sh("iptables -A FORWARD -i br9 -j DROP; iptables -t nat -A PREROUTING -i br9 -j RETURN");
    sh("mount --bind /proc/sys/net /proc/sys/net; mount -o remount,bind,ro /proc/sys/net");
    let before = Snapshot::take();
    for firewall in ["iptables", "nftables"] {
        let refused = host.netns_tool(&format!("nat br0 --firewall {firewall}"));
        refused
            .fails_with(1)
            .complains("cannot set net.ipv4.ip_forward to 1")
            .complains("the host is as it was");
        before.assert_same(&Snapshot::take(), firewall);
    }
}
