//! Where a port of the host leads: by the rules that translate it, and by our own notes.

use std::{collections::BTreeSet, net::IpAddr};

use super::{
    flows::Interest,
    search::Search,
    way::{self, Way},
};
use crate::{
    diagnose::{
        firewall::{Field, Match, NatTarget, Rule, Ruleset, Values, Verdict},
        question::HostPort,
    },
    kernel::state,
    place::Entrance,
    record::{PublishedRecord, Record},
};

/// Looks at the stacks that a port of the host leads to.
pub(super) fn follow(search: &mut Search, port: &HostPort) {
    let mut targets = targets_of(port.port, &search.visits[0].stack.firewall);
    for record in published(port) {
        // Its netns may have lost its address, or be gone.
        drop(search.enter(&Entrance::Named(record.netns)));
        targets.insert(record.forward.target.ip());
    }
    way::search_for(search, Way::to(targets));
    search.read_flows(&Interest { addresses: BTreeSet::new(), ports: [(port.port, port.transport)].into() });
}

fn published(port: &HostPort) -> Vec<PublishedRecord> {
    let records = state::records().unwrap_or_default().into_values();
    let of_port = records.filter_map(|record| match record {
        Record::Published(record) => Some(record),
        Record::Nat(_) | Record::Forwarding(_) | Record::Topology(_) => None,
    });
    let is_it = |record: &PublishedRecord| {
        let published = &record.forward.published;
        (published.port, published.transport) == (port.port, port.transport)
    };
    of_port.filter(is_it).collect()
}

/// The addresses that rules send packets for this port on to.
fn targets_of(port: u16, ruleset: &Ruleset) -> BTreeSet<IpAddr> {
    let rules = ruleset.chains.iter().flat_map(|chain| &chain.rules);
    rules.flat_map(|rule| targets_in(rule, u64::from(port))).filter_map(|target| target.address).collect()
}

fn targets_in(rule: &Rule, port: u64) -> Vec<NatTarget> {
    if !rule.matches.iter().all(|condition| may_hold(condition, port)) {
        return Vec::new();
    }
    match &rule.verdict {
        Verdict::Dnat(target) => vec![*target],
        Verdict::DnatMap(fields, entries) => {
            let of_port = entries.iter().filter(|(key, _)| may_be(fields, key, port));
            of_port.map(|(_, target)| *target).collect()
        }
        _ => Vec::new(),
    }
}

/// Whether a condition lets packets for this port through, as far as it looks at the port.
fn may_hold(condition: &Match, port: u64) -> bool {
    match condition {
        Match::Is(Field::DestinationPort, values) => hold(values, port),
        Match::IsNot(Field::DestinationPort, values) => !hold(values, port),
        Match::Together(fields, keys) => keys.iter().any(|key| may_be(fields, key, port)),
        _ => true,
    }
}

fn may_be(fields: &[Field], key: &[Values], port: u64) -> bool {
    fields.iter().zip(key).all(|(field, values)| *field != Field::DestinationPort || hold(values, port))
}

fn hold(values: &Values, port: u64) -> bool {
    match values {
        Values::Numbers(ranges) => ranges.iter().any(|(first, last)| (*first..=*last).contains(&port)),
        Values::AnyBit(bits) => port & bits != 0,
        Values::Masked { mask, value } => port & mask == *value,
        Values::Words(_) | Values::Addresses(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(matches: Vec<Match>, verdict: Verdict) -> Rule {
        Rule { number: 1, handle: None, text: String::new(), matches, marks: false, verdict }
    }

    fn target(last: u8) -> NatTarget {
        NatTarget { address: Some([10, 0, 0, last].into()), port: None }
    }

    fn port(number: u64) -> Values {
        Values::Numbers(vec![(number, number)])
    }

    #[test]
    fn a_rule_for_another_port_leads_nowhere() {
        let of_80 = rule(vec![Match::Is(Field::DestinationPort, port(80))], Verdict::Dnat(target(2)));
        assert_eq!(targets_in(&of_80, 80), [target(2)]);
        assert_eq!(targets_in(&of_80, 81), []);
    }

    #[test]
    fn a_map_leads_to_what_it_holds_for_the_port() {
        let fields = vec![Field::Protocol, Field::DestinationPort];
        let entries = vec![(vec![port(6), port(80)], target(2)), (vec![port(6), port(81)], target(3))];
        let map = rule(Vec::new(), Verdict::DnatMap(fields, entries));
        assert_eq!(targets_in(&map, 81), [target(3)]);
    }
}
