//! Decides how a bridge comes to be.

use super::{
    Conflict, Desired, Draft, LinkChange, NewBridge, Operation, Plan,
    address::{add_address, ipv6_probe, refuse_unusable},
};
use crate::{
    address::{Family, MacAddress},
    desired::{Bridge, BridgeRemoved},
    observed::{Doomed, Link, LinkKind, Observed, Scope, Selection},
    place::{LinkAt, Place},
    record::Record,
    sysctl::Sysctl,
};

impl Desired for Bridge {
    fn scope(&self) -> Scope {
        let mut scope = super::address::scope_of(&self.at());
        scope.sysctls.insert((Place::Host, ipv6_probe()));
        scope
    }

    fn plan(&self, observed: &Observed) -> Result<Plan, Conflict> {
        for address in &self.addresses {
            refuse_unusable(observed, &self.at(), *address)?;
        }
        let mut draft = Draft::from(observed);
        match observed.link(&self.at()) {
            None => self.make(&mut draft),
            Some(link) if link.kind != LinkKind::Bridge => {
                return Err(Conflict::NotABridge { at: self.at(), kind: link.kind.clone() });
            }
            Some(link) if !link.ours && !self.is_shown_by(link) => {
                return Err(Conflict::LinkTaken {
                    at: self.at(),
                    difference: "it is not netns-tool's".to_owned(),
                });
            }
            Some(_) => {}
        }
        for address in &self.addresses {
            add_address(
                &mut draft,
                &self.at(),
                *address,
                "With an address the host takes part in the bridge's network, as its gateway.",
            );
        }
        if draft.state().link(&self.at()).is_some_and(|link| !link.up) {
            draft.then(
                Operation::SetLink(self.at(), LinkChange::Up),
                "A new link is down; a bridge that is down forwards nothing.",
            );
        }
        Ok(draft.finish())
    }
}

impl Desired for BridgeRemoved {
    fn scope(&self) -> Scope {
        let mut scope = Scope::default().with_records();
        // Its ports are part of what an undo has to bring back.
        scope.stacks.insert(Place::Host, Selection::All);
        scope.doomed.insert(Doomed::Link(LinkAt::on_host(self.name.clone())));
        scope
    }

    fn plan(&self, observed: &Observed) -> Result<Plan, Conflict> {
        let at = LinkAt::on_host(self.name.clone());
        require(observed, &at)?;
        if observed.link(&at).is_some_and(|link| !link.ours) {
            return Err(Conflict::NotOurs(at));
        }
        let users = |record: &&Record| match record {
            Record::Nat(nat) => nat.bridge == self.name,
            Record::Published(published) => published.forward.bridge == self.name,
            Record::Topology(up) => up.topology.networks.iter().any(|network| network.bridge == self.name),
            Record::Forwarding(_) => false,
        };
        if let Some(user) = observed.records.values().find(users) {
            return Err(Conflict::BridgeInUse { bridge: self.name.clone(), user: user.key() });
        }
        let mut draft = Draft::from(observed);
        draft.then(Operation::DeleteLink(at), "The cables stay, with nothing to be plugged into.");
        Ok(draft.finish())
    }
}

impl Bridge {
    fn at(&self) -> LinkAt {
        LinkAt::on_host(self.name.clone())
    }

    fn is_shown_by(&self, link: &Link) -> bool {
        link.up && self.addresses.iter().all(|address| link.addresses.contains(address))
    }

    fn make(&self, draft: &mut Draft) {
        let mac = MacAddress::derived_from(self.name.as_str());
        draft.then(
            Operation::AddBridge(NewBridge { at: self.at(), mac }),
            "A bridge is a virtual switch; with a fixed address of its own it keeps its identity as ports come and go.",
        );
        let ipv6_exists = draft.state().sysctl(&Place::Host, &ipv6_probe()).is_some();
        let ipv6_asked = self.addresses.iter().any(|address| Family::of_net(address) == Family::Ipv6);
        if ipv6_exists && !ipv6_asked {
            draft.then(
                Operation::SetSysctl(Place::Host, Sysctl::DisableIpv6(self.name.clone()), 1),
                "Nobody asked for IPv6 here: without a link-local address, nothing on the bridge reaches the host's services by it.",
            );
        }
    }
}

/// Refuses what is no bridge.
pub(super) fn require(observed: &Observed, at: &LinkAt) -> Result<(), Conflict> {
    match observed.link(at) {
        None => Err(Conflict::NoBridge(at.name.clone())),
        Some(link) if link.kind != LinkKind::Bridge => {
            Err(Conflict::NotABridge { at: at.clone(), kind: link.kind.clone() })
        }
        Some(_) => Ok(()),
    }
}
