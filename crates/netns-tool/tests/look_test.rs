//! Looking around: what `list` and `show` say is what other programs say.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::BTreeSet,
    net::{TcpListener, UdpSocket},
    process::ExitCode,
};

use netns_testkit::{Program, Sandbox, Sleeper, sh, trials};
use serde_json::Value;

fn main() -> ExitCode {
    netns_testkit::main(trials!(bare:
        list_and_ip_netns_see_the_same_names,
        list_counts_who_is_inside,
        list_all_also_shows_netns_without_a_name,
        hostile_names_are_listed_harmlessly,
        nothing_to_list_is_no_error,
        show_has_the_addresses_and_routes_of_iproute2,
        show_names_the_other_end_of_a_cable,
        show_names_who_listens,
        show_counts_rules_by_chain,
        show_has_the_rules_of_iptables_and_of_the_own_table,
        show_lists_neighbours_that_were_asked_for,
        anyone_may_look_at_the_host,
        show_takes_the_path_of_a_namespace,
        show_refuses_what_is_no_netns,
    ))
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn strings<'a>(values: &'a Value, field: &str) -> BTreeSet<&'a str> {
    values.as_array().unwrap().iter().filter_map(|value| value[field].as_str()).collect()
}

fn list_and_ip_netns_see_the_same_names(host: &Sandbox) {
    host.netns_tool("create ours").succeeds();
    sh("ip netns add theirs; touch /run/netns/half");
    let listed = json(host.netns_tool("list --json").succeeds().stdout());
    assert_eq!(strings(&listed, "name"), BTreeSet::from(["half", "ours", "theirs"]));
    for netns in listed.as_array().unwrap() {
        let name = netns["name"].as_str().unwrap();
        assert_eq!(netns["state"] == "half-made", name == "half", "{netns}");
        assert_eq!(netns["ours"], name == "ours", "{netns}");
        if name != "half" {
            let inode = sh(&format!("stat --format=%i /run/netns/{name}"));
            assert_eq!(netns["inode"].to_string(), inode.trim());
        }
    }
}

fn list_counts_who_is_inside(host: &Sandbox) {
    host.netns_tool("create red").succeeds();
    let sleeper = Sleeper::inside("red");
    host.netns_tool("list").succeeds().says(&format!("1: {} sleep", sleeper.pid()));
}

fn list_all_also_shows_netns_without_a_name(host: &Sandbox) {
    host.netns_tool("create red").succeeds();
    sh("ip -n red address add 10.1.2.3/24 dev lo");
    let sleeper = Sleeper::inside("red");
    sh("ip netns delete red");
    assert!(!host.netns_tool("list").succeeds().stdout().contains("10.1.2.3"));
    let all = json(host.netns_tool("list --all --json").succeeds().stdout());
    let nameless = all.as_array().unwrap().iter().find(|netns| {
        let processes = netns["processes"].as_array().unwrap();
        processes.iter().any(|process| process["pid"] == sleeper.pid())
    });
    let nameless = nameless.unwrap_or_else(|| panic!("no such netns in {all}"));
    assert_eq!(nameless["name"], Value::Null);
    assert_eq!(nameless["addresses"][0], "10.1.2.3/24");
}

fn hostile_names_are_listed_harmlessly(host: &Sandbox) {
    sh("touch \"/run/netns/$(printf 'a\\nb\\033[31m')\"");
    let ended = host.netns_tool("list").succeeds().says("a\\nb\\u{1b}[31m");
    assert!(!ended.stdout().contains('\u{1b}'));
    let listed = json(host.netns_tool("list --json").succeeds().stdout());
    assert_eq!(listed[0]["name"], "a\nb\u{1b}[31m");
}

fn nothing_to_list_is_no_error(host: &Sandbox) {
    host.netns_tool("list").succeeds().says("netns-tool create NAME");
    assert_eq!(json(host.netns_tool("list --json").succeeds().stdout()), json("[]"));
}

fn show_has_the_addresses_and_routes_of_iproute2(host: &Sandbox) {
    host.netns_tool("create red").succeeds();
    host.netns_tool("bridge br0 --address 10.5.0.1/24").succeeds();
    host.netns_tool("connect red br0").succeeds();
    sh("ip -n red route add blackhole 10.66.0.0/16; ip -n red route add 10.7.0.0/24 via 10.5.0.1 table 42");
    let view = json(host.netns_tool("show red --json").succeeds().stdout());
    let links = json(&sh("ip -n red -json address show"));
    for (shown, told) in view["links"].as_array().unwrap().iter().zip(links.as_array().unwrap()) {
        assert_eq!(shown["name"], told["ifname"]);
        assert_eq!(shown["index"], told["ifindex"]);
        assert_eq!(shown["mtu_bytes"], told["mtu"]);
        let told: Vec<_> = told["addr_info"].as_array().unwrap().iter().map(address).collect();
        assert_eq!(shown["addresses"], Value::from(told));
    }
    let mut told = Vec::new();
    for question in ["table main", "table 42"] {
        told.push(json(&sh(&format!("ip -n red -json route show {question}"))));
    }
    let told: BTreeSet<_> = told.iter().flat_map(|routes| strings(routes, "dst")).collect();
    assert_eq!(strings(&view["routes"], "destination"), told);
    let shown = host.netns_tool("show red").succeeds();
    shown.says("default via 10.5.0.1 dev eth0").says("blackhole 10.66.0.0/16").says("table 42");
}

fn address(told: &Value) -> String {
    format!("{}/{}", told["local"].as_str().unwrap(), told["prefixlen"])
}

fn show_names_the_other_end_of_a_cable(host: &Sandbox) {
    host.netns_tool("create red").succeeds();
    host.netns_tool("create blue").succeeds();
    host.netns_tool("link red:lan0 blue:lan1").succeeds();
    host.netns_tool("veth veth-host red veth-ns").succeeds();
    let shown = host.netns_tool("show red").succeeds();
    shown.says("veth to lan1 in blue").says("veth to veth-host on the host");
    host.netns_tool("show").succeeds().says("veth to veth-ns in red");
}

fn show_names_who_listens(host: &Sandbox) {
    sh("ip link set lo up");
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let view = json(host.netns_tool("show --json").succeeds().stdout());
    for (transport, address) in [("tcp", tcp.local_addr().unwrap()), ("udp", udp.local_addr().unwrap())] {
        let socket = view["sockets"]
            .as_array()
            .unwrap()
            .iter()
            .find(|socket| socket["transport"] == transport && socket["local"] == address.to_string());
        let socket = socket.unwrap_or_else(|| panic!("no {transport} {address} in {}", view["sockets"]));
        assert_eq!(socket["programs"][0]["pid"], std::process::id());
    }
}

fn show_has_the_rules_of_iptables_and_of_the_own_table(host: &Sandbox) {
    host.netns_tool("bridge br0 --address 10.0.0.1/24").succeeds();
    host.netns_tool("create red").succeeds();
    host.netns_tool("connect red br0").succeeds();
    host.netns_tool("publish 8080:red:80").succeeds();
    sh("iptables -A FORWARD -s 192.0.2.7/32 -j DROP; ip6tables -A FORWARD -i br0 -j ACCEPT");
    let shown = host.netns_tool("show").succeeds();
    let shown = shown.says("iptables -t filter -A FORWARD -s 192.0.2.7/32 -j DROP");
    let shown = shown.says("ip6tables -t filter -A FORWARD -i br0 -j ACCEPT");
    shown.says("forward 127.0.0.1:8080/tcp to 10.0.0.2:80");
    sh("ip netns exec red iptables -A INPUT -p icmp -j DROP");
    host.netns_tool("show red").succeeds().says("iptables -t filter -A INPUT -p icmp -j DROP");
}

fn show_counts_rules_by_chain(host: &Sandbox) {
    host.netns_tool("create red").succeeds();
    host.netns_tool("show red").succeeds().says("Firewall: none");
    sh(
        "ip netns exec red nft 'table inet t { chain c { type filter hook input priority 0; policy drop; accept; drop; }; }'",
    );
    let shown = host.netns_tool("show red").succeeds().says("nftables table inet t");
    shown.says("c  2 rules  hook input  policy drop");
}

fn show_lists_neighbours_that_were_asked_for(host: &Sandbox) {
    host.netns_tool("create red").succeeds();
    host.netns_tool("bridge br0 --address 10.5.0.1/24").succeeds();
    host.netns_tool("connect red br0").succeeds();
    sh("ip netns exec red ping -c 1 -W 1 10.5.0.1");
    let mac = sh("cat /sys/class/net/br0/address");
    let view = json(host.netns_tool("show red --json").succeeds().stdout());
    assert_eq!(view["neighbours"][0]["address"], "10.5.0.1");
    assert_eq!(view["neighbours"][0]["mac"], mac.trim());
}

fn anyone_may_look_at_the_host(host: &Sandbox) {
    host.netns_tool("create red").succeeds();
    let as_anyone = |command: &str| {
        let tool = host.tool();
        Program::new("setpriv")
            .words("--bounding-set=-all --inh-caps=-all --ambient-caps=-all")
            .arg(&tool.path().display().to_string())
            .words(command)
            .run()
    };
    as_anyone("list").succeeds().says("red");
    as_anyone("show").succeeds().says("1: lo");
    as_anyone("show red").fails_with(3).complains("sudo");
}

fn show_takes_the_path_of_a_namespace(host: &Sandbox) {
    host.netns_tool("create red").succeeds();
    sh("ip -n red address add 10.1.2.3/24 dev lo");
    let sleeper = Sleeper::inside("red");
    host.netns_tool(&format!("show /proc/{}/ns/net", sleeper.pid())).succeeds().says("10.1.2.3/24");
}

fn show_refuses_what_is_no_netns(host: &Sandbox) {
    sh("touch /run/netns/half");
    host.netns_tool("show half").fails_with(5).complains("half-made").complains("netns-tool gc");
    host.netns_tool("show nothing").fails_with(4).complains("does not exist");
    host.netns_tool("show /proc/self/ns/mnt").fails_with(1).complains("not a network namespace");
}
