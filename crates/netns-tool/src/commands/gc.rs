//! `gc`: away with leftovers.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use netns_engine::{
    change::{Report, make_as_found},
    desired::{NoLeftovers, TopologyExpired},
    error::Error,
    kernel::{LinuxKernel, Refusal, lifetime, logs, look},
};

use super::{Context, change, patience::patiently};

/// Remove what was left half-made or without use: see it first with --dry-run.
///
/// Half-made names under /run/netns, cables of this tool into a netns without a name, its NAT,
/// published ports, programs and resolv.conf files for what is gone, topologies whose time is over,
/// and what a killed netns-tool had begun.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  netns-tool gc --dry-run\n  netns-tool gc")]
pub(crate) struct Gc {}

impl Gc {
    #[expect(clippy::unused_self, reason = "every command runs in the same way")]
    pub(crate) fn run(self, context: Context<'_>) -> Result<ExitCode> {
        if context.global.only_shows() {
            return change(&no_leftovers().map_err(Error::Unreadable)?, context, say);
        }
        // Looks for leftovers only once nobody else changes anything: a netns that comes back, or is made,
        // meanwhile has a name, and its cables are no leftovers.
        let report = patiently(|| make_as_found(no_leftovers, &mut LinuxKernel::default()))?;
        context.output.changed(&report, say);
        Ok(ExitCode::SUCCESS)
    }
}

fn no_leftovers() -> Result<NoLeftovers, Refusal> {
    let programs = logs::nodes()?;
    Ok(NoLeftovers { names: look::names_in_use()?, programs, expired: expired()? })
}

/// Topologies whose watcher was killed.
fn expired() -> Result<Vec<TopologyExpired>, Refusal> {
    let over = look::topologies()?.into_iter().filter(|record| lifetime::is_over(record.lifetime));
    Ok(over
        .map(|record| TopologyExpired { name: record.topology.name.clone(), lifetime: record.lifetime })
        .collect())
}

fn say(report: &Report) -> Vec<String> {
    if report.done.is_empty() && report.recovered.is_empty() {
        return vec!["Nothing was left over".to_owned()];
    }
    report.done.steps.iter().map(|step| format!("Done: {}", step.operation)).collect()
}
