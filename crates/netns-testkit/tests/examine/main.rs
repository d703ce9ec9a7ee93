//! What a diagnosis sees of a path is what other programs tell of it, and looking changes nothing.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod crowd;
mod host;
mod probes;
mod ways;
mod witness;

use std::process::ExitCode;

use netns_engine::{
    diagnose::{
        packet::Protocol,
        question::{Destination, Path, Question},
        scene::{PortState, Scene, Stack, StackId},
    },
    kernel::examine::examine,
    place::Entrance,
};
use netns_testkit::{Sandbox, Snapshot, sh, trials};

fn main() -> ExitCode {
    let mut trials = trials!(
        bare: links_are_as_ip_tells,
            addresses_are_as_ip_tells,
            routes_are_as_ip_tells,
            rules_are_as_ip_tells,
            neighbours_are_as_ip_tells,
            ports_and_their_vlans_are_as_bridge_tells,
            settings_are_as_the_files_say,
            listeners_are_told_with_their_programs,
            the_resolver_is_the_one_that_counts_inside;
    );
    trials.extend(ways::trials());
    trials.extend(probes::trials());
    trials.extend(host::trials());
    trials.extend(crowd::trials());
    netns_testkit::main(trials)
}

/// Two netns on a bridge, each with a default route to the host; without link-local addresses, which take a second
/// to settle.
const TWO_ON_A_BRIDGE: &str = "
ip link add br0 type bridge
ip addr add 10.0.0.1/24 dev br0
ip link set br0 addrgenmode none up
for n in red blue; do
    ip netns add $n
    ip -n $n link set lo up
    ip link add v-$n type veth peer name eth0 netns $n
    ip link set v-$n addrgenmode none master br0 up
    ip -n $n link set eth0 addrgenmode none up
done
ip -n red addr add 10.0.0.2/24 dev eth0
ip -n blue addr add 10.0.0.3/24 dev eth0
for n in red blue; do ip -n $n route add default via 10.0.0.1; done
";

fn named(name: &str) -> Entrance {
    Entrance::Named(name.parse().unwrap())
}

fn path(from: Entrance, to: Destination) -> Question {
    Question::Path(Path { from, to, protocol: Protocol::Icmp, port: None })
}

/// Examines a path, and insists that nothing changed by that.
#[track_caller]
fn look(from: Entrance, to: Destination) -> Scene {
    let before = Snapshot::take();
    let scene = examine(&path(from, to)).unwrap();
    before.assert_same(&Snapshot::take(), "looking changed something");
    scene
}

#[track_caller]
fn stack<'a>(scene: &'a Scene, name: &str) -> &'a Stack {
    scene.stack(scene.find(&named(name)).expect("it was looked at"))
}

fn links_are_as_ip_tells(_: &Sandbox) {
    sh(TWO_ON_A_BRIDGE);
    sh("ip link set br0 type bridge stp_state 1 nf_call_iptables 1
        ip -n red link set eth0 mtu 1400 arp off alias netns-tool
        ip -n red link add mv0 link eth0 type macvlan
        ip link add down0 type veth peer name down1");
    let scene = look(named("red"), Destination::Stack(named("blue")));
    for (place, stack) in [(None, scene.host()), (Some("red"), stack(&scene, "red"))] {
        assert_eq!(witness::links_seen(stack), witness::links_told(place));
    }
    let of_red = stack(&scene, "red");
    assert!(of_red.link_named(&"eth0".parse().unwrap()).unwrap().ours);
}

fn addresses_are_as_ip_tells(_: &Sandbox) {
    sh(TWO_ON_A_BRIDGE);
    sh("ip -n red addr add 10.9.0.2 peer 10.9.0.3/32 dev eth0
        ip -n red addr add fd00::2/64 dev eth0 nodad
        ip link set v-blue down
        ip -n blue addr add fd00::3/64 dev eth0");
    let scene = look(named("red"), Destination::Stack(named("blue")));
    for name in ["red", "blue"] {
        assert_eq!(
            witness::addresses_seen(stack(&scene, name)),
            witness::addresses_told(Some(name)),
            "{name}"
        );
    }
}

fn routes_are_as_ip_tells(_: &Sandbox) {
    sh(TWO_ON_A_BRIDGE);
    sh("ip -n red route add 192.0.2.0/24 via 10.0.0.3 mtu 1300 metric 7 src 10.0.0.2
        ip -n red route add blackhole 192.0.3.0/24
        ip -n red route add unreachable 192.0.4.0/24 table 1000
        ip -n red route add prohibit 192.0.5.0/24 proto static
        ip -n red route add throw 192.0.6.0/24 table 7
        ip -n red route add 192.0.7.0/24 nexthop via 10.0.0.1 weight 1 nexthop via 10.0.0.3 weight 2
        ip -n red route add 192.0.8.0/24 via 172.16.0.1 dev eth0 onlink
        ip -n red addr add fd00::2/64 dev eth0 nodad
        ip -n red route add 2001:db8::/32 via fd00::1
        ip -n red route add blackhole 2001:db9::/32
        ip -n red route add 192.0.9.0/24 via inet6 fd00::1 dev eth0");
    let scene = look(named("red"), Destination::Internet);
    assert_eq!(witness::routes_seen(stack(&scene, "red")), witness::routes_told(Some("red")));
}

fn rules_are_as_ip_tells(_: &Sandbox) {
    sh(TWO_ON_A_BRIDGE);
    sh("ip -n red rule add from 10.0.0.0/24 table 1000 priority 100
        ip -n red rule add not to 192.0.2.0/24 iif lo fwmark 0x10/0xf0 table 7 priority 101
        ip -n red rule add oif eth0 goto 200 priority 102
        ip -n red rule add blackhole priority 200 from 198.51.100.0/24
        ip -n red rule add unreachable priority 201 to 198.51.100.0/24
        ip -n red rule add prohibit priority 202 fwmark 1
        ip -n red rule add table main suppress_prefixlength 0 priority 203
        ip -n red rule add ipproto tcp dport 80 sport 1000-2000 uidrange 0-1000 table 8 priority 204
        ip -n red -6 rule add from fd00::/64 table 9 priority 205");
    let scene = look(named("red"), Destination::Internet);
    assert_eq!(witness::rules_seen(stack(&scene, "red")), witness::rules_told("red"));
    let special = stack(&scene, "red").policy.iter().find(|rule| rule.priority == 204).unwrap();
    let others = special.others.as_deref();
    assert_eq!(others, Some("uidrange 0-1000 ipproto tcp sport 1000-2000 dport 80"));
}

fn neighbours_are_as_ip_tells(_: &Sandbox) {
    sh(TWO_ON_A_BRIDGE);
    sh("ip -n red neigh add 10.0.0.77 lladdr 02:00:00:00:00:77 dev eth0
        ip -n red neigh add fd00::77 lladdr 02:00:00:00:00:78 dev eth0 nud stale
        ip netns exec red ping -c 1 -W 5 10.0.0.3");
    let scene = look(named("red"), Destination::Internet);
    assert_eq!(witness::neighbours_seen(stack(&scene, "red")), witness::neighbours_told("red"));
}

fn ports_and_their_vlans_are_as_bridge_tells(_: &Sandbox) -> Result<(), netns_testkit::Missing> {
    sh(TWO_ON_A_BRIDGE);
    sh("bridge link set dev v-red isolated on hairpin on");
    let scene = look(named("red"), Destination::Internet);
    assert_eq!(witness::ports_seen(scene.host()), witness::ports_told());
    let port = scene.host().link_named(&"v-red".parse().unwrap()).unwrap().port.clone().unwrap();
    assert!(port.isolated && port.hairpin && port.state == PortState::Forwarding && port.vlans.is_empty());
    let switched = sh("ip link set br0 type bridge vlan_filtering 1 2>/dev/null && echo on || echo off");
    if switched.trim() == "off" {
        return Err(netns_testkit::Missing("a kernel with VLANs on bridges".to_owned()));
    }
    sh("bridge vlan add dev v-red vid 10 pvid untagged
        bridge vlan add dev v-blue vid 20-22
        bridge vlan add dev br0 vid 10 self");
    let scene = look(named("red"), Destination::Internet);
    assert_eq!(witness::vlans_seen(scene.host()), witness::vlans_told());
    Ok(())
}

fn settings_are_as_the_files_say(_: &Sandbox) {
    sh(TWO_ON_A_BRIDGE);
    sh("ip netns exec red sysctl -w net.ipv4.conf.eth0.rp_filter=2 net.ipv4.ip_forward=1
        sysctl -w net.ipv6.conf.br0.accept_ra=2 net.ipv4.conf.br0.route_localnet=1 net.ipv4.conf.br0.arp_ignore=3
        sysctl -w net.ipv4.conf.br0.accept_local=1 net.ipv4.conf.br0.proxy_arp=1 net.ipv4.conf.br0.src_valid_mark=1
        sysctl -w net.ipv6.conf.br0.autoconf=0 net.ipv6.conf.br0.forwarding=1 net.ipv6.conf.br0.proxy_ndp=1
        sysctl -w net.ipv6.conf.br0.ignore_routes_with_linkdown=1 net.ipv4.conf.br0.ignore_routes_with_linkdown=1");
    let scene = look(named("red"), Destination::Internet);
    for (prefix, stack) in [("", scene.host()), ("ip netns exec red ", stack(&scene, "red"))] {
        assert!(stack.settings.len() > 20, "{:?}", stack.settings);
        for (path, value) in &stack.settings {
            assert_eq!(sh(&format!("{prefix}cat /proc/sys/{path}")).trim(), value.to_string(), "{path}");
        }
    }
    assert_eq!(stack(&scene, "red").setting("net/ipv4/conf/eth0/rp_filter"), Some(2));
    assert_eq!(stack(&scene, "red").setting("net/ipv4/ip_forward"), Some(1));
    assert_eq!(scene.host().setting("net/ipv6/conf/br0/accept_ra"), Some(2));
    for link in ["all", "default", "br0"] {
        for setting in
            ["forwarding", "rp_filter", "route_localnet", "arp_ignore", "proxy_arp", "accept_local"]
        {
            let path = format!("net/ipv4/conf/{link}/{setting}");
            assert!(scene.host().setting(&path).is_some(), "{path}");
        }
        for setting in ["forwarding", "disable_ipv6", "accept_ra"] {
            let path = format!("net/ipv6/conf/{link}/{setting}");
            assert!(scene.host().setting(&path).is_some(), "{path}");
        }
    }
    assert_eq!(scene.host().setting("net/ipv4/conf/v-red/rp_filter"), None, "a mere port");
}

fn listeners_are_told_with_their_programs(host: &Sandbox) {
    sh(TWO_ON_A_BRIDGE);
    let sockets = host.inside("red", || {
        (
            std::net::TcpListener::bind("10.0.0.2:8080").unwrap(),
            std::net::UdpSocket::bind("[::]:5353").unwrap(),
        )
    });
    let scene = look(named("red"), Destination::Stack(named("blue")));
    let red = stack(&scene, "red");
    let told: Vec<_> = red
        .listeners
        .iter()
        .map(|socket| (socket.transport.to_string(), socket.local.to_string(), socket.state.clone()))
        .collect();
    let expected = [("tcp", "10.0.0.2:8080", "listening"), ("udp", "[::]:5353", "open")];
    assert_eq!(told, expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned())));
    let own = std::process::id();
    assert!(red.listeners.iter().all(|socket| socket.programs.iter().any(|program| program.pid == own)));
    assert_eq!(stack(&scene, "blue").listeners, []);
    drop(sockets);
}

fn the_resolver_is_the_one_that_counts_inside(_: &Sandbox) {
    sh(TWO_ON_A_BRIDGE);
    sh("mkdir -p /etc/netns/red
        printf 'nameserver 127.0.0.53\\n' > /etc/resolv.conf
        printf 'hosts: files dns\\n' > /etc/netns/red/nsswitch.conf
        printf 'nameserver 192.0.2.53\\nnameserver fd00::53\\n' > /etc/netns/red/resolv.conf");
    let scene = look(named("red"), Destination::Stack(named("blue")));
    let (red, blue) = (&stack(&scene, "red").resolver, &stack(&scene, "blue").resolver);
    assert_eq!((red.file.as_str(), red.exists), ("/etc/netns/red/resolv.conf", true));
    assert_eq!(
        red.servers,
        ["192.0.2.53", "fd00::53"].map(|server| server.parse::<std::net::IpAddr>().unwrap())
    );
    assert_eq!(red.nsswitch_hosts.as_deref(), Some("files dns"));
    assert_eq!(blue.file, "/etc/resolv.conf");
    assert_eq!(scene.stack(StackId::HOST).resolver.servers, blue.servers);
}
