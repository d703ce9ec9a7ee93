//! `publish` and `unpublish`: ports of the host that lead into a netns.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use netns_engine::{
    desired::{PortPublished, PortUnpublished},
    firewall::{PortForward, Published, TableEntry},
    plan::{Operation, Plan},
};

use super::{Context, change};

/// Publish a port of a netns on the host (port forwarding).
///
/// Without ADDR the port is published on 127.0.0.1, where only the host itself reaches it. An
/// address of the host, or 0.0.0.0 for all of them, lets neighbours, other netns on the bridge and
/// the netns itself reach it too.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  netns-tool publish 8080:ns1:80
  netns-tool publish 0.0.0.0:8080:ns1:80
  netns-tool publish '[2001:db8::1]:53:ns1:53/udp'")]
pub(crate) struct Publish {
    /// The forward.
    #[arg(help = "[ADDR:]PORT:NETNS:PORT[/udp], the host's side first")]
    #[arg(value_name = "FORWARD")]
    forward: PortPublished,
}

/// Take a published port back.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  netns-tool unpublish 8080
  netns-tool unpublish 0.0.0.0:8080:ns1:80")]
pub(crate) struct Unpublish {
    /// The forward.
    #[arg(help = "[ADDR:]PORT[:NETNS:PORT][/udp], as it was published")]
    #[arg(value_name = "FORWARD")]
    forward: PortUnpublished,
}

impl Publish {
    pub(crate) fn run(self, context: Context<'_>) -> Result<ExitCode> {
        let PortPublished { published, target } = &self.forward;
        change(&self.forward, context, |report| {
            let Some(forward) = added(&report.done) else {
                return vec![format!("Port {published} already leads to {target}")];
            };
            let mut lines = vec![format!("Port {published} leads to {target} ({})", forward.target)];
            if published.is_for_this_host_only() {
                lines.push(format!(
                    "  Only this host reaches it; 'netns-tool publish 0.0.0.0:{}:{target}{}' opens it to others",
                    published.port,
                    suffix(published),
                ));
            }
            lines
        })
    }
}

impl Unpublish {
    pub(crate) fn run(self, context: Context<'_>) -> Result<ExitCode> {
        change(&self.forward, context, |_| {
            vec![format!("Port {} is published no longer", self.forward.published)]
        })
    }
}

fn added(plan: &Plan) -> Option<&PortForward> {
    plan.steps.iter().find_map(|step| match &step.operation {
        Operation::AddEntries(entries) => entries.iter().find_map(|entry| match entry {
            TableEntry::Forward(forward) => Some(forward),
            _ => None,
        }),
        _ => None,
    })
}

fn suffix(published: &Published) -> String {
    match published.transport {
        netns_engine::firewall::Transport::Tcp => String::new(),
        other @ netns_engine::firewall::Transport::Udp => format!("/{other}"),
    }
}
