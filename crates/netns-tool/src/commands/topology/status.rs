//! `status`: is what is up still as asked?

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use netns_engine::{
    change,
    desired::{Look, OnHolders, TopologyUp},
    error::Error,
    kernel::{LinuxKernel, look},
    plan::Conflict,
    record::TopologyRecord,
    topology::TopologyName,
};

use super::{super::Context, source::Source};
use crate::{
    exit_code::Code,
    output::status::{Drift, TopologyStatus},
};

/// Say whether topologies are still as asked, object by object.
///
/// 'netns-tool up' repairs what differs.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  netns-tool status
  netns-tool status lab
  netns-tool status lab.yaml")]
pub(crate) struct Status {
    /// Names of topologies, or their files; all that are up if not given.
    ///
    /// Of a file only the name counts: what its last 'up' asked for is compared with what is there. 'netns-tool
    /// plan FILE' says what an edit would change.
    #[arg(value_name = "FILE|NAME")]
    topologies: Vec<Source>,
}

impl Status {
    pub(crate) fn run(self, context: Context<'_>) -> Result<ExitCode> {
        let mut records = look::topologies().map_err(Error::Unreadable)?;
        let names = self.topologies.iter().map(|topology| topology.name(context));
        let names = names.collect::<Result<Vec<TopologyName>>>()?;
        for name in &names {
            if !records.iter().any(|record| record.topology.name == *name) {
                return Err(Error::Conflict(Conflict::NoTopology(name.clone())).into());
            }
        }
        records.retain(|record| names.is_empty() || names.contains(&record.topology.name));
        let statuses = records.iter().map(status).collect::<Result<Vec<_>>>()?;
        context.output.status(&statuses);
        let all_well = statuses.iter().all(|status| status.drift.is_empty());
        Ok(if all_well { ExitCode::SUCCESS } else { Code::NotAsAsked.into() })
    }
}

/// What differs is what `up` would change now.
fn status(record: &TopologyRecord) -> Result<TopologyStatus> {
    let desired = TopologyUp {
        topology: record.topology.clone(),
        lifetime: None,
        on_holders: OnHolders::Refuse,
        untouched: Look::Within,
    };
    let drift = match change::plan(&desired, &mut LinuxKernel::default()) {
        Ok(plan) => Drift::all(plan.steps.iter().map(|step| &step.operation)),
        Err(Error::Conflict(conflict)) => vec![Drift::from(&conflict)],
        Err(error) => return Err(error.into()),
    };
    Ok(TopologyStatus { topology: desired.topology.shared(), lifetime: record.lifetime, drift })
}
