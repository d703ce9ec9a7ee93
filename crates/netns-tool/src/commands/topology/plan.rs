//! `plan`: what `up` would change.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use netns_engine::{
    change,
    desired::{OnHolders, TopologyUp},
    kernel::LinuxKernel,
};

use super::{
    super::{Context, show},
    source,
};

/// Show what 'up' would change, and change nothing.
///
/// The same as 'up --dry-run'; with --explain, the shell script that would do it.
#[derive(Debug, Args)]
#[command(
    name = "plan",
    after_help = "Examples:
  netns-tool plan lab.yaml
  netns-tool plan --explain lab.yaml"
)]
pub(crate) struct PlanFile {
    /// The topology file; - for standard input.
    file: source::File,
    #[command(flatten)]
    thoroughness: source::Thoroughness,
}

impl PlanFile {
    pub(crate) fn run(self, context: Context<'_>) -> Result<ExitCode> {
        let topology = self.file.read(context)?.into();
        let on_holders = OnHolders::Refuse;
        let desired =
            TopologyUp { topology, lifetime: None, on_holders, untouched: self.thoroughness.look() };
        let plan = change::plan(&desired, &mut LinuxKernel::default())?;
        show(&plan, context);
        Ok(ExitCode::SUCCESS)
    }
}
