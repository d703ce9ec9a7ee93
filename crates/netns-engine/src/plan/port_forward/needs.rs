//! What a port forward needs beside its entry, and what of it was not there before.

use std::collections::{BTreeSet, HashSet};

use super::rules;
use crate::{
    address::Family,
    firewall::{IptablesRule, PortForward},
    name::LinkName,
    observed::Observed,
    place::{LinkAt, Place},
    plan::Conflict,
    record::PublishedRecord,
    sysctl::Sysctl,
};

/// What a port forward needs, whoever provides it.
#[derive(Clone, Debug, Default)]
pub(super) struct Needs {
    /// Settings that must be 1.
    pub(super) settings: Vec<Sysctl>,
    /// The port of the bridge that must send frames back.
    pub(super) hairpin: Option<LinkName>,
    /// Rules without which an iptables chain would drop the packets.
    pub(super) rules: Vec<IptablesRule>,
    /// The family that must be forwarded.
    pub(super) forwarding: Option<Family>,
}

impl Needs {
    /// Returns what `forward` needs, given the bridge's port towards its netns.
    pub(super) fn of(
        observed: &Observed,
        forward: &PortForward,
        port: Option<&LinkName>,
    ) -> Result<Self, Conflict> {
        let published = &forward.published;
        let mut needs = Self::default();
        if published.is_on_loopback() {
            needs.settings.push(Sysctl::RouteLocalnet(forward.bridge.clone()));
        }
        if published.is_for_this_host_only() {
            return Ok(needs);
        }
        let family = Family::of(published.address);
        needs.forwarding = Some(family);
        needs.hairpin = port.cloned();
        let iptables = observed.firewall.iptables_for(family);
        if iptables.is_ok_and(|iptables| iptables.forward_drops.contains(&family)) {
            needs.rules = rules::accepting(forward)?;
        }
        Ok(needs)
    }

    /// Adds to `record` what is needed and not there yet, with what was there instead.
    pub(super) fn note_missing(
        &self,
        observed: &Observed,
        promised: &mut Promised,
        record: &mut PublishedRecord,
    ) {
        for setting in &self.settings {
            let known = record.settings.iter().any(|(known, _)| known == setting);
            match observed.sysctl(&Place::Host, setting) {
                Some(value) if value != 1 && promised.settings.insert(setting.clone()) && !known => {
                    record.settings.push((setting.clone(), value));
                }
                _ => {}
            }
        }
        for rule in &self.rules {
            if promised.rules.insert(rule.clone()) && !record.rules.contains(rule) {
                record.rules.push(rule.clone());
            }
        }
        if let Some(port) = &self.hairpin
            && !has_hairpin(observed, port)
            && promised.hairpins.insert(port.clone())
        {
            record.hairpin = Some(port.clone());
        }
    }
}

/// What a port need not see to, because it is there, or because one before it does.
pub(super) struct Promised {
    settings: BTreeSet<Sysctl>,
    hairpins: BTreeSet<LinkName>,
    pub(super) rules: HashSet<IptablesRule>,
}

impl Promised {
    /// What is there: of settings and links it is found as fast there.
    pub(super) fn of(observed: &Observed) -> Self {
        let rules = observed.firewall.iptables.iter().flat_map(|iptables| &iptables.rules);
        Self { settings: BTreeSet::new(), hairpins: BTreeSet::new(), rules: rules.cloned().collect() }
    }
}

pub(super) fn has_hairpin(observed: &Observed, port: &LinkName) -> bool {
    observed.link(&LinkAt::on_host(port.clone())).is_some_and(|link| link.hairpin)
}
