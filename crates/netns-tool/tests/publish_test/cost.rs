//! What a run of the tool costs, as `strace` counts it: no clock is asked.

use std::fs;

use netns_testkit::{Sandbox, sh};

/// What a run of the tool asks of the kernel.
#[derive(Debug)]
pub(crate) struct Cost {
    /// System calls.
    pub(crate) calls: usize,
    /// Bytes read from files, folders and sockets.
    pub(crate) bytes_read: usize,
}

impl Cost {
    /// Runs `command`, which must succeed, and counts.
    pub(crate) fn of(host: &Sandbox, command: &str) -> Self {
        let trace = "/run/trace";
        let tool = host.tool();
        let path = tool.path().to_str().expect("the path of the tool is text");
        // Memory and locks are left out: how often threads wait for each other is chance.
        let calls = "%file,%network,read,write,getdents64";
        sh(&format!("strace -f -qq --trace={calls} -o {trace} {path} {command}"));
        let trace = fs::read_to_string(trace).expect("strace wrote it");
        let begun = trace.lines().filter(|line| !line.contains(RESUMED)).count();
        let begun_anew = trace.lines().filter(|line| line.contains(RESTARTED)).count();
        Self { calls: begun - begun_anew, bytes_read: trace.lines().filter_map(bytes_read).sum() }
    }
}

/// A call that another thread's call came in between has two lines; this marks the second.
const RESUMED: &str = " resumed>";

/// The kernel begins such a call anew by itself: how often is chance, as others hold its lock of networks.
const RESTARTED: &str = " = ? ERESTART";

/// The result of a call that reads: `123 read(3, "..."..., 32) = 15`, or `123 <... read resumed> ... = 15`.
fn bytes_read(line: &str) -> Option<usize> {
    let mut words = line.split_whitespace().skip(1);
    let call = match words.next()? {
        "<..." => words.next()?,
        call => call,
    };
    let reads = ["read", "recv", "getdents64"].iter().any(|name| call.starts_with(name));
    let is_other = call.starts_with("readlink");
    (reads && !is_other).then(|| line.rsplit_once("= ")?.1.trim().parse().ok())?
}
