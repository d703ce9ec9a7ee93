//! Decides how a port of the host comes to lead into a netns, and how it ceases to.
//!
//! First the guard, then what lets packets pass, then the forward itself: at no moment is more
//! reachable than in the end.

mod needs;
pub(super) mod removal;
mod rules;
mod target;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, net::IpAddr};

use self::{
    needs::{Needs, Promised, has_hairpin},
    target::Way,
};
use super::{Conflict, Desired, Draft, LinkChange, Operation, Plan, forwarding, netns, own_table};
use crate::{
    address::Family,
    desired::PortPublished,
    firewall::{PortForward, Published, RuleChange, TableEntry, Transport},
    name::{LinkName, NetnsName},
    observed::{Listener, Observed, Scope},
    place::{LinkAt, Place},
    record::{PublishedRecord, Record, RecordKey},
    sysctl::Sysctl,
};

impl Desired for PortPublished {
    fn scope(&self) -> Scope {
        Scope::default().with_port_to_publish(&self.published).with_netns(&self.target.netns)
    }

    fn plan(&self, observed: &Observed) -> Result<Plan, Conflict> {
        netns::require(observed, &self.target.netns)?;
        own_table::require_nftables(observed)?;
        refuse_foreign_address(observed, &self.published)?;
        let way = Way::to(observed, &self.target.netns, Family::of(self.published.address))?;
        let wanted =
            Wanted { forward: way.forward(self), netns: self.target.netns.clone(), port: way.port.clone() };
        let mut draft = Draft::from(observed);
        publish(&mut draft, &[wanted])?;
        Ok(draft.finish())
    }
}

/// A forward with what its netns hangs on.
pub(super) struct Wanted {
    pub(super) forward: PortForward,
    pub(super) netns: NetnsName,
    /// The port of the bridge which the netns hangs on.
    pub(super) port: Option<LinkName>,
}

/// Publishes ports: what all of them need first, then all forwards in one transaction.
pub(super) fn publish(draft: &mut Draft, wanted: &[Wanted]) -> Result<(), Conflict> {
    own_table::require_nftables(draft.state())?;
    let known = Known::of(draft.state());
    let mut needs = Vec::with_capacity(wanted.len());
    for Wanted { forward, port, .. } in wanted {
        refuse_foreign_address(draft.state(), &forward.published)?;
        known.refuse_published_elsewhere(forward)?;
        refuse_listened_on(draft.state(), forward)?;
        needs.push(Needs::of(draft.state(), forward, port.as_ref())?);
    }
    let mut promised = Promised::of(draft.state());
    for (wanted, needs) in wanted.iter().zip(&needs) {
        own_table::guard(draft, &wanted.forward.bridge);
        wanted.note(draft, needs, &mut promised);
    }
    let ports = match wanted {
        [Wanted { forward, .. }] => forward.published.to_string(),
        _ => "these ports".to_owned(),
    };
    let_through_iptables(draft, &needs);
    for (wanted, needs) in wanted.iter().zip(&needs) {
        provide(draft, &wanted.forward, needs);
    }
    let entries = wanted.iter().map(|wanted| TableEntry::Forward(wanted.forward.clone()));
    let entries: Vec<_> = entries.filter(|entry| !own_table::has(draft.state(), entry)).collect();
    if !entries.is_empty() {
        let why = format!(
            "Connections to {ports} get the netns' address as their destination; replies are translated back."
        );
        draft.then(Operation::AddEntries(entries), why);
    }
    Ok(())
}

impl Wanted {
    fn note(&self, draft: &mut Draft, needs: &Needs, promised: &mut Promised) {
        let forward = &self.forward;
        let known = record_of(draft.state(), &forward.published).filter(|record| record.forward == *forward);
        let mut record = known.cloned().unwrap_or_else(|| PublishedRecord {
            forward: forward.clone(),
            netns: self.netns.clone(),
            rules: Vec::new(),
            settings: Vec::new(),
            hairpin: None,
        });
        needs.note_missing(draft.state(), promised, &mut record);
        if known != Some(&record) {
            draft.then(
                Operation::Remember(Record::Published(record)),
                "What was there before is noted, so that nothing is left when the port is taken back.",
            );
        }
    }
}

/// What is published already, found by its port: there may be thousands.
struct Known {
    noted: HashMap<(u16, Transport), Vec<PublishedRecord>>,
    in_table: HashMap<Published, PortForward>,
}

impl Known {
    fn of(observed: &Observed) -> Self {
        let mut noted: HashMap<_, Vec<_>> = HashMap::new();
        for record in published_records(observed) {
            let published = &record.forward.published;
            noted.entry((published.port, published.transport)).or_default().push(record.clone());
        }
        let in_table = forwards_in_table(observed).map(|known| (known.published.clone(), known.clone()));
        Self { noted, in_table: in_table.collect() }
    }

    fn refuse_published_elsewhere(&self, forward: &PortForward) -> Result<(), Conflict> {
        let asked = &forward.published;
        let refused = |published: &Published, target: String| {
            Err(Conflict::AlreadyPublished { published: published.clone(), target })
        };
        for record in self.noted.get(&(asked.port, asked.transport)).into_iter().flatten() {
            let other = &record.forward;
            if other.published.overlaps(asked)
                && (other.target, &other.bridge) != (forward.target, &forward.bridge)
            {
                return refused(&other.published, format!("{}:{}", record.netns, other.target.port()));
            }
        }
        match self.in_table.get(asked) {
            Some(other) if other != forward => refused(&other.published, other.target.to_string()),
            _ => Ok(()),
        }
    }
}

/// Adds the rules that are missing.
fn let_through_iptables(draft: &mut Draft, needs: &[Needs]) {
    let mut promised = Promised::of(draft.state());
    let mut changes = Vec::new();
    for needs in needs {
        // Each insertion goes first, so the last one ends up at the top.
        let missing = needs.rules.iter().rev().filter(|rule| promised.rules.insert((*rule).clone()));
        changes.extend(missing.cloned().map(RuleChange::Insert));
    }
    let why = "A chain of iptables drops what is forwarded, whatever our table says: it must let these packets pass, too.";
    rules::change(draft, &changes, why);
}

fn provide(draft: &mut Draft, forward: &PortForward, needs: &Needs) {
    if let Some(family) = needs.forwarding {
        if draft.state().sysctl(&Place::Host, &Sysctl::forwarding(family)) != Some(1) {
            let uplink = uplink(draft.state(), &forward.published).cloned();
            forwarding::switch_on(draft, family, uplink.as_ref());
        }
        forwarding::switch_bridge_on(draft, family, &forward.bridge);
    }
    for setting in &needs.settings {
        if draft.state().sysctl(&Place::Host, setting).is_some_and(|value| value != 1) {
            let why = "Connections from 127.0.0.1 may leave by this bridge; the table keeps the other direction shut.";
            draft.then(Operation::SetSysctl(Place::Host, setting.clone(), 1), why);
        }
    }
    if let Some(port) = &needs.hairpin
        && !has_hairpin(draft.state(), port)
    {
        let why = "With br_netfilter, a netns that calls itself by the published port is answered through the port it asked by.";
        draft.then(Operation::SetLink(LinkAt::on_host(port.clone()), LinkChange::HairpinOn), why);
    }
}

/// The link through which others reach the published address.
fn uplink<'a>(observed: &'a Observed, published: &Published) -> Option<&'a LinkName> {
    let host = observed.stack(&Place::Host)?;
    let has_address = |address: IpAddr| {
        let mut links = host.links.iter();
        links.find(|(_, link)| link.addresses.iter().any(|net| net.addr() == address))
    };
    if let Some((name, _)) = has_address(published.address) {
        return Some(name);
    }
    let family = Family::of(published.address);
    let mut routes = host.routes.iter().filter(|route| route.is_default());
    routes.find(|route| Family::of_net(&route.destination) == family)?.link.as_ref()
}

fn record_of<'a>(observed: &'a Observed, published: &Published) -> Option<&'a PublishedRecord> {
    match observed.records.get(&RecordKey::Published(published.clone()))? {
        Record::Published(record) => Some(record),
        _ => None,
    }
}

fn published_records(observed: &Observed) -> impl Iterator<Item = &PublishedRecord> {
    observed.records.values().filter_map(|record| match record {
        Record::Published(record) => Some(record),
        _ => None,
    })
}

/// The forward from exactly this port that is in the table, noted or not.
fn forward_in_table<'a>(observed: &'a Observed, published: &Published) -> Option<&'a PortForward> {
    TableEntry::forward_from(published, observed.firewall.table.as_ref()?)
}

fn forwards_in_table(observed: &Observed) -> impl Iterator<Item = &PortForward> {
    observed.firewall.table.iter().flatten().filter_map(|entry| match entry {
        TableEntry::Forward(forward) => Some(forward),
        _ => None,
    })
}

fn refuse_foreign_address(observed: &Observed, published: &Published) -> Result<(), Conflict> {
    let address = published.address;
    if address.is_loopback() && address.is_ipv6() {
        return Err(Conflict::OnIpv6Loopback(published.clone()));
    }
    let links = observed.stack(&Place::Host).into_iter().flat_map(|host| host.links.values());
    let mut own = links.flat_map(|link| &link.addresses).map(ipnet::IpNet::addr);
    if address.is_loopback() || address.is_unspecified() || own.any(|known| known == address) {
        return Ok(());
    }
    Err(Conflict::NotAHostsAddress(address))
}

fn refuse_listened_on(observed: &Observed, forward: &PortForward) -> Result<(), Conflict> {
    let published = &forward.published;
    let Some(listener) = observed.listeners.iter().find(|listener| listens_on(listener, published)) else {
        return Ok(());
    };
    let program = match &listener.program {
        Some((pid, name)) => format!("{name} (pid {pid})"),
        None => "another program".to_owned(),
    };
    Err(Conflict::PortTaken { published: published.clone(), program })
}

fn listens_on(listener: &Listener, published: &Published) -> bool {
    let here = Published {
        address: listener.address.ip().to_canonical(),
        port: listener.address.port(),
        transport: listener.transport,
    };
    here.overlaps(published)
}
