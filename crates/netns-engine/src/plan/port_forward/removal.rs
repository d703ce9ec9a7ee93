//! Takes published ports back, and with the last user what several of them share.
//!
//! Many go at once as one does: their entries in one transaction, their flows in one look at the kernel's table.

use std::collections::{BTreeMap, BTreeSet};

use super::{Needs, forward_in_table, has_hairpin, own_table, published_records, record_of, rules};
use crate::{
    address::Family,
    desired::PortUnpublished,
    firewall::{IptablesRule, PortForward, Published, RuleChange, TableEntry},
    name::{LinkName, NetnsName},
    observed::{Observed, Scope},
    place::{LinkAt, Place},
    plan::{Conflict, Desired, Draft, LinkChange, Operation, Plan, forwarding, own_table::StillClosed},
    record::{PublishedRecord, Record, RecordKey},
    sysctl::Sysctl,
};

impl Desired for PortUnpublished {
    fn scope(&self) -> Scope {
        Scope::default().with_published(&self.published)
    }

    fn plan(&self, observed: &Observed) -> Result<Plan, Conflict> {
        let leaving = Leaving::of(observed, &self.published);
        let leaving = leaving.ok_or_else(|| Conflict::NotPublished(self.published.clone()))?;
        self.refuse_other_target(leaving.record.as_ref())?;
        let mut draft = Draft::from(observed);
        take_back(&mut draft, &[self.published.clone()].into(), &StillClosed::new());
        Ok(draft.finish())
    }
}

/// Takes back every port that leads into `netns`.
///
/// Its address may be another's soon, who would find himself published.
pub(in crate::plan) fn take_back_ports_of(draft: &mut Draft, netns: &NetnsName) {
    let of_netns = published_records(draft.state()).filter(|record| record.netns == *netns);
    let ports = of_netns.map(|record| record.forward.published.clone()).collect();
    take_back(draft, &ports, &StillClosed::new());
}

/// Takes back those of `ports` that are published.
pub(in crate::plan) fn take_back(
    draft: &mut Draft,
    ports: &BTreeSet<Published>,
    still_closed: &StillClosed<'_>,
) {
    let leaving: Vec<_> = ports.iter().filter_map(|port| Leaving::of(draft.state(), port)).collect();
    if leaving.is_empty() {
        return;
    }
    let mut estate = Estate::of(&leaving);
    let heirs = estate.pass_on(draft.state(), ports);
    let later = state_without(draft.state(), ports, &heirs);
    close(draft, &leaving);
    estate.take_away(draft, &leaving);
    let forwarded = leaving.iter().map(|port| &port.forward.published);
    let forwarded = forwarded.filter(|published| !published.is_for_this_host_only());
    for family in forwarded.map(|published| Family::of(published.address)).collect::<BTreeSet<_>>() {
        forwarding::switch_off(draft, family, &later);
    }
    for bridge in leaving.iter().map(|port| &port.forward.bridge).collect::<BTreeSet<_>>() {
        own_table::drop_unneeded(draft, bridge, &later, still_closed);
    }
    for heir in heirs {
        draft.then(
            Operation::Remember(Record::Published(heir)),
            "What this port goes on using is from now on noted with it.",
        );
    }
    for record in leaving.iter().filter_map(|port| port.record.as_ref()) {
        let key = RecordKey::Published(record.forward.published.clone());
        draft.then(Operation::Forget(key), "Nothing of this port is left.");
    }
}

impl PortUnpublished {
    fn refuse_other_target(&self, record: Option<&PublishedRecord>) -> Result<(), Conflict> {
        let (Some(asked), Some(record)) = (&self.target, record) else { return Ok(()) };
        let port = record.forward.target.port();
        if record.netns == asked.netns && port == asked.port {
            return Ok(());
        }
        let target = format!("{}:{port}", record.netns);
        Err(Conflict::AlreadyPublished { published: self.published.clone(), target })
    }
}

/// A published port that goes.
struct Leaving {
    forward: PortForward,
    /// Its entry, which may differ from what is noted.
    in_table: Option<PortForward>,
    /// None where only the entry tells of it.
    record: Option<PublishedRecord>,
}

impl Leaving {
    fn of(observed: &Observed, published: &Published) -> Option<Self> {
        let record = record_of(observed, published);
        let in_table = forward_in_table(observed, published);
        let forward = record.map(|record| &record.forward).or(in_table)?.clone();
        Some(Self { forward, in_table: in_table.cloned(), record: record.cloned() })
    }
}

/// Lets no more packets through to the ports.
fn close(draft: &mut Draft, leaving: &[Leaving]) {
    let entries: Vec<_> =
        leaving.iter().filter_map(|port| port.in_table.clone()).map(TableEntry::Forward).collect();
    if !entries.is_empty() {
        let ports = if leaving.len() == 1 { "the port" } else { "these ports" };
        let why = format!("New connections to {ports} are the host's own again.");
        draft.then(Operation::DeleteEntries(entries), why);
    }
    draft.then(
        Operation::ForgetFlows(leaving.iter().map(|port| port.forward.clone()).collect()),
        "A tracked flow would still be translated, whatever the table says: the next UDP packet must not arrive.",
    );
}

/// What was set up for the ports that go, and is to be taken away unless somebody inherits it.
#[derive(Default)]
struct Estate {
    settings: BTreeMap<Sysctl, i32>,
    /// The bridge's port by the bridge, and by the netns behind it.
    hairpins: BTreeMap<(LinkName, NetnsName), LinkName>,
    rules: BTreeSet<IptablesRule>,
}

impl Estate {
    fn of(leaving: &[Leaving]) -> Self {
        let mut estate = Self::default();
        for record in leaving.iter().filter_map(|port| port.record.as_ref()) {
            estate.settings.extend(record.settings.iter().cloned());
            estate.rules.extend(record.rules.iter().cloned());
            if let Some(port) = &record.hairpin {
                estate.hairpins.insert(behind(record), port.clone());
            }
        }
        estate
    }

    fn is_empty(&self) -> bool {
        self.settings.is_empty() && self.hairpins.is_empty() && self.rules.is_empty()
    }

    /// Hands everything that a port which stays needs over to the first that does. Returns those that
    /// inherit.
    fn pass_on(&mut self, observed: &Observed, leaving: &BTreeSet<Published>) -> Vec<PublishedRecord> {
        let staying =
            published_records(observed).filter(|record| !leaving.contains(&record.forward.published));
        let mut heirs = Vec::new();
        for record in staying {
            if self.is_empty() {
                break;
            }
            heirs.extend(self.inherited_by(observed, record));
        }
        heirs
    }

    fn inherited_by(&mut self, observed: &Observed, record: &PublishedRecord) -> Option<PublishedRecord> {
        let place = behind(record);
        let needs = Needs::of(observed, &record.forward, self.hairpins.get(&place)).ok()?;
        let mut heir = record.clone();
        let settings = needs.settings.iter().filter_map(|setting| self.settings.remove_entry(setting));
        heir.settings.extend(settings);
        heir.rules.extend(needs.rules.iter().filter_map(|rule| self.rules.take(rule)));
        if needs.hairpin.is_some() {
            heir.hairpin = self.hairpins.remove(&place);
        }
        (heir != *record).then_some(heir)
    }

    fn take_away(mut self, draft: &mut Draft, leaving: &[Leaving]) {
        for port in self.hairpins.values() {
            if has_hairpin(draft.state(), port) {
                draft.then(
                    Operation::SetLink(LinkAt::on_host(port.clone()), LinkChange::HairpinOff),
                    "No netns behind this port calls itself through the bridge any more.",
                );
            }
        }
        for (setting, value) in &self.settings {
            // A bridge that is gone took its settings with it.
            if draft.state().sysctl(&Place::Host, setting).is_some_and(|is| is != *value) {
                draft.then(
                    Operation::SetSysctl(Place::Host, setting.clone(), *value),
                    "No port of 127.0.0.1 leads to this bridge any more; the setting gets its old value back.",
                );
            }
        }
        let known: BTreeSet<_> =
            draft.state().firewall.iptables.iter().flat_map(|iptables| &iptables.rules).collect();
        self.rules.retain(|rule| known.contains(rule));
        let ports = if leaving.len() == 1 { "this port" } else { "these ports" };
        let changes: Vec<_> = self.rules.into_iter().map(RuleChange::Delete).collect();
        rules::change(draft, &changes, &format!("Only the rules that were added for {ports} go."));
    }
}

fn behind(record: &PublishedRecord) -> (LinkName, NetnsName) {
    (record.forward.bridge.clone(), record.netns.clone())
}

/// The state to come: who is left tells what is still needed.
fn state_without(observed: &Observed, leaving: &BTreeSet<Published>, heirs: &[PublishedRecord]) -> Observed {
    let mut later = observed.clone();
    for port in leaving {
        later.records.remove(&RecordKey::Published(port.clone()));
    }
    let heirs = heirs.iter().cloned().map(Record::Published);
    later.records.extend(heirs.map(|heir| (heir.key(), heir)));
    later
}
