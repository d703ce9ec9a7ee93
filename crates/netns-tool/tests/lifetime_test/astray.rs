//! Programs whose node lost its name, by `ip`: `/proc` tells who still runs.

use std::fs;

use libtest_mimic::Trial;
use netns_testkit::{Sandbox, Snapshot, eventually_some, sh, trials};

const FILE: &str = "/run/lab.yaml";

pub(crate) fn trials() -> Vec<Trial> {
    trials!(bare:
        a_program_whose_netns_was_deleted_is_ended_before_it_starts_again,
        a_program_whose_netns_was_deleted_is_ended_by_down,
        a_program_whose_netns_was_deleted_is_ended_by_gc,
        a_program_without_an_environment_is_found_as_well,
        a_program_of_another_host_is_left_alone,
        what_a_program_sent_elsewhere_stays_as_long_as_the_program,
    )
}

/// Brings up a node `web` that runs `command`, and tells the number of its process.
fn up(host: &Sandbox, command: &str) -> String {
    fs::write(FILE, format!("name: lab\nnodes:\n  web:\n    run: {command}\n")).expect("/run is writable");
    host.netns_tool("up /run/lab.yaml").succeeds();
    sleeper_in("web")
}

fn sleeper_in(netns: &str) -> String {
    eventually_some("it sleeps", || {
        let pids = sh(&format!("ip netns pids {netns}"));
        let sleeps =
            |pid: &&str| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "sleep\n");
        pids.lines().find(sleeps).map(str::to_owned)
    })
}

/// Of a process that waits to be buried, the command line is empty.
fn runs(pid: &str) -> bool {
    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
}

fn a_program_whose_netns_was_deleted_is_ended_before_it_starts_again(host: &Sandbox) {
    let untouched = Snapshot::take();
    let first = up(host, "[sleep, '1000']");
    sh("ip netns delete web");
    let lost = host.netns_tool("status lab").fails_with(9);
    drop(lost.says("netns 'web' is missing").says("program 1 of netns 'web' runs elsewhere"));
    let second = up(host, "[sleep, '1000']");
    assert!(!runs(&first) && runs(&second), "one is enough");
    drop(host.netns_tool("up /run/lab.yaml").succeeds().says("already"));
    drop(host.netns_tool("status lab").succeeds());
    host.netns_tool("down lab").succeeds();
    assert!(!runs(&second));
    untouched.assert_same(&Snapshot::take(), "after down");
}

fn a_program_whose_netns_was_deleted_is_ended_by_down(host: &Sandbox) {
    let untouched = Snapshot::take();
    let pid = up(host, "[sleep, '1000']");
    sh("ip netns delete web");
    host.netns_tool("down lab").succeeds();
    assert!(!runs(&pid));
    untouched.assert_same(&Snapshot::take(), "after down");
}

fn a_program_whose_netns_was_deleted_is_ended_by_gc(host: &Sandbox) {
    let pid = up(host, "[sleep, '1000']");
    drop(host.netns_tool("gc").succeeds().says("Nothing was left over"));
    sh("ip netns delete web");
    drop(host.netns_tool("gc").succeeds().says("end what of program 1 of netns 'web' runs elsewhere"));
    assert!(!runs(&pid));
    host.netns_tool("down lab").succeeds();
}

fn a_program_without_an_environment_is_found_as_well(host: &Sandbox) {
    let pid = up(host, "exec env -i /bin/sleep 1000");
    sh("ip netns delete web");
    host.netns_tool("down lab").succeeds();
    assert!(!runs(&pid));
}

/// Its netns, its programs, and what they are called by are those of this host to the letter; `/run` is not.
fn a_program_of_another_host_is_left_alone(host: &Sandbox) {
    let ours = up(host, "[sleep, '1000']");
    let (tool, file) = (host.tool(), sh("cat /run/lab.yaml"));
    let script = format!(
        "mount -t tmpfs tmpfs /run; echo \"$1\" > /run/lab.yaml; {} up /run/lab.yaml >&2; ip netns pids web",
        tool.path().display()
    );
    let theirs = sh(&format!("unshare --mount --net sh -euc '{script}' sh \"{file}\""));
    let theirs = theirs.trim();
    sh("ip netns delete web");
    host.netns_tool("down lab").succeeds();
    host.netns_tool("gc").succeeds();
    assert!(!runs(&ours));
    assert!(runs(theirs), "process {theirs} is called the same, and no less somebody else's");
    sh(&format!("kill {theirs}"));
}

fn what_a_program_sent_elsewhere_stays_as_long_as_the_program(host: &Sandbox) {
    let untouched = Snapshot::take();
    let file = "name: lab\nnodes:\n  web: { run: 'ip netns exec db sleep 1000; true' }\n  db: {}\n";
    fs::write(FILE, file).expect("/run is writable");
    host.netns_tool("up /run/lab.yaml").succeeds();
    let sent = sleeper_in("db");
    drop(host.netns_tool("up /run/lab.yaml").succeeds().says("already"));
    assert!(runs(&sent));
    host.netns_tool("down lab").succeeds();
    assert!(!runs(&sent));
    untouched.assert_same(&Snapshot::take(), "after down");
}
