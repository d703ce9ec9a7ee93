//! From what is there to a topology file: `up`, read backwards.
//!
//! What a topology file has no words for is told beside it: nothing is left out in silence but what
//! nobody asked for, such as random MAC addresses and the kernel's own routes.

mod addresses;
mod details;
mod document;
mod firewall;
mod networks;
mod nodes;
mod routes;
mod rules;
mod settings;
mod wiring;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    net::IpAddr,
};

pub use details::{Details, Limit, Names};
pub use document::Document;
use document::Value;

use super::{TopologyName, resolve::HOST};
use crate::{
    firewall::{IptablesRule, TableEntry},
    name::NetnsName,
    sysctl::NamedSetting,
    view::StackView,
};
use networks::Site;
use rules::{Lead, Masquerade};
use wiring::Wiring;

/// What a topology file is written from.
#[derive(Clone, Debug, Default)]
pub struct Sight {
    /// The host.
    pub host: StackView,
    /// The netns to write down, by their names.
    pub netns: Vec<(String, StackView)>,
    /// The host's rules of the iptables family in `nat` and `filter`.
    pub rules: Vec<IptablesRule>,
    /// What the host's own table does.
    pub entries: Vec<TableEntry>,
    /// What was set by hand on the host.
    pub of_host: Details,
    /// What was set by hand in each netns.
    pub details: BTreeMap<String, Details>,
    /// The settings of a new netns.
    pub new_settings: BTreeMap<NamedSetting, i32>,
}

/// Writes the topology file for what is there.
#[must_use]
pub fn import(name: &TopologyName, sight: &Sight) -> Document {
    let mut remarks = Remarks::default();
    let nodes = usable(sight, &mut remarks);
    let wiring = Wiring::of(&sight.host, &nodes, &mut remarks);
    let meaning = Meaning::of(sight);
    let sites = networks::sites(&wiring, (sight, &meaning), &nodes, &mut remarks);
    let mut scene = Scene { sight, nodes, wiring, sites, meaning, taken: HashSet::new(), remarks };
    scene.claim_gateways();
    let given = scene.give_addresses();
    let ports = scene.ports(&given);
    scene.note_limits();
    scene.note_isolation();
    scene.note_macs();
    scene.note_what_is_left();
    let networks = scene.sites.iter().map(|site| (site.name.clone(), site.body()));
    let networks = Value::Map(networks.collect());
    let bodies = (0..scene.nodes.len()).map(|node| scene.node(node, &given, &ports.of_nodes[node]));
    let bodies: Vec<_> = bodies.collect();
    let names = scene.nodes.iter().map(|node| node.name.to_owned());
    let nodes = Value::Map(names.zip(bodies).collect());
    let links = (0..scene.wiring.cables.len()).map(|cable| scene.cable(cable, &given));
    let links = Value::List(links.collect());
    let all = [("name", Value::text(name)), ("networks", networks), ("nodes", nodes), ("links", links)];
    let is_there = |value: &Value| match value {
        Value::Map(map) => !map.is_empty(),
        Value::List(list) => !list.is_empty(),
        _ => true,
    };
    let there = all.into_iter().filter(|(_, value)| is_there(value));
    let body = there.map(|(key, value)| (key.to_owned(), value)).collect();
    Document { body, not_expressed: scene.remarks.0 }
}

/// A netns to write down.
struct Netns<'a> {
    name: &'a str,
    view: &'a StackView,
}

/// Everything known, for those who write a part of it.
struct Scene<'a> {
    sight: &'a Sight,
    nodes: Vec<Netns<'a>>,
    wiring: Wiring<'a>,
    sites: Vec<Site<'a>>,
    meaning: Meaning<'a>,
    /// Addresses written so far: a file gives each one out once.
    taken: HashSet<IpAddr>,
    remarks: Remarks,
}

/// What the host's rules say, as far as a topology file can, and by which rule or entry.
struct Meaning<'a> {
    masquerades: Vec<(Origin<'a>, Masquerade)>,
    leads: Vec<(Origin<'a>, Lead)>,
}

/// Where something is said.
#[derive(Clone, Copy)]
enum Origin<'a> {
    Rule(&'a IptablesRule),
    Entry(&'a TableEntry),
}

impl<'a> Meaning<'a> {
    fn of(sight: &'a Sight) -> Self {
        let entries = || sight.entries.iter();
        let rules = || sight.rules.iter();
        let by_entry =
            entries().filter_map(|entry| Some((Origin::Entry(entry), Masquerade::of_entry(entry)?)));
        let by_rule = rules().filter_map(|rule| Some((Origin::Rule(rule), Masquerade::of_rule(rule)?)));
        let masquerades = by_entry.chain(by_rule).collect();
        let by_entry = entries().filter_map(|entry| Some((Origin::Entry(entry), Lead::of_entry(entry)?)));
        let by_rule = rules().filter_map(|rule| Some((Origin::Rule(rule), Lead::of_rule(rule)?)));
        Self { masquerades, leads: by_entry.chain(by_rule).collect() }
    }
}

impl fmt::Display for Origin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(rule) => write!(f, "rule '{} {rule}' of the host", rule.program()),
            Self::Entry(entry) => write!(f, "entry '{entry}' of the table 'inet netns_tool'"),
        }
    }
}

/// What cannot be expressed, in the order it was found.
#[derive(Debug, Default)]
struct Remarks(Vec<String>);

impl Remarks {
    /// Adds one, on one line whatever the names in it are made of.
    fn add(&mut self, remark: impl fmt::Display) {
        let line = remark.to_string().chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        self.0.push(line);
    }

    fn add_all(&mut self, remarks: Vec<String>) {
        for remark in remarks {
            self.add(remark);
        }
    }
}

/// Leaves out those whose name cannot be that of a node.
fn usable<'a>(sight: &'a Sight, remarks: &mut Remarks) -> Vec<Netns<'a>> {
    let mut usable = Vec::new();
    for (name, view) in &sight.netns {
        if NetnsName::new(name.as_str()).is_ok() && name != HOST {
            usable.push(Netns { name, view });
        } else {
            remarks.add(format_args!("netns '{name}': a node cannot be called that"));
        }
    }
    usable
}

/// Numbers of things by their names.
type Numbers<'a> = HashMap<&'a str, usize>;
