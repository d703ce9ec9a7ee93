//! `up`: the host becomes what a file says.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use netns_engine::{
    change::Report,
    desired::{OnHolders, TopologyUp},
    topology::Topology,
};

use super::{super::Context, size, source};

/// Bring a network up, as a topology file describes it.
///
/// Run again after an edit, it changes only the difference; run again without one, nothing. What is
/// not as the file says, because somebody changed it by hand, is put right.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  netns-tool up lab.yaml
  netns-tool up --dry-run lab.yaml
  cat lab.yaml | netns-tool up -")]
pub(crate) struct Up {
    /// The topology file; - for standard input.
    file: source::File,
    /// End the processes that still hold a netns which has to go.
    #[arg(long)]
    kill: bool,
}

impl Up {
    pub(crate) fn run(self, context: Context<'_>) -> Result<ExitCode> {
        let topology = self.file.read(context)?;
        let on_holders = if self.kill { OnHolders::Kill } else { OnHolders::Refuse };
        let desired = TopologyUp { topology, lifetime: None, on_holders };
        source::change_patiently(&desired, context, |report| say(&desired.topology, report))
    }
}

fn say(topology: &Topology, report: &Report) -> Vec<String> {
    let name = &topology.name;
    if report.done.is_empty() {
        return vec![format!("Topology '{name}' is up already, as asked: {}", size(topology))];
    }
    let mut lines = vec![format!("Topology '{name}' is up: {}", size(topology))];
    for (node, forward) in
        topology.nodes.iter().flat_map(|node| node.ports.iter().map(move |port| (node, port)))
    {
        lines.push(format!("  Port {} leads to {}:{}", forward.published, node.name, forward.target.port()));
    }
    if !topology.checks.is_empty() {
        lines.push(format!("  'netns-tool check {name}' tries what should work"));
    }
    lines
}
