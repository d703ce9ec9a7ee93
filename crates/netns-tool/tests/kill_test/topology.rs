//! `kill -9` at every changing call of `up`, of an edit, and of `down`.

use std::fs;

use netns_testkit::{Missing, Sandbox, Snapshot};

use super::{changing_calls, killed_at, require_strace};

const FILE: &str = "/run/lab.yaml";

const UP: &str = "up /run/lab.yaml";

/// One of everything: a way out, a published port, a cable between nodes, names for one another.
const LAB: &str = r#"
name: lab
hosts: true
networks:
  lab0: { subnet: 10.44.0.0/24, nat: true }
nodes:
  red: { networks: [lab0], ports: ["8080:80"], nameservers: [203.0.113.8] }
  blue: { networks: [lab0] }
links:
  - { endpoints: [red, blue], subnet: 10.45.0.0/30 }
"#;

/// Another node comes and one goes, the port leads elsewhere, the cable has other addresses.
const EDITED: &str = r#"
name: lab
hosts: true
networks:
  lab0: { subnet: 10.44.0.0/24, nat: true }
nodes:
  red: { networks: [lab0], ports: ["8081:80"] }
  green: { networks: [lab0], nameservers: [203.0.113.8] }
links:
  - { endpoints: [red, green], subnet: 10.46.0.0/30 }
"#;

/// How often, counted in kills, all is done once more without one.
const EVERY: usize = 5;

pub(crate) fn up_killed_anywhere(host: &Sandbox) -> Result<(), Missing> {
    require_strace()?;
    let (untouched, lab) = states(host);
    sweep(host, UP, |kills, what| {
        drop(host.netns_tool("gc").succeeds());
        if Snapshot::take() == lab {
            drop(host.netns_tool("down lab").succeeds());
        }
        untouched.assert_same(&Snapshot::take(), what);
        if kills % EVERY == 0 {
            up(host, LAB);
            lab.assert_same(&Snapshot::take(), &format!("{what}, after another up"));
            drop(host.netns_tool("down lab").succeeds());
        }
    });
    Ok(())
}

pub(crate) fn down_killed_anywhere(host: &Sandbox) -> Result<(), Missing> {
    require_strace()?;
    let (untouched, lab) = states(host);
    up(host, LAB);
    sweep(host, "down lab", |_, what| {
        drop(host.netns_tool("gc").succeeds());
        let left = Snapshot::take();
        assert_one_of([&lab, &untouched], &left, what);
        if left != lab {
            up(host, LAB);
            lab.assert_same(&Snapshot::take(), &format!("{what}, after another up"));
        }
    });
    drop(host.netns_tool("down lab").succeeds());
    untouched.assert_same(&Snapshot::take(), "after the last down");
    Ok(())
}

pub(crate) fn edit_killed_anywhere(host: &Sandbox) -> Result<(), Missing> {
    require_strace()?;
    let (untouched, lab) = states(host);
    up(host, EDITED);
    let edited = Snapshot::take();
    up(host, LAB);
    lab.assert_same(&Snapshot::take(), "after the edit was taken back");
    fs::write(FILE, EDITED).unwrap();
    sweep(host, UP, |kills, what| {
        drop(host.netns_tool("gc").succeeds());
        let left = Snapshot::take();
        assert_one_of([&lab, &edited], &left, what);
        if left != lab || kills % EVERY == 0 {
            up(host, LAB);
            lab.assert_same(&Snapshot::take(), &format!("{what}, after the edit was taken back"));
        }
        fs::write(FILE, EDITED).unwrap();
    });
    drop(host.netns_tool("down lab").succeeds());
    untouched.assert_same(&Snapshot::take(), "after down");
    Ok(())
}

/// Insists on one of two states; if it is neither, tells what it lacks to the nearer one.
fn assert_one_of(states: [&Snapshot; 2], left: &Snapshot, what: &str) {
    let nearer = states.into_iter().min_by_key(|state| state.difference(left).lines().len());
    nearer.unwrap().assert_same(left, what);
}

/// The host without and with the topology; it is left without.
fn states(host: &Sandbox) -> (Snapshot, Snapshot) {
    let untouched = Snapshot::take();
    up(host, LAB);
    let lab = Snapshot::take();
    drop(host.netns_tool("down lab").succeeds());
    untouched.assert_same(&Snapshot::take(), "after down");
    (untouched, lab)
}

fn up(host: &Sandbox, file: &str) {
    fs::write(FILE, file).unwrap();
    drop(host.netns_tool(UP).succeeds());
}

/// Kills `command` at each of its changing calls, and has `settle` bring the host back to where the
/// command can begin, given how often it was killed and where.
#[expect(clippy::print_stderr, reason = "the count is what the sweep shows")]
fn sweep(host: &Sandbox, command: &str, settle: impl Fn(usize, &str)) {
    let trace = changing_calls::trace(host, command);
    settle(1, "after a whole run");
    let points = changing_calls::points(&trace);
    let mut kills = 0;
    for (call, nth) in &points {
        let killed = killed_at(host, call, *nth, command).code() != Some(0);
        kills += usize::from(killed);
        settle(kills, &format!("after a kill at {call} number {nth}"));
    }
    // Some calls are made only by the first of all runs; what comes after them is then counted otherwise.
    assert!(kills + 5 >= points.len(), "{kills} kills at {} places", points.len());
    assert!(kills > 40, "'{command}' was killed {kills} times only");
    eprintln!("'{command}' was killed at {kills} changing calls");
}
