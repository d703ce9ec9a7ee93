//! `gc`: away with leftovers.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use netns_engine::{desired::NoLeftovers, error::Error, kernel::look};

use super::{Context, change};

/// Remove what was left half-made or without use: see it first with --dry-run.
///
/// Half-made names under /run/netns, cables of this tool into a netns without a name, its resolv.conf
/// files for a netns that is gone, and what a killed netns-tool had begun.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  netns-tool gc --dry-run\n  netns-tool gc")]
pub(crate) struct Gc {}

impl Gc {
    #[expect(clippy::unused_self, reason = "every command runs in the same way")]
    pub(crate) fn run(self, context: Context<'_>) -> Result<ExitCode> {
        let desired = NoLeftovers { names: look::names_in_use().map_err(Error::Unreadable)? };
        change(&desired, context, |report| {
            if report.done.is_empty() && report.recovered.is_empty() {
                return vec!["Nothing was left over".to_owned()];
            }
            let done = report.done.steps.iter();
            done.map(|step| format!("Done: {}", step.operation)).collect()
        })
    }
}
