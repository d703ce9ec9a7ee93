//! Somebody else changes what a topology made: `status` names it, and `up` puts it right.

use std::fs;

use libtest_mimic::Trial;
use netns_testkit::{Sandbox, Snapshot, sh, trials};

const FILE: &str = "/run/lab.yaml";

const LAB: &str = r#"
name: lab
hosts: true
networks:
  lab0: { subnet: 10.44.0.0/24, nat: true }
nodes:
  red: { networks: [lab0], ports: ["8080:80"] }
  blue: { networks: [lab0], nameservers: [203.0.113.8] }
links:
  - { endpoints: [red, blue], subnet: 10.45.0.0/30 }
"#;

/// A trial's name, what somebody does, and what `status` has to say about it.
type Drift = (&'static str, &'static str, &'static [&'static str]);

const OTHER_RULES: &str = "nftables table 'inet netns_tool' has not the rules it was made with";

const DRIFTS: [Drift; 21] = [
    ("a_flushed_ruleset", "nft flush ruleset", &["nftables table 'inet netns_tool' is missing"]),
    ("a_deleted_chain", "nft delete table inet netns_tool", &["forward 127.0.0.1:8080/tcp to 10.44.0.2:80"]),
    ("a_flushed_table", "nft flush table inet netns_tool", &[OTHER_RULES]),
    (
        "a_deleted_guard",
        "nft flush chain inet netns_tool arriving
        nft insert rule inet netns_tool port_forwards accept",
        &[OTHER_RULES],
    ),
    ("a_deleted_cable", "ip link delete veth-red", &["link 'veth-red'", "'eth0' in netns 'red'"]),
    ("a_deleted_direct_cable", "ip -n blue link delete eth1", &["link 'eth1' in netns 'red'"]),
    ("a_deleted_bridge", "ip link delete lab0", &["link 'lab0'"]),
    ("a_deleted_netns", "ip netns delete blue", &["netns 'blue' is missing"]),
    (
        "a_deleted_address",
        "ip -n red address delete 10.44.0.2/24 dev eth0",
        &["link 'eth0' in netns 'red' has no address '10.44.0.2/24'"],
    ),
    (
        "a_deleted_route",
        "ip -n red route delete default",
        &["route 'default via 10.44.0.1' is missing in netns 'red'"],
    ),
    (
        "a_deleted_route_to_the_nodes",
        "ip route delete 10.44.0.0/24 dev lab0",
        &["route '10.44.0.0/24 dev lab0' is missing on the host"],
    ),
    (
        "a_link_without_routes",
        "ip -n red route flush dev eth0",
        &["route '10.44.0.0/24 dev eth0' is missing in netns 'red'", "route 'default via 10.44.0.1'"],
    ),
    (
        "a_direct_cable_without_routes",
        "ip -n blue route flush dev eth1",
        &["route '10.45.0.0/30 dev eth1' is missing in netns 'blue'"],
    ),
    ("a_bridge_switched_off", "ip link set lab0 down", &["link 'lab0' is down"]),
    ("a_bridge_of_another_size", "ip link set lab0 mtu 1300", &["MTU of link 'lab0' is not 1500"]),
    ("a_port_taken_from_its_bridge", "ip link set veth-blue nomaster", &["veth-blue"]),
    ("forwarding_switched_off", "echo 0 > /proc/sys/net/ipv4/ip_forward", &["net.ipv4.ip_forward"]),
    (
        "a_removed_resolver",
        "rm /etc/netns/blue/resolv.conf",
        &["/etc/netns/blue/resolv.conf is not as asked"],
    ),
    (
        "removed_host_names",
        "rm /etc/netns/red/hosts",
        &["/etc/netns/red/hosts is not the host names of topology 'lab'"],
    ),
    (
        "a_cable_too_narrow_for_ipv6",
        "ip link set veth-red mtu 1000; ip -n red link set eth0 mtu 1000",
        &["link 'veth-red' has to be made anew"],
    ),
    (
        "an_isolated_port",
        "ip link set veth-red type bridge_slave isolated on",
        &["link 'veth-red' is isolated"],
    ),
];

pub(crate) fn trials() -> Vec<Trial> {
    let trials = DRIFTS.into_iter().map(|(name, deed, named)| {
        netns_testkit::online(&format!("{name}_is_named_and_repaired"), move |host| {
            named_and_repaired(host, deed, named);
        })
    });
    let edits = trials!(online:
        an_edit_looks_at_the_rest_from_outside,
        what_is_as_asked_is_not_named,
        each_set_that_somebody_empties_is_filled_again,
    );
    let others = trials!(bare:
        settings_of_a_link_return_with_it,
        a_folder_that_somebody_made_stays,
        a_tunnel_stays_as_its_network_is,
    );
    trials.chain(edits).chain(others).collect()
}

const STAR: &str = "
name: star
networks:
  star0: { subnet: 10.48.0.0/24 }
nodes:
  a: { networks: [star0] }
  b: { networks: [star0] }
";

/// What nobody outside sees stays as it is, until somebody asks; what the host sees is put right.
fn an_edit_looks_at_the_rest_from_outside(host: &Sandbox) {
    let more = |names: &[&str]| {
        let nodes = names.iter().map(|name| format!("  {name}: {{ networks: [star0] }}\n"));
        fs::write(FILE, nodes.fold(STAR.to_owned(), |text, node| text + &node)).unwrap();
    };
    let up = |options: &str| drop(host.netns_tool(&format!("up {options} {FILE}")).succeeds());
    let lost = || drop(host.netns_tool("status star").fails_with(9).says("has no address '10.48.0.2/24'"));
    let well = || drop(host.netns_tool("status star").succeeds());
    let lose_address = "ip -n a address delete 10.48.0.2/24 dev eth0";
    let untouched = Snapshot::take();
    more(&[]);
    up("");
    sh(lose_address);
    more(&["c"]);
    up("");
    lost();
    up("");
    well();
    sh(lose_address);
    more(&["c", "d"]);
    up("--verify");
    well();
    for deed in [
        "ip -n a link set eth0 down",
        "ip netns delete b",
        "ip link set veth-a nomaster",
        "ip link delete veth-b",
        "ip link set veth-b mtu 1400",
        "ip link set veth-a address 02:00:00:00:00:0a",
        "ip link set veth-b type bridge_slave isolated on",
        // The same cable, at another node.
        "ip link set veth-a down; ip link set veth-a name other; ip link set other up",
        // What they are known again by.
        "rm /run/netns-tool/seal/star",
        "echo '{' >/run/netns-tool/seal/star",
    ] {
        sh(deed);
        more(&["c", "d", "e"]);
        up("");
        well();
        more(&["c", "d"]);
        up("");
        well();
    }
    sh("touch /run/old; mount --bind /run/netns/b /run/old; ip netns delete b; ip netns add b");
    more(&["c", "d", "e"]);
    drop(host.netns_tool(&format!("up {FILE}")).fails_with(5).complains("netns 'b' already exists"));
    sh("ip netns delete b; umount /run/old; rm /run/old");
    up("");
    well();
    drop(host.netns_tool("down star").succeeds());
    untouched.assert_same(&Snapshot::take(), "after down");
}

/// That its settings were made sure of does not mean that they were anything else.
fn what_is_as_asked_is_not_named(host: &Sandbox) {
    fs::write(FILE, STAR.replace("10.48.0.0/24", "[10.48.0.0/24, \"fd48::/64\"]")).unwrap();
    drop(host.netns_tool(&format!("up {FILE}")).succeeds());
    sh("ip -n a address delete fd48::2/64 dev eth0");
    let status = host.netns_tool("status star").fails_with(9).says("has no address 'fd48::2/64'");
    let objects = status.stdout().lines().filter(|line| line.starts_with(' ')).count();
    assert_eq!(objects, 1, "{}", status.stdout());
    drop(host.netns_tool(&format!("up {FILE}")).succeeds());
    drop(host.netns_tool("status star").succeeds());
}

fn named_and_repaired(host: &Sandbox, deed: &str, named: &[&str]) {
    fs::write(FILE, LAB).unwrap();
    let untouched = Snapshot::take();
    drop(host.netns_tool(&format!("up {FILE}")).succeeds());
    let up = Snapshot::take();
    sh(deed);
    let mut status = host.netns_tool("status").fails_with(9).says("lab");
    for object in named {
        status = status.says(object);
    }
    drop(host.netns_tool(&format!("up {FILE}")).succeeds());
    up.assert_same(&Snapshot::take(), "after the repair");
    drop(host.netns_tool("status lab").succeeds().says("as asked"));
    sh("ip netns exec red ping -c 1 -W 5 203.0.113.8; ip netns exec red ping -c 1 -W 5 blue");
    drop(host.netns_tool("down lab").succeeds());
    untouched.assert_same(&Snapshot::take(), "after down");
}

/// Not only one with something in it: `rmdir` takes neither a link to a folder nor one that something is mounted on.
fn a_folder_that_somebody_made_stays(host: &Sandbox) {
    let file = "name: lab\nhosts: true\nnodes:\n  red: { nameservers: [203.0.113.8] }\n";
    fs::write(FILE, file).unwrap();
    for made in [
        "ln -s /run/folder /etc/netns/red",
        "mkdir /etc/netns/red; mount --bind /run/folder /etc/netns/red",
        "mkdir /etc/netns/red; touch /etc/netns/red/other",
    ] {
        sh(&format!("mkdir -p /etc/netns /run/folder; {made}"));
        let (untouched, folder) = (Snapshot::take(), sh("find /etc/netns | sort"));
        drop(host.netns_tool(&format!("up {FILE}")).succeeds());
        assert_eq!(sh("ls /etc/netns/red | grep -v other"), "hosts\nresolv.conf\n");
        drop(host.netns_tool("down lab").succeeds());
        untouched.assert_same(&Snapshot::take(), made);
        assert_eq!(sh("find /etc/netns | sort"), folder, "{made}");
        sh("umount /etc/netns/red 2>/dev/null || true; rm -r /etc/netns/red /run/folder");
    }
}

const DUAL: &str = r#"
name: lab
networks:
  lab0: { subnet: [10.44.0.0/24, "fd44::/64"], nat: true }
  lab1: { subnet: 10.45.0.0/24 }
nodes:
  red: { networks: [lab0], ports: ["8080:80", "0.0.0.0:8081:80", "[2001:db8:100::2]:8080:80", "[::]:8081:80"] }
"#;

/// One set at a time: what belongs together is in several of them.
fn each_set_that_somebody_empties_is_filled_again(host: &Sandbox) {
    fs::write(FILE, DUAL).unwrap();
    let untouched = Snapshot::take();
    let up = || host.netns_tool(&format!("up {FILE}")).succeeds();
    let down = || drop(host.netns_tool("down lab").succeeds());
    drop(up());
    let (as_asked, sets) = (Snapshot::take(), sets_in_use());
    assert_eq!(sets.len(), 10, "{sets:?}");
    for set in sets {
        sh(&format!("nft flush {set}"));
        drop(host.netns_tool("status lab").fails_with(9).says("table 'inet netns_tool' lacks"));
        drop(up());
        as_asked.assert_same(&Snapshot::take(), &format!("after the repair of '{set}'"));
        drop(up().says("as asked"));
        sh(&format!("nft flush {set}"));
        down();
        untouched.assert_same(&Snapshot::take(), &format!("after down, with '{set}' emptied"));
        drop(up());
    }
    down();
}

/// The sets and maps with something in them, as `nft flush` wants them named.
fn sets_in_use() -> Vec<String> {
    let table = sh("nft list table inet netns_tool");
    let blocks = table.split("\n\n").filter(|block| block.contains("elements = {"));
    let heads = blocks.filter_map(|block| {
        block.lines().filter_map(|line| line.trim().strip_suffix(" {")?.split_once(' ')).next_back()
    });
    heads.map(|(kind, name)| format!("{kind} inet netns_tool {name}")).collect()
}

/// A name with a dot, in both ways that `sysctl` knows.
const DOTTED: &str = "
name: lab
networks:
  lab0: { subnet: 10.44.0.0/24 }
nodes:
  red:
    networks: { lab0: { link: eth0.1 } }
    sysctls: { net.ipv4.conf.eth0/1.rp_filter: 2, net/ipv4/conf/eth0.1/log_martians: 1 }
";

fn settings_of_a_link_return_with_it(host: &Sandbox) {
    fs::write(FILE, DOTTED).unwrap();
    let settings = || {
        sh("cd /; ip netns exec red sh -c 'cd /proc/sys/net/ipv4/conf/eth0.1; cat rp_filter log_martians'")
            .replace('\n', " ")
    };
    for deed in [
        ":",
        "ip netns exec red sysctl -qw net.ipv4.conf.eth0/1.rp_filter=0",
        "ip link delete veth-red-eth0.1",
    ] {
        sh(deed);
        let as_asked = if deed == ":" { 4 } else { 9 };
        drop(host.netns_tool("status lab").fails_with(as_asked));
        drop(host.netns_tool(&format!("up {FILE}")).succeeds());
        assert_eq!(settings().trim(), "2 1", "after '{deed}'");
        drop(host.netns_tool("status lab").succeeds().says("as asked"));
    }
}

const TUNNEL: &str = "
name: lab
networks:
  lab0: { subnet: 10.44.0.0/24, mtu: 1400, remote: 192.0.2.77, vni: 7 }
nodes:
  red: { networks: [lab0] }
";

fn a_tunnel_stays_as_its_network_is(host: &Sandbox) {
    let up = |file: &str| {
        fs::write(FILE, file).unwrap();
        drop(host.netns_tool(&format!("up {FILE}")).succeeds());
    };
    let untouched = Snapshot::take();
    up(TUNNEL);
    let first = Snapshot::take();
    for (deed, named) in [
        ("nomaster", "vx1-lab0"),
        ("mtu 1300", "vx1-lab0"),
        ("address 02:00:00:00:00:0a", "vx1-lab0"),
        ("type bridge_slave isolated on", "link 'vx1-lab0' is isolated"),
        ("down", "link 'vx1-lab0' is down"),
    ] {
        sh(&format!("ip link set vx1-lab0 {deed}"));
        drop(host.netns_tool("status lab").fails_with(9).says(named));
        up(TUNNEL);
        first.assert_same(&Snapshot::take(), &format!("put right after '{deed}'"));
        drop(host.netns_tool("status lab").succeeds().says("as asked"));
    }
    let smaller = TUNNEL.replace("1400", "1300");
    up(&smaller);
    assert_eq!(sh("ip -o link show vx1-lab0 | grep -o 'mtu [0-9]*'").trim(), "mtu 1300");
    let edited = Snapshot::take();
    drop(host.netns_tool("down lab").succeeds());
    untouched.assert_same(&Snapshot::take(), "after down");
    up(&smaller);
    edited.assert_same(&Snapshot::take(), "an edit leads where a fresh start does");
}
