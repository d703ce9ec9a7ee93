//! `check` on networks made by hand: what works is said to work, what does not is not.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    net::{TcpListener, UdpSocket},
    process::ExitCode,
    thread,
};

use netns_testkit::{Ended, Sandbox, sh, trials};
use serde_json::Value;

fn main() -> ExitCode {
    netns_testkit::main(trials!(bare:
        what_answers_is_reached,
        what_is_told_not_to_be_reached_and_is_fails,
        a_closed_port_and_a_missing_route_are_told_apart,
        a_datagram_counts_once_it_is_answered,
        names_are_looked_up_in_the_netns_own_files,
        silence_behind_a_firewall_is_not_reached,
        a_netns_that_is_missing_fails_even_what_should_not_work,
        no_topology_is_no_error,
    ))
}

/// Two netns and the host on one bridge.
fn lab() {
    sh("ip link set lo up
        ip link add br0 type bridge; ip address add 10.7.0.1/24 dev br0; ip link set br0 up
        for n in 1 2; do
            ip netns add ns$n; ip -n ns$n link set lo up
            ip link add v$n type veth peer name eth0 netns ns$n
            ip link set v$n master br0 up
            ip -n ns$n address add 10.7.0.1$n/24 dev eth0; ip -n ns$n link set eth0 up
        done");
}

/// The same network as a file, with these checks.
fn check(host: &Sandbox, checks: &[&str]) -> Ended {
    let checks: Vec<_> = checks.iter().map(|check| format!("  - {check}\n")).collect();
    let file = format!(
        "name: lab\nnetworks:\n  br0: {{ subnet: 10.7.0.0/24 }}\nnodes:\n  \
         ns1: {{ networks: {{ br0: {{ address: 10.7.0.11 }} }} }}\n  \
         ns2: {{ networks: {{ br0: {{ address: 10.7.0.12 }} }} }}\nchecks:\n{}",
        checks.concat()
    );
    fs::write("/run/lab.yaml", file).unwrap();
    host.netns_tool("check /run/lab.yaml --json")
}

/// The outcomes, in the order of the checks.
fn outcomes(ended: &Ended) -> Vec<String> {
    let told: Value = serde_json::from_str(ended.stdout()).unwrap();
    let checks = told[0]["checks"].as_array().unwrap();
    checks.iter().map(|check| check["outcome"].as_str().unwrap().to_owned()).collect()
}

fn what_answers_is_reached(host: &Sandbox) {
    lab();
    let _listening = host.inside("ns2", || TcpListener::bind("10.7.0.12:80").unwrap());
    let checks = ["ns1 reaches ns2", "ns1 reaches ns2:80", "host reaches ns2:80", "ns2 reaches 10.7.0.1"];
    let ended = check(host, &checks).succeeds();
    assert_eq!(outcomes(&ended), ["reached"; 4]);
    host.netns_tool("check /run/lab.yaml")
        .succeeds()
        .says("✓ ns1 reaches ns2:80: answer from 10.7.0.12:80/tcp");
}

fn what_is_told_not_to_be_reached_and_is_fails(host: &Sandbox) {
    lab();
    check(host, &["ns1 does not reach ns2"]).fails_with(9);
    host.netns_tool("check /run/lab.yaml")
        .fails_with(9)
        .says("✗ ns1 does not reach ns2: answer from 10.7.0.12");
}

fn a_closed_port_and_a_missing_route_are_told_apart(host: &Sandbox) {
    lab();
    let checks =
        ["ns1 does not reach ns2:81", "ns1 does not reach ns2:82/udp", "ns1 does not reach 192.0.2.1:80"];
    let ended = check(host, &checks).succeeds();
    assert_eq!(outcomes(&ended), ["refused", "refused", "unreachable"]);
    host.netns_tool("check /run/lab.yaml").succeeds().says("ENETUNREACH");
    check(host, &["ns1 reaches ns2:81"]).fails_with(9);
}

fn a_datagram_counts_once_it_is_answered(host: &Sandbox) {
    lab();
    let server = host.inside("ns2", || UdpSocket::bind("10.7.0.12:53").unwrap());
    let answering = thread::spawn(move || {
        let (length, client) = server.recv_from(&mut [0; 64]).unwrap();
        server.send_to(b"here", client).unwrap();
        length
    });
    let _silent = host.inside("ns2", || UdpSocket::bind("10.7.0.12:54").unwrap());
    let ended = check(host, &["ns1 reaches ns2:53/udp", "ns1 does not reach ns2:54/udp"]).succeeds();
    assert_eq!(outcomes(&ended), ["reached", "no-answer"]);
    assert!(answering.join().unwrap() > 0);
}

fn names_are_looked_up_in_the_netns_own_files(host: &Sandbox) {
    lab();
    sh("mkdir -p /etc/netns/ns1; echo '10.7.0.12 other.lab' > /etc/netns/ns1/hosts");
    let ended = check(host, &["ns1 reaches other.lab", "ns2 does not reach other.lab"]).fails_with(9);
    assert_eq!(outcomes(&ended), ["reached", "no-such-name"]);
}

fn silence_behind_a_firewall_is_not_reached(host: &Sandbox) {
    lab();
    sh(
        "ip netns exec ns2 nft 'table inet t { chain c { type filter hook input priority 0; ip saddr 10.7.0.11 drop; }; }'",
    );
    let checks = ["ns1 does not reach ns2", "ns1 does not reach ns2:80", "host reaches ns2"];
    let ended = check(host, &checks).succeeds();
    assert_eq!(outcomes(&ended), ["no-answer", "no-answer", "reached"]);
}

fn a_netns_that_is_missing_fails_even_what_should_not_work(host: &Sandbox) {
    let ended = check(host, &["ns1 does not reach ns2"]).fails_with(9);
    assert_eq!(outcomes(&ended), ["not-tried"]);
    let said = host.netns_tool("check /run/lab.yaml").fails_with(9);
    let said = said.says("✗ ns1 does not reach ns2: not tried: netns 'ns1' does not exist");
    said.says("hint: 'netns-tool up /run/lab.yaml' first");
    host.netns_tool("up /run/lab.yaml").succeeds();
    host.netns_tool("check lab").fails_with(9).says("answer from 10.7.0.12");
    sh("ip netns delete ns1");
    host.netns_tool("check").fails_with(9).says("hint: 'netns-tool up FILE' first");
}

fn no_topology_is_no_error(host: &Sandbox) {
    host.netns_tool("check").succeeds().says("No topology is up");
}
