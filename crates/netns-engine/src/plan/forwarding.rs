//! Decides when the host forwards: the switch that its other users must not lose either.

use crate::{
    address::Family,
    firewall::{IptablesRule, IptablesTable},
    name::LinkName,
    observed::{Asked, ForeignChain, Observed, Scope, TableSelection},
    place::{LinkAt, Place},
    record::{ForwardingRecord, Record, RecordKey},
    route::RouteProtocol,
    sysctl::Sysctl,
};

use super::{Draft, Operation};

/// `accept_ra`: take router advertisements also while forwarding.
const ALWAYS: i32 = 2;

/// Also reads what decides whether forwarding may be switched, and what that would change.
pub(super) fn observed_in(mut scope: Scope) -> Scope {
    scope.link_forwarding.extend([Family::Ipv4, Family::Ipv6]);
    scope.iptables = Asked::Yes;
    scope.table = TableSelection::All;
    scope.with_records()
}

/// Switches forwarding of `family` on, and remembers how everything was that this changes.
pub(super) fn switch_on(draft: &mut Draft, family: Family, uplink: Option<&LinkName>) {
    let switch = Sysctl::forwarding(family);
    if draft.state().sysctl(&Place::Host, &switch) == Some(1) {
        return;
    }
    let listeners = advertisement_listeners(draft.state(), family, uplink);
    let mut operations: Vec<_> = listeners
        .into_iter()
        .map(|link| Operation::SetSysctl(Place::Host, Sysctl::AcceptRa(link), ALWAYS))
        .collect();
    operations.push(Operation::SetSysctl(Place::Host, switch.clone(), 1));
    let mut there_and_back = operations.clone();
    there_and_back.push(Operation::SetSysctl(Place::Host, switch, 0));
    let changed = draft.state().settings_changed_by(&Place::Host, &there_and_back);
    let settings = with_noted(draft.state(), family, changed);
    draft.then(
        Operation::Remember(Record::Forwarding(ForwardingRecord { family, settings })),
        format!("{family} forwarding was off: this notes what switching it back will have to restore."),
    );
    for operation in operations {
        let why = match operation {
            Operation::SetSysctl(_, Sysctl::AcceptRa(_), _) => {
                "A host that forwards IPv6 drops the default routes it learned from its router, unless told to keep listening."
            }
            _ => {
                "By default the kernel throws away packets that are for somebody else; a gateway passes them on."
            }
        };
        draft.then(operation, why);
    }
}

/// Lets a bridge of ours pass on what comes in by it, where its own switch is off: because somebody set it, or
/// because `default` was off when the bridge was made.
///
/// Who made another bridge, or an uplink, set that: the doctor names it. IPv6 asks the switch of all links
/// alone (`ip6_forward` in `net/ipv6/ip6_output.c`), and to write that of one link would cost the host the routes
/// it learned (`addrconf_fixup_forwarding` in `net/ipv6/addrconf.c`).
pub(super) fn switch_bridge_on(draft: &mut Draft, family: Family, bridge: &LinkName) {
    let switch = Sysctl::LinkForwarding(family, bridge.clone());
    let ours = draft.state().link(&LinkAt::on_host(bridge.clone())).is_some_and(|link| link.ours);
    if family == Family::Ipv4 && ours && draft.state().sysctl(&Place::Host, &switch) == Some(0) {
        let why =
            "The bridge has a switch of its own, and throws away what comes in by it while that is off.";
        draft.then(Operation::SetSysctl(Place::Host, switch, 1), why);
    }
}

/// What was noted when forwarding was switched on before, and of `changed` what was not. Where somebody
/// switched it off meanwhile, these settings still have the values that we gave them.
fn with_noted(state: &Observed, family: Family, changed: Vec<(Sysctl, i32)>) -> Vec<(Sysctl, i32)> {
    let mut settings = match state.records.get(&RecordKey::Forwarding(family)) {
        Some(Record::Forwarding(before)) => before.settings.clone(),
        _ => Vec::new(),
    };
    let is_new = |(setting, _): &(Sysctl, i32)| settings.iter().all(|(noted, _)| noted != setting);
    let new: Vec<_> = changed.into_iter().filter(is_new).collect();
    settings.extend(new);
    settings
}

/// Switches forwarding of `family` back, if it was off before and nobody needs it in `later`, the
/// state to come.
pub(super) fn switch_off(draft: &mut Draft, family: Family, later: &Observed) {
    let key = RecordKey::Forwarding(family);
    let Some(Record::Forwarding(record)) = draft.state().records.get(&key).cloned() else { return };
    if needed_by(later, family).is_some() {
        return;
    }
    set_unless_there(
        draft,
        Sysctl::forwarding(family),
        0,
        "Forwarding was off before, and nobody else needs it.",
    );
    for (setting, value) in record.settings {
        set_unless_there(
            draft,
            setting,
            value,
            "Switching forwarding overwrote this setting; it gets its old value back.",
        );
    }
    draft.then(Operation::Forget(key), "Forwarding is as it was: nothing is left to remember.");
}

fn set_unless_there(draft: &mut Draft, setting: Sysctl, value: i32, why: &str) {
    let is = draft.state().sysctl(&Place::Host, &setting);
    // A link that is gone took its settings with it.
    if is.is_some_and(|is| is != value) {
        draft.then(Operation::SetSysctl(Place::Host, setting, value), why);
    }
}

/// The links that would lose routes to IPv6 forwarding: `accept_ra` 1 means "unless forwarding".
fn advertisement_listeners(state: &Observed, family: Family, uplink: Option<&LinkName>) -> Vec<LinkName> {
    if family == Family::Ipv4 {
        return Vec::new();
    }
    let routes = state.stack(&Place::Host).into_iter().flat_map(|stack| &stack.routes);
    let advertised = routes
        .filter(|route| route.is_default() && route.protocol == RouteProtocol::RouterAdvertisement)
        .filter_map(|route| route.link.as_ref());
    let mut links: Vec<LinkName> = advertised.chain(uplink).cloned().collect();
    links.sort();
    links.dedup();
    links.retain(|link| state.sysctl(&Place::Host, &Sysctl::AcceptRa(link.clone())) == Some(1));
    links
}

/// Returns who needs the host to forward `family`, in words that fit behind "needed by"; nobody
/// if only what is left of ours would.
#[must_use]
pub fn needed_by(state: &Observed, family: Family) -> Option<String> {
    own_user(state, family).or_else(|| foreign_user(state, family))
}

fn own_user(state: &Observed, family: Family) -> Option<String> {
    let needs = |record: &&Record| match record {
        Record::Nat(nat) => nat.subnets.iter().any(|subnet| Family::of_net(subnet) == family),
        // What only this host itself may reach is not forwarded: it leaves by OUTPUT.
        Record::Published(port) => {
            let published = &port.forward.published;
            Family::of(port.forward.target.ip()) == family && !published.address.is_loopback()
        }
        Record::Forwarding(_) | Record::Topology(_) => false,
    };
    state.records.values().find(needs).map(|record| record.key().to_string())
}

fn foreign_user(state: &Observed, family: Family) -> Option<String> {
    if state.configured_forwarding.contains(&family) {
        return Some("the host's sysctl configuration".to_owned());
    }
    let firewall = &state.firewall;
    let iptables = firewall.iptables_for(family);
    let rules = iptables.map(|iptables| iptables.rules.as_slice()).unwrap_or_default();
    let translates = |rule: &&_| {
        let rule: &IptablesRule = rule;
        rule.family == family && rule.table == IptablesTable::Nat && rule.translates()
    };
    if let Some(rule) = rules.iter().find(translates) {
        return Some(format!("{} rule '{rule}'", rule.program()));
    }
    // The chains that iptables made in nftables stay when their last rule goes.
    let is_other = |chain: &&ForeignChain| {
        chain.kind == "nat" && serves(chain, family) && (iptables.is_err() || !belongs_to_iptables(chain))
    };
    let chain = firewall.foreign_chains.iter().find(is_other)?;
    Some(format!("nftables chain '{} {}'", chain.table, chain.chain))
}

/// Returns chains of others that also judge forwarded packets: an accept of ours does not help
/// against a drop of theirs. What iptables shows is taken care of by rules of ours.
#[must_use]
pub fn other_judges(state: &Observed) -> Vec<&ForeignChain> {
    let shown_by_iptables = |chain: &&ForeignChain| match chain.table.as_str() {
        "ip filter" => state.firewall.iptables_for(Family::Ipv4).is_ok(),
        "ip6 filter" => state.firewall.iptables_for(Family::Ipv6).is_ok(),
        _ => false,
    };
    let chains = state.firewall.foreign_chains.iter();
    chains
        .filter(|chain| chain.hook == "forward" && chain.kind == "filter" && !shown_by_iptables(chain))
        .collect()
}

fn serves(chain: &ForeignChain, family: Family) -> bool {
    let of_table = chain.table.split(' ').next();
    match family {
        Family::Ipv4 => matches!(of_table, Some("ip" | "inet")),
        Family::Ipv6 => matches!(of_table, Some("ip6" | "inet")),
    }
}

fn belongs_to_iptables(chain: &ForeignChain) -> bool {
    matches!(chain.table.as_str(), "ip nat" | "ip6 nat")
}
