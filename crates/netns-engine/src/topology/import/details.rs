//! What somebody set by hand and `show` does not tell: limits, isolated ports, MAC addresses, settings, names.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::{
    Scene,
    document::Value,
    wiring::{End, Seat},
};
use crate::{
    sysctl::NamedSetting,
    topology::{HostEntry, Shaping, TopologyName},
    view::LinkView,
};

/// What somebody set by hand on the host or in a netns; links by their index.
#[derive(Clone, Debug, Default)]
pub struct Details {
    /// Limits of links.
    pub limits: BTreeMap<u32, Limit>,
    /// Ports of bridges that the other isolated ports do not reach.
    pub isolated_ports: BTreeSet<u32>,
    /// Links whose MAC address was given to them, and not drawn at random.
    pub given_macs: BTreeSet<u32>,
    /// Rules that choose a routing table, but for those of every netns, as `ip rule` says them.
    pub policy_rules: Vec<String>,
    /// All settings that are numbers.
    pub settings: BTreeMap<NamedSetting, i32>,
    /// The netns' own `/etc/netns/NAME/hosts`.
    pub names: Option<Names>,
}

/// What holds up the packets that leave through a link.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Limit {
    /// A rate, delay or loss.
    Shaping(Shaping),
    /// A queueing discipline of another kind.
    Other(String),
}

/// A `hosts(5)` file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Names {
    /// That of a topology.
    OfTopology(TopologyName),
    /// One with these lines.
    Own(Vec<HostEntry>),
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shaping(shaping) => write!(f, "limit '{shaping}'"),
            Self::Other(kind) => write!(f, "queueing discipline '{kind}'"),
        }
    }
}

/// Where a link is, for those who look its details up.
#[derive(Clone, Copy)]
pub(super) enum Whose {
    Host,
    Node(usize),
}

impl<'a> Scene<'a> {
    fn details(&self, whose: Whose) -> Option<&'a Details> {
        match whose {
            Whose::Host => Some(&self.sight.of_host),
            Whose::Node(node) => self.sight.details.get(self.nodes[node].name),
        }
    }

    fn limit(&self, (whose, link): (Whose, &LinkView)) -> Option<&'a Limit> {
        self.details(whose)?.limits.get(&link.index)
    }

    pub(super) fn about(&self, (whose, link): (Whose, &LinkView)) -> String {
        match whose {
            Whose::Host => format!("link '{}' of the host", link.name),
            Whose::Node(node) => format!("link '{}' of netns '{}'", link.name, self.nodes[node].name),
        }
    }

    /// The limits of a cable, if they are those of both directions.
    pub(super) fn limits(&self, ends: [(Whose, &LinkView); 2]) -> [(&'static str, Option<Value>); 4] {
        let both = ends.map(|end| self.limit(end));
        let shaping = match both {
            [Some(Limit::Shaping(one)), Some(Limit::Shaping(other))] if one == other => one.clone(),
            _ => Shaping::default(),
        };
        in_words(&shaping)
    }

    /// Tells of limits that a file cannot say: in one direction, or of another kind.
    pub(super) fn note_limits(&mut self) {
        for ends in self.all_ends() {
            let both = ends.map(|end| self.limit(end));
            if matches!(both, [Some(Limit::Shaping(one)), Some(Limit::Shaping(other))] if one == other) {
                continue;
            }
            for (end, limit) in ends.into_iter().zip(both) {
                let Some(limit) = limit else { continue };
                let why = match limit {
                    Limit::Shaping(_) => ": a cable has the same limits in both directions",
                    Limit::Other(_) => "",
                };
                let about = self.about(end);
                self.remarks.add(format_args!("{limit} of {about}{why}"));
            }
        }
    }

    /// Whether a port of a network is isolated and not all of them are.
    pub(super) fn is_set_apart(&self, network: usize, port: &LinkView) -> bool {
        !self.sites[network].isolated && self.sight.of_host.isolated_ports.contains(&port.index)
    }

    /// Tells of isolated ports that are no node's link to its network.
    pub(super) fn note_isolation(&mut self) {
        let ends = self.wiring.cables.iter().flatten();
        let on_networks = ends.filter_map(|end| match end.seat {
            Seat::Bridge(network) => Some((network, end.link)),
            Seat::Host | Seat::Node(_) => None,
        });
        let apart = on_networks.filter(|(network, port)| self.is_set_apart(*network, port));
        let remarks = apart.map(|(_, port)| format!("port '{}' of the host is isolated", port.name));
        self.remarks.add_all(remarks.collect());
    }

    /// The MAC address of a node's link to a network, if it was given by hand.
    pub(super) fn given_mac(&self, node: usize, link: &LinkView) -> Option<Value> {
        let is_given = self.has_given_mac((Whose::Node(node), link));
        link.mac.as_ref().filter(|_| is_given).map(Value::text)
    }

    /// Those of our own links are derived from their names.
    fn has_given_mac(&self, (whose, link): (Whose, &LinkView)) -> bool {
        !link.ours && self.details(whose).is_some_and(|details| details.given_macs.contains(&link.index))
    }

    /// Tells of MAC addresses for which a file has no place.
    pub(super) fn note_macs(&mut self) {
        let plugged = self.wiring.plugs.iter().flatten().map(|plug| (Whose::Host, plug.port));
        let bridges = self.wiring.bridges.iter().map(|bridge| (Whose::Host, *bridge));
        let ends = self.wiring.cables.iter().flatten().map(|end| (whose(end), end.link));
        let given = bridges.chain(plugged).chain(ends).filter(|end| self.has_given_mac(*end));
        let remarks = given.map(|end| {
            let mac = end.1.mac.as_deref().unwrap_or_default();
            format!("MAC address '{mac}' of {}", self.about(end))
        });
        self.remarks.add_all(remarks.collect());
    }

    /// Both ends of every cable, those to bridges first.
    fn all_ends(&self) -> Vec<[(Whose, &'a LinkView); 2]> {
        let plugs = self.wiring.plugs.iter().enumerate();
        let plugs = plugs.flat_map(|(node, plugs)| plugs.iter().map(move |plug| (node, plug)));
        let plugs = plugs.map(|(node, plug)| [(Whose::Host, plug.port), (Whose::Node(node), plug.link)]);
        let cables = self.wiring.cables.iter().map(|ends| ends.map(|end| (whose(&end), end.link)));
        plugs.chain(cables).collect()
    }
}

/// Where the end of a cable is: a port of a bridge is on the host.
pub(super) fn whose(end: &End<'_>) -> Whose {
    match end.seat {
        Seat::Node(node) => Whose::Node(node),
        Seat::Host | Seat::Bridge(_) => Whose::Host,
    }
}

/// As a topology file says it.
fn in_words(shaping: &Shaping) -> [(&'static str, Option<Value>); 4] {
    let time = |time: std::time::Duration| Value::text(&format!("{}us", time.as_micros()));
    let loss = |loss: crate::topology::Loss| format!("{}%", f64::from(loss.per_million) / 10_000.0);
    [
        ("rate", shaping.rate_bits.map(|bits| Value::text(&rate(bits)))),
        ("delay", shaping.delay.map(time)),
        ("jitter", shaping.jitter.map(time)),
        ("loss", shaping.loss.map(|share| Value::text(&loss(share)))),
    ]
}

/// In the largest unit that leaves a whole number.
fn rate(bits: u64) -> String {
    let units = [(1_000_000_000, "gbit"), (1_000_000, "mbit"), (1_000, "kbit")];
    let fitting = units.into_iter().find(|(size, _)| bits >= *size && bits.is_multiple_of(*size));
    fitting.map_or_else(|| format!("{bits}bit"), |(size, unit)| format!("{}{unit}", bits / size))
}

#[cfg(test)]
mod tests {
    use super::rate;

    #[test]
    fn a_rate_has_the_largest_unit_that_fits() {
        let rates = [8, 500_000, 10_000_000, 1_500_000, 40_000_000_000].map(rate);
        assert_eq!(rates, ["8bit", "500kbit", "10mbit", "1500kbit", "40gbit"]);
    }
}
