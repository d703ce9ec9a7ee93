//! Puts together what was heard in several stacks.
//!
//! Each stack's messages come in order, but nothing tells when, compared to those of others. What tells
//! is the packet: each router on its way takes one off its TTL (RFC 1812, 5.3.1; RFC 8200, 3).

use std::collections::BTreeMap;

use crate::diagnose::{
    firewall::{ChainFamily, Hook},
    trace::{Direction, TraceEvent, TraceStep},
};

/// What a stack does with a packet, as long as its TTL stays the same; in the order of its way.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Part {
    /// It made the packet.
    Sends,
    /// It has just taken one off the TTL, and sends the packet on.
    Forwards,
    /// It passes it from port to port of a bridge.
    Bridges,
    /// The packet came in, for this stack or to be sent on.
    Receives,
}

/// Sorts `steps`, which are in order stack by stack, along the packet's way and then its answer's.
pub(super) fn along_the_way(mut steps: Vec<TraceStep>) -> Vec<TraceStep> {
    let mut parts: BTreeMap<_, Part> = BTreeMap::new();
    for step in &steps {
        let part = parts.entry(place(step)).or_insert(Part::Receives);
        *part = (*part).min(part_of(step));
    }
    for (place, part) in &mut parts {
        let seen_by_ip = steps.iter().any(|step| self::place(step) == *place && is_routed(step));
        if *part == Part::Receives && !seen_by_ip {
            *part = Part::Bridges;
        }
    }
    // Stable: within a stack, and among stacks of which nothing tells the order, it stays as it was.
    steps.sort_by_key(|step| {
        let part = parts.get(&place(step)).copied().unwrap_or(Part::Receives);
        (step.direction, std::cmp::Reverse(step.headers.hops_left), part)
    });
    steps
}

type Place = (Direction, u8, crate::place::Entrance);

fn place(step: &TraceStep) -> Place {
    (step.direction, step.headers.hops_left, step.stack.clone())
}

fn part_of(step: &TraceStep) -> Part {
    match step.event {
        TraceEvent::Seen { hook: Hook::Output, .. } if is_routed(step) => Part::Sends,
        TraceEvent::Seen { hook: Hook::Forward, .. } if is_routed(step) => Part::Forwards,
        _ => Part::Receives,
    }
}

fn is_routed(step: &TraceStep) -> bool {
    matches!(step.event, TraceEvent::Seen { family: ChainFamily::Ip | ChainFamily::Ip6, .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{diagnose::trace::TracedHeaders, place::Entrance};

    fn seen(stack: &str, hops_left: u8, family: ChainFamily, hook: Hook) -> TraceStep {
        let nowhere = "192.0.2.1".parse().unwrap();
        let headers = TracedHeaders {
            source: nowhere,
            destination: nowhere,
            protocol: 6,
            source_port: None,
            destination_port: None,
            hops_left,
        };
        TraceStep {
            stack: stack.parse::<Entrance>().unwrap(),
            direction: Direction::There,
            event: TraceEvent::Seen { family, hook },
            incoming: None,
            outgoing: None,
            headers,
            mark: 0,
        }
    }

    fn order(steps: Vec<TraceStep>) -> Vec<String> {
        let sorted = along_the_way(steps);
        sorted.iter().map(|step| format!("{} {:?}", step.stack, step.event)).collect()
    }

    #[test]
    fn a_router_lies_between_those_it_connects() {
        use Hook::{Forward, Input, Output, Postrouting, Prerouting};
        let way = vec![
            seen("red", 64, ChainFamily::Ip, Output),
            seen("red", 64, ChainFamily::Ip, Postrouting),
            seen("host", 64, ChainFamily::Ip, Prerouting),
            seen("host", 63, ChainFamily::Ip, Forward),
            seen("host", 63, ChainFamily::Ip, Postrouting),
            seen("blue", 63, ChainFamily::Ip, Prerouting),
            seen("blue", 63, ChainFamily::Ip, Input),
        ];
        let mut heard = way.clone();
        // Stack by stack, the last one first.
        heard.rotate_left(5);
        heard[2..].rotate_left(2);
        assert_ne!(heard, way);
        assert_eq!(order(heard), order(way));
    }

    #[test]
    fn a_bridge_lies_between_its_neighbours() {
        let way = vec![
            seen("red", 64, ChainFamily::Ip, Hook::Output),
            seen("host", 64, ChainFamily::Bridge, Hook::Prerouting),
            seen("host", 64, ChainFamily::Bridge, Hook::Postrouting),
            seen("blue", 64, ChainFamily::Ip, Hook::Input),
        ];
        let mut heard = way.clone();
        heard.reverse();
        heard.swap(1, 2);
        let expected = along_the_way(way.clone());
        assert_eq!(expected, way);
        assert_eq!(order(heard), order(way));
    }
}
