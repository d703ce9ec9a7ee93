//! The iptables rules in the model: an order within each chain, and none between chains.

use rustix::io::Errno;

use super::Iptables;
use crate::{
    firewall::{IptablesRule, RuleChange},
    kernel::Refusal,
};

impl Iptables {
    /// Brings the chains into a fixed order, and leaves the rules of each as they are.
    pub(crate) fn order_chains(&mut self) {
        self.rules.sort_by(|one, other| one.place().cmp(&other.place()));
    }

    pub(super) fn change(&mut self, change: &RuleChange) -> Result<(), Refusal> {
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
        self.order_chains();
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
    use crate::{address::Family, firewall::IptablesTable, observed::Observed, plan::Operation};

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
