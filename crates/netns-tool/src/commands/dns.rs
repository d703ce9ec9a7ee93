//! `dns`: the name servers of a netns.

use std::{net::IpAddr, process::ExitCode};

use anyhow::Result;
use clap::Args;
use netns_engine::{
    change::Report,
    desired::{Resolver, ResolverSource},
    name::NetnsName,
};

use super::{Context, change};

/// Choose the name servers of a netns: its own /etc/netns/NAME/resolv.conf.
///
/// A name server on a loopback address, such as the stub 127.0.0.53 of systemd-resolved, does not
/// answer inside a netns; '--from-host' takes the servers behind it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  netns-tool dns red 9.9.9.9 149.112.112.112
  netns-tool dns red --from-host
  netns-tool dns red --remove")]
pub(crate) struct Dns {
    /// The netns.
    netns: NetnsName,
    /// Name servers, asked in this order.
    #[arg(value_name = "SERVER", num_args = 0..=3, required_unless_present_any = ["from_host", "remove"])]
    servers: Vec<IpAddr>,
    /// Take those the host really asks.
    #[arg(long, conflicts_with = "servers")]
    from_host: bool,
    /// Remove the file: the netns reads the host's again.
    #[arg(long, conflicts_with_all = ["servers", "from_host"])]
    remove: bool,
}

impl Dns {
    pub(crate) fn run(self, context: Context<'_>) -> Result<ExitCode> {
        let source = match (self.from_host, self.remove) {
            (true, _) => ResolverSource::Host,
            (_, true) => ResolverSource::None,
            _ => ResolverSource::Servers(self.servers),
        };
        let desired = Resolver { netns: self.netns, source };
        change(&desired, context, |report| say(&desired, report))
    }
}

fn say(desired: &Resolver, report: &Report) -> Vec<String> {
    let netns = &desired.netns;
    let again = if report.done.is_empty() { "already " } else { "now " };
    match report.done.expected.resolvers.get(netns) {
        Some(file) => {
            let servers: Vec<_> = file.servers.iter().map(ToString::to_string).collect();
            vec![format!("Network namespace '{netns}' {again}asks {}", servers.join(", "))]
        }
        None => vec![format!("Network namespace '{netns}' {again}reads the host's /etc/resolv.conf")],
    }
}
