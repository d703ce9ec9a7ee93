//! Rules as text, and what becomes of a packet.

mod certainty;
mod chains;
mod translation;
mod words;

use super::{
    Base, Certainty, Chain, ChainFamily, ChainKind, Culprit, Hook, Origin, Passage, Policy, Rule, Ruleset,
};
use crate::{
    address::Family,
    diagnose::packet::{Packet, Protocol},
    name::LinkName,
};

/// Reads what `iptables-save` prints.
fn iptables(text: &str) -> Ruleset {
    let mut ruleset = Ruleset::default();
    let mut table = "filter";
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(name) = line.strip_prefix('*') {
            table = name;
        } else if let Some(declared) = line.strip_prefix(':') {
            let (name, policy) = declared.split_once(' ').unwrap();
            chain(&mut ruleset, table, name, policy);
        } else {
            let name = line.split(' ').nth(1).unwrap();
            let chain = chain(&mut ruleset, table, name, "ACCEPT");
            let number = chain.rules.len() + 1;
            chain.rules.push(Rule::from_words(Family::Ipv4, number, line));
        }
    }
    ruleset
}

fn chain<'a>(ruleset: &'a mut Ruleset, table: &str, name: &str, policy: &str) -> &'a mut Chain {
    let known = ruleset.chains.iter().position(|chain| chain.table == table && chain.name == name);
    let place = known.unwrap_or_else(|| {
        ruleset.chains.push(Chain {
            origin: Origin::Iptables,
            family: ChainFamily::Ip,
            table: table.to_owned(),
            name: name.to_owned(),
            base: base(table, name, policy),
            rules: Vec::new(),
        });
        ruleset.chains.len() - 1
    });
    &mut ruleset.chains[place]
}

fn base(table: &str, name: &str, policy: &str) -> Option<Base> {
    let hook = match name {
        "PREROUTING" => Hook::Prerouting,
        "INPUT" => Hook::Input,
        "FORWARD" => Hook::Forward,
        "OUTPUT" => Hook::Output,
        "POSTROUTING" => Hook::Postrouting,
        _ => return None,
    };
    let (kind, priority) = match table {
        "raw" => (ChainKind::Filter, -300),
        "mangle" => (ChainKind::Filter, -150),
        "nat" => (ChainKind::Nat, 0),
        _ => (ChainKind::Filter, 0),
    };
    let policy = if policy == "DROP" { Policy::Drop } else { Policy::Accept };
    Some(Base { kind, hook, priority, policy, devices: Vec::new() })
}

fn link(name: &str) -> LinkName {
    LinkName::new(name).unwrap()
}

/// The first packet of a connection from behind `br0` to port 80 of a server on the internet.
fn request() -> Packet {
    let mut packet =
        Packet::new("10.0.0.2".parse().unwrap(), "203.0.113.9".parse().unwrap(), Protocol::Tcp, Some(80));
    packet.source_port = Some(40_000);
    packet
}

/// Runs `look` on a packet that is forwarded from `br0` to `eth0`.
fn at<T>(hook: Hook, packet: &Packet, look: impl FnOnce(&Passage<'_>) -> T) -> T {
    let (incoming, outgoing) = (link("br0"), link("eth0"));
    look(&Passage {
        packet,
        hook,
        incoming: Some(&incoming),
        outgoing: matches!(hook, Hook::Forward | Hook::Postrouting).then_some(&outgoing),
        incoming_port: None,
        outgoing_port: None,
        for_this_stack: false,
        from_this_stack: false,
    })
}

/// Judges a forwarded packet, in words: `passes`, or who stops it and how sure that is.
fn forwarded(ruleset: &Ruleset, packet: &Packet) -> String {
    let culprits = at(Hook::Forward, packet, |passage| ruleset.judge(passage)).culprits;
    if culprits.is_empty() {
        "passes".to_owned()
    } else {
        culprits.iter().map(told).collect::<Vec<_>>().join("; ")
    }
}

fn told(culprit: &Culprit) -> String {
    let how = match culprit.certainty {
        Certainty::Possible => "perhaps ",
        Certainty::Certain => "",
    };
    let what = if culprit.rejects { "rejected" } else { "dropped" };
    format!("{how}{what} by {}", culprit.text())
}
