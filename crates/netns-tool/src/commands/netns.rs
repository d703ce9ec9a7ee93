//! `create` and `delete`: a netns by name.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use netns_engine::{
    desired::{Netns, NetnsRemoved, OnHolders},
    kernel::namespace,
    name::NetnsName,
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
#[command(after_help = "Example:\n  netns-tool delete red")]
pub(crate) struct Delete {
    /// Name of the network namespace.
    name: NetnsName,
    /// End the processes that still hold it.
    #[arg(long)]
    kill: bool,
}

impl Delete {
    pub(crate) fn run(self, context: Context<'_>) -> Result<ExitCode> {
        let on_holders = if self.kill { OnHolders::Kill } else { OnHolders::Refuse };
        let desired = NetnsRemoved { name: self.name, on_holders };
        change(&desired, context, |_| vec![format!("Deleted network namespace '{}'", desired.name)])
    }
}
