//! Takes away what was added for a bridge, and only that.

use super::{Wanted, has_rule, iptables, record_of};
use crate::{
    address::Family,
    desired::NatRemoved,
    firewall::{IptablesRule, IptablesTable, RuleChange},
    observed::{Observed, Scope},
    plan::{
        Conflict, Desired, Draft, Operation, Plan, forwarding,
        own_table::{self, StillClosed},
    },
    record::{NatRecord, RecordKey},
};

impl Desired for NatRemoved {
    fn scope(&self) -> Scope {
        forwarding::observed_in(Scope::default().with_host_link(&self.bridge))
    }

    fn plan(&self, observed: &Observed) -> Result<Plan, Conflict> {
        let record = record_of(observed, &self.bridge).ok_or_else(|| Conflict::NoNat(self.bridge.clone()))?;
        self.refuse_other_uplink(record)?;
        let mut draft = Draft::from(observed);
        remove(&mut draft, record, &StillClosed::new())?;
        Ok(draft.finish())
    }
}

impl NatRemoved {
    fn refuse_other_uplink(&self, record: &NatRecord) -> Result<(), Conflict> {
        match &self.uplink {
            Some(uplink) if *uplink != record.uplink => Err(Conflict::NatDiffers {
                bridge: self.bridge.clone(),
                difference: format!("it leaves through '{}'", record.uplink),
            }),
            _ => Ok(()),
        }
    }
}

/// Takes away what a record remembers, and forwarding with it unless somebody else needs that.
pub(in crate::plan) fn remove(
    draft: &mut Draft,
    record: &NatRecord,
    still_closed: &StillClosed<'_>,
) -> Result<(), Conflict> {
    for rule in &record.rules {
        iptables::require(draft.state(), rule.family)?;
    }
    let entries = own_table::unneeded_entries(draft.state(), record, still_closed);
    let ours = Wanted { rules: record.rules.clone(), entries };
    let later = without(draft.state(), record, &ours);
    for family in [Family::Ipv4, Family::Ipv6] {
        forwarding::switch_off(draft, family, &later);
    }
    take_away(draft, &ours);
    draft.then(
        Operation::Forget(RecordKey::Nat(record.bridge.clone())),
        "Nothing of ours is left for this bridge.",
    );
    Ok(())
}

/// The state after ours is gone, which tells who is left that needs forwarding.
fn without(observed: &Observed, record: &NatRecord, ours: &Wanted) -> Observed {
    let mut draft = Draft::from(observed);
    take_away(&mut draft, ours);
    draft.then(Operation::Forget(RecordKey::Nat(record.bridge.clone())), "");
    draft.finish().expected
}

/// Deletes what is still there; somebody may have deleted the rest by hand.
fn take_away(draft: &mut Draft, ours: &Wanted) {
    take_away_rules(draft, &ours.rules);
    let there = |entry: &&_| own_table::has(draft.state(), entry);
    let entries: Vec<_> = ours.entries.iter().filter(there).cloned().collect();
    own_table::delete_entries(draft, entries);
}

/// Deletes the rules that are still there. Passage goes before translation, so that no packet leaves
/// untranslated.
pub(super) fn take_away_rules(draft: &mut Draft, rules: &[IptablesRule]) {
    for table in [IptablesTable::Filter, IptablesTable::Nat] {
        for family in [Family::Ipv6, Family::Ipv4] {
            let there = |rule: &&_| {
                let rule: &IptablesRule = rule;
                rule.table == table && rule.family == family && has_rule(draft.state(), rule)
            };
            let changes: Vec<_> = rules.iter().filter(there).cloned().map(RuleChange::Delete).rev().collect();
            if !changes.is_empty() {
                draft.then(Operation::Iptables(changes), "Only the rules that were not there before go.");
            }
        }
    }
}
