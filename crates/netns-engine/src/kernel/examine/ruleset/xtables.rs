//! Rules of iptables, in its own words.

use std::{collections::BTreeMap, fs};

use super::tables::RawChain;
use crate::{
    address::Family,
    diagnose::firewall::{Base, Chain, ChainFamily, ChainKind, Hook, Origin, Policy, Rule},
    kernel::iptables::{Variant, save_table},
};

/// The tables of iptables.
const TABLES: [&str; 5] = ["raw", "mangle", "nat", "filter", "security"];

/// Rules by family, table and chain.
#[derive(Debug, Default)]
pub(super) struct Words(BTreeMap<(ChainFamily, String, String), Vec<Rule>>);

impl Words {
    /// Takes the rules of a chain; none if no program has words for its table.
    pub(super) fn take(&mut self, family: ChainFamily, table: &str, chain: &str) -> Option<Vec<Rule>> {
        self.0.remove(&(family, table.to_owned(), chain.to_owned()))
    }
}

/// Returns the rules that `iptables-nft` shows of the tables which look like its own.
pub(super) fn of_nftables(chains: &[RawChain], unread: &mut Vec<String>) -> Words {
    let mut words = Words::default();
    for (family, chain_family) in [(Family::Ipv4, ChainFamily::Ip), (Family::Ipv6, ChainFamily::Ip6)] {
        let is_theirs = |table: &str| {
            let mut own = chains.iter().filter(|chain| chain.family == chain_family && chain.table == table);
            own.any(|chain| chain.base.is_some() && is_built_in(&chain.name))
        };
        for table in TABLES.into_iter().filter(|table| is_theirs(table)) {
            let saved = save_table(family, Variant::Nft, table);
            match saved.map_err(|refusal| refusal.to_string()).and_then(|text| Saved::parse(family, &text)) {
                Ok(saved) => {
                    for (chain, rules) in saved.rules {
                        words.0.insert((chain_family, table.to_owned(), chain), rules);
                    }
                }
                Err(why) => {
                    unread.push(format!("table {chain_family} {table} in the words of iptables: {why}"));
                }
            }
        }
    }
    words
}

/// Returns the chains of the old iptables. The kernel tells which tables there are; to ask for another would
/// make it.
pub(super) fn legacy(unread: &mut Vec<String>) -> Vec<Chain> {
    let mut chains = Vec::new();
    for (family, file) in [(Family::Ipv4, "ip_tables_names"), (Family::Ipv6, "ip6_tables_names")] {
        let names = fs::read_to_string(format!("/proc/thread-self/net/{file}")).unwrap_or_default();
        for table in TABLES.into_iter().filter(|table| names.lines().any(|name| name == *table)) {
            let saved = save_table(family, Variant::Legacy, table);
            match saved.map_err(|refusal| refusal.to_string()).and_then(|text| Saved::parse(family, &text)) {
                Ok(saved) => chains.extend(saved.into_chains(family, table)),
                Err(why) => unread.push(format!("table {table} of iptables-legacy: {why}")),
            }
        }
    }
    chains
}

fn is_built_in(chain: &str) -> bool {
    matches!(chain, "PREROUTING" | "INPUT" | "FORWARD" | "OUTPUT" | "POSTROUTING")
}

/// What `iptables-save -t TABLE` printed.
#[derive(Debug, Default)]
struct Saved {
    /// Chains with their policies; user chains have none.
    chains: Vec<(String, Option<Policy>)>,
    rules: BTreeMap<String, Vec<Rule>>,
}

impl Saved {
    fn parse(family: Family, text: &str) -> Result<Self, String> {
        let mut saved = Self::default();
        for line in text.lines() {
            if line.starts_with("# Table `") {
                return Err("it holds rules that were made with nft, which iptables cannot show".to_owned());
            }
            if let Some((chain, policy)) = line.strip_prefix(':').and_then(|rest| rest.split_once(' ')) {
                let policy = match policy.split(' ').next() {
                    Some("DROP") => Some(Policy::Drop),
                    Some("ACCEPT") => Some(Policy::Accept),
                    _ => None,
                };
                saved.rules.entry(chain.to_owned()).or_default();
                saved.chains.push((chain.to_owned(), policy));
            } else if let Some(rest) = line.strip_prefix("-A ") {
                let chain = rest.split(' ').next().unwrap_or_default();
                let rules = saved.rules.entry(chain.to_owned()).or_default();
                rules.push(Rule::from_words(family, rules.len() + 1, line));
            }
        }
        Ok(saved)
    }

    fn into_chains(mut self, family: Family, table: &str) -> Vec<Chain> {
        let chain_family = match family {
            Family::Ipv4 => ChainFamily::Ip,
            Family::Ipv6 => ChainFamily::Ip6,
        };
        let chain = |(name, policy): (String, Option<Policy>)| Chain {
            origin: Origin::IptablesLegacy,
            family: chain_family,
            table: table.to_owned(),
            base: policy.and_then(|policy| base(table, &name, policy)),
            rules: self.rules.remove(&name).unwrap_or_default(),
            name,
        };
        self.chains.into_iter().map(chain).collect()
    }
}

/// Where a built-in chain hangs (`NF_IP_PRI_*` of `linux/netfilter_ipv4.h`).
fn base(table: &str, chain: &str, policy: Policy) -> Option<Base> {
    let hook = match chain {
        "PREROUTING" => Hook::Prerouting,
        "INPUT" => Hook::Input,
        "FORWARD" => Hook::Forward,
        "OUTPUT" => Hook::Output,
        "POSTROUTING" => Hook::Postrouting,
        _ => return None,
    };
    let (kind, priority) = match (table, hook) {
        ("raw", _) => (ChainKind::Filter, -300),
        ("mangle", Hook::Output) => (ChainKind::Route, -150),
        ("mangle", _) => (ChainKind::Filter, -150),
        ("nat", Hook::Prerouting | Hook::Output) => (ChainKind::Nat, -100),
        ("nat", _) => (ChainKind::Nat, 100),
        ("security", _) => (ChainKind::Filter, 50),
        _ => (ChainKind::Filter, 0),
    };
    Some(Base { kind, hook, priority, policy, devices: Vec::new() })
}
