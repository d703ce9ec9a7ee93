//! Decides when the own nftables table, and the guard of a bridge in it, come and go.
//!
//! Both are shared by everything that is published or translated with nftables. They come with the
//! first who needs them and go with the last; the tool's notes tell who that is.

use std::collections::BTreeSet;

use super::{Conflict, Draft, Operation};
use crate::{
    firewall::{Driver, TableEntry},
    name::LinkName,
    observed::{Observed, TableRules},
    record::{NatRecord, Record},
    topology::TopologyName,
};

pub(super) const ONLY_OURS: &str = "Only what was added for this bridge goes.";

/// Refuses where the kernel does not speak nftables.
pub(super) fn require_nftables(observed: &Observed) -> Result<(), Conflict> {
    if observed.firewall.nftables {
        return Ok(());
    }
    let reason = "the kernel refused an nftables request".to_owned();
    Err(Conflict::Missing { feature: "nftables".to_owned(), reason })
}

/// Returns whether `entry` is in the table.
pub(super) fn has(observed: &Observed, entry: &TableEntry) -> bool {
    observed.firewall.table.as_ref().is_some_and(|table| table.contains(entry))
}

/// Makes the table, unless it is there; puts its rules right in any case.
pub(super) fn make_table(draft: &mut Draft) {
    restore_rules(draft);
    if draft.state().firewall.table.is_none() {
        draft.then(
            Operation::AddTable,
            "One table of our own holds everything, so that it never mixes with the rules of others, and goes as a whole.",
        );
    }
}

/// Puts the rules right that somebody else changed: without them, no guard holds.
pub(super) fn restore_rules(draft: &mut Draft) {
    if draft.state().firewall.table.is_some() && draft.state().firewall.rules == TableRules::Altered {
        draft.then(Operation::RestoreRules, "Without its rules nothing in the table has an effect.");
    }
}

/// Guards `bridge`, in a table made for that if there is none.
pub(super) fn guard(draft: &mut Draft, bridge: &LinkName) {
    make_table(draft);
    let missing = guard_of(bridge).into_iter().filter(|entry| !has(draft.state(), entry));
    let missing: Vec<_> = missing.collect();
    if !missing.is_empty() {
        draft.then(
            Operation::AddEntries(missing),
            format!("From now on nobody outside reaches what hangs on '{bridge}' but by a published port."),
        );
    }
}

/// What keeps others from a bridge, and what hangs on it from being kept from itself.
pub(super) fn guard_of(bridge: &LinkName) -> [TableEntry; 2] {
    [TableEntry::Guard { bridge: bridge.clone() }, TableEntry::Hairpin { bridge: bridge.clone() }]
}

/// Bridges that are to stay closed although nothing noted relies on that any more: they, or what hangs on them,
/// are still there, and whoever takes them away opens them then.
pub(super) type StillClosed<'a> = BTreeSet<&'a LinkName>;

/// Deletes the guard of `bridge`, or the whole table, if nobody needs it in `later`, the state to come.
pub(super) fn drop_unneeded(
    draft: &mut Draft,
    bridge: &LinkName,
    later: &Observed,
    still_closed: &StillClosed<'_>,
) {
    let of_records = later.records.values().flat_map(bridges_of_user);
    let mut users = of_records.chain(still_closed.iter().copied()).peekable();
    if users.peek().is_none() {
        if draft.state().firewall.table.is_some() {
            draft.then(Operation::DeleteTable, "Its last user is gone, so the table goes as a whole.");
        }
    } else if !users.any(|user| user == bridge) {
        let there: Vec<_> = guard_of(bridge).into_iter().filter(|entry| has(draft.state(), entry)).collect();
        if !there.is_empty() {
            draft.then(
                Operation::DeleteEntries(there),
                format!("Nothing is published behind '{bridge}' any more, so its guard may go."),
            );
        }
    }
}

/// Returns what a bridge's NAT had in the table that goes with it: all but a guard that a published
/// port relies on, and also a guard that was there first if nobody does any more.
pub(super) fn unneeded_entries(
    observed: &Observed,
    leaving: &NatRecord,
    still_closed: &StillClosed<'_>,
) -> Vec<TableEntry> {
    let guard = guard_of(&leaving.bridge);
    let mut entries: Vec<_> =
        leaving.entries.iter().filter(|entry| !guard.contains(entry)).cloned().collect();
    let relies = |record: &Record| {
        !matches!(record, Record::Nat(_)) && bridges_of_user(record).contains(&&leaving.bridge)
    };
    let stays_closed = still_closed.contains(&leaving.bridge);
    if stays_closed || observed.records.values().any(relies) {
        let confined = TableEntry::Confine { bridge: leaving.bridge.clone() };
        let needs_no_nat = |record: &Record| matches!(record, Record::Topology(_)) && relies(record);
        if stays_closed || observed.records.values().any(needs_no_nat) {
            entries.retain(|entry| *entry != confined);
        }
    } else if leaving.driver == Driver::Nftables {
        entries.extend(guard);
    }
    entries
}

/// Returns whether something in the table keeps `bridge` closed.
pub(super) fn closes(observed: &Observed, bridge: &LinkName) -> bool {
    closed_by(bridge).iter().any(|entry| has(observed, entry))
}

/// What keeps a network of a topology closed, and open to itself.
pub(super) fn closed_by(bridge: &LinkName) -> [TableEntry; 3] {
    let [guard, hairpin] = guard_of(bridge);
    [guard, hairpin, TableEntry::Confine { bridge: bridge.clone() }]
}

/// Takes away what kept the networks of a topology closed, but for bridges that somebody else relies on.
pub(super) fn open(draft: &mut Draft, bridges: &[&LinkName], topology: &TopologyName) {
    let others = draft
        .state()
        .records
        .values()
        .filter(|record| !matches!(record, Record::Topology(up) if up.topology.name == *topology));
    let relied_on: BTreeSet<_> = others.flat_map(bridges_of_user).collect();
    let unneeded =
        bridges.iter().filter(|bridge| !relied_on.contains(**bridge)).flat_map(|bridge| closed_by(bridge));
    let there: Vec<_> = unneeded.filter(|entry| has(draft.state(), entry)).collect();
    delete_entries(draft, there);
}

/// Deletes entries, and the table with the last of them.
pub(super) fn delete_entries(draft: &mut Draft, entries: Vec<TableEntry>) {
    if entries.is_empty() {
        return;
    }
    let left = draft.state().firewall.table.iter().flatten().any(|entry| !entries.contains(entry));
    if left {
        draft.then(Operation::DeleteEntries(entries), ONLY_OURS);
    } else {
        draft.then(Operation::DeleteTable, "Its last user is gone, so the table goes as a whole.");
    }
}

/// The bridges whose guards a noted change relies on.
fn bridges_of_user(record: &Record) -> Vec<&LinkName> {
    match record {
        Record::Nat(nat) if nat.driver == Driver::Nftables => vec![&nat.bridge],
        Record::Published(published) => vec![&published.forward.bridge],
        Record::Topology(up) => up.topology.networks.iter().map(|network| &network.bridge).collect(),
        Record::Nat(_) | Record::Forwarding(_) => Vec::new(),
    }
}
