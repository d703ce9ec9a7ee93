//! `enable`, `disable`: topologies that return after a reboot.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;
use netns_engine::{
    change::Report,
    desired::{TopologyDisabled, TopologyEnabled},
    topology::TopologyName,
};

use super::{
    super::{Context, change},
    Source, source,
};

/// Let a topology return after a reboot: as a systemd unit, with a copy of its file.
///
/// Writes /etc/netns-tool/NAME.yaml, a unit netns-tool-NAME.service and, if the topology leads out of the
/// host, a file in /etc/sysctl.d; --explain shows them. Nothing is brought up now.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  netns-tool enable --explain lab.yaml
  netns-tool enable lab.yaml")]
pub(crate) struct Enable {
    /// The topology file; - for standard input.
    file: source::File,
}

/// Let a topology not return after a reboot: remove what 'enable' wrote.
///
/// Whether it is up now stays as it is.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  netns-tool disable lab")]
pub(crate) struct Disable {
    /// The topology file, or the topology's name.
    #[arg(value_name = "FILE|NAME")]
    source: Source,
}

impl Enable {
    pub(crate) fn run(self, context: Context<'_>) -> Result<ExitCode> {
        let (topology, text) = self.file.read_with_text(context)?;
        let program = std::env::current_exe().context("cannot find this program again")?;
        let desired = TopologyEnabled { topology, text, program: program.display().to_string() };
        change(&desired, context, |report| enabled(&desired.topology.name, report))
    }
}

impl Disable {
    pub(crate) fn run(self, context: Context<'_>) -> Result<ExitCode> {
        let desired = TopologyDisabled { name: self.source.name(context)? };
        change(&desired, context, |report| {
            let first = format!("Topology '{}' does not return after a reboot", desired.name);
            with_files(first, report)
        })
    }
}

fn enabled(name: &TopologyName, report: &Report) -> Vec<String> {
    if report.done.is_empty() {
        return vec![format!("Topology '{name}' returns after a reboot already")];
    }
    with_files(format!("Topology '{name}' returns after a reboot"), report)
}

fn with_files(first: String, report: &Report) -> Vec<String> {
    let files = report.done.steps.iter().map(|step| format!("  Done: {}", step.operation));
    let reload = "  'systemctl daemon-reload' lets systemd know now".to_owned();
    std::iter::once(first).chain(files).chain([reload]).collect()
}
