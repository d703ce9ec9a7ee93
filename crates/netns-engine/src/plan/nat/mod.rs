//! Decides how a bridge gets internet access, and how it loses it.
//!
//! No half-way state is more open than both ends: what is translated and let through is settled
//! before forwarding goes on, and forwarding goes off before that is taken away.

pub(super) mod iptables;
mod nftables;
pub(super) mod removal;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, net::IpAddr};

use ipnet::IpNet;

use super::{Conflict, Desired, Draft, Operation, Plan, bridge, forwarding, own_table};
use crate::{
    address::Family,
    desired::Nat,
    firewall::{Driver, IptablesRule, IptablesTable, RuleChange, TableEntry, Translation},
    name::LinkName,
    observed::{Asked, Observed, Scope, Selection, TableSelection},
    place::{LinkAt, Place},
    record::{NatRecord, Record, RecordKey},
};

impl Desired for Nat {
    fn scope(&self) -> Scope {
        let mut scope = Scope::default().with_host_link(&self.bridge);
        if let Some(uplink) = &self.uplink {
            scope = scope.with_host_link(uplink);
        }
        if matches!(self.translation, Translation::Snat(_)) {
            // The address may be on any link of the host.
            scope.stacks.insert(Place::Host, Selection::All);
        }
        scope.iptables = Asked::Yes;
        scope.table = TableSelection::WithoutForwards;
        scope.forwarding_wanted_by.insert(self.bridge.clone());
        scope.noted.insert(RecordKey::Nat(self.bridge.clone()));
        scope.noted.extend([Family::Ipv4, Family::Ipv6].map(RecordKey::Forwarding));
        scope
    }

    fn plan(&self, observed: &Observed) -> Result<Plan, Conflict> {
        let mut draft = Draft::from(observed);
        self.extend(&mut draft)?;
        Ok(draft.finish())
    }
}

impl Nat {
    /// Adds the steps to a plan in the making.
    pub(super) fn extend(&self, draft: &mut Draft) -> Result<(), Conflict> {
        let observed = draft.state();
        bridge::require(observed, &LinkAt::on_host(self.bridge.clone()))?;
        let before = record_of(observed, &self.bridge).cloned();
        let path = Path {
            bridge: self.bridge.clone(),
            uplink: self.uplink(observed)?,
            subnets: self.subnets(observed)?,
            translation: self.translation,
        };
        let driver = self.driver(observed, before.as_ref(), path.families())?;
        refuse_other(before.as_ref(), &path, driver)?;
        let wanted = match driver {
            Driver::Iptables => iptables::wanted(&path)?,
            Driver::Nftables => nftables::wanted(observed, &path)?,
        };
        translate(draft, before.as_ref(), &path, (driver, wanted));
        Ok(())
    }
}

/// Who is translated, on the way out of which link, to what.
struct Path {
    bridge: LinkName,
    uplink: LinkName,
    subnets: Vec<IpNet>,
    translation: Translation,
}

impl Path {
    fn families(&self) -> BTreeSet<Family> {
        self.subnets.iter().map(Family::of_net).collect()
    }
}

/// What a driver wants to be there.
#[derive(Default)]
struct Wanted {
    rules: Vec<IptablesRule>,
    entries: Vec<TableEntry>,
}

fn translate(draft: &mut Draft, before: Option<&NatRecord>, path: &Path, (driver, wanted): (Driver, Wanted)) {
    let observed = draft.state();
    let missing = Wanted {
        rules: wanted.rules.iter().filter(|rule| !has_rule(observed, rule)).cloned().collect(),
        entries: wanted.entries.iter().filter(|entry| !own_table::has(observed, entry)).cloned().collect(),
    };
    if let Some(before) = before {
        let outdated = outdated(before, &wanted);
        removal::take_away_rules(draft, &outdated.rules);
        nftables::delete_outdated(draft, outdated.entries);
    }
    let record = Record::Nat(NatRecord {
        bridge: path.bridge.clone(),
        uplink: path.uplink.clone(),
        subnets: path.subnets.clone(),
        translation: path.translation,
        driver,
        rules: ours(before.map(|record| &record.rules), &wanted.rules, &missing.rules),
        entries: ours(before.map(|record| &record.entries), &wanted.entries, &missing.entries),
    });
    if draft.state().records.get(&record.key()) != Some(&record) {
        draft.then(
            Operation::Remember(record),
            "This notes what is ours, so that it can be taken away without touching what was there.",
        );
    }
    add_rules(draft, &missing.rules);
    nftables::add_entries(draft, missing.entries);
    for family in path.families() {
        forwarding::switch_on(draft, family, Some(&path.uplink));
        forwarding::switch_bridge_on(draft, family, &path.bridge);
    }
}

/// What was ours and is still wanted, and what is added now. The rest of the wanted was there
/// before us.
fn ours<T: Clone + PartialEq>(before: Option<&Vec<T>>, wanted: &[T], missing: &[T]) -> Vec<T> {
    let was_ours = |item: &T| before.is_some_and(|before| before.contains(item));
    wanted.iter().filter(|item| was_ours(item) || missing.contains(item)).cloned().collect()
}

/// What is ours and wanted no more, because the bridge's addresses changed.
fn outdated(before: &NatRecord, wanted: &Wanted) -> Wanted {
    Wanted {
        rules: before.rules.iter().filter(|rule| !wanted.rules.contains(rule)).cloned().collect(),
        entries: before.entries.iter().filter(|entry| !wanted.entries.contains(entry)).cloned().collect(),
    }
}

/// Translation first: a network let through untranslated would show its addresses to the world.
fn add_rules(draft: &mut Draft, rules: &[IptablesRule]) {
    for table in [IptablesTable::Nat, IptablesTable::Filter] {
        for family in [Family::Ipv4, Family::Ipv6] {
            let of_table = rules.iter().filter(|rule| rule.table == table && rule.family == family).cloned();
            let (changes, why): (Vec<_>, _) = match table {
                IptablesTable::Nat => (of_table.map(RuleChange::Append).collect(), iptables::WHY_TRANSLATE),
                IptablesTable::Filter => (of_table.map(RuleChange::Insert).collect(), iptables::WHY_ACCEPT),
            };
            if !changes.is_empty() {
                draft.then(Operation::Iptables(changes), why);
            }
        }
    }
}

fn record_of<'a>(observed: &'a Observed, bridge: &LinkName) -> Option<&'a NatRecord> {
    match observed.records.get(&RecordKey::Nat(bridge.clone()))? {
        Record::Nat(record) => Some(record),
        Record::Published(_) | Record::Forwarding(_) | Record::Topology(_) => None,
    }
}

fn has_rule(observed: &Observed, rule: &IptablesRule) -> bool {
    observed.firewall.iptables.as_ref().is_some_and(|iptables| iptables.rules.contains(rule))
}

/// Moving NAT elsewhere would cut whoever uses it now, so it is said and not done.
fn refuse_other(before: Option<&NatRecord>, path: &Path, driver: Driver) -> Result<(), Conflict> {
    let Some(before) = before else { return Ok(()) };
    let difference = if before.uplink != path.uplink {
        format!("it leaves through '{}'", before.uplink)
    } else if before.translation != path.translation {
        match before.translation {
            Translation::Masquerade => format!("it takes whatever address '{}' has", before.uplink),
            Translation::Snat(address) => format!("its source address becomes '{address}'"),
        }
    } else if before.driver != driver {
        format!("its rules are held by {}", before.driver)
    } else {
        return Ok(());
    };
    Err(Conflict::NatDiffers { bridge: path.bridge.clone(), difference })
}

impl Nat {
    fn uplink(&self, observed: &Observed) -> Result<LinkName, Conflict> {
        let uplink = match &self.uplink {
            Some(uplink) => uplink.clone(),
            None => default_uplink(observed).ok_or(Conflict::NoUplink)?,
        };
        if uplink == self.bridge {
            return Err(Conflict::BridgeIsUplink(uplink));
        }
        if observed.link(&LinkAt::on_host(uplink.clone())).is_none() {
            return Err(Conflict::UplinkMissing(uplink));
        }
        Ok(uplink)
    }

    /// The bridge's true networks, each once.
    fn subnets(&self, observed: &Observed) -> Result<Vec<IpNet>, Conflict> {
        let bridge = observed.link(&LinkAt::on_host(self.bridge.clone()));
        let addresses = bridge.into_iter().flat_map(|bridge| &bridge.addresses);
        let mut subnets: BTreeSet<IpNet> =
            addresses.filter(|address| !is_link_local(address)).map(IpNet::trunc).collect();
        if subnets.is_empty() {
            return Err(Conflict::BridgeWithoutAddress(self.bridge.clone()));
        }
        if let Translation::Snat(source) = self.translation {
            refuse_foreign_source(observed, source)?;
            let family = Family::of(source);
            subnets.retain(|subnet| Family::of_net(subnet) == family);
            if subnets.is_empty() {
                return Err(Conflict::BridgeWithoutFamily { bridge: self.bridge.clone(), family });
            }
        }
        Ok(subnets.into_iter().collect())
    }

    /// Who holds the rules: as asked, as before, as works.
    fn driver(
        &self,
        observed: &Observed,
        before: Option<&NatRecord>,
        families: BTreeSet<Family>,
    ) -> Result<Driver, Conflict> {
        let asked = self.driver.or_else(|| before.map(|record| record.driver));
        let works = families.into_iter().try_for_each(|family| iptables::require(observed, family));
        match (asked, works) {
            (Some(Driver::Nftables), _) | (None, Err(_)) => Ok(Driver::Nftables),
            (Some(Driver::Iptables) | None, Ok(())) => Ok(Driver::Iptables),
            (Some(Driver::Iptables), Err(missing)) => Err(missing),
        }
    }
}

/// The link of the default route: IPv4's before IPv6's, and the smallest metric of several.
fn default_uplink(observed: &Observed) -> Option<LinkName> {
    let routes = observed.stack(&Place::Host)?.routes.iter().filter(|route| route.is_default());
    let best = routes.min_by_key(|route| (Family::of_net(&route.destination), route.metric))?;
    best.link.clone()
}

fn is_link_local(address: &IpNet) -> bool {
    match address {
        IpNet::V4(_) => false,
        IpNet::V6(address) => address.addr().is_unicast_link_local(),
    }
}

/// Answers to an address that the host does not have would never come back to it.
fn refuse_foreign_source(observed: &Observed, source: IpAddr) -> Result<(), Conflict> {
    let links = observed.stack(&Place::Host).into_iter().flat_map(|host| host.links.values());
    let is_ours = links.flat_map(|link| &link.addresses).any(|address| address.addr() == source);
    if is_ours { Ok(()) } else { Err(Conflict::NotAHostsAddress(source)) }
}
