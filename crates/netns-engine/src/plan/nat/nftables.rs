//! The own table: a guarded bridge, a way out, and translation, as entries of its sets.

use super::{Path, Wanted, iptables};
use crate::{
    firewall::TableEntry,
    observed::{Iptables, Observed},
    plan::{Conflict, Draft, Operation, own_table},
};

/// The entries; also iptables rules where its chains drop, for an accept in one table does not
/// help against a drop in another.
pub(super) fn wanted(observed: &Observed, path: &Path) -> Result<Wanted, Conflict> {
    own_table::require_nftables(observed)?;
    let mut entries = own_table::closed_by(&path.bridge).to_vec();
    entries.push(TableEntry::Egress { bridge: path.bridge.clone(), uplink: path.uplink.clone() });
    entries.extend(path.subnets.iter().map(|subnet| TableEntry::Translate {
        subnet: *subnet,
        uplink: path.uplink.clone(),
        translation: path.translation,
    }));
    let mut rules = Vec::new();
    for family in path.families() {
        let drops = |iptables: &Iptables| iptables.forward_drops.contains(&family);
        if observed.firewall.iptables_for(family).is_ok_and(drops) {
            rules.extend(iptables::accepting(&path.bridge, family)?);
        }
    }
    Ok(Wanted { rules, entries })
}

/// Adds what is missing, and the table where there is none.
pub(super) fn add_entries(draft: &mut Draft, entries: Vec<TableEntry>) {
    if entries.is_empty() {
        return;
    }
    own_table::make_table(draft);
    draft.then(
        Operation::AddEntries(entries),
        "In one transaction: only the bridge's own connections pass to the uplink, and leave with the host's address.",
    );
}

/// Deletes entries that others follow, so the table stays.
pub(super) fn delete_outdated(draft: &mut Draft, mut entries: Vec<TableEntry>) {
    entries.retain(|entry| own_table::has(draft.state(), entry));
    if !entries.is_empty() {
        draft.then(Operation::DeleteEntries(entries), own_table::ONLY_OURS);
    }
}
