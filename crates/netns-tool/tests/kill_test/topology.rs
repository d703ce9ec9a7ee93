//! `kill -9` at every changing call of `up`, of an edit, and of `down`.

use std::fs;

use netns_testkit::{Missing, Sandbox, Snapshot, sh};

use super::{
    changing_calls::{self, WITHOUT_PROGRAMS},
    killed_at, require_strace,
};

const FILE: &str = "/run/lab.yaml";

const UP: &str = "up /run/lab.yaml";

/// One of everything: a way out, a published port, a cable between nodes, names for one another, a program.
/// Trials share a process table where theirs is not their own, so `TRIAL` becomes a number of each.
const LAB: &str = r#"
name: lab
hosts: true
networks:
  lab0: { subnet: 10.44.0.0/24, nat: true }
nodes:
  red: { networks: [lab0], ports: ["8080:80"], nameservers: [203.0.113.8], run: [sleep, "TRIAL01"] }
  blue: { networks: [lab0] }
links:
  - { endpoints: [red, blue], subnet: 10.45.0.0/30 }
"#;

/// Another node comes and one goes, with a program each, the port leads elsewhere, the cable has other addresses.
const EDITED: &str = r#"
name: lab
hosts: true
networks:
  lab0: { subnet: 10.44.0.0/24, nat: true }
nodes:
  red: { networks: [lab0], ports: ["8081:80"], run: [sleep, "TRIAL02"] }
  green: { networks: [lab0], nameservers: [203.0.113.8], run: [[sleep, "TRIAL03"], [sleep, "TRIAL04"]] }
links:
  - { endpoints: [red, green], subnet: 10.46.0.0/30 }
"#;

/// How often, counted in kills, all is done once more without one.
const EVERY: usize = 5;

pub(crate) fn up_killed_anywhere(host: &Sandbox) -> Result<(), Missing> {
    require_strace()?;
    let trial = Trial { host, number: 71 };
    let (untouched, lab) = trial.states();
    trial.sweep(UP, |kills, what| {
        trial.run("gc");
        if trial.state() == lab {
            trial.run("down lab");
        }
        untouched.assert_same(&trial.state(), what);
        if kills % EVERY == 0 {
            trial.up(LAB);
            lab.assert_same(&trial.state(), &format!("{what}, after another up"));
            trial.run("down lab");
        }
    });
    Ok(())
}

pub(crate) fn down_killed_anywhere(host: &Sandbox) -> Result<(), Missing> {
    require_strace()?;
    let trial = Trial { host, number: 72 };
    let (untouched, lab) = trial.states();
    trial.up(LAB);
    trial.sweep("down lab", |_, what| {
        trial.run("gc");
        let left = trial.state();
        assert_one_of([&lab, &untouched], &left, what);
        if left != lab {
            trial.up(LAB);
            lab.assert_same(&trial.state(), &format!("{what}, after another up"));
        }
    });
    trial.run("down lab");
    untouched.assert_same(&trial.state(), "after the last down");
    Ok(())
}

pub(crate) fn edit_killed_anywhere(host: &Sandbox) -> Result<(), Missing> {
    require_strace()?;
    let trial = Trial { host, number: 73 };
    let (untouched, lab) = trial.states();
    trial.up(EDITED);
    let edited = trial.state();
    trial.up(LAB);
    lab.assert_same(&trial.state(), "after the edit was taken back");
    trial.write(EDITED);
    trial.sweep(UP, |kills, what| {
        trial.run("gc");
        let left = trial.state();
        assert_one_of([&lab, &edited], &left, what);
        if left != lab || kills % EVERY == 0 {
            trial.up(LAB);
            lab.assert_same(&trial.state(), &format!("{what}, after the edit was taken back"));
        }
        trial.write(EDITED);
    });
    trial.run("down lab");
    untouched.assert_same(&trial.state(), "after down");
    Ok(())
}

/// Insists on one of two states; if it is neither, tells what it lacks to the nearer one.
fn assert_one_of(states: [&State; 2], left: &State, what: &str) {
    let nearer = states.into_iter().min_by_key(|state| state.host.difference(&left.host).lines().len());
    if !states.contains(&left) {
        nearer.unwrap().assert_same(left, what);
    }
}

/// The host, and the programs of the topology wherever they run.
#[derive(Eq, PartialEq)]
struct State {
    host: Snapshot,
    programs: String,
}

impl State {
    #[track_caller]
    fn assert_same(&self, later: &Self, what: &str) {
        self.host.assert_same(&later.host, what);
        assert_eq!(self.programs, later.programs, "the programs {what}");
    }
}

/// A host to kill the tool on.
struct Trial<'a> {
    host: &'a Sandbox,
    number: u32,
}

impl Trial<'_> {
    /// The host without and with the topology; it is left without.
    fn states(&self) -> (State, State) {
        let untouched = self.state();
        self.up(LAB);
        let lab = self.state();
        assert_eq!(lab.programs, format!("sleep {}01\n", self.number));
        self.run("down lab");
        untouched.assert_same(&self.state(), "after down");
        (untouched, lab)
    }

    fn state(&self) -> State {
        let programs = format!("ps -A -o args= | grep -x 'sleep {}[0-9]*' | sort", self.number);
        State { host: Snapshot::take(), programs: sh(&format!("{programs}; true")) }
    }

    fn write(&self, file: &str) {
        fs::write(FILE, file.replace("TRIAL", &self.number.to_string())).unwrap();
    }

    fn up(&self, file: &str) {
        self.write(file);
        self.run(UP);
    }

    fn run(&self, command: &str) {
        drop(self.host.netns_tool(command).succeeds());
    }

    /// Kills `command` at each of its changing calls, and has `settle` bring the host back to where the
    /// command can begin, given how often it was killed and where.
    #[expect(clippy::print_stderr, reason = "the count is what the sweep shows")]
    fn sweep(&self, command: &str, settle: impl Fn(usize, &str)) {
        let trace = changing_calls::trace(self.host, command);
        settle(1, "after a whole run");
        let points = changing_calls::points(&trace);
        let mut kills = 0;
        for (call, nth) in &points {
            let ended = killed_at(self.host, WITHOUT_PROGRAMS, (call, *nth), command);
            kills += usize::from(ended.code() != Some(0));
            settle(kills, &format!("after a kill at {call} number {nth}"));
        }
        // Some calls are made only by the first of all runs; what comes after them is then counted otherwise.
        assert!(kills + 5 >= points.len(), "{kills} kills at {} places", points.len());
        assert!(kills > 40, "'{command}' was killed {kills} times only");
        eprintln!("'{command}' was killed at {kills} changing calls");
    }
}
