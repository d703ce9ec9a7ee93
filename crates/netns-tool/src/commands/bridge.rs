//! `bridge`: a virtual switch on the host.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use netns_engine::{
    address::{IpNet, interface_address},
    desired,
    name::LinkName,
};

use super::{Context, change};

/// Make a bridge (virtual switch) on the host, switched on, or delete one.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  netns-tool bridge br0 --address 192.168.100.1/16
  netns-tool bridge br0 --delete")]
pub(crate) struct Bridge {
    /// Name of the bridge.
    name: LinkName,
    /// The host's address on it, which makes it the gateway of that network; may be given again.
    #[arg(long, value_name = "ADDRESS", value_parser = interface_address)]
    address: Vec<IpNet>,
    /// Delete the bridge.
    #[arg(long, conflicts_with = "address")]
    delete: bool,
}

impl Bridge {
    pub(crate) fn run(self, context: Context<'_>) -> Result<ExitCode> {
        if self.delete {
            let desired = desired::BridgeRemoved { name: self.name };
            return change(&desired, context, |_| vec![format!("Bridge '{}' is deleted", desired.name)]);
        }
        let desired = desired::Bridge { name: self.name, addresses: self.address };
        change(&desired, context, |report| {
            let done = if report.done.is_empty() { "is already there" } else { "is up" };
            let addresses: Vec<_> = desired.addresses.iter().map(ToString::to_string).collect();
            let with =
                if addresses.is_empty() { String::new() } else { format!(" with {}", addresses.join(", ")) };
            vec![format!("Bridge '{}' {done}{with}", desired.name)]
        })
    }
}
