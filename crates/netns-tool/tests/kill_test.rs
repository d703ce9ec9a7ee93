//! `kill -9` at any system call that changes something: what is left behind, `gc` takes away.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{fs, process::ExitCode};

use netns_testkit::{Ended, Missing, Program, Sandbox, Snapshot, sh, trials};

#[path = "kill_test/changing_calls.rs"]
mod changing_calls;
#[path = "kill_test/topology.rs"]
mod topology;

use changing_calls::require_strace;
use topology::{down_killed_anywhere, edit_killed_anywhere, up_killed_anywhere};

fn main() -> ExitCode {
    netns_testkit::main(trials!(online:
        create_killed_anywhere,
        bridge_killed_anywhere,
        connect_killed_anywhere,
        nat_by_iptables_killed_anywhere,
        nat_by_nftables_killed_anywhere,
        publish_killed_anywhere,
        delete_killed_anywhere,
        what_a_refused_step_ran_into_is_left_alone,
        up_killed_anywhere,
        edit_killed_anywhere,
        down_killed_anywhere,
    ))
}

/// The system calls through which the tool changes anything outside its own memory. A file is made by
/// `openat` and never empty for long: what follows it is `write`, `mount` or `rename`.
const CHANGING: [&str; 8] = ["sendto", "write", "mount", "umount2", "unlink", "rename", "mkdir", "unshare"];

/// More calls of one kind than any command makes.
const MOST_CALLS: usize = 400;

fn create_killed_anywhere(host: &Sandbox) -> Result<(), Missing> {
    sweep(host, "", "create red")
}

fn bridge_killed_anywhere(host: &Sandbox) -> Result<(), Missing> {
    sweep(host, "", "bridge br0 --address 10.0.0.1/24")
}

fn connect_killed_anywhere(host: &Sandbox) -> Result<(), Missing> {
    sweep(host, "create red; bridge br0 --address 10.0.0.1/24", "connect red br0")
}

fn nat_by_iptables_killed_anywhere(host: &Sandbox) -> Result<(), Missing> {
    sweep(host, "bridge br0 --address 10.0.0.1/24", "nat br0 --firewall iptables")
}

fn nat_by_nftables_killed_anywhere(host: &Sandbox) -> Result<(), Missing> {
    sweep(host, "bridge br0 --address 10.0.0.1/24", "nat br0 --firewall nftables")
}

fn publish_killed_anywhere(host: &Sandbox) -> Result<(), Missing> {
    sweep(host, "create red; bridge br0 --address 10.0.0.1/24; connect red br0", "publish 8080:red:80")
}

fn delete_killed_anywhere(host: &Sandbox) -> Result<(), Missing> {
    require_strace()?;
    for call in CHANGING {
        for nth in 1..MOST_CALLS {
            prepare(host, "create red; bridge br0 --address 10.0.0.1/24; connect red br0");
            let ended = killed_at(host, WITH_CHILDREN, (call, nth), "delete red");
            drop(host.netns_tool("gc").succeeds());
            // Deleting cannot always be taken back, but it can be finished.
            if sh("ip netns list").contains("red") {
                drop(host.netns_tool("delete red").succeeds());
            }
            assert!(!sh("ip -br link").contains("veth"), "a cable is left after {call} number {nth}");
            drop(host.netns_tool("bridge br0 --delete").succeeds());
            if ended.code() == Some(0) {
                break;
            }
        }
    }
    Ok(())
}

/// Kills `command` at every changing system call in turn. Each time, with `gc` run, nothing of it
/// is left; but for a kill so late that all of it is there.
fn sweep(host: &Sandbox, before: &str, command: &str) -> Result<(), Missing> {
    require_strace()?;
    prepare(host, before);
    // One whole run, taken back, so that folders made once and for all are there from the start.
    drop(host.netns_tool(command).succeeds());
    let done = Snapshot::take().without_random_macs().without_notes();
    take_back(host, command);
    let untouched = Snapshot::take();
    for call in CHANGING {
        for nth in 1..MOST_CALLS {
            let ended = killed_at(host, WITH_CHILDREN, (call, nth), command);
            drop(host.netns_tool("gc").succeeds());
            if ended.code() == Some(0) || Snapshot::take().without_random_macs().without_notes() == done {
                take_back(host, command);
            }
            untouched.assert_same(&Snapshot::take(), &format!("after a kill at {call} number {nth}"));
            if ended.code() == Some(0) {
                break;
            }
        }
    }
    Ok(())
}

/// A netns could not be made, and the process is killed while it takes the first one back: at the second unmount,
/// as the refused step makes one of its own. Somebody else's of that name was what stood in the way; here it comes a
/// moment later.
fn what_a_refused_step_ran_into_is_left_alone(host: &Sandbox) -> Result<(), Missing> {
    require_strace()?;
    fs::write("/run/two.yaml", "name: two\nnodes: { a: , b: }\n").unwrap();
    // The first run of all mounts more.
    prepare(host, "create a;delete a");
    let untouched = Snapshot::take();
    let ended = Program::new("strace")
        .words("-f -qq -o /dev/null --trace=mount,umount2")
        .words("--inject=mount:error=EEXIST:when=3 --inject=umount2:signal=KILL:when=2")
        .arg(&host.tool().path().display().to_string())
        .words("up /run/two.yaml")
        .run();
    assert_eq!(ended.code(), None, "killed, with the first netns there: {}", sh("ip netns list"));
    assert_eq!(sh("ip netns list").trim(), "a");
    sh("ip netns add b");
    drop(host.netns_tool("gc").succeeds());
    assert_eq!(sh("ip netns list").trim(), "b");
    sh("ip netns delete b");
    untouched.assert_same(&Snapshot::take(), "after it went, too");
    Ok(())
}

fn prepare(host: &Sandbox, commands: &str) {
    for command in commands.split(';').filter(|command| !command.is_empty()) {
        drop(host.netns_tool(command).succeeds());
    }
}

/// What undoes a command that got through.
fn take_back(host: &Sandbox, command: &str) {
    let words: Vec<_> = command.split_whitespace().collect();
    match words.as_slice() {
        ["create", name] => drop(host.netns_tool(&format!("delete {name}")).succeeds()),
        ["bridge" | "nat", name, ..] => {
            drop(host.netns_tool(&format!("{} {name} --delete", words[0])).succeeds());
        }
        ["connect", netns, ..] => drop(sh(&format!("ip -n {netns} link delete eth0"))),
        ["publish", published] => drop(host.netns_tool(&format!("unpublish {published}")).succeeds()),
        other => panic!("nobody knows how to take back {other:?}"),
    }
}

/// The programs that the tool starts are killed, too.
const WITH_CHILDREN: &str = "-f";

fn killed_at(host: &Sandbox, whom: &str, (call, nth): (&str, usize), command: &str) -> Ended {
    let tool = host.tool().path().display().to_string();
    Program::new("strace")
        .words(whom)
        .words("-qq -o /dev/null")
        .arg(&format!("--trace={call}"))
        .arg(&format!("--inject={call}:signal=KILL:when={nth}"))
        .arg(&tool)
        .words(command)
        .run()
}
