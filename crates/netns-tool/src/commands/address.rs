//! `address`: the single step of giving a link an address.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use netns_engine::{
    address::{IpNet, interface_address},
    desired::{AddressOn, AddressRemoved},
    kernel::{Kernel, LinuxKernel},
    name::{LinkName, NetnsName},
    observed::{Scope, Selection, Stack},
    place::{LinkAt, Place},
    plan::Conflict,
};

use super::{Context, change};

/// Add, delete or list addresses, on the host or in a netns.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  netns-tool address add 10.0.0.1/24 veth-host
  netns-tool address add 10.0.0.2/24 veth-ns --netns ns1
  netns-tool address list --netns ns1")]
pub(crate) struct Address {
    #[command(subcommand)]
    verb: Verb,
    /// The netns; the host if not given.
    #[arg(long, short = 'n', global = true)]
    netns: Option<NetnsName>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Give a link an address.
    Add(AddressOf),
    /// Take an address from a link.
    #[command(name = "delete", visible_alias = "del")]
    Delete(AddressOf),
    /// List the addresses of every link.
    List,
}

#[derive(Debug, Args)]
struct AddressOf {
    /// The address with its prefix length, such as 10.0.0.1/24.
    #[arg(value_parser = interface_address)]
    address: IpNet,
    /// The link; the word 'dev' before it is welcome, as with ip(8).
    #[arg(num_args = 1..=2, required = true, value_name = "[dev] LINK")]
    link: Vec<String>,
}

impl AddressOf {
    fn at(&self, place: &Place) -> Result<LinkAt> {
        let link: Vec<_> = self.link.iter().map(String::as_str).collect();
        let name = match link.as_slice() {
            [name] | ["dev", name] => LinkName::new(*name)?,
            _ => anyhow::bail!("expected one link, or 'dev' and a link"),
        };
        Ok(place.link(&name))
    }
}

impl Address {
    pub(crate) fn run(self, context: Context<'_>) -> Result<ExitCode> {
        let place = self.netns.map_or(Place::Host, Place::Netns);
        match self.verb {
            Verb::Add(asked) => {
                let desired = AddressOn { link: asked.at(&place)?, address: asked.address };
                change(&desired, context, |report| {
                    let done = if report.done.is_empty() { "already has" } else { "now has" };
                    vec![format!("{} {done} address {}", capitalised(&desired.link), desired.address)]
                })
            }
            Verb::Delete(asked) => {
                let desired = AddressRemoved { link: asked.at(&place)?, address: asked.address };
                change(&desired, context, |_| {
                    vec![format!("{} no longer has address {}", capitalised(&desired.link), desired.address)]
                })
            }
            Verb::List => list(&place, context),
        }
    }
}

fn capitalised(at: &LinkAt) -> String {
    at.to_string().replacen("link", "Link", 1)
}

fn list(place: &Place, context: Context<'_>) -> Result<ExitCode> {
    context.output.addresses(&stack_of(place)?);
    Ok(ExitCode::SUCCESS)
}

/// Reads a whole stack, for the listing verbs.
pub(super) fn stack_of(place: &Place) -> Result<Stack> {
    let mut scope = Scope::default();
    scope.netns.extend(place.netns().cloned());
    scope.stacks.insert(place.clone(), Selection::All);
    let mut observed =
        LinuxKernel::default().observe(&scope).map_err(netns_engine::error::Error::Unreadable)?;
    match (observed.stacks.remove(place), place.netns()) {
        (Some(stack), _) => Ok(stack),
        (None, Some(name)) => Err(netns_engine::error::Error::from(Conflict::NoNetns(name.clone())).into()),
        (None, None) => Ok(Stack::default()),
    }
}
