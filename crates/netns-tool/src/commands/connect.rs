//! `connect`: a netns on a bridge, ready to talk.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use netns_engine::{
    change::Report,
    desired::{AddressChoice, Attachment},
    name::{LinkName, NetnsName},
    observed::Link,
    place::Place,
};

use super::{Context, change};

/// Plug a netns into a bridge: cable, address, loopback, default route.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  netns-tool connect ns1 br0
  netns-tool connect ns1 br0 --address 192.168.100.2")]
pub(crate) struct Connect {
    /// The netns.
    netns: NetnsName,
    /// The bridge; its own address becomes the default gateway.
    bridge: LinkName,
    /// Address inside: 'auto' takes the lowest free one of each of the bridge's networks.
    #[arg(long, default_value = "auto")]
    address: AddressChoice,
    /// Name of the link inside.
    #[arg(long, default_value = "eth0")]
    name: LinkName,
}

impl Connect {
    pub(crate) fn run(self, context: Context<'_>) -> Result<ExitCode> {
        let desired =
            Attachment { netns: self.netns, bridge: self.bridge, address: self.address, link: self.name };
        change(&desired, context, |report| say(&desired, report))
    }
}

fn say(desired: &Attachment, report: &Report) -> Vec<String> {
    let Attachment { netns, bridge, link, .. } = desired;
    let expected = &report.done.expected;
    let addresses = expected.link(&desired.inner_end()).map(addresses_of).unwrap_or_default();
    let verb = if report.done.is_empty() { "is already connected" } else { "connected" };
    let mut lines =
        vec![format!("Network namespace '{netns}' {verb} to bridge '{bridge}': {link} has {addresses}")];
    let routes = expected.stack(&Place::Netns(netns.clone())).into_iter().flat_map(|stack| &stack.routes);
    for gateway in routes.filter(|route| route.is_default()).filter_map(|route| route.gateway) {
        lines.push(format!("Default route via {gateway}"));
    }
    lines
}

fn addresses_of(link: &Link) -> String {
    let addresses: Vec<_> = link.addresses.iter().map(ToString::to_string).collect();
    addresses.join(", ")
}
