//! `publish` and `unpublish`: who reaches a port by which address, and that nothing is left.
//!
//! The judges are real TCP connections and UDP packets, `nft`, `iptables-save`, `ip`, `conntrack`.

#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    path::Path,
    process::ExitCode,
    time::Duration,
};

#[path = "publish_test/cost.rs"]
mod cost;
#[path = "publish_test/growth.rs"]
mod growth;

use cost::Cost;
use growth::twice_the_ports_of_a_topology_cost_twice_as_much;
use netns_testkit::{Sandbox, Snapshot, eventually_some, sh, trials};

fn main() -> ExitCode {
    netns_testkit::main(trials!(online:
        the_host_reaches_a_port_by_its_loopback_address,
        neighbours_reach_what_is_published_for_them_and_nothing_else,
        siblings_and_the_netns_itself_reach_it,
        ipv6_ports_are_reached_alike,
        traffic_passes_where_forward_drops,
        the_next_packet_of_an_old_flow_no_longer_arrives,
        a_netns_keeps_its_way_out,
        a_second_run_changes_nothing,
        taking_a_port_back_leaves_the_host_as_it_was,
        ports_that_share_what_they_need_may_go_in_any_order,
        a_netns_takes_its_ports_along,
        a_flushed_firewall_is_mended_by_publishing_again,
        a_program_that_listens_is_named,
        what_cannot_be_leaves_the_host_as_it_was,
        one_port_more_costs_the_same_with_ten_thousand,
        twice_the_ports_of_a_topology_cost_twice_as_much,
    ))
}

/// The host's own addresses on the uplink.
const HOST: &str = "198.51.100.2";
const HOST_V6: &str = "2001:db8:100::2";
/// The bridge's, and that of the netns `red`.
const GATEWAY: &str = "10.0.0.1";
const RED: &str = "10.0.0.2";

/// Enough for any answer; what is dropped is not waited for that long.
const PATIENCE: Duration = Duration::from_secs(5);
const GLANCE: Duration = Duration::from_millis(300);

/// Two netns on a bridge, and a server on port 80 of one of them.
fn build(host: &Sandbox) -> TcpListener {
    host.netns_tool("bridge br0 --address 10.0.0.1/24 --address fd00::1/64").succeeds();
    for netns in ["red", "blue"] {
        host.netns_tool(&format!("create {netns}")).succeeds();
        host.netns_tool(&format!("connect {netns} br0")).succeeds();
    }
    let server = host.inside("red", || TcpListener::bind("[::]:80")).expect("the port is free");
    server.set_nonblocking(true).expect("a socket can be non-blocking");
    server
}

fn connect(address: &str, port: u16, limit: Duration) -> io::Result<TcpStream> {
    let address: IpAddr = address.parse().expect("an address");
    TcpStream::connect_timeout(&SocketAddr::new(address, port), limit)
}

/// Insists that a connection arrives at `server`; returns whom the server sees.
#[track_caller]
fn arrives(server: &TcpListener, connect: impl FnOnce() -> io::Result<TcpStream>) -> String {
    let connection = connect().expect("the port is reached");
    let (_, client) = eventually_some("the connection", || server.accept().ok());
    drop(connection);
    client.ip().to_canonical().to_string()
}

#[track_caller]
fn refused(connect: impl FnOnce() -> io::Result<TcpStream>) {
    assert!(connect().is_err(), "nobody should be reached");
}

fn the_host_reaches_a_port_by_its_loopback_address(host: &Sandbox) {
    let server = build(host);
    refused(|| connect("127.0.0.1", 8080, GLANCE));
    host.netns_tool("publish 8080:red:80").succeeds().says("Port 127.0.0.1:8080/tcp leads to red:80");
    assert_eq!(arrives(&server, || connect("127.0.0.1", 8080, PATIENCE)), GATEWAY);
    assert_eq!(sh("cat /proc/sys/net/ipv4/ip_forward").trim(), "0", "nothing has to be forwarded");
    host.netns_tool("unpublish 8080").succeeds().says("published no longer");
    refused(|| connect("127.0.0.1", 8080, GLANCE));
}

fn neighbours_reach_what_is_published_for_them_and_nothing_else(host: &Sandbox) {
    let server = build(host);
    for port in ["8080:red:80", "0.0.0.0:8081:red:80", "198.51.100.2:8082:red:80"] {
        host.netns_tool(&format!("publish {port}")).succeeds();
    }
    // A neighbour who knows the way to the bridge's network, and takes the host for 127.0.0.1.
    host.beyond_uplink(|| {
        sh("ip route add 10.0.0.0/24 via 198.51.100.2
            ip route add table 7 127.0.0.1 via 198.51.100.2 dev up0
            ip rule add pref 1 to 127.0.0.1 lookup 7
            ip rule add pref 2 lookup local; ip rule del pref 0
            echo 1 > /proc/sys/net/ipv4/conf/up0/route_localnet");
    });
    for port in [8081, 8082] {
        assert_eq!(arrives(&server, || host.beyond_uplink(|| connect(HOST, port, PATIENCE))), "198.51.100.1");
        assert_eq!(arrives(&server, || connect(HOST, port, PATIENCE)), GATEWAY);
    }
    assert_eq!(arrives(&server, || connect("127.0.0.1", 8081, PATIENCE)), GATEWAY);
    refused(|| host.beyond_uplink(|| connect(HOST, 8080, GLANCE)));
    refused(|| host.beyond_uplink(|| connect("127.0.0.1", 8080, GLANCE)));
    refused(|| host.beyond_uplink(|| connect(RED, 80, GLANCE)));
    // The neighbour is no straw man: what keeps him out is our rule.
    sh("nft flush chain inet netns_tool loopback_shield; nft flush chain inet netns_tool forward_filter");
    arrives(&server, || host.beyond_uplink(|| connect("127.0.0.1", 8080, PATIENCE)));
    arrives(&server, || host.beyond_uplink(|| connect(RED, 80, PATIENCE)));
}

fn siblings_and_the_netns_itself_reach_it(host: &Sandbox) {
    let server = build(host);
    host.netns_tool("publish 0.0.0.0:8080:red:80").succeeds();
    for bridged_packets_are_filtered in ["0", "1"] {
        let switch = "/proc/sys/net/bridge/bridge-nf-call-iptables";
        if Path::new(switch).exists() {
            sh(&format!("echo {bridged_packets_are_filtered} > {switch}"));
        }
        for netns in ["blue", "red"] {
            for address in [HOST, GATEWAY] {
                let client = || host.inside(netns, || connect(address, 8080, PATIENCE));
                assert_eq!(arrives(&server, client), GATEWAY, "{netns} by {address}");
            }
        }
        let directly = || host.inside("blue", || connect(RED, 80, PATIENCE));
        assert_eq!(
            arrives(&server, directly),
            "10.0.0.3",
            "neighbours on a bridge see each other's addresses"
        );
    }
}

fn ipv6_ports_are_reached_alike(host: &Sandbox) {
    let server = build(host);
    host.netns_tool("publish [::]:8080:red:80").succeeds();
    host.netns_tool("publish [2001:db8:100::2]:8081:red:80").succeeds();
    host.beyond_uplink(|| sh("ip -6 route add fd00::/64 via 2001:db8:100::2"));
    for port in [8080, 8081] {
        let neighbour = || host.beyond_uplink(|| connect(HOST_V6, port, PATIENCE));
        assert_eq!(arrives(&server, neighbour), "2001:db8:100::1");
        assert_eq!(arrives(&server, || connect(HOST_V6, port, PATIENCE)), "fd00::1");
        let sibling = || host.inside("blue", || connect(HOST_V6, port, PATIENCE));
        assert_eq!(arrives(&server, sibling), "fd00::1");
    }
    refused(|| host.beyond_uplink(|| connect("fd00::2", 80, GLANCE)));
    refused(|| connect("::1", 8080, GLANCE));
}

fn traffic_passes_where_forward_drops(host: &Sandbox) {
    let server = build(host);
    sh("iptables -P FORWARD DROP; iptables -A FORWARD -j REJECT");
    host.netns_tool("publish 0.0.0.0:8080:red:80").succeeds();
    host.beyond_uplink(|| sh("ip route add 10.0.0.0/24 via 198.51.100.2"));
    arrives(&server, || host.beyond_uplink(|| connect(HOST, 8080, PATIENCE)));
    arrives(&server, || host.inside("blue", || connect(HOST, 8080, PATIENCE)));
    refused(|| host.beyond_uplink(|| connect(RED, 80, GLANCE)));
    host.netns_tool("unpublish 0.0.0.0:8080").succeeds();
    assert_eq!(
        sh("iptables-save | grep -- -A"),
        "-A FORWARD -j REJECT --reject-with icmp-port-unreachable\n"
    );
}

fn the_next_packet_of_an_old_flow_no_longer_arrives(host: &Sandbox) {
    build(host);
    let server = host.inside("red", || UdpSocket::bind("0.0.0.0:53")).expect("the port is free");
    server.set_read_timeout(Some(PATIENCE)).expect("a socket has timeouts");
    let heard = || {
        let mut words = [0; 16];
        let (length, _) = server.recv_from(&mut words).expect("a packet arrives");
        String::from_utf8_lossy(&words[..length]).into_owned()
    };
    for (published, to) in
        [("5353:red:53/udp", "127.0.0.1:5353"), ("0.0.0.0:5353:red:53/udp", "198.51.100.2:5353")]
    {
        host.netns_tool(&format!("publish {published}")).succeeds();
        let client = UdpSocket::bind("0.0.0.0:0").expect("a port is free");
        client.send_to(b"before", to).expect("it is sent");
        assert_eq!(heard(), "before");
        host.netns_tool(&format!("unpublish {published}")).succeeds();
        assert!(!sh("conntrack -L -p udp 2>/dev/null").contains("dport=5353"), "the flow is forgotten");
        // The kernel may tell at once that nobody listens any more.
        drop(client.send_to(b"after", to));
        client.send_to(b"directly", "10.0.0.2:53").expect("it is sent");
        assert_eq!(heard(), "directly", "what was sent after the port was taken back never came");
    }
}

fn a_netns_keeps_its_way_out(host: &Sandbox) {
    let server = build(host);
    let out = || host.inside("red", || connect("203.0.113.8", 80, PATIENCE)).is_ok();
    for firewall in ["iptables", "nftables"] {
        host.netns_tool(&format!("nat br0 --firewall {firewall}")).succeeds();
        host.netns_tool("publish 0.0.0.0:8080:red:80").succeeds();
        assert!(out(), "with {firewall}");
        arrives(&server, || host.beyond_uplink(|| connect(HOST, 8080, PATIENCE)));
        host.netns_tool("nat br0 --delete").succeeds();
        arrives(&server, || host.beyond_uplink(|| connect(HOST, 8080, PATIENCE)));
        host.netns_tool("unpublish 0.0.0.0:8080").succeeds();
        assert!(!sh("nft list tables").contains("netns_tool"), "with {firewall}");
    }
}

fn a_second_run_changes_nothing(host: &Sandbox) {
    build(host);
    for port in PORTS {
        host.netns_tool(&format!("publish {port}")).succeeds();
    }
    let before = Snapshot::take();
    for port in PORTS {
        host.netns_tool(&format!("publish {port}")).succeeds().says("already leads to red:80");
    }
    before.assert_same(&Snapshot::take(), "a second run");
}

const PORTS: [&str; 5] = [
    "8080:red:80",
    "0.0.0.0:8081:red:80",
    "198.51.100.2:8082:red:80/udp",
    "[::]:8083:red:80",
    "[2001:db8:100::2]:8084:red:80/udp",
];

fn taking_a_port_back_leaves_the_host_as_it_was(host: &Sandbox) {
    build(host);
    make_chains_of_iptables();
    for policy in ["ACCEPT", "DROP"] {
        sh(&format!("iptables -P FORWARD {policy}; ip6tables -P FORWARD {policy}"));
        let before = Snapshot::take();
        for port in PORTS {
            host.netns_tool(&format!("publish {port}")).succeeds();
            host.netns_tool(&format!("unpublish {port}")).succeeds();
            before.assert_same(&Snapshot::take(), &format!("{port}, FORWARD {policy}"));
        }
    }
}

fn ports_that_share_what_they_need_may_go_in_any_order(host: &Sandbox) {
    let server = build(host);
    make_chains_of_iptables();
    sh("iptables -P FORWARD DROP; ip6tables -P FORWARD DROP");
    let before = Snapshot::take();
    for start in 0..PORTS.len() {
        for port in PORTS {
            host.netns_tool(&format!("publish {port}")).succeeds();
        }
        let mut order: Vec<_> = PORTS.iter().cycle().skip(start).take(PORTS.len()).collect();
        let last = order.pop();
        for port in order {
            host.netns_tool(&format!("unpublish {port}")).succeeds();
        }
        match last.copied() {
            Some("8080:red:80") => {
                arrives(&server, || connect("127.0.0.1", 8080, PATIENCE));
            }
            Some("0.0.0.0:8081:red:80") => {
                arrives(&server, || host.beyond_uplink(|| connect(HOST, 8081, PATIENCE)));
                arrives(&server, || host.inside("red", || connect(HOST, 8081, PATIENCE)));
            }
            _ => {}
        }
        host.netns_tool(&format!("unpublish {}", PORTS[(start + PORTS.len() - 1) % PORTS.len()])).succeeds();
        before.assert_same(&Snapshot::take(), &format!("starting with {}", PORTS[start]));
    }
}

/// The program makes the chains it lists, and never takes them away.
fn make_chains_of_iptables() {
    sh("for program in iptables ip6tables; do
            $program -I FORWARD -j ACCEPT; $program -D FORWARD -j ACCEPT
        done");
}

fn a_netns_takes_its_ports_along(host: &Sandbox) {
    host.netns_tool("bridge br0 --address 10.0.0.1/24").succeeds();
    make_chains_of_iptables();
    let before = Snapshot::take();
    host.netns_tool("create red").succeeds();
    host.netns_tool("connect red br0").succeeds();
    for port in ["8080:red:80", "0.0.0.0:8081:red:80"] {
        host.netns_tool(&format!("publish {port}")).succeeds();
    }
    host.netns_tool("delete red").succeeds();
    before.assert_same(&Snapshot::take(), "a netns that came and went");
}

fn a_flushed_firewall_is_mended_by_publishing_again(host: &Sandbox) {
    let server = build(host);
    host.netns_tool("publish 0.0.0.0:8080:red:80").succeeds();
    sh("nft flush ruleset; echo 0 > /proc/sys/net/ipv4/ip_forward");
    host.netns_tool("publish 0.0.0.0:8080:red:80").succeeds();
    arrives(&server, || host.beyond_uplink(|| connect(HOST, 8080, PATIENCE)));
    host.netns_tool("unpublish 0.0.0.0:8080").succeeds();
    assert_eq!(sh("cat /proc/sys/net/ipv4/ip_forward").trim(), "0");
}

fn a_program_that_listens_is_named(host: &Sandbox) {
    build(host);
    let listener = TcpListener::bind("0.0.0.0:8080").expect("the port is free");
    let before = Snapshot::take();
    host.netns_tool("publish 8080:red:80")
        .fails_with(5)
        .complains("port 127.0.0.1:8080/tcp is taken")
        .complains(&format!("(pid {}) listens on it", std::process::id()));
    before.assert_same(&Snapshot::take(), "a refused port");
    host.netns_tool("publish 8080:red:80/udp").succeeds();
    drop(listener);
    host.netns_tool("publish 8080:red:80").succeeds();
}

fn what_cannot_be_leaves_the_host_as_it_was(host: &Sandbox) {
    build(host);
    host.netns_tool("create lonely").succeeds();
    host.netns_tool("publish 8080:red:80").succeeds();
    let before = Snapshot::take();
    let refusals = [
        ("publish 8080:blue:80", 5, "port 127.0.0.1:8080/tcp is already published to red:80"),
        ("publish 0.0.0.0:8080:blue:80", 5, "port 127.0.0.1:8080/tcp is already published to red:80"),
        ("publish [::1]:8081:red:80", 2, "the kernel keeps packets to ::1 on the loopback link"),
        ("publish 9.9.9.9:8081:red:80", 4, "address '9.9.9.9' is not an address of this host"),
        ("publish 8081:green:80", 4, "netns 'green' does not exist"),
        ("publish 8081:lonely:80", 4, "netns 'lonely' has no address that the host can reach"),
        ("publish 0:red:80", 2, "'0' is not a port"),
        ("publish 8081:red:80/sctp", 2, "'sctp' is not a transport protocol"),
        ("unpublish 8081", 4, "port 127.0.0.1:8081/tcp is not published"),
        ("unpublish 8080:blue:80", 5, "port 127.0.0.1:8080/tcp is already published to red:80"),
    ];
    for (command, code, words) in refusals {
        host.netns_tool(command).fails_with(code).complains(words);
        before.assert_same(&Snapshot::take(), command);
    }
}

/// Judged by the system calls and the bytes they move, which nothing else delays.
fn one_port_more_costs_the_same_with_ten_thousand(host: &Sandbox) {
    build(host);
    host.netns_tool("publish 1:red:80").succeeds();
    // To switch forwarding on, the settings of every link are read: once, so not here.
    for everyone in ["0.0.0.0", "[::]"] {
        host.netns_tool(&format!("publish {everyone}:1:red:80/udp")).succeeds();
    }
    let changes = [
        ("publish 8080:red:80", "unpublish 8080"),
        ("publish 0.0.0.0:8081:red:80", "unpublish 0.0.0.0:8081"),
        ("nat br0 --firewall nftables", "nat br0 --delete"),
    ];
    let costs = || {
        changes.map(|(change, back)| {
            let cost = Cost::of(host, change);
            host.netns_tool(back).succeeds();
            cost
        })
    };
    let with_few = costs();
    add_ten_thousand_ports();
    sh("for number in $(seq 200); do echo link add more$number type bridge; done | ip -batch -");
    for port in 20000..20050 {
        host.netns_tool(&format!("publish {port}:blue:80")).succeeds();
    }
    for ((few, many), (change, _)) in with_few.iter().zip(&costs()).zip(changes) {
        assert!(
            many.calls <= few.calls + 20 && many.bytes_read <= few.bytes_read + 4096,
            "{change}: {few:?} with few ports, {many:?} with thousands"
        );
    }
}

/// In portions: an ordinary user's netlink message may not be longer than `net.core.wmem_max` allows.
fn add_ten_thousand_ports() {
    sh(r#"for portion in $(seq 0 39); do
            awk -v p=$portion 'BEGIN {
                for (i = 1; i <= 250; i++)
                    printf "add element inet netns_tool forwards4 { 127.1.%d.%d . tcp . 9 comment \"br0\" : 10.0.0.2 . 80 }\n", p, i
            }' | nft -f -
        done"#);
    let listed = sh("nft -j list map inet netns_tool forwards4");
    assert_eq!(listed.matches("127.1.").count(), 10_000);
}
