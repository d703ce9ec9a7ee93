//! Packet filtering and translation: what is observed, and how iptables rules change in the model.
//!
//! Rules have an order within each chain, and none between chains.

use std::collections::{BTreeMap, BTreeSet};

use rustix::io::Errno;

use crate::{
    address::Family,
    firewall::{IptablesRule, RuleChange, TableEntry},
    kernel::Refusal,
};

/// Packet filtering and translation on the host, as far as it was asked for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Firewall {
    /// The iptables side, where the program works for at least one family.
    pub iptables: Option<Iptables>,
    /// Why the program does not work for these families.
    pub iptables_missing: BTreeMap<Family, String>,
    /// Whether the kernel speaks nftables.
    pub nftables: bool,
    /// Entries of the own table; none where it does not exist.
    pub table: Option<BTreeSet<TableEntry>>,
    /// The rules of the own table, where it exists.
    pub rules: TableRules,
    /// Base chains of other nftables tables that may drop forwarded packets.
    pub foreign_chains: Vec<ForeignChain>,
}

/// Whether somebody else changed the rules of the own table, which never change by themselves.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum TableRules {
    /// Each chain has as many as it was made with.
    #[default]
    AsMade,
    /// Some are gone, or more than there were.
    Altered,
}

/// The rules that a working `iptables` shows.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Iptables {
    /// Rules of the tables `nat` and `filter`, both families, in order.
    pub rules: Vec<IptablesRule>,
    /// Families whose `FORWARD` chain drops packets: by policy, or by a rule of its own.
    pub forward_drops: BTreeSet<Family>,
}

/// Another program's base chain on a hook that forwarded packets pass.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ForeignChain {
    /// Family and table, such as `inet firewalld`.
    pub table: String,
    /// The chain.
    pub chain: String,
    /// `filter`, `nat` or `route`.
    pub kind: String,
    /// The hook, such as `forward`.
    pub hook: String,
}

impl Firewall {
    /// Returns the iptables side for one family.
    ///
    /// # Errors
    ///
    /// Tells why the program does not work for it.
    pub fn iptables_for(&self, family: Family) -> Result<&Iptables, &str> {
        match (&self.iptables, self.iptables_missing.get(&family)) {
            (_, Some(reason)) => Err(reason),
            (None, None) => Err("it was not looked for"),
            (Some(iptables), None) => Ok(iptables),
        }
    }
}

impl Iptables {
    /// Brings the chains into a fixed order, and leaves the rules of each as they are.
    pub(crate) fn order_chains(&mut self) {
        self.rules.sort_by(|one, other| one.place().cmp(&other.place()));
    }

    /// Changes one rule after the other. The chains are brought into order once: there may be thousands
    /// of rules.
    pub(super) fn change_all(&mut self, changes: &[RuleChange]) -> Result<(), Refusal> {
        changes.iter().try_for_each(|change| self.change(change))?;
        self.order_chains();
        Ok(())
    }

    fn change(&mut self, change: &RuleChange) -> Result<(), Refusal> {
        match change {
            RuleChange::Insert(rule) => self.rules.insert(0, rule.clone()),
            RuleChange::Append(rule) => self.rules.push(rule.clone()),
            RuleChange::Reinsert(number, rule) => {
                let index = self.index_of(*number, rule).ok_or(Errno::INVAL)?;
                self.rules.insert(index, rule.clone());
            }
            RuleChange::Delete(rule) => {
                let index = self.rules.iter().position(|known| known == rule).ok_or(Errno::INVAL)?;
                self.rules.remove(index);
            }
        }
        Ok(())
    }

    /// Where in the list the rule is number `number` of its chain; none if the chain is too short.
    fn index_of(&self, number: usize, rule: &IptablesRule) -> Option<usize> {
        let in_chain = self.rules.iter().enumerate().filter(|(_, known)| known.place() == rule.place());
        let indices: Vec<usize> = in_chain.map(|(index, _)| index).collect();
        let behind_last = indices.last().map_or(self.rules.len(), |last| last + 1);
        indices.into_iter().chain([behind_last]).nth(number.checked_sub(1)?)
    }

    /// Returns the changes that lead back, last one first; a deleted rule comes back where it was.
    pub(crate) fn undo_of(&self, changes: &[RuleChange]) -> Vec<RuleChange> {
        let mut state = self.clone();
        let mut undo = Vec::new();
        for change in changes {
            undo.push(match change {
                RuleChange::Delete(rule) => {
                    RuleChange::Reinsert(state.number_of(rule).unwrap_or(1), rule.clone())
                }
                added => RuleChange::Delete(added.rule().clone()),
            });
            // What the model refuses, the program refuses too: nothing is to be undone then.
            drop(state.change(change));
        }
        undo.reverse();
        undo
    }

    /// The number of a rule in its chain, counted from one.
    fn number_of(&self, rule: &IptablesRule) -> Option<usize> {
        let mut chain = self.rules.iter().filter(|known| known.place() == rule.place());
        chain.position(|known| known == rule).map(|index| index + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{firewall::IptablesTable, observed::Observed, operation::Operation};

    fn rule(chain: &str, arguments: &str) -> IptablesRule {
        IptablesRule {
            family: Family::Ipv4,
            table: IptablesTable::Filter,
            chain: chain.to_owned(),
            arguments: arguments.to_owned(),
        }
    }

    #[test]
    fn a_deleted_rule_comes_back_where_it_was() {
        let rules = ["-i a -j ACCEPT", "-i b -j DROP", "-i c -j ACCEPT"].map(|words| rule("FORWARD", words));
        let mut before = Observed::default();
        before.firewall.iptables = Some(Iptables { rules: rules.to_vec(), ..Iptables::default() });
        for doomed in [vec![1], vec![0, 1], vec![2, 0], vec![0, 1, 2]] {
            let changes = doomed.into_iter().map(|index| RuleChange::Delete(rules[index].clone())).collect();
            let operation = Operation::Iptables(changes);
            let mut state = before.clone();
            state.project(&operation).unwrap();
            for undo in before.undo_of(&operation) {
                state.project(&undo).unwrap();
            }
            assert_eq!(state, before, "{operation:?}");
        }
    }
}
