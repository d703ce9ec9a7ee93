//! Every file in `examples/`: up, up again, looked at, checked, drawn, and down without a trace.

use std::{
    fs,
    path::{Path, PathBuf},
};

use libtest_mimic::Trial;
use netns_testkit::{Missing, Sandbox, Snapshot, eventually, sh};
use serde_json::Value;

use super::changing_calls;

/// What other programs see of each example while it is up.
const WITNESSES: [(&str, &str); 13] = [
    ("bridge", "ip netns exec ns1 ping -c 1 -W 5 192.168.100.20"),
    ("direct-cable", "ip netns exec red ping -c 1 -W 5 blue"),
    ("dual-stack", "ip netns exec one ping -c 1 -W 5 fd66::20"),
    ("egress", "ip netns exec ns1 ping -c 1 -W 5 203.0.113.8"),
    (
        "internal",
        "ip netns exec app ping -c 1 -W 5 10.81.0.3; ! ip netns exec proxy ping -c 1 -W 1 10.81.0.3",
    ),
    (
        "macvlan",
        "ip -n db -d link show eth0 | grep 'macvlan mode bridge'; ip netns exec db ping -c 1 -W 5 198.51.100.1
        ! ip -n db -6 -o address show dev eth0 | grep .",
    ),
    ("netns", "ip netns exec ns1 ping -c 1 -W 5 127.0.0.1"),
    (
        "routers",
        "ip netns exec a ping -c 1 -W 5 \"$(ip -n b -4 -o address show eth0 | sed 's/.*inet //; s,/.*,,')\"",
    ),
    (
        "slow-link",
        "tc -n slow qdisc show dev eth0 | grep -i 10mbit; ip netns exec fast ping -c 1 -W 5 10.77.0.3",
    ),
    ("star", "curl -sS --max-time 5 -o /dev/null http://127.0.0.1:8080/; nft list ruleset | grep 172.30.0.2"),
    ("tree", "ip netns exec n1 ping -c 1 -W 5 10.88.0.5"),
    ("veth", "ping -c 1 -W 5 10.0.0.2"),
    ("vxlan", OTHER_HOST),
];

/// Another host with the same network, for a while.
const OTHER_HOST: &str = "
    ip netns add other
    ip link add to-other type veth peer name eth0 netns other
    ip address add 192.0.2.1/30 dev to-other
    ip link set to-other up
    ip -n other address add 192.0.2.2/30 dev eth0
    ip -n other link set eth0 up
    ip -n other link add vx0 mtu 1450 type vxlan id 42 remote 192.0.2.1 dstport 4789
    ip -n other address add 10.90.0.130/24 dev vx0
    ip -n other link set vx0 up
    ip netns exec other ping -c 1 -W 5 10.90.0.11
    ip link delete to-other
    ip netns delete other";

pub(crate) fn trials() -> Vec<Trial> {
    let trials = files().into_iter().map(|file| {
        let name = format!("example_{}", stem(&file).replace('-', "_"));
        netns_testkit::online(&name, move |host| brought_up_and_down(host, &file))
    });
    trials.collect()
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|e| e == "yaml")).collect();
    files.sort();
    files
}

fn stem(file: &Path) -> String {
    file.file_stem().unwrap().to_str().unwrap().to_owned()
}

fn brought_up_and_down(host: &Sandbox, file: &Path) -> Result<(), Missing> {
    changing_calls::require_strace()?;
    let path = file.canonicalize().unwrap().display().to_string();
    let untouched = Snapshot::take();
    drop(host.netns_tool(&format!("up {path}")).succeeds());
    let up = Snapshot::take();
    changes_nothing(host, &format!("up {path}"));
    up.assert_same(&Snapshot::take(), "after a second up");
    drop(host.netns_tool("status").succeeds());
    checks_hold(host, &path);
    sh(witness(&stem(file)));
    drawn_with_every_node(host, &path);
    drop(host.netns_tool(&format!("down {path}")).succeeds());
    untouched.assert_same(&Snapshot::take(), "after down");
    Ok(())
}

/// Insists that the tool only asks: no changing message, file, folder or mount.
fn changes_nothing(host: &Sandbox, command: &str) {
    let trace = changing_calls::trace(host, command);
    let changing: Vec<_> = trace.lines().filter(|line| changing_calls::changes_something(line)).collect();
    assert!(changing.is_empty(), "'{command}' changes something:\n{}", changing.join("\n"));
    assert!(changing_calls::points(&trace).is_empty());
}

fn witness(example: &str) -> &'static str {
    let found = WITNESSES.iter().find(|(name, _)| *name == example);
    found.unwrap_or_else(|| panic!("no other program looks at the example '{example}'")).1
}

/// A program of the topology may still be starting.
fn checks_hold(host: &Sandbox, path: &str) {
    eventually("all checks hold", || host.netns_tool(&format!("check {path}")).code() == Some(0));
    let told = host.netns_tool("check --json").succeeds();
    let told: Value = serde_json::from_str(told.stdout()).unwrap();
    let checks = told[0]["checks"].as_array().unwrap();
    assert_eq!(checks.len(), written_checks(path), "{told}");
}

fn written_checks(path: &str) -> usize {
    let text = fs::read_to_string(path).unwrap();
    let checks = text.split_once("\nchecks:\n").unwrap().1;
    checks.lines().filter(|line| line.starts_with("  - ")).count()
}

fn drawn_with_every_node(host: &Sandbox, path: &str) {
    let nodes = sh("ip netns list | cut -d' ' -f1");
    for format in ["text", "dot", "mermaid", "svg", "html"] {
        let picture = host.netns_tool(&format!("graph {path} --format {format}")).succeeds();
        for node in nodes.lines() {
            assert!(picture.stdout().contains(node), "{node} is not in the {format} picture");
        }
    }
}
