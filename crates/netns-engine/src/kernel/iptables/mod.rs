//! The iptables driver: rules by the host's own `iptables-save` and `iptables-restore`.
//!
//! Two programs of that name exist, and the kernel obeys the rules of both: `iptables-nft` keeps
//! them in nftables, `iptables-legacy` in tables of its own. Neither sees the other's.

mod counters;
mod program;
mod saved;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use rustix::io::Errno;

pub(super) use self::{
    counters::legacy_counts,
    program::{Variant, save},
};
use self::{program::Program, saved::Saved};
use super::refusal::Refusal;
use crate::{
    address::Family,
    firewall::{IptablesRule, IptablesTable, RuleChange},
    observed::Iptables,
};

/// Returns whether `iptables-legacy` has made chains.
pub(super) fn has_legacy_chains() -> bool {
    [Family::Ipv4, Family::Ipv6].into_iter().any(program::has_legacy_tables)
}

/// Reads the rules of both families, or why a family's rules cannot be read.
pub(super) fn observe() -> (Option<Iptables>, BTreeMap<Family, String>) {
    let mut iptables = Iptables::default();
    let mut missing = BTreeMap::new();
    for family in [Family::Ipv4, Family::Ipv6] {
        match saved_by_all(family) {
            Err(refusal) => drop(missing.insert(family, reason(&refusal))),
            Ok(all) => {
                for (_, saved) in all {
                    iptables.rules.extend(saved.rules);
                    if saved.forward_drops {
                        iptables.forward_drops.insert(family);
                    }
                }
            }
        }
    }
    iptables.order_chains();
    (if missing.len() == 2 { None } else { Some(iptables) }, missing)
}

fn reason(refusal: &Refusal) -> String {
    refusal.message().map_or_else(|| refusal.to_string(), str::to_owned)
}

fn saved_by_all(family: Family) -> Result<Vec<(Program, Saved)>, Refusal> {
    let save = |program: Program| {
        let saved = Saved::parse(family, &program.save()?)?;
        Ok((program, saved))
    };
    program::of(family)?.into_iter().map(save).collect()
}

/// Makes all changes or none.
///
/// One restore changes one table: given several, it would commit them one by one, and leave the
/// first changed when the second is refused.
pub(super) fn perform(changes: &[RuleChange]) -> Result<(), Refusal> {
    let tables = tables_of(changes);
    let before = if tables.len() > 1 { observe().0.unwrap_or_default() } else { Iptables::default() };
    let mut done = Vec::new();
    for table in tables {
        let of_table: Vec<_> = changes.iter().filter(|change| table_of(change) == table).cloned().collect();
        if let Err(refusal) = change_table(table, &of_table) {
            take_back(&before.undo_of(&done));
            return Err(refusal);
        }
        done.extend(of_table);
    }
    Ok(())
}

fn take_back(undo: &[RuleChange]) {
    for table in tables_of(undo) {
        let of_table: Vec<_> = undo.iter().filter(|change| table_of(change) == table).cloned().collect();
        // The refusal to report is the one that led here.
        drop(change_table(table, &of_table));
    }
}

type Table = (Family, IptablesTable);

fn table_of(change: &RuleChange) -> Table {
    (change.rule().family, change.rule().table)
}

/// Each table once, in the order of its first change.
fn tables_of(changes: &[RuleChange]) -> Vec<Table> {
    let mut seen = BTreeSet::new();
    changes.iter().map(table_of).filter(|table| seen.insert(*table)).collect()
}

fn change_table((family, table): Table, changes: &[RuleChange]) -> Result<(), Refusal> {
    let mut programs = program::of(family)?;
    if programs.len() > 1 {
        return change_where_rules_live(family, table, changes);
    }
    let program = programs.pop().ok_or(Errno::NOENT)?;
    program.restore(&restore_text(table, changes)?)
}

/// Where both kinds of rules exist: deletes where the rule is, adds where packets are dropped.
fn change_where_rules_live(
    family: Family,
    table: IptablesTable,
    changes: &[RuleChange],
) -> Result<(), Refusal> {
    let all = saved_by_all(family)?;
    let owner = saved::owner(&all.iter().map(|(_, saved)| saved).collect::<Vec<_>>());
    for (index, (program, _)) in all.iter().enumerate() {
        let is_here = |change: &&RuleChange| {
            let holder = match change {
                RuleChange::Delete(rule) => all.iter().position(|(_, saved)| saved.rules.contains(rule)),
                _ => None,
            };
            holder.unwrap_or(owner) == index
        };
        let here: Vec<_> = changes.iter().filter(is_here).cloned().collect();
        if !here.is_empty() {
            program.restore(&restore_text(table, &here)?)?;
        }
    }
    Ok(())
}

/// The input of `iptables-restore --noflush` for one table.
fn restore_text(table: IptablesTable, changes: &[RuleChange]) -> Result<String, Refusal> {
    let mut text = format!("*{}\n", table.as_str());
    for change in changes {
        let IptablesRule { chain, arguments, .. } = change.rule();
        let written = match change {
            RuleChange::Insert(_) => writeln!(text, "-I {chain} 1 {arguments}"),
            RuleChange::Reinsert(number, _) => writeln!(text, "-I {chain} {number} {arguments}"),
            RuleChange::Append(_) => writeln!(text, "-A {chain} {arguments}"),
            RuleChange::Delete(_) => writeln!(text, "-D {chain} {arguments}"),
        };
        written.map_err(|_| Errno::NOMEM)?;
    }
    text.push_str("COMMIT\n");
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_restore_holds_the_changes_of_one_table() {
        let rule = |chain: &str, arguments: &str| IptablesRule {
            family: Family::Ipv4,
            table: IptablesTable::Filter,
            chain: chain.to_owned(),
            arguments: arguments.to_owned(),
        };
        let changes = [
            RuleChange::Insert(rule("FORWARD", "-i br0 -j ACCEPT")),
            RuleChange::Delete(rule("INPUT", "-j DROP")),
        ];
        let text = restore_text(IptablesTable::Filter, &changes);
        let wanted = "*filter\n-I FORWARD 1 -i br0 -j ACCEPT\n-D INPUT -j DROP\nCOMMIT\n";
        assert_eq!(text.as_deref(), Ok(wanted));
    }
}
