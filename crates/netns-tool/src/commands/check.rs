//! `check`: does a topology do what it is for?

use std::{process::ExitCode, sync::Arc, time::Duration};

use anyhow::Result;
use clap::Args;
use netns_engine::{
    error::Error,
    kernel::{look, probe},
    topology::Topology,
};

use super::{Context, topology::Source};
use crate::{exit_code::Code, output::check::Checked};

/// Try what a topology says should work, and what should not: its 'checks:'.
///
/// Each check is made from inside its netns, all of them side by side: a ping, or with a port a TCP
/// connection or an exchange of datagrams. Over UDP, silence counts as not reached.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  netns-tool check
  netns-tool check lab
  netns-tool check lab.yaml --timeout 5")]
pub(crate) struct Check {
    /// A topology file, or the name of a topology that is up; all that are up if not given.
    #[arg(value_name = "FILE|NAME")]
    topology: Option<Source>,
    /// How long a check may take, in seconds; what should not be reached is given all of it.
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
}

impl Check {
    pub(crate) fn run(self, context: Context<'_>) -> Result<ExitCode> {
        let patience = Duration::from_secs(self.timeout);
        let remedy = self.topology.as_ref().map_or_else(|| "netns-tool up FILE".to_owned(), Source::up);
        let try_all = |topology: Topology| Checked {
            results: probe::check_all(&topology.checks, patience),
            topology: topology.name,
            remedy: remedy.clone(),
        };
        let checked: Vec<_> = self.load(context)?.into_iter().map(try_all).collect();
        context.output.checks(&checked);
        let all_well = checked.iter().all(Checked::all_well);
        Ok(if all_well { ExitCode::SUCCESS } else { Code::NotAsAsked.into() })
    }

    fn load(&self, context: Context<'_>) -> Result<Vec<Topology>> {
        if let Some(source) = &self.topology {
            return Ok(vec![source.read(context)?]);
        }
        let records = look::topologies().map_err(Error::Unreadable)?;
        Ok(records.into_iter().map(|record| Arc::unwrap_or_clone(record.topology.shared())).collect())
    }
}
