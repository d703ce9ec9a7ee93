//! `import`: what was made by hand is there again after `up` with its file on another host.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "import_test/facts.rs"]
mod facts;
#[path = "import_test/lessons.rs"]
mod lessons;

use std::{fs, process::ExitCode};

use netns_testkit::{Sandbox, Uplink, on_fresh_host, sh, trials};

fn main() -> ExitCode {
    let mut trials = trials!(online:
        what_no_file_can_say_stands_in_comments,
        a_default_route_that_is_missing_is_told,
        another_uplink_is_named,
        only_the_netns_that_are_named_are_written,
        a_netns_that_is_not_there_is_refused,
        json_is_a_topology_file_too,
        nothing_is_no_topology_of_anything,
        what_up_made_is_imported_as_it_was_asked_for,
    );
    trials.extend(trials!(hostless:
        a_netns_of_its_own_comes_back,
        a_cable_to_the_host_comes_back,
        a_cable_between_two_comes_back,
        a_switch_for_many_comes_back,
        the_way_out_comes_back,
        ports_come_back,
        two_routers_come_back,
        both_families_come_back,
        a_switch_without_the_host_comes_back,
        two_links_to_one_switch_come_back,
        what_was_set_by_hand_comes_back,
        a_switch_that_keeps_all_apart_comes_back,
        ports_that_are_kept_apart_come_back,
    ));
    netns_testkit::main(trials)
}

/// Builds a network by hand, imports it, and makes it anew from the file on a second host, where `probe`
/// runs, too; both must tell the same facts.
#[track_caller]
fn comes_back(build: &str, file: &str, probe: &str) {
    let first = on_fresh_host(Uplink::PretendInternet, |host| {
        sh(build);
        let yaml = host.netns_tool("import --name lab").succeeds().stdout().to_owned();
        sh(probe);
        (yaml, facts::all())
    });
    let (yaml, by_hand) = first.unwrap();
    let text: Vec<_> = yaml.lines().collect();
    let expected: Vec<_> =
        file.trim().lines().map(|line| line.strip_prefix("    ").unwrap_or(line)).collect();
    assert_eq!(text, expected, "\n{yaml}");
    let second = on_fresh_host(Uplink::PretendInternet, |host| {
        fs::write("/run/lab.yaml", &yaml).unwrap();
        let ended = host.netns_tool("up /run/lab.yaml").succeeds();
        assert_eq!(ended.stderr(), "", "the file is read without a warning");
        sh(probe);
        facts::all()
    });
    assert_eq!(second.unwrap(), by_hand, "\n{yaml}");
}

fn a_netns_of_its_own_comes_back() {
    comes_back(lessons::NETNS, "name: lab\nnodes:\n  ns1:", "ip -n ns1 link show lo | grep -q UP");
}

fn a_cable_to_the_host_comes_back() {
    let file = "
    name: lab
    nodes:
      ns1: { routes: [{ to: default, via: 10.0.0.1 }] }
    links:
      - { endpoints: [\"host:veth-host\", \"ns1:veth-ns\"], addresses: [10.0.0.1/24, 10.0.0.2/24] }";
    comes_back(lessons::CABLE_TO_HOST, file, "ip netns exec ns1 ping -c1 -W2 10.0.0.1");
}

fn a_cable_between_two_comes_back() {
    let file = "
    name: lab
    nodes:
      blue:
      red:
    links:
      - { endpoints: [\"blue:veth-blue\", \"red:veth-red\"], addresses: [192.168.15.2/24, 192.168.15.1/24] }";
    comes_back(lessons::CABLE, file, "ip netns exec red ping -c1 -W2 192.168.15.2");
}

/// A bridge's MTU is that of its smallest port.
fn a_switch_for_many_comes_back() {
    let file = "
    name: lab
    networks:
      br0: { subnet: 192.168.100.0/24, mtu: 1400 }
    nodes:
      ns1: { networks: { br0: { address: 192.168.100.11 } }, mtu: 1500 }
      ns2: { networks: { br0: { address: 192.168.100.12, link: lan } } }";
    comes_back(lessons::BRIDGE, file, "ip netns exec ns1 ping -c1 -W2 192.168.100.12");
}

/// The lesson's 192.168.100.1/16 is not the first address of its subnet.
fn the_way_out_comes_back() {
    let file = "
    name: lab
    networks:
      br0: { subnet: 192.168.0.0/16, gateway: 192.168.100.1, nat: true }
    nodes:
      ns1: { networks: { br0: { address: 192.168.100.2, link: veth-ns1 } }, nameservers: [203.0.113.8] }";
    comes_back(lessons::EGRESS, file, "ip netns exec ns1 ping -c1 -W2 203.0.113.8");
}

fn ports_come_back() {
    let file = "
    name: lab
    networks:
      br0: { subnet: 10.0.0.0/24, nat: true }
    nodes:
      testnet: { networks: { br0: { address: 10.0.0.2, link: veth1 } }, ports: [\"0.0.0.0:8080:80\"] }";
    comes_back(lessons::PORTS, file, "ip netns exec testnet ping -c1 -W2 203.0.113.8");
}

fn two_routers_come_back() {
    let file = "
    name: lab
    nodes:
      left: { routes: [{ to: default, via: 10.1.0.1 }] }
      r1: { routes: [{ to: 10.3.0.0/24, via: 10.2.0.2, metric: 50 }], forwarding: true }
      r2: { addresses: 10.9.9.9/32, routes: [{ to: 10.1.0.0/24, via: 10.2.0.1 }], forwarding: true }
      right: { routes: [{ to: default, via: 10.3.0.1 }] }
    links:
      - { endpoints: [left, r1], addresses: [10.1.0.2/24, 10.1.0.1/24] }
      - { endpoints: [r1, r2], addresses: [10.2.0.1/24, 10.2.0.2/24], mtu: 1400 }
      - { endpoints: [r2, right], addresses: [10.3.0.1/24, 10.3.0.2/24] }";
    comes_back(lessons::ROUTERS, file, "ip netns exec left ping -c1 -W2 10.3.0.2");
}

fn both_families_come_back() {
    let file = "
    name: lab
    networks:
      br6: { subnet: [10.66.0.0/24, \"fd66::/64\"], nat: true }
    nodes:
      one: { networks: { br6: { address: [10.66.0.2, \"fd66::2\"] } } }";
    comes_back(lessons::BOTH_FAMILIES, file, "ip netns exec one ping -c1 -W2 fd66::1");
}

fn a_switch_without_the_host_comes_back() {
    let file = "
    name: lab
    networks:
      sw0:
    nodes:
      a: { networks: { sw0: { address: 10.5.0.1/24 } } }
      b: { networks: { sw0: { address: 10.5.0.2/24 } } }";
    comes_back(lessons::SWITCH, file, "ip netns exec a ping -c1 -W2 10.5.0.2");
}

/// The second one needs an entry of its own.
fn two_links_to_one_switch_come_back() {
    let file = "
    name: lab
    networks:
      br0: { subnet: 10.0.0.0/24, nat: true }
    nodes:
      testnet: { networks: { br0: { address: 10.0.0.2, link: veth1 } }, ports: [\"0.0.0.0:8080:80\"] }
    links:
      - { endpoints: [br0, \"testnet:second\"], addresses: [[], 10.0.0.3/24] }";
    let build = format!("{}{}", lessons::PORTS, lessons::SECOND_LINK);
    comes_back(&build, file, "ip netns exec testnet ping -c1 -W2 203.0.113.8");
}

fn what_was_set_by_hand_comes_back() {
    let file = "
    name: lab
    networks:
      br0: { subnet: 10.0.0.0/24 }
    nodes:
      db: { networks: { br0: { address: 10.0.0.3 } }, hosts: true }
      web:
        networks: { br0: { address: 10.0.0.2, mac: \"02:00:00:00:00:11\", rate: 10mbit } }
        sysctls:
          net.ipv4.conf.eth0.log_martians: 1
          net.ipv4.tcp_syncookies: 2
          net.ipv6.conf.lo.hop_limit: 9";
    comes_back(lessons::BY_HAND, file, lessons::FOUND_AGAIN);
}

fn a_switch_that_keeps_all_apart_comes_back() {
    let file = "
    name: lab
    networks:
      br0: { subnet: 10.0.0.0/24, isolated: true }
    nodes:
      a: { networks: { br0: { address: 10.0.0.2 } } }
      b: { networks: { br0: { address: 10.0.0.3 } } }
      c: { networks: { br0: { address: 10.0.0.4 } } }";
    let build = format!("{}{}", lessons::KEPT_APART, "bridge link set dev p-c isolated on");
    comes_back(&build, file, "! ip netns exec a ping -c1 -W1 10.0.0.4");
}

fn ports_that_are_kept_apart_come_back() {
    let file = "
    name: lab
    networks:
      br0: { subnet: 10.0.0.0/24 }
    nodes:
      a: { networks: { br0: { address: 10.0.0.2, isolated: true } } }
      b: { networks: { br0: { address: 10.0.0.3, isolated: true } } }
      c: { networks: { br0: { address: 10.0.0.4 } } }";
    comes_back(lessons::KEPT_APART, file, "ip netns exec a ping -c1 -W2 10.0.0.4");
}

fn what_no_file_can_say_stands_in_comments(host: &Sandbox) {
    sh(lessons::ODD);
    let said = host.netns_tool("import").succeeds();
    let comments: Vec<_> =
        said.stdout().lines().filter_map(|line| line.strip_prefix("# not expressed: ")).collect();
    for about in [
        "link 'tap' of netns 'odd'",
        "address '10.0.0.253/24' of bridge 'br0'",
        "link 'loop0' of netns 'odd'",
        "route 'blackhole 10.99.0.0/16' of netns 'odd'",
        "route '10.98.0.0/16 via 10.0.0.254 dev eth0 table 100' of netns 'odd'",
        "link 'eth1' of the host is a port of 'br0'",
        "rule 'iptables -t filter -A FORWARD -s 10.0.0.0/24 -j DROP'",
        "rule 'iptables -t nat -A POSTROUTING -s 10.0.0.0/24 -p tcp -j MASQUERADE'",
        "'options ndots:2' in resolv.conf of netns 'odd'",
        "nftables table 'inet own' with 1 rule of netns 'odd'",
        "nftables table 'ip closed' with 0 rules, and policy drop of chain 'in' of netns 'odd'",
        "routing policy rule '100: from 10.0.0.3/32 prohibit' of netns 'odd'",
        "routing policy rule '101: not from all fwmark 0x1/0xff iif eth0 lookup 100' of netns 'odd'",
        "routing policy rule '102: from all to fd00::/64 blackhole' of netns 'odd'",
        "routing policy rule '103: from 10.0.0.0/24 lookup 100' of the host",
        "netns 'a b'",
        "port 'p1' of the host is isolated",
        "queueing discipline 'pfifo' of link 'p0' of the host",
        "limit 'rate 1000000bit' of link 'eth0' of netns 'odd': a cable has",
        "MAC address '02:00:00:00:00:22' of link 'br0' of the host",
        "'192.0.2.9 db.example' in the hosts file of netns 'odd'",
    ] {
        assert!(comments.iter().any(|comment| comment.starts_with(about)), "{about}\n{}", said.stdout());
    }
    let policy = comments.iter().filter(|comment| comment.starts_with("routing policy rule"));
    assert_eq!(policy.count(), 4, "neither what every netns has nor what concerns nothing written");
    assert!(said.stdout().contains("  odd: { networks: { br0: { address: 10.0.0.2"), "{}", said.stdout());
    plans(host, said.stdout());
}

fn a_default_route_that_is_missing_is_told(host: &Sandbox) {
    sh(lessons::BRIDGE);
    sh("ip -n ns1 route delete default");
    let note = "# not expressed: netns 'ns1' has no IPv4 default route; 'up' gives it one";
    let _told = host.netns_tool("import").succeeds().says(note);
}

fn another_uplink_is_named(host: &Sandbox) {
    sh("ip link add lan0 type veth peer name lan1");
    sh(&lessons::PORTS.replace("-o eth0", "-o lan0"));
    let _named = host.netns_tool("import").succeeds().says("nat: { uplink: lan0 }");
}

fn only_the_netns_that_are_named_are_written(host: &Sandbox) {
    sh(lessons::CABLE);
    let said = host.netns_tool("import red").succeeds();
    assert!(!said.stdout().contains("blue:"), "{}", said.stdout());
    let _told =
        said.says("# not expressed: link 'veth-red' of netns 'red': its other end is in a netns that is not");
}

fn a_netns_that_is_not_there_is_refused(host: &Sandbox) {
    let _refused = host.netns_tool("import nobody").fails_with(4).complains("netns 'nobody' does not exist");
}

fn json_is_a_topology_file_too(host: &Sandbox) {
    sh(lessons::BRIDGE);
    let said = host.netns_tool("import --json").succeeds();
    let document: serde_json::Value = serde_json::from_str(said.stdout()).unwrap();
    assert_eq!(document["nodes"]["ns2"]["networks"]["br0"]["address"], "192.168.100.12");
    plans(host, said.stdout());
    sh("ip -n ns1 route delete default");
    let _told =
        host.netns_tool("import --json").succeeds().complains("netns 'ns1' has no IPv4 default route");
    let _written = host.netns_tool("import -o /run/written.yaml").succeeds();
    let written = fs::read_to_string("/run/written.yaml").unwrap();
    assert_eq!(written, host.netns_tool("import").succeeds().stdout());
}

fn nothing_is_no_topology_of_anything(host: &Sandbox) {
    assert_eq!(host.netns_tool("import").succeeds().stdout(), "name: imported\n");
}

fn what_up_made_is_imported_as_it_was_asked_for(host: &Sandbox) {
    let file = "name: lab\nnetworks:\n  br0: { subnet: 10.7.0.0/24, nat: true }\nnodes:\n  \
                ns1: { networks: { br0: { address: 10.7.0.2 } }, ports: [\"8080:80\"] }\n  \
                ns2: { networks: { br0: { address: 10.7.0.3 } } }\n";
    fs::write("/run/lab.yaml", file).unwrap();
    let _up = host.netns_tool("up /run/lab.yaml").succeeds();
    assert_eq!(host.netns_tool("import --name lab").succeeds().stdout(), file);
}

/// Insists that the text is a topology file, without a warning.
#[track_caller]
fn plans(host: &Sandbox, text: &str) {
    fs::write("/run/read.yaml", text).unwrap();
    let ended = host.netns_tool("graph /run/read.yaml").succeeds();
    assert_eq!(ended.stderr(), "");
}
