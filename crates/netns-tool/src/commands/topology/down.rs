//! `down`: away with a topology.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use netns_engine::desired::{OnHolders, TopologyRemoved};

use super::{super::Context, Source, source};

/// Take a topology down: nothing of it is left.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  netns-tool down lab.yaml
  netns-tool down lab")]
pub(crate) struct Down {
    /// The topology file, or the topology's name.
    #[arg(value_name = "FILE|NAME")]
    source: Source,
    /// End the processes that still hold one of its netns.
    #[arg(long)]
    kill: bool,
}

impl Down {
    pub(crate) fn run(self, context: Context<'_>) -> Result<ExitCode> {
        let name = self.source.name(context)?;
        let on_holders = if self.kill { OnHolders::Kill } else { OnHolders::Refuse };
        let desired = TopologyRemoved { name, on_holders };
        source::change_patiently(&desired, None, context, |_| {
            vec![format!("Topology '{}' is down", desired.name)]
        })
    }
}
