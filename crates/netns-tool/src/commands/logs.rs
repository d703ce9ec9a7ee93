//! `logs`: what the programs of a node say.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use netns_engine::{error::Error, kernel::logs::Reader, name::NetnsName, plan::Conflict};

use super::Context;

/// Print what the programs of a node of a topology have said.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  netns-tool logs web
  netns-tool logs web --follow")]
pub(crate) struct Logs {
    /// The node.
    node: NetnsName,
    /// Go on as they say more, until the last of them has ended.
    #[arg(long, short)]
    follow: bool,
}

impl Logs {
    pub(crate) fn run(self, context: Context<'_>) -> Result<ExitCode> {
        let reader = Reader::open(&self.node).map_err(Error::Unreadable)?;
        let mut reader = reader.ok_or_else(|| Error::Conflict(Conflict::NoProgram(self.node.clone())))?;
        loop {
            // Asked for first: what is said between the two is read below.
            let more_to_come = self.follow && reader.is_anybody_there()?;
            context.output.logs(&reader.read()?)?;
            if !more_to_come {
                return Ok(ExitCode::SUCCESS);
            }
            reader.wait()?;
        }
    }
}
