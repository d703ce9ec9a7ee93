//! Rules of iptables, in its own words.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
};

use super::tables::RawChain;
use crate::{
    address::Family,
    diagnose::firewall::{Base, Chain, ChainFamily, ChainKind, Hook, Origin, Policy, Rule},
    kernel::iptables::{Variant, save},
};

/// The tables of iptables.
const TABLES: [&str; 5] = ["raw", "mangle", "nat", "filter", "security"];
const FAMILIES: [(Family, ChainFamily); 2] =
    [(Family::Ipv4, ChainFamily::Ip), (Family::Ipv6, ChainFamily::Ip6)];

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
    for (family, chain_family) in FAMILIES {
        let own = chains.iter().filter(|chain| chain.family == chain_family && is_theirs(chain));
        let tables: BTreeSet<_> = own.map(|chain| chain.table.as_str()).collect();
        if tables.is_empty() {
            continue;
        }
        match save(family, Variant::Nft, &[]) {
            Ok(text) => {
                let saved = Saved::parse(family, &text);
                let shown = saved.rules.into_iter().filter(|((table, _), _)| tables.contains(table.as_str()));
                words.0.extend(shown.map(|((table, chain), rules)| ((chain_family, table, chain), rules)));
            }
            Err(refusal) => {
                unread.push(format!("tables of family {chain_family} in the words of iptables: {refusal}"));
            }
        }
    }
    words
}

/// Returns the chains of the old iptables. The kernel tells which tables there are; to ask for another would
/// make it.
pub(super) fn legacy(unread: &mut Vec<String>) -> Vec<Chain> {
    let mut chains = Vec::new();
    for (family, chain_family) in FAMILIES {
        let file = match family {
            Family::Ipv4 => "ip_tables_names",
            Family::Ipv6 => "ip6_tables_names",
        };
        let names = match fs::read_to_string(format!("/proc/thread-self/net/{file}")) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => {
                unread.push(format!("the tables of iptables-legacy in /proc/net/{file}: {error}"));
                continue;
            }
        };
        let there = TABLES.into_iter().filter(|table| names.lines().any(|name| name == *table));
        let tables: Vec<_> = there.collect();
        if tables.is_empty() {
            continue;
        }
        match save(family, Variant::Legacy, &tables) {
            Ok(text) => chains.extend(Saved::parse(family, &text).into_chains(chain_family)),
            Err(refusal) => {
                unread.push(format!("tables {} of iptables-legacy: {refusal}", tables.join(", ")));
            }
        }
    }
    chains
}

/// Other programs use the same names for tables, but not for chains.
fn is_theirs(chain: &RawChain) -> bool {
    let is_built_in =
        matches!(chain.name.as_str(), "PREROUTING" | "INPUT" | "FORWARD" | "OUTPUT" | "POSTROUTING");
    chain.base.is_some() && is_built_in && TABLES.contains(&chain.table.as_str())
}

/// What `iptables-save` printed. Of a table with rules that somebody made with `nft` and iptables has no words
/// for, it prints nothing but a remark.
#[derive(Debug, Default)]
struct Saved {
    /// Table, chain and policy; user chains have none.
    chains: Vec<(String, String, Option<Policy>)>,
    /// By table and chain.
    rules: BTreeMap<(String, String), Vec<Rule>>,
}

impl Saved {
    fn parse(family: Family, text: &str) -> Self {
        let mut saved = Self::default();
        let mut table = "";
        for line in text.lines() {
            if let Some(name) = line.strip_prefix('*') {
                table = name;
            } else if let Some((chain, policy)) = line.strip_prefix(':').and_then(|rest| rest.split_once(' '))
            {
                let policy = match policy.split(' ').next() {
                    Some("DROP") => Some(Policy::Drop),
                    Some("ACCEPT") => Some(Policy::Accept),
                    _ => None,
                };
                saved.rules.entry((table.to_owned(), chain.to_owned())).or_default();
                saved.chains.push((table.to_owned(), chain.to_owned(), policy));
            } else if let Some(rest) = line.strip_prefix("-A ") {
                let chain = rest.split(' ').next().unwrap_or_default();
                let rules = saved.rules.entry((table.to_owned(), chain.to_owned())).or_default();
                rules.push(Rule::from_words(family, rules.len() + 1, line));
            }
        }
        saved
    }

    fn into_chains(mut self, family: ChainFamily) -> Vec<Chain> {
        let chain = |(table, name, policy): (String, String, Option<Policy>)| {
            let rules = self.rules.remove(&(table.clone(), name.clone())).unwrap_or_default();
            let base = policy.and_then(|policy| base(&table, &name, policy));
            Chain { origin: Origin::IptablesLegacy, family, table, name, base, rules }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_of_a_print_is_kept_apart() {
        let text = "# Table `mangle' is incompatible, use 'nft' tool.\n\
                    *nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -o eth0 -j MASQUERADE\nCOMMIT\n\
                    *filter\n:FORWARD DROP [12:720]\n:DOCKER-USER - [0:0]\n-A FORWARD -j DOCKER-USER\nCOMMIT\n";
        let chains = Saved::parse(Family::Ipv4, text).into_chains(ChainFamily::Ip);
        let told = |chain: &Chain| (chain.table.clone(), chain.name.clone(), chain.rules.len());
        let all: Vec<_> = chains.iter().map(told).collect();
        let wanted = [("nat", "POSTROUTING", 1), ("filter", "FORWARD", 1), ("filter", "DOCKER-USER", 0)];
        assert_eq!(all, wanted.map(|(table, chain, rules)| (table.to_owned(), chain.to_owned(), rules)));
        let bases: Vec<_> =
            chains.iter().map(|chain| chain.base.as_ref().map(|base| (base.priority, base.policy))).collect();
        assert_eq!(bases, [Some((100, Policy::Accept)), Some((0, Policy::Drop)), None]);
    }
}
