//! How operations on the own nftables table change the model.
//!
//! All or nothing, as an nftables transaction is: what was changed before a refusal is changed back, since a
//! copy of the table to work on would cost as much as all its port forwards.

use std::collections::BTreeSet;

use rustix::io::Errno;

use super::{Observed, TableRules};
use crate::{firewall::TableEntry, kernel::Refusal};

impl Observed {
    pub(super) fn add_table(&mut self) -> Result<(), Refusal> {
        if self.firewall.table.is_some() {
            return Err(Errno::EXIST.into());
        }
        self.firewall.table = Some(BTreeSet::new());
        self.firewall.rules = TableRules::AsMade;
        Ok(())
    }

    pub(super) fn delete_table(&mut self) -> Result<(), Refusal> {
        self.firewall.rules = TableRules::AsMade;
        self.firewall.table.take().map(drop).ok_or_else(|| Errno::NOENT.into())
    }

    pub(super) fn restore_rules(&mut self) -> Result<(), Refusal> {
        if self.firewall.table.is_none() {
            return Err(Errno::NOENT.into());
        }
        self.firewall.rules = TableRules::AsMade;
        Ok(())
    }

    /// A map holds one value for each key.
    pub(super) fn add_entries(&mut self, entries: &[TableEntry]) -> Result<(), Refusal> {
        let table = self.firewall.table.as_mut().ok_or(Errno::NOENT)?;
        for (done, entry) in entries.iter().enumerate() {
            if entry.with_same_key(table).is_some() {
                for added in entries.iter().take(done) {
                    table.remove(added);
                }
                return Err(Errno::EXIST.into());
            }
            table.insert(entry.clone());
        }
        Ok(())
    }

    /// The kernel deletes by the key alone.
    pub(super) fn delete_entries(&mut self, entries: &[TableEntry]) -> Result<(), Refusal> {
        let table = self.firewall.table.as_mut().ok_or(Errno::NOENT)?;
        let mut deleted = Vec::with_capacity(entries.len());
        for entry in entries {
            let Some(known) = entry.with_same_key(table).cloned() else {
                table.extend(deleted);
                return Err(Errno::NOENT.into());
            };
            deleted.extend(table.take(&known));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{name::LinkName, operation::Operation};

    fn guards(names: &[&str]) -> Vec<TableEntry> {
        names.iter().map(|name| TableEntry::Guard { bridge: LinkName::new(*name).unwrap() }).collect()
    }

    #[test]
    fn a_refused_change_of_entries_changes_nothing() {
        let mut before = Observed::default();
        before.firewall.table = Some(guards(&["a", "b"]).into_iter().collect());
        let refused = [
            (Operation::AddEntries(guards(&["c", "b"])), Errno::EXIST),
            (Operation::DeleteEntries(guards(&["a", "c"])), Errno::NOENT),
        ];
        for (operation, errno) in refused {
            let mut state = before.clone();
            assert_eq!(state.project(&operation).unwrap_err().errno(), errno);
            assert_eq!(state, before, "{operation:?}");
        }
    }
}
