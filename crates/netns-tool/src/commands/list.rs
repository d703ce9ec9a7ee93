//! `list` and `show`: what there is.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use netns_engine::{error::Error, kernel::look, observed::Asked, place::Entrance};

use super::Context;

/// List network namespaces: state, processes, addresses.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  netns-tool list\n  netns-tool list --all")]
pub(crate) struct List {
    /// Also those without a name: of containers, of services, of deleted names still in use.
    #[arg(long, short)]
    all: bool,
}

impl List {
    pub(crate) fn run(self, context: Context<'_>) -> Result<ExitCode> {
        let nameless = if self.all { Asked::Yes } else { Asked::No };
        context.output.list(&look::list(nameless).map_err(Error::Unreadable)?);
        Ok(ExitCode::SUCCESS)
    }
}

/// Show a network namespace in full: links, addresses, routes, neighbours, sockets, firewall, processes.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  netns-tool show red\n  netns-tool show\n  netns-tool show /proc/1234/ns/net"
)]
pub(crate) struct Show {
    /// Name of the netns, or the path of a namespace file; the host if not given.
    netns: Option<Entrance>,
}

impl Show {
    pub(crate) fn run(self, context: Context<'_>) -> Result<ExitCode> {
        let entrance = self.netns.unwrap_or_default();
        look::require(&entrance)?;
        let view = look::show(&entrance).map_err(Error::Unreadable)?;
        context.output.show(&entrance, &view);
        Ok(ExitCode::SUCCESS)
    }
}
