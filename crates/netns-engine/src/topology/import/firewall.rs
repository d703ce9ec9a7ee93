//! Published ports, and what of the host's rules and routes no file can say.

use std::{
    collections::HashSet,
    net::{IpAddr, SocketAddr},
};

use ipnet::IpNet;

use super::{
    Meaning, Origin, Scene,
    addresses::Given,
    nodes::WayToHost,
    routes::{in_words, is_made_by_hand},
    rules::Lead,
};
use crate::{
    address::Family,
    firewall::{IptablesRule, TableEntry, Translation},
    view::{ChainView, FirewallView, PeerPlace, TableView},
};

/// The ports that are written, by netns.
pub(super) struct Ports {
    pub(super) of_nodes: Vec<Vec<String>>,
}

impl Scene<'_> {
    /// Finds the node behind each published port.
    pub(super) fn ports(&mut self, given: &Given) -> Ports {
        let inside: Vec<Vec<IpAddr>> =
            (0..self.nodes.len()).map(|node| reached(&self.ways_to_host(node, given))).collect();
        let mut ports = Ports { of_nodes: vec![Vec::new(); self.nodes.len()] };
        let mut written: Vec<&Lead> = Vec::new();
        let Self { meaning, remarks, .. } = self;
        for (origin, lead) in &meaning.leads {
            let node = inside.iter().position(|addresses| addresses.contains(&lead.target.ip()));
            let is_same = |other: &&&Lead| (&other.published, other.target) == (&lead.published, lead.target);
            if written.iter().any(|other| is_same(&other)) {
                continue;
            }
            let Some(node) = node else {
                remarks
                    .add(format_args!("{origin}: its target is not where a node is reached from the host"));
                continue;
            };
            if written.iter().any(|other| other.published.overlaps(&lead.published)) {
                remarks.add(format_args!("{origin}: another one takes the same connections"));
                continue;
            }
            if let Some(link) = &lead.from_link {
                remarks.add(format_args!("{origin} takes packets from '{link}' only; 'ports' takes all"));
            }
            ports.of_nodes[node].push(lead.in_words());
            written.push(lead);
        }
        ports
    }

    /// Tells of the rules and routes that concern what is written, and are not written.
    pub(super) fn note_what_is_left(&mut self) {
        self.note_odd_mtus();
        self.note_rules();
        self.note_tables();
        self.note_routes_of_host();
        self.note_policy_rules();
    }

    fn note_rules(&mut self) {
        let left = self.sight.rules.iter().filter(|rule| !self.meaning.holds(rule));
        let left = left.filter(|rule| !self.is_made_by_up(rule) && self.concerns(&rule.arguments));
        let rules = left.map(|rule| Origin::Rule(rule).to_string());
        let entries = self.sight.entries.iter().filter(|entry| is_snat(entry));
        let entries = entries.map(|entry| Origin::Entry(entry).to_string());
        let nets: Vec<IpNet> = self.addresses_on_host().collect();
        let unused = self.meaning.masquerades.iter().filter(|(_, masquerade)| {
            let is_written = |subnet: &IpNet| masquerade.covers(subnet);
            !self.sites.iter().flat_map(|site| &site.subnets).any(|subnet| is_written(&subnet.net))
                && nets.iter().any(|own| masquerade.covers(own))
        });
        let unused = unused.map(|(origin, _)| origin.to_string());
        let all: Vec<_> = rules.chain(entries).chain(unused).collect();
        self.remarks.add_all(all);
    }

    /// What lets packets of a network with a way out, or to a published port, through.
    fn is_made_by_up(&self, rule: &IptablesRule) -> bool {
        let words: Vec<_> = rule.arguments.split(' ').collect();
        let leads_out = self.sites.iter().filter(|site| site.way_out.is_some());
        let about_it = leads_out.map(|site| site.bridge.name.as_str()).any(|bridge| words.contains(&bridge));
        let is_accepting = rule.chain == "FORWARD" && rule.target() == Some("ACCEPT");
        is_accepting && (about_it || words.contains(&"DNAT"))
    }

    /// Whether a rule names a link or an address of what is written.
    fn concerns(&self, rule: &str) -> bool {
        let links: HashSet<&str> = self.links_on_host().collect();
        let nets: Vec<IpNet> = self.addresses_on_host().collect();
        rule.split(' ').any(|word| {
            links.contains(word)
                || net(word).is_some_and(|net| nets.iter().any(|own| own.contains(&net.addr())))
        })
    }

    fn links_on_host(&self) -> impl Iterator<Item = &str> {
        let bridges = self.sites.iter().map(|site| site.bridge.name.as_str());
        let links = self.nodes.iter().flat_map(|netns| &netns.view.links);
        let peers = links.filter_map(|link| link.peer.as_ref()).filter(|peer| peer.place == PeerPlace::Host);
        bridges.chain(peers.filter_map(|peer| peer.link.as_deref()))
    }

    fn addresses_on_host(&self) -> impl Iterator<Item = IpNet> {
        let links = self.nodes.iter().flat_map(|netns| &netns.view.links);
        let outer = links.filter(|link| link.kind != "loopback");
        outer.flat_map(|link| &link.addresses).filter(|own| own.prefix_len() > 0).map(IpNet::trunc)
    }

    /// Tables that say what iptables and the own table do not.
    fn note_tables(&mut self) {
        let of_host = foreign_tables(&self.sight.host.firewall);
        let of_host = of_host.filter(|table| !is_of_iptables(table) || self.sight.rules.is_empty());
        let mut remarks: Vec<_> =
            of_host.map(|table| format!("{} of the host", table_in_words(table))).collect();
        for netns in &self.nodes {
            let firewall = &netns.view.firewall;
            let tables = foreign_tables(firewall).map(table_in_words);
            let legacy = firewall.legacy_tables.iter().map(|name| format!("iptables table '{name}'"));
            remarks.extend(tables.chain(legacy).map(|table| format!("{table} of netns '{}'", netns.name)));
        }
        self.remarks.add_all(remarks);
    }

    fn note_routes_of_host(&mut self) {
        let links: HashSet<&str> = self.links_on_host().collect();
        let routes = self.sight.host.routes.iter().filter(|route| is_made_by_hand(route));
        let inside = routes.filter(|route| route.link.as_deref().is_some_and(|link| links.contains(link)));
        let remarks: Vec<_> =
            inside.map(|route| format!("route '{}' of the host", in_words(route))).collect();
        self.remarks.add_all(remarks);
    }

    /// Tells of rules that choose another routing table, or none.
    fn note_policy_rules(&mut self) {
        let of_host = self.sight.of_host.policy_rules.iter().filter(|rule| self.concerns(rule));
        let mut remarks: Vec<_> =
            of_host.map(|rule| format!("routing policy rule '{rule}' of the host")).collect();
        for netns in &self.nodes {
            let rules =
                self.sight.details.get(netns.name).into_iter().flat_map(|details| &details.policy_rules);
            remarks
                .extend(rules.map(|rule| format!("routing policy rule '{rule}' of netns '{}'", netns.name)));
        }
        self.remarks.add_all(remarks);
    }
}

impl Meaning<'_> {
    /// Whether a rule says something that was understood; where it is not written, that is told there.
    fn holds(&self, rule: &IptablesRule) -> bool {
        let origins = self.masquerades.iter().map(|(origin, _)| origin);
        let mut origins = origins.chain(self.leads.iter().map(|(origin, _)| origin));
        origins.any(|origin| matches!(origin, Origin::Rule(held) if *held == rule))
    }
}

/// The address of each family that a published port leads to.
fn reached(ways: &[WayToHost<'_>]) -> Vec<IpAddr> {
    let first = |family| {
        ways.iter().find_map(|way| {
            let mut own = way.own.iter().filter(|own| Family::of_net(own) == family);
            own.find(|own| way.hosts.iter().any(|host| host.contains(&own.addr()))).map(IpNet::addr)
        })
    };
    [Family::Ipv4, Family::Ipv6].into_iter().filter_map(first).collect()
}

fn net(word: &str) -> Option<IpNet> {
    let address = || word.parse::<IpAddr>().ok().or_else(|| Some(word.parse::<SocketAddr>().ok()?.ip()));
    word.parse().ok().or_else(|| address().map(IpNet::from))
}

fn is_snat(entry: &TableEntry) -> bool {
    matches!(entry, TableEntry::Translate { translation: Translation::Snat(_), .. })
}

fn foreign_tables(firewall: &FirewallView) -> impl Iterator<Item = &TableView> {
    let others = firewall.tables.iter().filter(|table| table.name != crate::own_table::NAME);
    others.filter(|table| table.chains.iter().any(|chain| chain.rules > 0 || drops(chain)))
}

/// Without a rule, too.
fn drops(chain: &ChainView) -> bool {
    chain.policy.as_deref() == Some("drop")
}

fn is_of_iptables(table: &TableView) -> bool {
    table.family.starts_with("ip") && ["nat", "filter"].contains(&table.name.as_str())
}

fn table_in_words(table: &TableView) -> String {
    let rules: usize = table.chains.iter().map(|chain| chain.rules).sum();
    let rules = if rules == 1 { "1 rule".to_owned() } else { format!("{rules} rules") };
    let dropping = table.chains.iter().filter(|chain| drops(chain));
    let policies = dropping.map(|chain| format!("policy drop of chain '{}'", chain.name));
    let contents: Vec<_> = [rules].into_iter().chain(policies).collect();
    format!("nftables table '{} {}' with {}", table.family, table.name, contents.join(", and "))
}
