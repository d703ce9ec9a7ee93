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

use std::net::IpAddr;

use self::{
    needs::{Needs, has_hairpin, has_rule},
    target::Way,
};
use super::{Conflict, Desired, Draft, LinkChange, Operation, Plan, forwarding, netns, own_table};
use crate::{
    address::Family,
    desired::PortPublished,
    firewall::{PortForward, Published, RuleChange, TableEntry},
    name::LinkName,
    observed::{Listener, Observed, Scope},
    place::{LinkAt, Place},
    record::{PublishedRecord, Record},
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
        let forward = way.forward(self);
        refuse_published_elsewhere(observed, self, &forward)?;
        refuse_listened_on(observed, &forward)?;
        let needs = Needs::of(observed, &forward, way.port.as_ref())?;
        let mut draft = Draft::from(observed);
        own_table::guard(&mut draft, &forward.bridge);
        self.note(&mut draft, &forward, &needs);
        provide(&mut draft, &forward, &needs);
        let entry = TableEntry::Forward(forward);
        if !own_table::has(draft.state(), &entry) {
            let why = format!(
                "Connections to {} get the netns' address as their destination; replies are translated back.",
                self.published
            );
            draft.then(Operation::AddEntries(vec![entry]), why);
        }
        Ok(draft.finish())
    }
}

impl PortPublished {
    fn note(&self, draft: &mut Draft, forward: &PortForward, needs: &Needs) {
        let known = record_of(draft.state(), &self.published).filter(|record| record.forward == *forward);
        let mut record = known.cloned().unwrap_or_else(|| PublishedRecord {
            forward: forward.clone(),
            netns: self.target.netns.clone(),
            rules: Vec::new(),
            settings: Vec::new(),
            hairpin: None,
        });
        needs.note_missing(draft.state(), &mut record);
        if known != Some(&record) {
            draft.then(
                Operation::Remember(Record::Published(record)),
                "What was there before is noted, so that nothing is left when the port is taken back.",
            );
        }
    }
}

fn provide(draft: &mut Draft, forward: &PortForward, needs: &Needs) {
    let missing: Vec<_> = needs.rules.iter().filter(|rule| !has_rule(draft.state(), rule)).cloned().collect();
    if !missing.is_empty() {
        // Each insertion goes first, so the last one ends up at the top.
        let changes = missing.into_iter().rev().map(RuleChange::Insert).collect();
        let why = "A chain of iptables drops what is forwarded, whatever our table says: it must let these packets pass, too.";
        draft.then(Operation::Iptables(changes), why);
    }
    if let Some(family) = needs.forwarding {
        let uplink = uplink(draft.state(), &forward.published).cloned();
        forwarding::switch_on(draft, family, uplink.as_ref());
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
    published_records(observed).find(|record| record.forward.published == *published)
}

fn published_records(observed: &Observed) -> impl Iterator<Item = &PublishedRecord> {
    observed.records.values().filter_map(|record| match record {
        Record::Published(record) => Some(record),
        _ => None,
    })
}

/// The forward from exactly this port that is in the table, noted or not.
fn forward_in_table<'a>(observed: &'a Observed, published: &Published) -> Option<&'a PortForward> {
    observed.firewall.table.iter().flatten().find_map(|entry| match entry {
        TableEntry::Forward(forward) if forward.published == *published => Some(forward),
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

fn refuse_published_elsewhere(
    observed: &Observed,
    asked: &PortPublished,
    forward: &PortForward,
) -> Result<(), Conflict> {
    let refused = |published: &Published, target: String| {
        Err(Conflict::AlreadyPublished { published: published.clone(), target })
    };
    for record in published_records(observed) {
        let other = &record.forward;
        if other.published.overlaps(&asked.published)
            && (other.target, &other.bridge) != (forward.target, &forward.bridge)
        {
            return refused(&other.published, format!("{}:{}", record.netns, other.target.port()));
        }
    }
    match forward_in_table(observed, &asked.published) {
        Some(other) if other != forward => refused(&other.published, other.target.to_string()),
        _ => Ok(()),
    }
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
