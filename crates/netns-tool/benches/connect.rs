//! How long it takes to plug one netns into an existing bridge: this tool, the same by `ip` (with
//! the rules that let it out by `iptables`), and netavark, in turns, on one throw-away host.
//!
//! `cargo bench --bench connect` prints medians of whole-process times and their ratios. A rival
//! that is not installed is left out, and said so.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its table")]

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use netns_testkit::{Sandbox, Uplink, on_fresh_host, program_exists, sh};

/// Rounds that count, after one that warms the caches.
const ROUNDS: usize = 25;

/// Where Debian's netavark package puts the program.
const NETAVARK: &str = "/usr/lib/podman/netavark";

/// One way to connect a netns, and to take it off again.
struct Rival {
    name: &'static str,
    connect: fn(&Sandbox, &str),
    disconnect: fn(&str),
}

const RIVALS: [Rival; 3] = [
    Rival { name: "netns-tool connect", connect: by_netns_tool, disconnect: by_deleting },
    Rival { name: "ip and iptables, one script", connect: by_script, disconnect: by_deleting },
    Rival { name: "netavark setup", connect: by_netavark, disconnect: by_netavark_teardown },
];

fn main() -> ExitCode {
    if let Err(error) = netns_engine::kernel::playground::become_root() {
        eprintln!("cannot run here: {error}");
        return ExitCode::FAILURE;
    }
    match on_fresh_host(Uplink::PretendInternet, measure) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn measure(host: &Sandbox) {
    host.netns_tool("bridge br0 --address 10.88.0.1/16").succeeds();
    let rivals: Vec<&Rival> = RIVALS.iter().filter(|rival| is_installed(rival)).collect();
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); rivals.len()];
    for round in 0..=ROUNDS {
        for (rival, times) in rivals.iter().zip(&mut times) {
            sh("ip netns add bench; ip -n bench link set lo up");
            let start = Instant::now();
            (rival.connect)(host, "bench");
            let took = start.elapsed();
            sh("ip netns exec bench ping -c1 -W2 10.88.0.1");
            (rival.disconnect)("bench");
            sh("ip netns delete bench");
            if round > 0 {
                times.push(took);
            }
        }
    }
    let medians: Vec<Duration> = times.iter_mut().map(|times| median(times)).collect();
    for (rival, time) in rivals.iter().zip(&medians) {
        let ratio = time.as_secs_f64() / medians[0].as_secs_f64();
        println!("{:<28} {:>7.2} ms   x {ratio:.1}", rival.name, time.as_secs_f64() * 1000.0);
    }
}

fn is_installed(rival: &Rival) -> bool {
    let there = rival.name != "netavark setup" || program_exists(NETAVARK);
    if !there {
        println!("{:<28} not installed", rival.name);
    }
    there
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn by_netns_tool(host: &Sandbox, netns: &str) {
    host.netns_tool(&format!("connect {netns} br0 --address 10.88.0.9")).succeeds();
}

fn by_script(_host: &Sandbox, netns: &str) {
    sh(&format!(
        "ip link add veth-b type veth peer name eth0 netns {netns}
         ip link set veth-b master br0
         ip link set veth-b up
         ip -n {netns} address add 10.88.0.9/16 dev eth0
         ip -n {netns} link set eth0 up
         ip -n {netns} route add default via 10.88.0.1
         iptables -C FORWARD -i br0 -j ACCEPT 2>/dev/null || iptables -A FORWARD -i br0 -j ACCEPT
         iptables -C FORWARD -o br0 -j ACCEPT 2>/dev/null || iptables -A FORWARD -o br0 -j ACCEPT"
    ));
}

fn by_deleting(netns: &str) {
    sh(&format!("ip -n {netns} link delete eth0"));
}

fn netavark(verb: &str, netns: &str) {
    let config = r#"{"container_id":"c","container_name":"c","networks":{"n":{"static_ips":["10.88.0.9"],"interface_name":"eth0"}},
        "network_info":{"n":{"name":"n","id":"2f259bab93aaaaa2542ba43ef33eb990d0999ee1b9924b557b7be53c0b7a1bb9","driver":"bridge","network_interface":"br0",
        "subnets":[{"subnet":"10.88.0.0/16","gateway":"10.88.0.1"}],"ipv6_enabled":false,"internal":false,"dns_enabled":false,"ipam_options":{"driver":"host-local"}}}}"#;
    sh(&format!(
        "mkdir -p /run/netavark; printf '%s' '{config}' | {NETAVARK} --config /run/netavark {verb} /run/netns/{netns}"
    ));
}

fn by_netavark(_host: &Sandbox, netns: &str) {
    netavark("setup", netns);
}

fn by_netavark_teardown(netns: &str) {
    netavark("teardown", netns);
    // Taking the last user away, netavark deletes the bridge; the next round wants it back.
    sh(
        "ip link show br0 >/dev/null 2>&1 || { ip link add br0 type bridge; ip address add 10.88.0.1/16 dev br0; ip link set br0 up; }",
    );
}
