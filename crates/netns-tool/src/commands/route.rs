//! `route`: the single step of telling where packets go.

use std::{net::IpAddr, process::ExitCode};

use anyhow::Result;
use clap::{Args, Subcommand};
use netns_engine::{
    address::{Family, IpNet},
    desired::{RouteIn, RouteRemoved},
    name::{LinkName, NetnsName},
    place::Place,
    route::{self, RouteProtocol},
};

use super::{Context, address::stack_of, change};

/// Add, delete or list routes, on the host or in a netns.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  netns-tool route add default via 10.0.0.1 --netns ns1
  netns-tool route add 10.2.0.0/16 via 10.0.0.254
  netns-tool route list --netns ns1")]
pub(crate) struct Route {
    #[command(subcommand)]
    verb: Verb,
    /// The netns; the host if not given.
    #[arg(long, short = 'n', global = true)]
    netns: Option<NetnsName>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Add a route: 'default via GATEWAY', 'NETWORK via GATEWAY' or 'NETWORK dev LINK'.
    Add(Words),
    /// Delete a route.
    #[command(name = "delete", visible_alias = "del")]
    Delete(Words),
    /// List the routes.
    List,
}

#[derive(Debug, Args)]
struct Words {
    /// Where to: a network such as 10.2.0.0/16, or 'default'.
    destination: String,
    /// As with ip(8): via GATEWAY, dev LINK, metric NUMBER.
    #[arg(value_name = "via GATEWAY | dev LINK | metric NUMBER")]
    words: Vec<String>,
}

impl Route {
    pub(crate) fn run(self, context: Context<'_>) -> Result<ExitCode> {
        let place = self.netns.map_or(Place::Host, Place::Netns);
        match self.verb {
            Verb::Add(words) => {
                let desired = RouteIn { place, route: words.route()? };
                change(&desired, context, |report| {
                    let done = if report.done.is_empty() { "is already there" } else { "added" };
                    vec![format!("Route '{}' {done} {}", desired.route, desired.place.location())]
                })
            }
            Verb::Delete(words) => {
                let desired = RouteRemoved { place, route: words.route()? };
                change(&desired, context, |_| {
                    vec![format!("Route '{}' deleted from {}", desired.route, desired.place)]
                })
            }
            Verb::List => {
                context.output.routes(&stack_of(&place)?);
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

impl Words {
    fn route(&self) -> Result<route::Route> {
        let (mut gateway, mut link, mut metric) = (None::<IpAddr>, None, 0);
        let mut words = self.words.iter().map(String::as_str);
        while let Some(keyword) = words.next() {
            let Some(value) = words.next() else { anyhow::bail!("'{keyword}' needs a value behind it") };
            match keyword {
                "via" => gateway = Some(value.parse().map_err(|_| wrong(value, "an address"))?),
                "dev" => link = Some(LinkName::new(value)?),
                "metric" => metric = value.parse().map_err(|_| wrong(value, "a number"))?,
                _ => anyhow::bail!("'{keyword}' is not one of 'via', 'dev' and 'metric'"),
            }
        }
        let destination = match self.destination.as_str() {
            "default" => gateway.map_or(Family::Ipv4, Family::of).everything(),
            text => {
                network(text).ok_or_else(|| wrong(text, "a network, such as 10.2.0.0/16, or 'default'"))?
            }
        };
        if destination != destination.trunc() {
            anyhow::bail!("'{destination}' has host bits set; its network is '{}'", destination.trunc());
        }
        Ok(route::Route { destination, gateway, link, metric, protocol: RouteProtocol::Ours })
    }
}

fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

fn wrong(text: &str, expected: &str) -> anyhow::Error {
    anyhow::anyhow!("'{}' is not {expected}", text.escape_debug())
}
