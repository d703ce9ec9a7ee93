//! `up`: the host becomes what a file says.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;
use netns_engine::{
    change::Report,
    desired::{OnHolders, TopologyUp},
    kernel::lifetime,
    record::{Lifetime, NotedTopology},
    topology::Topology,
};

use super::{super::Context, size, source, watch};

/// Bring a network up, as a topology file describes it.
///
/// Run again after an edit, it changes only the difference; run again without one, nothing. What is
/// not as the file says, because somebody changed it by hand, is put right. After an edit, nodes that it does
/// not touch are looked at from outside: their netns, their cables, their ports.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  netns-tool up lab.yaml
  netns-tool up --dry-run lab.yaml
  netns-tool up --ttl 10m lab.yaml
  netns-tool up --with-me lab.yaml
  cat lab.yaml | netns-tool up -")]
pub(crate) struct Up {
    /// The topology file; - for standard input.
    file: source::File,
    #[command(flatten)]
    thoroughness: source::Thoroughness,
    /// End the processes that still hold a netns which has to go.
    #[arg(long)]
    kill: bool,
    /// Take it down after this time: 90s, 10m, 1h30m, 1d; 'never' lets it stay after all.
    #[arg(long, value_name = "TIME", conflicts_with = "with_me")]
    ttl: Option<watch::Ttl>,
    /// Take it down when the calling process ends: a script, a test, a shell.
    #[arg(long)]
    with_me: bool,
}

impl Up {
    pub(crate) fn run(self, context: Context<'_>) -> Result<ExitCode> {
        let (topology, ahead) = self.file.read_to_change(context)?;
        let on_holders = if self.kill { OnHolders::Kill } else { OnHolders::Refuse };
        let lifetime = match (self.ttl, self.with_me) {
            (Some(ttl), _) => Some(ttl.into()),
            (None, true) => Some(lifetime::with_caller().context("cannot watch the calling process")?),
            (None, false) => None,
        };
        let desired = TopologyUp {
            topology: NotedTopology::from(topology),
            lifetime,
            on_holders,
            untouched: self.thoroughness.look(),
        };
        let code =
            source::change_patiently(&desired, ahead, context, |report| say(&desired.topology, report))?;
        if lifetime.is_some_and(|lifetime| lifetime != Lifetime::UntilDown) && !context.global.only_shows() {
            watch::start_watcher(&desired.topology.name)?;
        }
        // Left to the process's end, as the report is.
        std::mem::forget(desired);
        Ok(code)
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
