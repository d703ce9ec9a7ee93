//! The state of a host, as told by other programs.
//!
//! The tool is never its own witness. A [`Snapshot`] asks `ip`, `nft`, `iptables-save` and `/proc`
//! about the host of the calling thread and every named netns on it, and keeps what a person
//! would call its state: no handles, counters, indices or timers.

mod ask;
mod files;
mod tidy;

use std::{collections::BTreeMap, fmt};

/// The state of a throw-away host and its named netns.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Snapshot {
    /// Facts by what they are about, such as `host: link br0`.
    facts: BTreeMap<String, Vec<String>>,
}

/// What two snapshots do not share; empty if they are the same.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Difference(Vec<String>);

impl Snapshot {
    /// Looks at the host that the calling thread is on.
    #[must_use]
    pub fn take() -> Self {
        let mut snapshot = Self::default();
        ask::about("host", None, &mut snapshot);
        for netns in files::live_netns() {
            ask::about(&format!("netns {netns}"), Some(&netns), &mut snapshot);
        }
        files::look(&mut snapshot);
        snapshot
    }

    /// Leaves out the addresses of veth ends, which the kernel draws at random: for comparing two
    /// hosts.
    #[must_use]
    pub fn without_random_macs(mut self) -> Self {
        for facts in self.facts.values_mut() {
            if facts.iter().any(|fact| fact == "linkinfo.info_kind = \"veth\"") {
                facts.retain(|fact| !fact.starts_with("address = "));
            }
        }
        self
    }

    /// Leaves out the tool's own notes, which no shell command keeps.
    #[must_use]
    pub fn without_notes(mut self) -> Self {
        self.facts.retain(|about, _| !about.starts_with(files::NOTES));
        self
    }

    /// Returns the facts about `subject`, such as `netns red: link eth0` or `host: routes`.
    #[must_use]
    pub fn about(&self, subject: &str) -> &[String] {
        self.facts.get(subject).map_or(&[], Vec::as_slice)
    }

    /// Returns what is only here and what is only in `later`.
    #[must_use]
    pub fn difference(&self, later: &Self) -> Difference {
        let mut lines = Vec::new();
        let subjects: std::collections::BTreeSet<_> = self.facts.keys().chain(later.facts.keys()).collect();
        for subject in subjects {
            let (before, after) = (self.about(subject), later.about(subject));
            lines.extend(missing_from(after, before).map(|fact| format!("- {subject}: {fact}")));
            lines.extend(missing_from(before, after).map(|fact| format!("+ {subject}: {fact}")));
        }
        Difference(lines)
    }

    /// Insists that `later` tells the same.
    ///
    /// # Panics
    ///
    /// Panics with `what` and the differences, if not.
    #[track_caller]
    pub fn assert_same(&self, later: &Self, what: &str) {
        let difference = self.difference(later);
        assert!(difference.is_empty(), "{what}\n{difference}");
    }

    fn note(&mut self, subject: String, fact: String) {
        self.facts.entry(subject).or_default().push(fact);
    }
}

/// The facts of `all` that `others` lacks; a fact told twice must be there twice.
fn missing_from<'a>(others: &'a [String], all: &'a [String]) -> impl Iterator<Item = &'a String> {
    let mut others: Vec<&String> = others.iter().collect();
    all.iter().filter(move |fact| match others.iter().position(|other| other == fact) {
        Some(place) => {
            others.swap_remove(place);
            false
        }
        None => true,
    })
}

impl Difference {
    /// Returns whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns one line a fact: `-` was only before, `+` is only after.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(facts: &[&str]) -> Snapshot {
        let facts = facts.iter().map(|&fact| fact.to_owned()).collect();
        Snapshot { facts: [("host: link br0".to_owned(), facts)].into() }
    }

    #[test]
    fn a_difference_tells_what_went_and_what_came() {
        let difference = with(&["mtu = 1500", "flags = UP"]).difference(&with(&["mtu = 1400", "flags = UP"]));
        assert_eq!(difference.lines(), ["- host: link br0: mtu = 1500", "+ host: link br0: mtu = 1400"]);
    }

    #[test]
    fn a_doubled_fact_is_a_difference() {
        assert_eq!(with(&["rule"]).difference(&with(&["rule", "rule"])).lines(), ["+ host: link br0: rule"]);
    }
}
