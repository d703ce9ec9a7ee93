//! A kernel in memory.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use netns_engine::{
    address::Family,
    firewall::TableEntry,
    kernel::{Kernel, Refusal},
    name::LinkName,
    observed::{Asked, Firewall, Observed, Scope, Selection, Stack, TableSelection},
    place::{LinkAt, Place},
    plan::Operation,
    sysctl::Sysctl,
};

/// The engine's model of the kernel, behind the seam where the real one sits.
///
/// It shows no more than the scope asks for, as the real one does: a plan that decides by
/// something it forgot to ask for fails here too.
#[derive(Clone, Debug, Default)]
pub struct FakeKernel {
    state: Observed,
}

impl FakeKernel {
    /// Starts from `state`.
    #[must_use]
    pub fn with(state: Observed) -> Self {
        Self { state }
    }

    /// Returns everything there is, asked for or not.
    #[must_use]
    pub fn state(&self) -> &Observed {
        &self.state
    }
}

impl Kernel for FakeKernel {
    fn observe(&mut self, scope: &Scope) -> Result<Observed, Refusal> {
        Ok(seen_through(&scope.widened_by(&self.state.records, &HashSet::new()), &self.state))
    }

    fn perform(&mut self, operation: &Operation) -> Result<(), Refusal> {
        self.state.project(operation)
    }
}

/// Leaves out of `state` what `scope` does not ask for.
fn seen_through(scope: &Scope, state: &Observed) -> Observed {
    let mut seen = state.clone();
    let (to_switch, on) = forwarding(scope, state);
    seen.netns.retain(|name, _| scope.netns.contains(name) || scope.holders.contains(name));
    for (name, entry) in &mut seen.netns {
        if !scope.holders.contains(name) {
            entry.holders.clear();
        }
    }
    seen.stacks.retain(|place, _| needs_stack(scope, &to_switch, place));
    let lost: BTreeSet<_> = scope.doomed.iter().flat_map(|doomed| state.settings_lost_with(doomed)).collect();
    let peers: BTreeSet<_> =
        seen.stacks.iter().flat_map(|(place, stack)| peers_of(scope, place, stack)).collect();
    for (place, stack) in &mut seen.stacks {
        narrow_links(scope, place, stack, &peers);
        let of_bridges = scope.bridge_forwarding_wanted_on(stack);
        narrow_sysctls(scope, place, &mut stack.sysctls, &lost, |family, setting| {
            to_switch.contains(&family)
                || (on.contains(&family) && *setting == Sysctl::forwarding(family))
                || of_bridges.contains(setting)
        });
    }
    if scope.shaping == Asked::No {
        let links = seen.stacks.values_mut().flat_map(|stack| stack.links.values_mut());
        links.for_each(|link| link.shaping = None);
    }
    seen.configured_forwarding.retain(|family| to_switch.contains(family));
    seen.firewall = narrow_firewall(scope, seen.firewall);
    seen.resolvers.retain(|name, _| scope.resolvers.contains(name));
    seen.hosts.retain(|topology, _| scope.hosts.contains(topology));
    seen.boot_files.retain(|file, _| scope.boot_files.contains(&file.topology));
    seen.shared_hosts.retain(|name, _| scope.shared_hosts.contains(name));
    seen.foreign_hosts.retain(|name| scope.shared_hosts.contains(name));
    seen.programs.retain(|program| scope.programs.contains(&program.netns));
    seen.strays.retain(|program| scope.programs.contains(&program.netns));
    seen.bridge_users.retain(|bridge, _| scope.bridge_users.contains(bridge));
    seen.listeners.retain(|listener| scope.listeners.contains(&listener.address.port()));
    clear_unless(scope.upstream, &mut seen.upstream);
    clear_unless(scope.other_routes, &mut seen.other_routes);
    seen.records.retain(|key, _| scope.asks_for_note(key));
    seen.stale_marks.retain(|name| scope.records == Asked::Yes || scope.stale_marks.contains(name));
    seen
}

fn needs_stack(scope: &Scope, to_switch: &BTreeSet<Family>, place: &Place) -> bool {
    scope.stacks.contains_key(place)
        || scope.sysctls.iter().any(|(of, _)| of == place)
        || (*place == Place::Host && !to_switch.is_empty())
}

/// The other ends of the links that are asked for.
fn peers_of(scope: &Scope, place: &Place, stack: &Stack) -> Vec<LinkAt> {
    let asked = |name: &LinkName| match scope.stacks.get(place) {
        Some(Selection::All) => true,
        Some(Selection::Links(asked)) => asked.contains(name),
        None => false,
    };
    stack.links.iter().filter(|(name, _)| asked(name)).filter_map(|(_, link)| link.peer.clone()).collect()
}

fn narrow_links(scope: &Scope, place: &Place, stack: &mut Stack, peers: &BTreeSet<LinkAt>) {
    match scope.stacks.get(place) {
        Some(Selection::All) => {}
        Some(Selection::Links(asked)) => {
            let named_by_routes = stack.routes.iter().filter_map(|route| route.link.clone());
            let peers_here = peers.iter().filter(|peer| peer.place == *place).map(|peer| &peer.name);
            let masters =
                asked.iter().chain(peers_here).filter_map(|name| stack.links.get(name)?.master.clone());
            let needed: BTreeSet<_> = named_by_routes.chain(masters).collect();
            let is_seen = |name: &LinkName| {
                asked.contains(name) || needed.contains(name) || peers.contains(&place.link(name))
            };
            stack.links.retain(|name, _| is_seen(name));
        }
        None => {
            stack.links.clear();
            stack.routes.clear();
        }
    }
}

fn narrow_sysctls(
    scope: &Scope,
    place: &Place,
    settings: &mut BTreeMap<Sysctl, i32>,
    lost: &BTreeSet<(Place, Sysctl)>,
    is_about_forwarding: impl Fn(Family, &Sysctl) -> bool,
) {
    let passes_on = place.netns().is_some_and(|netns| scope.forwarding_in.contains(netns));
    settings.retain(|sysctl, _| {
        let is_forwarding =
            moved_by_forwarding_of(sysctl).is_some_and(|family| is_about_forwarding(family, sysctl));
        let is_local = matches!(sysctl, Sysctl::RouteLocalnet(_)) && scope.route_localnet == Asked::Yes;
        let is_switch =
            matches!(sysctl, Sysctl::IpForward | Sysctl::Ipv6Forwarding | Sysctl::LinkForwarding(..));
        ((is_forwarding || is_local) && *place == Place::Host)
            || (passes_on && is_switch)
            || [&scope.sysctls, lost].iter().any(|asked| asked.contains(&(place.clone(), sysctl.clone())))
    });
}

/// The families whose forwarding may be switched, and those asked for that are on already.
fn forwarding(scope: &Scope, state: &Observed) -> (BTreeSet<Family>, BTreeSet<Family>) {
    let host_is_read = scope.stacks.contains_key(&Place::Host);
    let host = state.stack(&Place::Host).filter(|_| host_is_read);
    let wanted = host.map(|host| scope.forwarding_wanted_on(host)).unwrap_or_default();
    let is_on = |family: &Family| state.sysctl(&Place::Host, &Sysctl::forwarding(*family)) == Some(1);
    let (on, mut to_switch): (BTreeSet<_>, BTreeSet<_>) = wanted.into_iter().partition(is_on);
    to_switch.extend(scope.link_forwarding.iter().copied());
    (to_switch, on)
}

/// The family whose forwarding switch overwrites the setting, or does what the setting says.
fn moved_by_forwarding_of(sysctl: &Sysctl) -> Option<Family> {
    match sysctl {
        Sysctl::IpForward | Sysctl::AcceptRedirects => Some(Family::Ipv4),
        Sysctl::Ipv6Forwarding | Sysctl::AcceptRa(_) => Some(Family::Ipv6),
        Sysctl::LinkForwarding(family, _) => Some(*family),
        _ => None,
    }
}

fn narrow_firewall(scope: &Scope, mut firewall: Firewall) -> Firewall {
    if scope.iptables == Asked::No {
        firewall.iptables = None;
        firewall.iptables_missing.clear();
    }
    let asked = match &scope.table {
        TableSelection::All => return firewall,
        TableSelection::WithoutForwards => {
            if let Some(entries) = &mut firewall.table {
                entries.retain(|entry| {
                    !matches!(entry, TableEntry::Forward(_)) || is_about_published(scope, entry)
                });
            }
            return firewall;
        }
        TableSelection::Nothing if scope.published.is_empty() => {
            let Firewall { iptables, iptables_missing, .. } = firewall;
            return Firewall { iptables, iptables_missing, ..Firewall::default() };
        }
        TableSelection::Nothing => &BTreeSet::new(),
        TableSelection::Entries(asked) => asked,
    };
    if let Some(entries) = &mut firewall.table {
        entries.retain(|entry| asked.contains(entry) || is_about_published(scope, entry));
    }
    firewall
}

/// The guards, and forwards from a port that is asked for, come with a question about ports.
fn is_about_published(scope: &Scope, entry: &TableEntry) -> bool {
    match entry {
        TableEntry::Forward(forward) => scope.published.contains(&forward.published),
        TableEntry::Guard { .. } | TableEntry::Hairpin { .. } => !scope.published.is_empty(),
        _ => false,
    }
}

fn clear_unless<T: Default>(asked: Asked, part: &mut T) {
    if asked == Asked::No {
        *part = T::default();
    }
}

#[cfg(test)]
mod tests {
    use netns_engine::name::NetnsName;

    use super::*;

    #[test]
    fn what_was_not_asked_for_is_not_seen() {
        let red = NetnsName::new("red").unwrap();
        let mut kernel = FakeKernel::default();
        kernel.perform(&Operation::CreateNetns(red.clone())).unwrap();
        assert_eq!(kernel.observe(&Scope::default()).unwrap(), Observed::default());
        let asked = kernel.observe(&Scope::default().with_netns(&red)).unwrap();
        assert_eq!(asked.stacks.len(), 1);
    }
}
