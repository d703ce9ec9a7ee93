//! Two netns and the host between them, and traces in words.

use std::{
    net::{TcpListener, UdpSocket},
    time::Duration,
};

use netns_engine::{
    diagnose::{
        packet::Protocol,
        trace::{Direction, Trace, TraceEvent, TraceProbe, TraceStep},
    },
    kernel::trace::trace,
    place::Entrance,
};
use netns_testkit::{Sandbox, sh};

/// Long enough for every packet here; nothing waits for it but a trial that loses its packet unheard.
pub(crate) const PATIENCE: Duration = Duration::from_millis(1500);

/// `red` 10.0.1.2 and `blue` 10.0.2.2, each on a cable to the host, which forwards between them.
pub(crate) fn routed() {
    sh("
        sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
        number=1
        for name in red blue; do
            ip netns add $name
            ip link add v-$name type veth peer name eth0 netns $name
            # The kernel's own link-local addresses would be looked for elsewhere first.
            ip link set v-$name addrgenmode none
            ip -n $name link set eth0 addrgenmode none
            ip address add 10.0.$number.1/24 dev v-$name
            ip address add fd00:$number::1/64 dev v-$name nodad
            ip address add fe80::1/64 dev v-$name nodad
            ip link set v-$name up
            ip -n $name address add 10.0.$number.2/24 dev eth0
            ip -n $name address add fd00:$number::2/64 dev eth0 nodad
            ip -n $name address add fe80::2/64 dev eth0 nodad
            ip -n $name link set eth0 up
            ip -n $name link set lo up
            ip -n $name route add default via 10.0.$number.1
            ip -n $name route add default via fd00:$number::1
            number=$((number + 1))
        done
    ");
}

/// `red` 10.0.0.2 and `blue` 10.0.0.3 on a bridge of the host's, whose frames pass no chains of IP.
pub(crate) fn bridged() {
    sh("
        ip link add br0 type bridge
        ip link set br0 up
        calls=/proc/sys/net/bridge/bridge-nf-call-iptables
        ! [ -e $calls ] || echo 0 > $calls
        number=2
        for name in red blue; do
            ip netns add $name
            ip link add v-$name master br0 up type veth peer name eth0 netns $name
            ip -n $name address add 10.0.0.$number/24 dev eth0
            ip -n $name link set eth0 up
            number=$((number + 1))
        done
    ");
}

/// The host's table of nftables, as somebody else might have it.
pub(crate) fn nft(rules: &str) {
    nft_in("host", rules);
}

/// What [`bridged`] makes, only that `br_netfilter` has bridged frames pass the chains of IP. Returns whether
/// this kernel can.
pub(crate) fn bridged_through_ip() -> bool {
    bridged();
    sh("cd /proc/sys/net/bridge 2>/dev/null && echo 1 > bridge-nf-call-iptables && echo done || true")
        == "done\n"
}

/// A table of nftables in a stack.
pub(crate) fn nft_in(stack: &str, rules: &str) {
    let inside = if stack == "host" { String::new() } else { format!("ip netns exec {stack} ") };
    // In nft's language a line ends a statement, a brace does not.
    sh(&format!("{inside}nft '{}'", rules.replace(" }", "\n}\n")));
}

/// Accepts connections in `blue`, as long as it is kept.
pub(crate) fn listen(host: &Sandbox) -> TcpListener {
    host.inside("blue", || TcpListener::bind("[::]:80").unwrap())
}

/// A port for datagrams in `blue`, which answers nothing by itself.
pub(crate) fn receive(host: &Sandbox) -> UdpSocket {
    host.inside("blue", || UdpSocket::bind("0.0.0.0:53").unwrap())
}

pub(crate) fn stack(name: &str) -> Entrance {
    if name == "host" { Entrance::Host } else { name.parse().unwrap() }
}

/// A probe out of `red`.
pub(crate) fn probe(to: &str, protocol: Protocol, port: Option<u16>) -> TraceProbe {
    TraceProbe { from: stack("red"), to: to.parse().unwrap(), protocol, port }
}

/// Follows a probe through `red`, the host and `blue`.
pub(crate) fn follow(probe: &TraceProbe) -> Trace {
    trace(&["red", "host", "blue"].map(stack), probe, PATIENCE).unwrap()
}

/// Follows a connection out of `red` to port 80.
pub(crate) fn follow_connection(to: &str) -> Trace {
    follow(&probe(to, Protocol::Tcp, Some(80)))
}

/// One line for each step of a packet.
pub(crate) fn way(trace: &Trace, direction: Direction) -> Vec<String> {
    trace.steps.iter().filter(|step| step.direction == direction).map(in_words).collect()
}

pub(crate) fn in_words(step: &TraceStep) -> String {
    let stack = match &step.stack {
        Entrance::Host => "host".to_owned(),
        Entrance::Named(name) => name.to_string(),
        Entrance::File(path) => path.display().to_string(),
    };
    let met = match &step.event {
        TraceEvent::Seen { family, hook } => format!("{family:?} {hook:?}").to_lowercase(),
        TraceEvent::Rule { chain, verdict, .. } => format!("{chain}: {verdict}"),
        TraceEvent::End { chain } => format!("{chain}: end"),
        TraceEvent::Policy { chain, policy } => format!("{chain}: policy {policy:?}").to_lowercase(),
    };
    format!("{stack} {met}")
}

/// The handle that `nft` shows of the only rule that drops in a chain.
pub(crate) fn handle_of_drop_in(wanted: &str) -> u64 {
    let ruleset: serde_json::Value = serde_json::from_str(&sh("nft -a -j list ruleset")).unwrap();
    let rules = ruleset["nftables"].as_array().unwrap().iter().map(|object| &object["rule"]);
    let drops = |rule: &serde_json::Value| {
        rule["expr"].as_array().is_some_and(|all| all.iter().any(|one| one.get("drop").is_some()))
    };
    let mut dropping = rules.filter(|rule| rule["chain"] == wanted && drops(rule));
    let handle = dropping.next().unwrap()["handle"].as_u64().unwrap();
    assert!(dropping.next().is_none(), "one rule drops");
    handle
}
