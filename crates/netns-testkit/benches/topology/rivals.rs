//! The same network by other means: the lessons' own commands, and the same in batches.

use std::{
    fmt::Write,
    io::Write as _,
    process::{Command, Stdio},
};

/// A way to make a bridge with NAT and nodes on it.
pub(crate) struct Rival {
    pub(crate) name: &'static str,
    pub(crate) build: fn(usize) -> String,
    pub(crate) tear_down: fn(usize) -> String,
}

pub(crate) const RIVALS: [Rival; 2] = [
    Rival { name: "shell", build: by_lesson, tear_down: away_by_lesson },
    Rival { name: "batch", build: by_batch, tear_down: away_by_batch },
];

/// Runs a script and insists that all of it works.
pub(crate) fn run(script: &str) {
    let mut shell = Command::new("sh")
        .arg("-e")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("there is a shell");
    let mut input = shell.stdin.take().expect("it was asked for");
    input.write_all(script.as_bytes()).expect("the shell reads");
    drop(input);
    assert!(shell.wait().expect("it ends").success(), "a rival failed");
}

fn address(node: usize) -> String {
    let [high, low] = u16::try_from(node + 1).expect("a /16 holds them").to_be_bytes();
    format!("10.77.{high}.{low}/16")
}

/// One command a line, as it is typed.
fn by_lesson(nodes: usize) -> String {
    let mut script = String::from(
        "ip link add sbr type bridge
ip addr add 10.77.0.1/16 dev sbr
ip link set sbr up
sysctl -qw net.ipv4.ip_forward=1
iptables -t nat -A POSTROUTING -s 10.77.0.0/16 -o eth0 -j MASQUERADE
iptables -A FORWARD -i sbr -o eth0 -j ACCEPT
iptables -A FORWARD -i eth0 -o sbr -m state --state RELATED,ESTABLISHED -j ACCEPT
",
    );
    for node in 1..=nodes {
        writeln!(
            script,
            "ip netns add s{node}
ip link add sv{node} type veth peer name sp{node}
ip link set sp{node} netns s{node}
ip link set sv{node} master sbr
ip link set sv{node} up
ip netns exec s{node} ip addr add {} dev sp{node}
ip netns exec s{node} ip link set sp{node} up
ip netns exec s{node} ip link set lo up
ip netns exec s{node} ip route add default via 10.77.0.1",
            address(node)
        )
        .expect("a string grows");
    }
    script
}

fn away_by_lesson(nodes: usize) -> String {
    let mut script = String::new();
    for node in 1..=nodes {
        writeln!(script, "ip link delete sv{node}\nip netns delete s{node}").expect("a string grows");
    }
    script.push_str(
        "ip link delete sbr
iptables -D FORWARD -i eth0 -o sbr -m state --state RELATED,ESTABLISHED -j ACCEPT
iptables -D FORWARD -i sbr -o eth0 -j ACCEPT
iptables -t nat -D POSTROUTING -s 10.77.0.0/16 -o eth0 -j MASQUERADE
sysctl -qw net.ipv4.ip_forward=0
",
    );
    script
}

/// One process for the host, one for each netns: `ip -batch` cannot go from one to another.
fn by_batch(nodes: usize) -> String {
    let mut host = String::from("link add sbr type bridge\naddr add 10.77.0.1/16 dev sbr\nlink set sbr up\n");
    let mut inside = String::new();
    for node in 1..=nodes {
        writeln!(
            host,
            "netns add s{node}\nlink add sv{node} numtxqueues 1 numrxqueues 1 master sbr up type veth peer name \
             eth0 numtxqueues 1 numrxqueues 1 netns s{node}"
        )
        .expect("a string grows");
        writeln!(
            inside,
            "ip -n s{node} -batch - <<E\nlink set lo up\naddr add {} dev eth0\nlink set eth0 up\nroute add default \
             via 10.77.0.1\nE",
            address(node)
        )
        .expect("a string grows");
    }
    format!(
        "ip -batch - <<E\n{host}E\n{inside}sysctl -qw net.ipv4.ip_forward=1\nnft -f - <<E\ntable ip bench {{\n  chain \
         post {{ type nat hook postrouting priority 100; ip saddr 10.77.0.0/16 oifname \"eth0\" masquerade; }}\n}}\nE\n"
    )
}

fn away_by_batch(nodes: usize) -> String {
    let mut host = String::new();
    for node in 1..=nodes {
        writeln!(host, "link delete sv{node}\nnetns delete s{node}").expect("a string grows");
    }
    format!(
        "nft delete table ip bench\nip -batch - <<E\n{host}link delete sbr\nE\nsysctl -qw net.ipv4.ip_forward=0\n"
    )
}
