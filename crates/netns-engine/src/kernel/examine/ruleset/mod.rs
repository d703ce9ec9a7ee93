//! The packet filters of the calling thread's netns, rule by rule.
//!
//! Netlink shows all tables of nftables, also those that `iptables-nft` keeps its rules in; but the words
//! that people know these by, and some of their meaning, has only the program. The old iptables has no
//! other interface than its program, which makes the tables it is asked for: it is asked only for what is there.

mod decode;
mod tables;
mod xtables;

use std::collections::BTreeMap;

use self::{
    decode::{Decoder, Dialect},
    tables::{RawChain, RawRule, Tables},
};
use crate::{
    diagnose::firewall::{Chain, Origin, Rule, Ruleset},
    kernel::{Refusal, RefusalKind},
};

/// Reads all tables of nftables, and those of iptables that are there already.
///
/// # Errors
///
/// Refuses where the kernel speaks nftables and fails to answer. What may not be read, or not by the programs
/// that are installed, is noted in the answer.
pub(super) fn read() -> Result<Ruleset, Refusal> {
    let mut ruleset = Ruleset::default();
    let tables = tables::read().or_else(|refusal| match refusal.kind() {
        RefusalKind::NotPermitted => {
            ruleset.unread.push(format!("the tables of nftables: {refusal}"));
            Ok(None)
        }
        _ => Err(refusal),
    });
    if let Some(tables) = tables? {
        let mut words = xtables::of_nftables(&tables.chains, &mut ruleset.unread);
        let sets = tables::sets(&tables, &mut ruleset.unread)?;
        let decoder = Decoder::new(&sets);
        ruleset.chains = chains(tables, &decoder, &mut words);
    }
    ruleset.chains.extend(xtables::legacy(&mut ruleset.unread));
    Ok(ruleset)
}

fn chains(tables: Tables, decoder: &Decoder<'_>, words: &mut xtables::Words) -> Vec<Chain> {
    let Tables { chains, rules } = tables;
    let mut by_chain: BTreeMap<_, Vec<RawRule>> = BTreeMap::new();
    for rule in rules {
        by_chain.entry((rule.family, rule.table.clone(), rule.chain.clone())).or_default().push(rule);
    }
    let whole = |chain: RawChain| {
        let place = (chain.family, chain.table.clone(), chain.name.clone());
        let raw = by_chain.remove(&place).unwrap_or_default();
        let spoken = words.take(chain.family, &chain.table, &chain.name);
        let numbered: Vec<_> =
            raw.iter().enumerate().map(|(place, rule)| decoder.rule(place + 1, rule)).collect();
        let (origin, rules) = match spoken {
            Some(spoken) => (Origin::Iptables, in_their_words(numbered, spoken)),
            None => (Origin::Nftables, numbered.into_iter().map(|(rule, _)| rule).collect()),
        };
        Chain { origin, family: chain.family, table: chain.table, name: chain.name, base: chain.base, rules }
    };
    chains.into_iter().map(whole).collect()
}

/// A rule that somebody made with `nft` in a table of iptables is shown wrongly by iptables, without what it
/// does not know: there netlink is right.
fn in_their_words(decoded: Vec<(Rule, Dialect)>, spoken: Vec<Rule>) -> Vec<Rule> {
    if decoded.len() != spoken.len() {
        return decoded.into_iter().map(|(rule, _)| rule).collect();
    }
    let both = decoded.into_iter().zip(spoken);
    both.map(|((decoded, dialect), spoken)| match dialect {
        Dialect::Iptables => Rule { handle: decoded.handle, ..spoken },
        Dialect::Nft => decoded,
    })
    .collect()
}
