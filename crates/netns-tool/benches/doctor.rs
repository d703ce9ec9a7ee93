//! How long a diagnosis takes on a host with a thousand netns and ten thousand rules, beside what
//! somebody types to see a part of the same.
//!
//! `cargo bench --bench doctor` prints medians of whole-process times in one run.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its table")]
#![expect(clippy::expect_used, reason = "a benchmark that cannot go on has failed")]

use std::{
    fmt::Write,
    fs,
    process::ExitCode,
    time::{Duration, Instant},
};

use netns_testkit::{Sandbox, Uplink, on_fresh_host, sh};

/// Rounds that count, after one that warms the caches.
const ROUNDS: usize = 9;
const NETNS: usize = 1000;
const RULES: usize = 10_000;

/// Something to be timed.
struct Way {
    name: &'static str,
    run: fn(&Sandbox),
}

const WAYS: [Way; 5] = [
    Way { name: "doctor n1 (out to the internet)", run: |host| told(host, "doctor n1") },
    Way { name: "doctor n1 203.0.113.8:80", run: |host| told(host, "doctor n1 203.0.113.8:80") },
    Way { name: "doctor n1 n2", run: |host| told(host, "doctor n1 n2") },
    Way { name: "doctor (the whole host)", run: |host| told(host, "doctor") },
    Way { name: "ip, ping and iptables-save, nft list", run: |_| by_hand() },
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
    crowd(host);
    let mut times = vec![Vec::new(); WAYS.len()];
    for round in 0..=ROUNDS {
        for (way, times) in WAYS.iter().zip(&mut times) {
            let start = Instant::now();
            (way.run)(host);
            if round > 0 {
                times.push(start.elapsed());
            }
        }
    }
    println!("{NETNS} netns, {RULES} rules, medians of {ROUNDS}:");
    for (way, times) in WAYS.iter().zip(&mut times) {
        println!("{:<40} {:>8.1} ms", way.name, median(times).as_secs_f64() * 1000.0);
    }
}

/// A thousand netns behind one bridge, and rules about everybody else.
fn crowd(host: &Sandbox) {
    let mut topology =
        "name: crowd\nnetworks:\n  br0: { subnet: 10.66.0.0/16, nat: true }\nnodes:\n".to_owned();
    for node in 1..=NETNS {
        writeln!(topology, "  n{node}: {{ networks: [br0] }}").expect("memory is free");
    }
    fs::write("/run/crowd.yaml", topology).expect("/run is ours");
    host.netns_tool("up /run/crowd.yaml").succeeds();
    sh("nft add table ip crowd; nft add chain ip crowd gate '{ type filter hook forward priority 5; }'
        mkdir -p /etc/netns/n1; echo nameserver 203.0.113.8 > /etc/netns/n1/resolv.conf");
    let rule = |rule| format!("add rule ip crowd gate ip saddr 10.99.{}.{} accept\n", rule / 250, rule % 250);
    // More than the socket of an ordinary user takes at a time is refused.
    for first in (0..RULES).step_by(1000) {
        fs::write("/run/crowd.nft", (first..first + 1000).map(rule).collect::<String>())
            .expect("/run is ours");
        sh("nft -f /run/crowd.nft");
    }
}

fn told(host: &Sandbox, question: &str) {
    host.netns_tool(question).succeeds();
}

fn by_hand() {
    sh("for looked in 'link' 'address' 'route show table all' 'rule'; do ip -n n1 $looked; ip $looked; done
        ip netns exec n1 ping -n -c 1 -W 1 203.0.113.8
        iptables-save; nft list ruleset");
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
