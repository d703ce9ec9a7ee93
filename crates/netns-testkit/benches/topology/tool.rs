//! The program of this project, as a user runs it.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use netns_testkit::Sandbox;

use crate::measured::{as_installed, program, started};

/// Where the files are that describe networks: one for each number of nodes.
const FILES: &str = "/run/bench";
const NAME: &str = "bench";

/// The program.
pub(crate) struct Tool {
    path: PathBuf,
}

/// Returns the name of a node's netns.
pub(crate) fn netns_of(node: usize) -> String {
    format!("node{node}")
}

impl Tool {
    /// Takes the program that was built with this benchmark.
    pub(crate) fn beside(host: &Sandbox) -> Self {
        fs::create_dir_all(FILES).expect("it may");
        Self { path: as_installed(host.tool().path()) }
    }

    /// Runs it with `arguments`, split at blanks.
    pub(crate) fn run(&self, arguments: &str) {
        program(self.quietly().args(arguments.split_whitespace()));
    }

    /// Brings the network with that many nodes up, or makes it that.
    pub(crate) fn up(&self, nodes: usize) {
        self.run(&format!("up {}", file_with(nodes)));
    }

    pub(crate) fn down(&self) {
        self.run(&format!("down {NAME}"));
    }

    /// The most memory that `up` uses, in MiB: asked again and again while it runs, since an ended process
    /// tells nothing.
    pub(crate) fn peak_of_up(&self, nodes: usize) -> f64 {
        let file = file_with(nodes);
        let mut running = started(self.quietly().args(["up", &file]).stdin(Stdio::null()));
        let status = format!("/proc/{}/status", running.id());
        let mut most = 0.0;
        loop {
            let text = fs::read_to_string(&status).unwrap_or_default();
            most = peak_mib(&text).unwrap_or(most);
            if let Some(ended) = running.try_wait().expect("it is ours") {
                assert!(ended.success(), "'up' failed");
                return most;
            }
        }
    }

    fn quietly(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.arg("--quiet");
        command
    }
}

/// `VmHWM` of `/proc/PID/status`; none once the process has given its memory back.
fn peak_mib(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim_end_matches("kB").trim().parse().ok()?;
    Some(kib / 1024.0)
}

/// Writes the file once, and returns where it is.
fn file_with(nodes: usize) -> String {
    let path = format!("{FILES}/{nodes}.yaml");
    if fs::exists(&path).is_ok_and(|exists| !exists) {
        let nodes = (1..=nodes).map(|node| format!("  {}: {{ networks: [br0] }}\n", netns_of(node)));
        let head = format!("name: {NAME}\nnetworks:\n  br0: {{ subnet: 10.0.0.0/16, nat: true }}\nnodes:\n");
        let text = std::iter::once(head).chain(nodes).collect::<String>();
        fs::write(&path, text).expect("it may");
    }
    path
}
