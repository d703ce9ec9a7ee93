//! Many at once: what one does waits for what another does, and nothing is made twice or left behind.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{collections::BTreeMap, fs, process::ExitCode, thread};

use netns_testkit::{Ended, Sandbox, Snapshot, sh, trials};
use serde_json::Value;

fn main() -> ExitCode {
    netns_testkit::main(trials!(online: eight_at_once_leave_one_order_and_no_mess))
}

const CROWD: u64 = 8;
const ROUNDS: usize = 1000;

/// Four networks; the second has the same subnet as the first, and the third and fourth have the same node. Each
/// program sleeps for a time of its own, by which it is known.
const FILES: [(&str, &str); 4] = [
    (
        "one",
        "networks:\n  one0: { subnet: 10.51.0.0/24, nat: true }\nnodes:\n  a: { networks: [one0], ports: [\"8001:80\"], run: [sleep, \"7401\"] }\n",
    ),
    ("two", "networks:\n  two0: { subnet: 10.51.0.0/25 }\nnodes:\n  b: { networks: [two0] }\n"),
    (
        "three",
        "hosts: true\nnodes:\n  c: { run: [[sleep, \"7402\"], [sleep, \"7403\"]] }\n  d:\nlinks:\n  - { endpoints: [c, d], subnet: 10.53.0.0/30 }\n",
    ),
    (
        "four",
        "networks:\n  four0: { subnet: 10.54.0.0/24 }\nnodes:\n  d: { networks: [four0], ports: [\"8001:80\"] }\n",
    ),
];

/// What can be answered: done; not there; taken by another; held for a moment.
const ANSWERS: [i32; 4] = [0, 4, 5, 6];

fn eight_at_once_leave_one_order_and_no_mess(host: &Sandbox) {
    for (name, body) in FILES {
        fs::write(format!("/run/{name}.yaml"), format!("name: {name}\n{body}")).unwrap();
    }
    let untouched = Snapshot::take();
    let stay = netns_to_publish(host);
    let answers = thread::scope(|scope| {
        let crowd: Vec<_> =
            (1..=CROWD).map(|seed| scope.spawn(move || one_of_the_crowd(host, seed))).collect();
        crowd.into_iter().flat_map(|one| one.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(answers.len(), ROUNDS);
    let done = answers.iter().filter(|code| **code == 0).count();
    assert!((100..ROUNDS).contains(&done), "of {ROUNDS} changes {done} were made");
    nothing_is_there_twice();
    take_everything_down(host, &stay);
    untouched.assert_same(&Snapshot::take(), "after everything was taken down");
    assert_eq!(programs(), "", "programs still run");
}

/// The programs of all topologies, wherever they run.
fn programs() -> String {
    sh("ps -A -o args= | grep -x 'sleep 740[0-9]' || true")
}

/// Makes a netns to which ports can be published at any time, and returns what takes it away.
fn netns_to_publish(host: &Sandbox) -> [&'static str; 2] {
    for command in
        ["create web", "bridge web0 --address 10.55.0.1/24", "connect web web0 --address 10.55.0.2/24"]
    {
        drop(host.netns_tool(command).succeeds());
    }
    ["delete web", "bridge web0 --delete"]
}

/// Returns the answers to this one's share of the rounds.
fn one_of_the_crowd(host: &Sandbox, seed: u64) -> Vec<i32> {
    let mut dice = Dice(seed);
    let mut answers = Vec::new();
    for round in 0..ROUNDS / usize::try_from(CROWD).unwrap() {
        let command = dice.command();
        let ended = host.netns_tool(&command);
        let code = ended.code().filter(|code| ANSWERS.contains(code));
        answers.push(code.unwrap_or_else(|| panic!("seed {seed}, round {round}: {command}\n{ended:?}")));
        assert_whole(&ended, &command);
    }
    answers
}

/// A refused change says so, and leaves nothing behind.
fn assert_whole(ended: &Ended, command: &str) {
    assert!(!ended.stderr().contains("left behind"), "{command}: {}", ended.stderr());
}

/// Pseudo-random numbers, the same in every run (xorshift64*, Vigna 2016).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % sides
    }

    fn command(&mut self) -> String {
        let (file, _) = FILES[usize::try_from(self.roll(4)).unwrap()];
        let name = ["red", "green", "a", "d"][usize::try_from(self.roll(4)).unwrap()];
        let port = 8000 + self.roll(3);
        match self.roll(10) {
            0..3 => format!("up /run/{file}.yaml"),
            3 | 4 => format!("down {file}"),
            5 | 6 => format!("create {name}"),
            7 => format!("delete {name}"),
            8 => format!("publish {port}:web:80"),
            _ => format!("unpublish {port}:web:80"),
        }
    }
}

/// No address on two links of one place, no element twice in a set, no rule twice in a chain, no program twice.
fn nothing_is_there_twice() {
    for netns in sh("echo; ip netns list | cut -d' ' -f1").lines() {
        let place = if netns.is_empty() { String::new() } else { format!("-n {netns}") };
        let links: Value = serde_json::from_str(&sh(&format!("ip {place} -j address"))).unwrap();
        let addresses =
            links.as_array().unwrap().iter().flat_map(|link| link["addr_info"].as_array().unwrap());
        assert_no_duplicate(addresses.map(|address| address["local"].to_string()));
    }
    let ruleset: Value = serde_json::from_str(&sh("nft -j list ruleset")).unwrap();
    for object in ruleset["nftables"].as_array().unwrap() {
        for kind in ["set", "map"] {
            let elements = object[kind]["elem"].as_array();
            assert_no_duplicate(elements.into_iter().flatten().map(ToString::to_string));
        }
    }
    let rules = ruleset["nftables"].as_array().unwrap().iter().filter_map(|object| object.get("rule"));
    assert_no_duplicate(rules.map(|rule| format!("{} {} {}", rule["table"], rule["chain"], rule["expr"])));
    assert_no_duplicate(sh("iptables-save | grep '^-A' || true").lines().map(str::to_owned));
    assert_no_duplicate(programs().lines().map(str::to_owned));
}

fn assert_no_duplicate(facts: impl Iterator<Item = String>) {
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    facts.for_each(|fact| *count.entry(fact).or_default() += 1);
    let twice: Vec<_> = count.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "there twice: {twice:?}");
}

fn take_everything_down(host: &Sandbox, stay: &[&str]) {
    let may_be_gone = |command: &str| {
        let code = host.netns_tool(command).code();
        assert!(matches!(code, Some(0 | 4)), "{command}: {code:?}");
    };
    for (name, _) in FILES {
        may_be_gone(&format!("down {name}"));
    }
    for port in 8000..8003 {
        may_be_gone(&format!("unpublish {port}:web:80"));
    }
    for name in ["red", "green", "a", "d"] {
        may_be_gone(&format!("delete {name}"));
    }
    for command in stay {
        drop(host.netns_tool(command).succeeds());
    }
    drop(host.netns_tool("gc").succeeds());
}
