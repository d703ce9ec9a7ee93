//! `link`: a cable between two netns.

use std::{process::ExitCode, str::FromStr};

use anyhow::Result;
use clap::Args;
use netns_engine::{
    address::{IpNet, interface_address},
    desired::Cable,
    name::{LinkName, NameError, NetnsName},
    place::LinkAt,
};

use super::{Context, change};

/// Lay a cable between two netns, both ends up.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  netns-tool link red:eth0 blue:eth0 --addresses 10.9.0.1/30 10.9.0.2/30")]
pub(crate) struct Link {
    /// One end, as NETNS:LINK.
    #[arg(value_name = "NS1:IF")]
    first: End,
    /// The other end, as NETNS:LINK.
    #[arg(value_name = "NS2:IF")]
    second: End,
    /// An address for each end, in order.
    #[arg(long, num_args = 2, value_names = ["A", "B"], value_parser = interface_address)]
    addresses: Option<Vec<IpNet>>,
}

/// A link in a netns, written `NETNS:LINK`.
#[derive(Clone, Debug)]
struct End(LinkAt);

impl FromStr for End {
    type Err = EndError;

    fn from_str(text: &str) -> Result<Self, EndError> {
        let (netns, link) = text.split_once(':').ok_or(EndError::NoColon)?;
        Ok(Self(LinkAt::inside(NetnsName::new(netns)?, LinkName::new(link)?)))
    }
}

#[derive(Debug, thiserror::Error)]
enum EndError {
    #[error("an end of a cable is written NETNS:LINK, such as red:eth0")]
    NoColon,
    #[error(transparent)]
    Name(#[from] NameError),
}

impl Link {
    pub(crate) fn run(self, context: Context<'_>) -> Result<ExitCode> {
        let addresses = self.addresses.and_then(|addresses| addresses.try_into().ok());
        let desired = Cable { ends: [self.first.0, self.second.0], addresses };
        let [first, second] = &desired.ends;
        change(&desired, context, |report| {
            let done = if report.done.is_empty() { "is already there" } else { "laid, both ends up" };
            vec![format!("Cable {done}: {first} <-> {second}")]
        })
    }
}
