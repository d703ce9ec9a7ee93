//! The own table in the words of `nft(8)`: input for `nft -f`.

use std::fmt::{self, Write};

use super::{CHAINS, COMMENT, Cell, Chain, Column, Element, Match, NAME, Rule, Selector, Set, Verdict};
use crate::{address::Family, firewall::TableEntry};

/// Returns the text that makes the table with its chains, sets and maps, all empty.
pub(crate) fn add_table() -> String {
    let mut text = format!("table inet {NAME} {{\n\tcomment \"{COMMENT}\"\n");
    for set in Set::ALL {
        text.push_str(&set_text(set));
    }
    text.push_str(&chains_text());
    text.push_str("}\n");
    text
}

/// Returns the text that puts the rules back in place of those that are there.
pub(crate) fn restore_rules() -> String {
    format!("flush table inet {NAME}\ntable inet {NAME} {{\n{}}}\n", chains_text())
}

fn chains_text() -> String {
    CHAINS.iter().map(chain_text).collect()
}

/// Returns the text that deletes the table with all that is in it.
pub(crate) fn delete_table() -> String {
    format!("delete table inet {NAME}\n")
}

/// Returns the text that adds `entries`: one line per element, one transaction for all.
pub(crate) fn add_entries(entries: &[TableEntry]) -> String {
    element_lines("add", entries, Element::full_text)
}

/// Returns the text that deletes `entries`.
pub(crate) fn delete_entries(entries: &[TableEntry]) -> String {
    element_lines("delete", entries, Element::key_text)
}

fn element_lines(verb: &str, entries: &[TableEntry], text: impl Fn(&Element) -> String) -> String {
    let mut lines = String::new();
    for element in entries.iter().map(Element::of) {
        let (set, words) = (element.set.name(), text(&element));
        append(&mut lines, format_args!("{verb} element inet {NAME} {set} {{ {words} }}\n"));
    }
    lines
}

impl Element {
    fn full_text(&self) -> String {
        let mut text = self.key_text();
        if let Some(comment) = &self.comment {
            append(&mut text, format_args!(" comment \"{comment}\""));
        }
        if !self.value.is_empty() {
            append(&mut text, format_args!(" : {}", joined(&self.value)));
        }
        text
    }

    fn key_text(&self) -> String {
        joined(&self.key)
    }
}

fn set_text(set: Set) -> String {
    let types =
        |columns: &[Column]| columns.iter().map(|column| column.word()).collect::<Vec<_>>().join(" . ");
    let is_map = !set.value().is_empty();
    let mut text = format!("\t{} {} {{\n", if is_map { "map" } else { "set" }, set.name());
    append(&mut text, format_args!("\t\ttype {}", types(set.key())));
    if is_map {
        append(&mut text, format_args!(" : {}", types(set.value())));
    }
    text.push_str(if set.has_ranges() { "\n\t\tflags interval\n\t}\n" } else { "\n\t}\n" });
    text
}

fn chain_text(chain: &Chain) -> String {
    let mut text = format!("\tchain {} {{\n", chain.name.as_str());
    if let Some(hook) = chain.hook {
        let (kind, name, priority) = (hook.kind, hook.name, hook.priority);
        append(&mut text, format_args!("\t\ttype {kind} hook {name} priority {priority}; policy accept;\n"));
    }
    for rule in chain.rules {
        append(&mut text, format_args!("\t\t{}\n", rule_text(rule)));
    }
    text.push_str("\t}\n");
    text
}

fn rule_text(rule: &Rule) -> String {
    let mut words: Vec<_> = rule.matches.iter().map(match_text).collect();
    words.push(verdict_text(rule.verdict));
    words.join(" ")
}

fn match_text(condition: &Match) -> String {
    match condition {
        Match::NotFromLoopbackLink => "iifname != \"lo\"".to_owned(),
        Match::FromNoLink => "iif 0".to_owned(),
        Match::ToLoopbackNetwork => "ip daddr 127.0.0.0/8".to_owned(),
        Match::NotToLoopback6 => "ip6 daddr != ::1".to_owned(),
        Match::ToThisHost => "fib daddr type local".to_owned(),
        Match::Tracked => "ct state established,related".to_owned(),
        Match::Redirected => "ct status dnat".to_owned(),
        Match::In(selectors, set) => format!("{} @{}", joined(selectors), set.name()),
    }
}

fn verdict_text(verdict: Verdict) -> String {
    let translated = |kind: &str, family: Family, selectors: &[Selector], set: Set| {
        format!("{kind} {} to {} map @{}", protocol_word(family), joined(selectors), set.name())
    };
    match verdict {
        Verdict::Accept => "accept".to_owned(),
        Verdict::Drop => "drop".to_owned(),
        Verdict::Jump(chain) => format!("jump {}", chain.as_str()),
        Verdict::Masquerade => "masquerade".to_owned(),
        Verdict::Snat(family, selectors, set) => translated("snat", family, selectors, set),
        Verdict::Dnat(family, selectors, set) => translated("dnat", family, selectors, set),
    }
}

fn protocol_word(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "ip",
        Family::Ipv6 => "ip6",
    }
}

fn joined(parts: &[impl fmt::Display]) -> String {
    parts.iter().map(ToString::to_string).collect::<Vec<_>>().join(" . ")
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IncomingLink => f.write_str("iifname"),
            Self::OutgoingLink => f.write_str("oifname"),
            Self::Source(family) => write!(f, "{} saddr", protocol_word(*family)),
            Self::Destination(family) => write!(f, "{} daddr", protocol_word(*family)),
            Self::Protocol => f.write_str("meta l4proto"),
            Self::DestinationPort => f.write_str("th dport"),
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::Network(network) => write!(f, "{network}"),
            Self::Link(name) => write!(f, "\"{name}\""),
            Self::Protocol(transport) => write!(f, "{transport}"),
            Self::Port(port) => write!(f, "{port}"),
        }
    }
}

#[expect(clippy::expect_used, reason = "a String takes whatever is written to it")]
fn append(text: &mut String, more: fmt::Arguments<'_>) {
    text.write_fmt(more).expect("writing to a String never fails");
}
