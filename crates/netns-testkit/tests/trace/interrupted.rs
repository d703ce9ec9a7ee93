//! A trace that is ended midway leaves nothing.

use std::{
    process::{Child, Command, ExitCode, Stdio},
    time::Duration,
};

use netns_engine::{diagnose::packet::Protocol, kernel::trace::trace};
use netns_testkit::{Missing, Program, Sandbox, Snapshot, eventually, program_exists, sh};
use rustix::process::{Pid, Signal, kill_process};

use crate::lab::{probe, receive, routed, stack};

/// Tells this program that it is the child of a trial, and how patient to be, in milliseconds.
const CHILD: &str = "TRACE_FOR_MILLISECONDS";

/// The trials of this file.
pub(crate) fn trials() -> Vec<libtest_mimic::Trial> {
    netns_testkit::trials!(bare:
        ctrl_c_in_the_middle_leaves_nothing,
        a_kill_in_the_middle_leaves_nothing,
        a_kill_anywhere_leaves_nothing,
    )
}

/// Traces for long, if this is a child.
pub(crate) fn run_as_child() -> Option<ExitCode> {
    let patience = Duration::from_millis(std::env::var(CHILD).ok()?.parse().unwrap());
    let traced =
        trace(&["red", "host", "blue"].map(stack), &probe("10.0.2.2", Protocol::Udp, Some(53)), patience);
    Some(if traced.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn ctrl_c_in_the_middle_leaves_nothing(host: &Sandbox) {
    end_midway(host, |child| kill_process(Pid::from_child(child), Signal::INT).unwrap());
}

fn a_kill_in_the_middle_leaves_nothing(host: &Sandbox) {
    end_midway(host, |child| kill_process(Pid::from_child(child), Signal::KILL).unwrap());
}

fn a_kill_anywhere_leaves_nothing(host: &Sandbox) -> Result<(), Missing> {
    if !program_exists("strace") {
        return Err(Missing("the program strace".to_owned()));
    }
    routed();
    let _server = receive(host);
    let before = Snapshot::take();
    let mut killed = 0;
    // Messages to the kernel, entering a stack, listening: each thread's calls are counted for themselves.
    for call in ["sendto", "clone3", "poll"] {
        for nth in 1.. {
            let ended = Program::new("strace")
                .words("-f -qq -o /dev/null")
                .arg(&format!("--trace={call}"))
                .arg(&format!("--inject={call}:signal=KILL:when={nth}"))
                .arg(&std::env::current_exe().unwrap().display().to_string())
                .env(CHILD, "1")
                .run();
            eventually("no table is left", no_table_is_left);
            if ended.code() == Some(0) {
                break;
            }
            killed += 1;
        }
    }
    assert!(killed > 8, "killed {killed} times");
    before.assert_same(&Snapshot::take(), "after all kills");
    Ok(())
}

fn no_table_is_left() -> bool {
    let places = ["", "ip netns exec red ", "ip netns exec blue "];
    places.iter().all(|place| !sh(&format!("{place}nft list tables")).contains("netns_tool"))
}

fn end_midway(host: &Sandbox, end: impl FnOnce(&Child)) {
    routed();
    // Takes the datagram and says nothing: the trace goes on until its patience is over.
    let server = receive(host);
    let before = Snapshot::take();
    let program = std::env::current_exe().unwrap();
    // Whoever runs the tests in the background, without job control, has them ignore SIGINT.
    let mut command = Command::new("env");
    command.arg("--default-signal=INT").arg(program).env(CHILD, "600000").stdin(Stdio::null());
    let mut child = command.spawn().unwrap();
    assert!(server.recv(&mut [0; 64]).unwrap() > 0, "the probe is on its way");
    for place in ["", "ip netns exec red ", "ip netns exec blue "] {
        assert!(sh(&format!("{place}nft list tables")).contains("netns_tool_trace"), "{place}");
    }
    end(&child);
    assert!(!child.wait().unwrap().success(), "it was ended");
    eventually("no table is left", no_table_is_left);
    before.assert_same(&Snapshot::take(), "after the end");
}
