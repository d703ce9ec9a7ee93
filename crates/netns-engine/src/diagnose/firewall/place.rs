//! Where a rule is, in words, and the command that shows it.

use std::fmt;

use super::{Chain, ChainFamily, Culprit, Hook, Origin, Rule};

/// A chain or one of its rules.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    origin: Origin,
    family: ChainFamily,
    table: &'a str,
    chain: &'a str,
    rule: Option<(usize, Option<u64>)>,
}

impl<'a> Place<'a> {
    /// The place of a rule, or of a chain's policy.
    pub(super) fn of(chain: &'a Chain, rule: Option<&Rule>) -> Self {
        Self {
            origin: chain.origin,
            family: chain.family,
            table: &chain.table,
            chain: &chain.name,
            rule: rule.map(|rule| (rule.number, rule.handle)),
        }
    }

    fn of_culprit(culprit: &'a Culprit) -> Self {
        Self {
            origin: culprit.origin,
            family: culprit.family,
            table: &culprit.table,
            chain: &culprit.chain,
            rule: culprit.rule.as_ref().map(|(number, handle, _)| (*number, *handle)),
        }
    }

    fn command(&self) -> String {
        let Self { table, chain, family, .. } = self;
        match self.origin {
            Origin::Nftables => format!("nft -a list chain {family} {table} {chain}"),
            Origin::Iptables | Origin::IptablesLegacy => {
                let table = if *table == "filter" { String::new() } else { format!("-t {table} ") };
                format!("{} {table}-S {chain}", program(self.origin, *family))
            }
        }
    }
}

/// The program that shows rules of this origin.
fn program(origin: Origin, family: ChainFamily) -> &'static str {
    match (origin, family) {
        (Origin::Nftables, _) => "nft",
        (Origin::Iptables, ChainFamily::Ip6) => "ip6tables",
        (Origin::Iptables, _) => "iptables",
        (Origin::IptablesLegacy, ChainFamily::Ip6) => "ip6tables-legacy",
        (Origin::IptablesLegacy, _) => "iptables-legacy",
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { family, table, chain, .. } = self;
        match (self.origin, self.rule) {
            (Origin::Nftables, None) => write!(f, "the policy of table {family} {table}, chain {chain}"),
            (Origin::Nftables, Some((_, Some(handle)))) => {
                write!(f, "table {family} {table}, chain {chain}, handle {handle}")
            }
            (Origin::Nftables, Some((number, None))) => {
                write!(f, "table {family} {table}, chain {chain}, rule {number}")
            }
            (_, None) => write!(f, "the policy of {chain} ({})", self.command()),
            (_, Some((number, _))) => write!(f, "rule {number} of {chain} ({})", self.command()),
        }
    }
}

impl Hook {
    /// Returns its name, as `nft` spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Prerouting => "prerouting",
            Self::Input => "input",
            Self::Forward => "forward",
            Self::Output => "output",
            Self::Postrouting => "postrouting",
            Self::Egress => "egress",
        }
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for ChainFamily {
    /// As `nft` spells it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ip => "ip",
            Self::Ip6 => "ip6",
            Self::Inet => "inet",
            Self::Bridge => "bridge",
            Self::Netdev => "netdev",
        })
    }
}

impl Culprit {
    /// Returns the command that shows the chain.
    #[must_use]
    pub fn shown_by(&self) -> String {
        Place::of_culprit(self).command()
    }

    /// Returns where it is, in words: `rule 2 of FORWARD (iptables -S FORWARD)`.
    #[must_use]
    pub fn place(&self) -> String {
        Place::of_culprit(self).to_string()
    }

    /// Returns what it says: the text of the rule, or the policy.
    #[must_use]
    pub fn text(&self) -> String {
        match (&self.rule, self.origin) {
            (Some((_, _, text)), _) => text.clone(),
            (None, Origin::Nftables) => "policy drop".to_owned(),
            (None, _) => format!("-P {} DROP", self.chain),
        }
    }

    /// Returns the program that shows and changes it: `nft`, `iptables`, `ip6tables-legacy`, …
    #[must_use]
    pub fn program(&self) -> &'static str {
        program(self.origin, self.family)
    }
}
