//! Reads what a topology file is written from, without changing anything.

use std::collections::BTreeSet;

use super::{details, iptables, look, nftables::Nftables, refusal::Refusal};
use crate::{
    error::Error,
    name::NetnsName,
    observed::{Asked, TableSelection},
    place::Entrance,
    topology::Sight,
    view::{NetnsSummary, StackView, SummaryState},
};

/// Looks at the host and these netns; at all that have a name if none is given.
///
/// # Errors
///
/// Returns which of the names is none of a netns, or why something could not be read.
pub fn sight(names: &[NetnsName]) -> Result<Sight, Error> {
    for name in names {
        look::require(&Entrance::Named(name.clone()))?;
    }
    read(names).map_err(Error::Unreadable)
}

fn read(names: &[NetnsName]) -> Result<Sight, Refusal> {
    let names = if names.is_empty() { all_names()? } else { names.iter().map(ToString::to_string).collect() };
    let netns = names.into_iter().map(|name| view(&name).map(|view| (name, view)));
    let netns = netns.collect::<Result<Vec<_>, Refusal>>()?;
    let host = look::show(&Entrance::Host)?;
    // Without the program, or the right to run it, there are no rules to read; as in `show`.
    let has_rules = !host.firewall.iptables_rules.is_empty();
    let rules = if has_rules { iptables::observe().0.unwrap_or_default().rules } else { Vec::new() };
    let has_entries = !host.firewall.own_entries.is_empty();
    let entries =
        if has_entries { Nftables::open()?.entries(&TableSelection::All, &BTreeSet::new())? } else { None };
    Ok(Sight {
        of_host: details::of(&Entrance::Host, &host)?,
        details: details::of_all(&netns)?,
        new_settings: details::new_settings()?,
        host,
        netns,
        rules,
        entries: entries.into_iter().flatten().collect(),
    })
}

/// What is only a name, without a netns, is none of a setup.
fn all_names() -> Result<BTreeSet<String>, Refusal> {
    let live = |summary: NetnsSummary| summary.name.filter(|_| summary.state == SummaryState::Live);
    Ok(look::list(Asked::No)?.into_iter().filter_map(live).collect())
}

/// A name that this tool does not take is told of, but nothing behind it is.
fn view(name: &str) -> Result<StackView, Refusal> {
    NetnsName::new(name).map_or_else(|_| Ok(StackView::default()), |name| look::show(&Entrance::Named(name)))
}
