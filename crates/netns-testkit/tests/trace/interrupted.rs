//! A trace that is ended midway leaves nothing.

use std::{
    process::{Child, Command, ExitCode, Stdio},
    time::Duration,
};

use netns_engine::{diagnose::packet::Protocol, kernel::trace::trace};
use netns_testkit::{Sandbox, Snapshot, eventually, sh};
use rustix::process::{Pid, Signal, kill_process};

use crate::lab::{probe, receive, routed, stack};

/// Tells this program that it is the child of a trial, and what it is to do.
const CHILD: &str = "TRACE_FOR_LONG";

/// The trials of this file.
pub(crate) fn trials() -> Vec<libtest_mimic::Trial> {
    netns_testkit::trials!(bare:
        ctrl_c_in_the_middle_leaves_nothing,
        a_kill_in_the_middle_leaves_nothing,
    )
}

/// Traces for long, if this is a child.
pub(crate) fn run_as_child() -> Option<ExitCode> {
    std::env::var_os(CHILD)?;
    let long = Duration::from_secs(600);
    let traced =
        trace(&["red", "host", "blue"].map(stack), &probe("10.0.2.2", Protocol::Udp, Some(53)), long);
    Some(if traced.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn ctrl_c_in_the_middle_leaves_nothing(host: &Sandbox) {
    end_midway(host, |child| kill_process(Pid::from_child(child), Signal::INT).unwrap());
}

fn a_kill_in_the_middle_leaves_nothing(host: &Sandbox) {
    end_midway(host, |child| kill_process(Pid::from_child(child), Signal::KILL).unwrap());
}

fn end_midway(host: &Sandbox, end: impl FnOnce(&Child)) {
    routed();
    // Takes the datagram and says nothing: the trace goes on until its patience is over.
    let server = receive(host);
    let before = Snapshot::take();
    let child = std::env::current_exe().unwrap();
    let mut child = Command::new(child).env(CHILD, "1").stdin(Stdio::null()).spawn().unwrap();
    assert_eq!(server.recv(&mut [0; 64]).unwrap(), "netns-tool trace\n".len(), "the probe is on its way");
    for place in ["", "ip netns exec red ", "ip netns exec blue "] {
        assert!(sh(&format!("{place}nft list tables")).contains("netns_tool_trace"), "{place}");
    }
    end(&child);
    assert!(!child.wait().unwrap().success(), "it was ended");
    eventually("no table is left", || {
        let places = ["", "ip netns exec red ", "ip netns exec blue "];
        places.iter().all(|place| !sh(&format!("{place}nft list tables")).contains("netns_tool"))
    });
    before.assert_same(&Snapshot::take(), "after the end");
}
