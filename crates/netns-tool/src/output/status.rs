//! What differs from a topology, in words.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use anstyle::{AnsiColor, Style};
use ipnet::IpNet;
use netns_engine::{
    name::NetnsName,
    place::{LinkAt, Place},
    plan::{Conflict, LinkChange, Operation},
    record::Lifetime,
    route::Route,
    sysctl::Sysctl,
    topology::Topology,
};
use serde_json::{Value, json};

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// One topology that is up, and how it differs from what was asked.
#[derive(Debug)]
pub(crate) struct TopologyStatus {
    pub(crate) topology: Arc<Topology>,
    pub(crate) lifetime: Lifetime,
    pub(crate) drift: Vec<Drift>,
}

/// One object that is not as asked.
#[derive(Debug)]
pub(crate) struct Drift(String);

impl From<&Conflict> for Drift {
    fn from(conflict: &Conflict) -> Self {
        Self(conflict.to_string())
    }
}

impl Drift {
    /// Says what is wrong, given all that would put it right; what is missing on an object that is missing
    /// itself is not told apart.
    pub(crate) fn all<'a>(remedies: impl IntoIterator<Item = &'a Operation>) -> Vec<Self> {
        let remedies: Vec<_> = remedies.into_iter().collect();
        let mut missing = Missing::default();
        let told = remedies
            .iter()
            .filter(|remedy| !is_for_an_address(remedy, &remedies) && !missing.implies(remedy));
        told.filter_map(|remedy| Self::of(remedy)).collect()
    }

    /// Says what is wrong, given what would put it right; nothing for the tool's own notes.
    fn of(remedy: &Operation) -> Option<Self> {
        let text = match remedy {
            Operation::Remember(_) | Operation::Forget(_) | Operation::ForgetFlows(_) => return None,
            Operation::CreateNetns(name) => format!("netns '{name}' is missing"),
            Operation::AddBridge(bridge) => format!("bridge {} is missing", bridge.at),
            Operation::AddVeth(veth) => format!("cable {} – {} is missing", veth.main.at, veth.peer.at),
            Operation::AddLink(link) => format!("{} is missing", link.at),
            Operation::DeleteLink(link) => format!("{link} has to be made anew"),
            Operation::SetLink(link, change) => match change {
                LinkChange::Up => format!("{link} is down"),
                LinkChange::Master(bridge) => format!("{link} is not a port of bridge '{bridge}'"),
                LinkChange::Mtu(bytes) => format!("MTU of {link} is not {bytes}"),
                LinkChange::Mac(mac) => format!("MAC address of {link} is not {mac}"),
                LinkChange::NoMaster => format!("{link} is a port of a bridge"),
                LinkChange::IsolatedOn => format!("{link} is not isolated"),
                LinkChange::IsolatedOff => format!("{link} is isolated"),
                LinkChange::HairpinOn => format!("what comes in by {link} does not go back there"),
                LinkChange::HairpinOff => format!("what comes in by {link} goes back there"),
                _ => format!("not done: {remedy}"),
            },
            Operation::AddAddress(link, address) => format!("{link} has no address '{address}'"),
            Operation::AddRoute(place, route) => format!("route '{route}' is missing {}", place.location()),
            Operation::DeleteRoute(place, route) => {
                format!("route '{route}' {} leads elsewhere than asked", place.location())
            }
            Operation::RestoreRoute(link, address) => {
                let route = Route::connected(address.trunc(), link.name.clone());
                format!("route '{route}' is missing {}", link.place.location())
            }
            Operation::SetSysctl(place, setting, value) => {
                format!("{setting} is not {value} {}", place.location())
            }
            Operation::RestoreRules => {
                "nftables table 'inet netns_tool' has not the rules it was made with".to_owned()
            }
            Operation::AddTable => "nftables table 'inet netns_tool' is missing".to_owned(),
            Operation::AddEntries(entries) => {
                let words: Vec<_> = entries.iter().map(|entry| format!("'{entry}'")).collect();
                format!("table 'inet netns_tool' lacks {}", words.join(", "))
            }
            Operation::SetShaping(link, limits) => format!("{link} is not limited to {}", limits.shaping),
            Operation::ClearShaping(link) => format!("{link} is limited"),
            Operation::WriteHosts(topology, _) => {
                format!("the host names of topology '{topology}' are not as asked")
            }
            Operation::ShareHosts(netns, topology) => {
                format!("/etc/netns/{netns}/hosts is not the host names of topology '{topology}'")
            }
            Operation::WriteResolver(netns, _) => format!("/etc/netns/{netns}/resolv.conf is not as asked"),
            Operation::StartProgram(key, program) => {
                format!("{key} does not run: '{}'", program.command.join(" ").escape_debug())
            }
            Operation::StopStrays(keys) => {
                let words: Vec<_> = keys.iter().map(|key| format!("{key} runs elsewhere")).collect();
                words.join(", ")
            }
            other => format!("not done: {other}"),
        };
        Some(Self(text))
    }
}

/// Whether a setting is only made sure of before an IPv6 address is added, whatever it is.
fn is_for_an_address(remedy: &Operation, remedies: &[&Operation]) -> bool {
    let Operation::SetSysctl(place, Sysctl::AcceptRa(link) | Sysctl::Autoconf(link), 0) = remedy else {
        return false;
    };
    let link = place.link(link);
    remedies.iter().any(|other| matches!(other, Operation::AddAddress(at, IpNet::V6(_)) if *at == link))
}

/// What is known to be missing.
#[derive(Default)]
struct Missing {
    netns: BTreeSet<NetnsName>,
    links: BTreeSet<LinkAt>,
}

impl Missing {
    /// Returns whether `remedy` only furnishes what is missing anyway, and learns from it.
    fn implies(&mut self, remedy: &Operation) -> bool {
        let known = self.knows(remedy);
        match remedy {
            Operation::CreateNetns(name) => drop(self.netns.insert(name.clone())),
            Operation::AddBridge(bridge) => drop(self.links.insert(bridge.at.clone())),
            Operation::AddLink(link) => drop(self.links.insert(link.at.clone())),
            Operation::DeleteLink(link) => drop(self.links.insert(link.clone())),
            Operation::AddVeth(veth) => self.links.extend([veth.main.at.clone(), veth.peer.at.clone()]),
            _ => {}
        }
        known
    }

    fn knows(&self, remedy: &Operation) -> bool {
        let in_missing = |place: &&Place| place.netns().is_some_and(|netns| self.netns.contains(netns));
        match remedy {
            Operation::SetLink(link, _) | Operation::AddAddress(link, _) | Operation::SetShaping(link, _) => {
                self.links.contains(link) || in_missing(&&link.place)
            }
            Operation::SetSysctl(place, setting, _) => {
                let on_missing_link =
                    setting.link().is_some_and(|link| self.links.contains(&place.link(link)));
                on_missing_link || in_missing(&place)
            }
            Operation::AddLink(link) => self.links.contains(&link.at),
            Operation::AddVeth(veth) => {
                [&veth.main.at, &veth.peer.at].into_iter().any(|at| self.links.contains(at))
            }
            Operation::ShareHosts(netns, _) => self.netns.contains(netns),
            Operation::StartProgram(key, _) => self.netns.contains(&key.netns),
            _ => remedy.places().iter().any(in_missing),
        }
    }
}

/// Lines for a person.
pub(super) fn human(statuses: &[TopologyStatus]) -> Vec<String> {
    if statuses.is_empty() {
        return vec!["No topology is up".to_owned()];
    }
    statuses.iter().flat_map(of_topology).collect()
}

fn of_topology(status: &TopologyStatus) -> Vec<String> {
    let name = &status.topology.name;
    let lifetime = lifetime_in_words(status.lifetime);
    if status.drift.is_empty() {
        return vec![format!("{GOOD}as asked{GOOD:#}  {name}{lifetime}")];
    }
    let mut lines = vec![format!("{BAD}differs{BAD:#}   {name}{lifetime}")];
    lines.extend(status.drift.iter().map(|Drift(text)| format!("  {text}")));
    lines
}

fn lifetime_in_words(lifetime: Lifetime) -> String {
    match lifetime {
        Lifetime::UntilDown => String::new(),
        Lifetime::Until(second) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            let (minutes, seconds) = (second.saturating_sub(now) / 60, second.saturating_sub(now) % 60);
            format!(" (goes in {minutes} min {seconds} s)")
        }
        Lifetime::WithProcess(pid, _) => format!(" (as long as process {pid} runs)"),
    }
}

/// One JSON document.
pub(super) fn json(statuses: &[TopologyStatus]) -> Value {
    let statuses = statuses.iter().map(|status| {
        let drift: Vec<_> = status.drift.iter().map(|Drift(text)| text).collect();
        json!({
            "topology": status.topology.name.as_str(),
            "as_asked": drift.is_empty(),
            "drift": drift,
            "nodes": status.topology.nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>(),
        })
    });
    Value::Array(statuses.collect())
}
