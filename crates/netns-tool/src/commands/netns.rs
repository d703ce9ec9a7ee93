//! `create` and `delete`: a netns by name.

use std::{process::ExitCode, time::Duration};

use anyhow::Result;
use clap::Args;
use netns_engine::{
    desired::{Netns, NetnsRemoved, OnHolders},
    error::Error,
    kernel::{look, namespace},
    name::NetnsName,
    place::Entrance,
};

use super::{Context, change};

/// Create a network namespace with its loopback link up.
///
/// Makes the same file and mount as 'ip netns add': either tool lists, uses and deletes what the
/// other made.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  netns-tool create red")]
pub(crate) struct Create {
    /// Name of the network namespace, a file under /run/netns.
    name: NetnsName,
}

impl Create {
    pub(crate) fn run(self, context: Context<'_>) -> Result<ExitCode> {
        let desired = Netns { name: self.name };
        change(&desired, context, |report| {
            let path = namespace::path_of(&desired.name);
            if report.done.is_empty() {
                return vec![format!("Network namespace '{}' is already there at {path:?}", desired.name)];
            }
            vec![
                format!("Created network namespace '{}' at {path:?}", desired.name),
                "Loopback interface is UP - localhost is reachable".to_owned(),
            ]
        })
    }
}

/// Delete a network namespace with its links.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  netns-tool delete red
  netns-tool delete red --kill
  netns-tool delete red --wait 10")]
pub(crate) struct Delete {
    /// Name of the network namespace.
    name: NetnsName,
    /// End the processes that still hold it.
    #[arg(long)]
    kill: bool,
    /// Wait until those who hold it are done, at most SECONDS.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "60", conflicts_with = "kill")]
    wait: Option<u64>,
}

impl Delete {
    pub(crate) fn run(self, context: Context<'_>) -> Result<ExitCode> {
        if let Some(seconds) = self.wait
            && !context.global.only_shows()
        {
            await_release(&self.name, Duration::from_secs(seconds))?;
        }
        let on_holders = if self.kill { OnHolders::Kill } else { OnHolders::Refuse };
        let desired = NetnsRemoved { name: self.name, on_holders };
        change(&desired, context, |_| vec![format!("Deleted network namespace '{}'", desired.name)])
    }
}

/// Waits for holders to go; whoever is left at the end, the plan refuses.
fn await_release(name: &NetnsName, limit: Duration) -> Result<()> {
    look::require(&Entrance::Named(name.clone()))?;
    look::wait_for_release(name, limit).map_err(Error::Unreadable)?;
    Ok(())
}
