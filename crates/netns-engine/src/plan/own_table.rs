//! Decides when the own nftables table, and the guard of a bridge in it, come and go.
//!
//! Both are shared by everything that is published or translated with nftables. They come with the
//! first who needs them and go with the last; the tool's notes tell who that is.

use super::{Conflict, Draft, Operation};
use crate::{
    firewall::{Driver, TableEntry},
    name::LinkName,
    observed::Observed,
    record::{NatRecord, Record},
};

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

/// Makes the table, unless it is there.
pub(super) fn make_table(draft: &mut Draft) {
    if draft.state().firewall.table.is_none() {
        draft.then(
            Operation::AddTable,
            "One table of our own holds everything, so that it never mixes with the rules of others, and goes as a whole.",
        );
    }
}

/// Guards `bridge`, in a table made for that if there is none.
pub(super) fn guard(draft: &mut Draft, bridge: &LinkName) {
    make_table(draft);
    let guard = TableEntry::Guard { bridge: bridge.clone() };
    if !has(draft.state(), &guard) {
        draft.then(
            Operation::AddEntries(vec![guard]),
            format!("From now on nobody outside reaches what hangs on '{bridge}' but by a published port."),
        );
    }
}

/// Deletes the guard of `bridge`, or the whole table, if nobody needs it in `later`, the state to come.
pub(super) fn drop_unneeded(draft: &mut Draft, bridge: &LinkName, later: &Observed) {
    let guard = TableEntry::Guard { bridge: bridge.clone() };
    let mut users = later.records.values().filter_map(bridge_of_user).peekable();
    if users.peek().is_none() {
        if draft.state().firewall.table.is_some() {
            draft.then(Operation::DeleteTable, "Its last user is gone, so the table goes as a whole.");
        }
    } else if !users.any(|user| user == bridge) && has(draft.state(), &guard) {
        draft.then(
            Operation::DeleteEntries(vec![guard]),
            format!("Nothing is published behind '{bridge}' any more, so its guard may go."),
        );
    }
}

/// Returns what a bridge's NAT had in the table that goes with it: all but a guard that a published
/// port relies on, and also a guard that was there first if nobody does any more.
pub(super) fn unneeded_entries(observed: &Observed, leaving: &NatRecord) -> Vec<TableEntry> {
    let guard = TableEntry::Guard { bridge: leaving.bridge.clone() };
    let mut entries: Vec<_> = leaving.entries.iter().filter(|entry| **entry != guard).cloned().collect();
    let is_published = |record: &Record| matches!(record, Record::Published(published) if published.forward.bridge == leaving.bridge);
    if leaving.driver == Driver::Nftables && !observed.records.values().any(is_published) {
        entries.push(guard);
    }
    entries
}

/// The bridge whose guard a noted change relies on.
fn bridge_of_user(record: &Record) -> Option<&LinkName> {
    match record {
        Record::Nat(nat) if nat.driver == Driver::Nftables => Some(&nat.bridge),
        Record::Published(published) => Some(&published.forward.bridge),
        Record::Nat(_) | Record::Forwarding(_) | Record::Topology(_) => None,
    }
}
