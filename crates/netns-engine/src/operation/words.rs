//! Operations in words, as a person reads them in a plan.

use std::fmt;

use super::{LinkChange, Operation};
use crate::{
    firewall::{RuleChange, TableEntry},
    place::LinkAt,
    topology::ProgramKey,
};

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateNetns(name) => write!(f, "create netns '{name}'"),
            Self::DeleteNetns(name) => write!(f, "delete netns '{name}'"),
            Self::KillProcesses(name, pids) => {
                write!(f, "end {} holding netns '{name}'", count(pids, "process"))
            }
            Self::AddBridge(bridge) => write!(f, "add bridge {}", bridge.at),
            Self::AddVeth(veth) => write!(f, "add veth pair {} – {}", veth.main.at, veth.peer.at),
            Self::AddLink(link) => write!(f, "add {} {}", link.kind.word(), link.at),
            Self::DeleteLink(link) => write!(f, "delete {link}"),
            Self::DeleteLinks(links) => match links.as_slice() {
                [link] => write!(f, "delete link '{link}'"),
                links => write!(f, "delete {} of the host together", count(links, "link")),
            },
            Self::SetLink(link, change) => write_link_change(f, link, change),
            Self::SetShaping(link, limits) => write!(f, "limit {link} to {}", limits.shaping),
            Self::ClearShaping(link) => write!(f, "take the limits of {link} away"),
            Self::AddAddress(link, address) => write!(f, "add address '{address}' to {link}"),
            Self::DeleteAddress(link, address) => write!(f, "delete address '{address}' from {link}"),
            Self::AddRoute(place, route) => write!(f, "add route '{route}' {}", place.location()),
            Self::DeleteRoute(place, route) => write!(f, "delete route '{route}' {}", place.location()),
            Self::RestoreRoute(at, net) => write!(f, "restore the route to '{}' through {at}", net.trunc()),
            Self::SetSysctl(place, sysctl, value) => {
                write!(f, "set {sysctl} to {value} {}", place.location())
            }
            Self::WriteResolver(..)
            | Self::RemoveResolver(_)
            | Self::WriteHosts(..)
            | Self::RemoveHosts(_)
            | Self::ShareHosts(..)
            | Self::UnshareHosts(_)
            | Self::WriteBootFile(..)
            | Self::RemoveBootFile(_) => self.write_about_file(f),
            Self::StartProgram(key, program) => {
                write!(f, "start '{}' in netns '{}'", program.command.join(" ").escape_debug(), key.netns)
            }
            Self::StopProgram(key) => write!(f, "end {key}"),
            Self::StopStrays(keys) => write_strays(f, keys),
            Self::Iptables(changes) => write_rule_changes(f, changes),
            Self::RestoreRules => f.write_str("restore the rules of nftables table 'inet netns_tool'"),
            Self::AddTable => f.write_str("add nftables table 'inet netns_tool'"),
            Self::DeleteTable => f.write_str("delete nftables table 'inet netns_tool'"),
            Self::AddEntries(entries) => {
                write!(f, "add {} to table 'inet netns_tool'", entries_in_words(entries))
            }
            Self::DeleteEntries(entries) => {
                write!(f, "delete {} from table 'inet netns_tool'", entries_in_words(entries))
            }
            Self::ForgetFlows(forwards) => match forwards.as_slice() {
                [forward] => {
                    write!(f, "forget tracked flows from {} to {}", forward.published, forward.target)
                }
                forwards => write!(f, "forget tracked flows from {}", count(forwards, "published port")),
            },
            Self::Remember(record) => write!(f, "note {} in /run/netns-tool", record.key()),
            Self::ForgetNetns(name) => write!(f, "drop the mark of netns '{name}' from /run/netns-tool"),
            Self::Forget(key) => write!(f, "drop the note on {key} from /run/netns-tool"),
        }
    }
}

impl Operation {
    fn write_about_file(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WriteResolver(netns, file) => {
                let servers = count(&file.servers, "name server");
                write!(f, "write {servers} into /etc/netns/{netns}/resolv.conf")
            }
            Self::RemoveResolver(netns) => write!(f, "remove /etc/netns/{netns}/resolv.conf"),
            Self::WriteHosts(topology, _) => write!(f, "write the host names of topology '{topology}'"),
            Self::RemoveHosts(topology) => write!(f, "remove the host names of topology '{topology}'"),
            Self::ShareHosts(netns, topology) => {
                write!(f, "let /etc/netns/{netns}/hosts be the host names of topology '{topology}'")
            }
            Self::UnshareHosts(netns) => write!(f, "remove /etc/netns/{netns}/hosts"),
            Self::WriteBootFile(file, _) => write!(f, "write {file}"),
            Self::RemoveBootFile(file) => write!(f, "remove {file}"),
            _ => Ok(()),
        }
    }
}

fn write_strays(f: &mut fmt::Formatter<'_>, keys: &[ProgramKey]) -> fmt::Result {
    match keys {
        [key] => write!(f, "end what of {key} runs elsewhere"),
        keys => write!(f, "end {} that run outside of their nodes", count(keys, "program")),
    }
}

fn write_link_change(f: &mut fmt::Formatter<'_>, link: &LinkAt, change: &LinkChange) -> fmt::Result {
    match change {
        LinkChange::Up => write!(f, "set {link} up"),
        LinkChange::Down => write!(f, "set {link} down"),
        LinkChange::Master(bridge) => write!(f, "make {link} a port of bridge '{bridge}'"),
        LinkChange::NoMaster => write!(f, "take {link} off its bridge"),
        LinkChange::Mtu(bytes) => write!(f, "set MTU of {link} to {bytes}"),
        LinkChange::Mac(mac) => write!(f, "set MAC address of {link} to {mac}"),
        LinkChange::HairpinOn => write!(f, "let the bridge of {link} send frames back through it"),
        LinkChange::HairpinOff => write!(f, "let the bridge of {link} send no frame back through it"),
        LinkChange::IsolatedOn => write!(f, "isolate {link} from the other isolated ports of its bridge"),
        LinkChange::IsolatedOff => write!(f, "let all ports of its bridge reach {link}"),
        LinkChange::DefaultGroup => write!(f, "put {link} into the default group"),
    }
}

fn write_rule_changes(f: &mut fmt::Formatter<'_>, changes: &[RuleChange]) -> fmt::Result {
    let is_deletion = |change: &RuleChange| matches!(change, RuleChange::Delete(_));
    let kind = |change| (is_deletion(change), change.rule().program());
    let Some((deletes, program)) = changes.first().map(kind) else { return f.write_str("change no rule") };
    if changes.iter().any(|change| kind(change) != (deletes, program)) {
        return write!(f, "change {}", count(changes, "iptables rule"));
    }
    let verb = if deletes { "delete" } else { "add" };
    let noun = if changes.len() == 1 { "rule" } else { "rules" };
    let words: Vec<_> = changes.iter().map(|change| format!("'{change}'")).collect();
    write!(f, "{verb} {program} {noun} {}", words.join(", "))
}

/// Which entries, as long as they can be taken in at a glance.
fn entries_in_words(entries: &[TableEntry]) -> String {
    const AT_A_GLANCE: usize = 5;
    if entries.len() > AT_A_GLANCE {
        return count(entries, "entry");
    }
    let words: Vec<_> = entries.iter().map(|entry| format!("'{entry}'")).collect();
    words.join(", ")
}

/// "1 rule", "2 rules", "2 entries", "2 processes".
fn count<T>(items: &[T], noun: &str) -> String {
    match (items.len(), noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (number, Some(stem)) => format!("{number} {stem}ies"),
        (number, None) if noun.ends_with('s') => format!("{number} {noun}es"),
        (number, None) => format!("{number} {noun}s"),
    }
}
