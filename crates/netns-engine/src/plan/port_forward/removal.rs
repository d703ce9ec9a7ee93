//! Takes a published port back, and with the last user what several of them share.

use super::{Needs, forward_in_table, has_hairpin, has_rule, own_table, published_records, record_of};
use crate::{
    address::Family,
    desired::PortUnpublished,
    firewall::{PortForward, RuleChange, TableEntry},
    name::NetnsName,
    observed::{Observed, Scope},
    place::{LinkAt, Place},
    plan::{Conflict, Desired, Draft, LinkChange, Operation, Plan, forwarding},
    record::{PublishedRecord, Record, RecordKey},
};

impl Desired for PortUnpublished {
    fn scope(&self) -> Scope {
        Scope::default().with_published(&self.published)
    }

    fn plan(&self, observed: &Observed) -> Result<Plan, Conflict> {
        let record = record_of(observed, &self.published);
        let in_table = forward_in_table(observed, &self.published);
        let forward = record.map(|record| &record.forward).or(in_table);
        let forward = forward.ok_or_else(|| Conflict::NotPublished(self.published.clone()))?;
        self.refuse_other_target(record, forward)?;
        let heirs = Heirs::of(observed, record);
        let later = heirs.state_without(observed, &self.published);
        let mut draft = Draft::from(observed);
        if let Some(known) = in_table {
            draft.then(
                Operation::DeleteEntries(vec![TableEntry::Forward(known.clone())]),
                "New connections to the port are the host's own again.",
            );
        }
        draft.then(
            Operation::ForgetFlows(vec![forward.clone()]),
            "A tracked flow would still be translated, whatever the table says: the next UDP packet must not arrive.",
        );
        if let Some(record) = record {
            take_away(&mut draft, &heirs.left_of(record));
        }
        if !self.published.is_for_this_host_only() {
            forwarding::switch_off(&mut draft, Family::of(self.published.address), &later);
        }
        own_table::drop_unneeded(&mut draft, &forward.bridge, &later);
        heirs.note(&mut draft);
        if record.is_some() {
            draft.then(
                Operation::Forget(RecordKey::Published(self.published.clone())),
                "Nothing of this port is left.",
            );
        }
        Ok(draft.finish())
    }
}

/// Takes back every port that leads into `netns`.
///
/// Its address may be another's soon, who would find himself published.
pub(in crate::plan) fn take_back_ports_of(draft: &mut Draft, netns: &NetnsName) -> Result<(), Conflict> {
    let ports: Vec<_> = published_records(draft.state())
        .filter(|record| record.netns == *netns)
        .map(|record| record.forward.published.clone())
        .collect();
    for published in ports {
        let plan = PortUnpublished { published, target: None }.plan(draft.state())?;
        draft.then_all(plan);
    }
    Ok(())
}

impl PortUnpublished {
    fn refuse_other_target(
        &self,
        record: Option<&PublishedRecord>,
        forward: &PortForward,
    ) -> Result<(), Conflict> {
        let (Some(asked), Some(record)) = (&self.target, record) else { return Ok(()) };
        if record.netns == asked.netns && forward.target.port() == asked.port {
            return Ok(());
        }
        let target = format!("{}:{}", record.netns, forward.target.port());
        Err(Conflict::AlreadyPublished { published: self.published.clone(), target })
    }
}

/// Takes away what was not there before the port was published.
fn take_away(draft: &mut Draft, record: &PublishedRecord) {
    if let Some(port) = &record.hairpin
        && has_hairpin(draft.state(), port)
    {
        draft.then(
            Operation::SetLink(LinkAt::on_host(port.clone()), LinkChange::HairpinOff),
            "No netns behind this port calls itself through the bridge any more.",
        );
    }
    for (setting, value) in &record.settings {
        // A bridge that is gone took its settings with it.
        if draft.state().sysctl(&Place::Host, setting).is_some_and(|is| is != *value) {
            draft.then(
                Operation::SetSysctl(Place::Host, setting.clone(), *value),
                "No port of 127.0.0.1 leads to this bridge any more; the setting gets its old value back.",
            );
        }
    }
    let there: Vec<_> = record.rules.iter().filter(|rule| has_rule(draft.state(), rule)).cloned().collect();
    if !there.is_empty() {
        let changes = there.into_iter().map(RuleChange::Delete).collect();
        draft.then(Operation::Iptables(changes), "Only the rules that were added for this port go.");
    }
}

/// Other published ports that go on needing what was set up for the one that goes.
struct Heirs {
    records: Vec<PublishedRecord>,
}

impl Heirs {
    /// Hands everything that somebody else needs over to the first who does.
    fn of(observed: &Observed, leaving: Option<&PublishedRecord>) -> Self {
        let Some(leaving) = leaving else { return Self { records: Vec::new() } };
        let others = published_records(observed)
            .filter(|other| other.forward.published != leaving.forward.published)
            .filter(|other| other.forward.bridge == leaving.forward.bridge);
        let mut left = leaving.clone();
        let mut records = Vec::new();
        for other in others {
            let mut heir = other.clone();
            inherit(observed, &mut heir, &mut left);
            if heir != *other {
                records.push(heir);
            }
        }
        Self { records }
    }

    /// What nobody inherits.
    fn left_of(&self, leaving: &PublishedRecord) -> PublishedRecord {
        let mut left = leaving.clone();
        for heir in &self.records {
            left.settings.retain(|setting| !heir.settings.contains(setting));
            left.rules.retain(|rule| !heir.rules.contains(rule));
            left.hairpin = left.hairpin.filter(|port| heir.hairpin.as_ref() != Some(port));
        }
        left
    }

    fn note(&self, draft: &mut Draft) {
        for heir in &self.records {
            draft.then(
                Operation::Remember(Record::Published(heir.clone())),
                "What this port goes on using is from now on noted with it.",
            );
        }
    }

    /// The state to come: who is left tells what is still needed.
    fn state_without(&self, observed: &Observed, leaving: &crate::firewall::Published) -> Observed {
        let mut later = observed.clone();
        later.records.remove(&RecordKey::Published(leaving.clone()));
        for heir in &self.records {
            later.records.insert(
                RecordKey::Published(heir.forward.published.clone()),
                Record::Published(heir.clone()),
            );
        }
        later
    }
}

/// Moves what `heir` needs from `left` to it.
fn inherit(observed: &Observed, heir: &mut PublishedRecord, left: &mut PublishedRecord) {
    let port = left.hairpin.as_ref().filter(|_| heir.netns == left.netns);
    let Ok(needs) = Needs::of(observed, &heir.forward, port) else { return };
    let moved = left.settings.extract_if(.., |(setting, _)| needs.settings.contains(setting));
    heir.settings.extend(moved);
    heir.rules.extend(left.rules.extract_if(.., |rule| needs.rules.contains(rule)));
    if let Some(port) = needs.hairpin {
        heir.hairpin = Some(port);
        left.hairpin = None;
    }
}
