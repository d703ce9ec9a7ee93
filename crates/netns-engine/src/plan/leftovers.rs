//! Which leftovers go, and in which order.

use std::collections::BTreeSet;

use super::{
    Conflict, Desired, Draft, Operation, Plan, forwarding, own_table::StillClosed,
    port_forward::removal::take_back,
};
use crate::{
    desired::{NatRemoved, NoLeftovers},
    name::NetnsName,
    observed::{Asked, LinkKind, NetnsState, Observed, Scope, Selection},
    place::{LinkAt, Place},
    record::Record,
};

impl Desired for NoLeftovers {
    fn scope(&self) -> Scope {
        // All named netns are read: only so is it known which cables lead into one without a name.
        let named = self.names.iter().fold(Scope::default(), Scope::with_netns);
        let mut scope = forwarding::observed_in(named);
        scope.resolvers.clone_from(&self.names);
        scope.programs.clone_from(&self.programs);
        scope.route_localnet = Asked::Yes;
        scope.stacks.insert(Place::Host, Selection::All);
        for expired in &self.expired {
            scope.topologies.extend(expired.scope().topologies);
        }
        scope
    }

    fn plan(&self, observed: &Observed) -> Result<Plan, Conflict> {
        let mut draft = Draft::from(observed);
        for expired in &self.expired {
            let plan = expired.plan(draft.state())?;
            draft.then_all(plan);
        }
        stop_strays(&mut draft);
        // First, because such a link may be about to go by itself, and nothing is to be undone then.
        delete_loose_cables(&mut draft, observed);
        take_back_orphans(&mut draft, observed)?;
        delete_resolvers(&mut draft, observed);
        for name in &observed.stale_marks {
            draft.then(Operation::ForgetNetns(name.clone()), "Somebody else deleted this netns of ours.");
        }
        // Last, because nothing makes such a file anew.
        delete_half_made(&mut draft, observed);
        Ok(draft.finish())
    }
}

/// Takes back what was done for a netns or a bridge that is gone.
fn take_back_orphans(draft: &mut Draft, observed: &Observed) -> Result<(), Conflict> {
    let mut ports = BTreeSet::new();
    for record in observed.records.values() {
        match record {
            Record::Published(record) if !is_live(observed, &record.netns) => {
                ports.insert(record.forward.published.clone());
            }
            Record::Nat(record) if observed.link(&LinkAt::on_host(record.bridge.clone())).is_none() => {
                let removed = NatRemoved { bridge: record.bridge.clone(), uplink: None };
                draft.then_all(removed.plan(draft.state())?);
            }
            _ => {}
        }
    }
    take_back(draft, &ports, &StillClosed::new());
    Ok(())
}

fn is_live(observed: &Observed, name: &NetnsName) -> bool {
    observed.netns.get(name).is_some_and(|entry| entry.state == NetnsState::Live)
}

/// Ends programs that nothing leads to any more; others elsewhere may have been sent there.
fn stop_strays(draft: &mut Draft) {
    let is_node = |name: &NetnsName| draft.state().netns.get(name).is_some_and(|entry| entry.ours);
    let strays = draft.state().strays.iter().filter(|key| !is_node(&key.netns));
    let strays: Vec<_> = strays.cloned().collect();
    if !strays.is_empty() {
        draft.then(Operation::StopStrays(strays), "Somebody else deleted the netns that they run in.");
    }
}

fn delete_loose_cables(draft: &mut Draft, observed: &Observed) {
    let host = observed.stack(&Place::Host).into_iter().flat_map(|stack| &stack.links);
    for (name, link) in host.filter(|(_, link)| link.kind == LinkKind::Veth && link.ours) {
        if link.peer.is_none() {
            draft.then(
                Operation::DeleteLink(LinkAt::on_host(name.clone())),
                "Its other end is in a netns that has no name any more.",
            );
        }
    }
}

fn delete_half_made(draft: &mut Draft, observed: &Observed) {
    for (name, _) in observed.netns.iter().filter(|(_, entry)| entry.state == NetnsState::HalfMade) {
        draft.then(
            Operation::DeleteNetns(name.clone()),
            "The name leads to an ordinary file: its creation was killed midway.",
        );
    }
}

fn delete_resolvers(draft: &mut Draft, observed: &Observed) {
    for (name, file) in &observed.resolvers {
        if file.is_ours() && !is_live(observed, name) {
            draft.then(
                Operation::RemoveResolver(name.clone()),
                "Its netns is gone; the next one of that name would be given these name servers.",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        name::LinkName,
        observed::{Link, NetnsEntry, Stack},
        resolver::ResolvConf,
    };

    fn netns(name: &str) -> NetnsName {
        NetnsName::new(name).unwrap()
    }

    fn host_with(links: Vec<(&str, Link)>) -> Observed {
        let links = links.into_iter().map(|(name, link)| (LinkName::new(name).unwrap(), link));
        let stack = Stack { links: links.collect(), ..Stack::default() };
        Observed { stacks: [(Place::Host, stack)].into(), ..Observed::default() }
    }

    fn plan(observed: &Observed) -> Plan {
        NoLeftovers::default().plan(observed).unwrap()
    }

    #[test]
    fn only_marked_cables_into_nameless_netns_go() {
        let ours = Link { ours: true, ..Link::new(LinkKind::Veth) };
        let peer = Some(LinkAt::inside(netns("red"), LinkName::new("eth0").unwrap()));
        let observed = host_with(vec![
            ("loose", ours.clone()),
            ("used", Link { peer, ..ours }),
            ("foreign", Link::new(LinkKind::Veth)),
        ]);
        let steps = plan(&observed).steps;
        assert_eq!(steps.len(), 1);
        assert_eq!(steps[0].operation.to_string(), "delete link 'loose'");
    }

    #[test]
    fn half_made_names_go_with_their_resolvers_but_live_ones_stay() {
        let entry = |state| NetnsEntry { state, ours: true, holders: Vec::new() };
        let ours = ResolvConf::of_servers(vec!["192.0.2.1".parse().unwrap()]);
        let observed = Observed {
            netns: [(netns("half"), entry(NetnsState::HalfMade)), (netns("live"), entry(NetnsState::Live))]
                .into(),
            resolvers: [
                (netns("half"), ours.clone()),
                (netns("live"), ours),
                (netns("gone"), "nameserver 192.0.2.1".parse().unwrap()),
            ]
            .into(),
            ..Observed::default()
        };
        let done = plan(&observed);
        let words: Vec<_> = done.steps.iter().map(|step| step.operation.to_string()).collect();
        assert_eq!(words, ["remove /etc/netns/half/resolv.conf", "delete netns 'half'"]);
        assert!(plan(&done.expected).is_empty());
    }
}
