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
        sh(&format!("strace -f -qq -o {trace} {path} {command}"));
        let trace = fs::read_to_string(trace).expect("strace wrote it");
        Self { calls: trace.lines().count(), bytes_read: trace.lines().filter_map(bytes_read).sum() }
    }
}

/// The result of a call that reads: `123 read(3, "..."..., 32) = 15`.
fn bytes_read(line: &str) -> Option<usize> {
    let call = line.split_whitespace().nth(1)?;
    let reads = ["read(", "recv", "getdents64("].iter().any(|name| call.starts_with(name));
    reads.then(|| line.rsplit_once("= ")?.1.trim().parse().ok())?
}
