//! What one packet met, a line each.

use anstyle::{AnsiColor, Style};
use netns_engine::diagnose::trace::{
    Direction, Fate, LegacyCount, Trace, TraceEvent, TraceProbe, TraceStep, TraceVerdict, TracedHeaders,
};
use serde_json::{Value, json};

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const LABEL: Style = Style::new().dimmed();
const HEADING: Style = Style::new().bold();

/// The trace in words.
pub(in crate::output) fn human(probe: &TraceProbe, trace: &Trace) -> Vec<String> {
    let mut lines = vec![format!("One packet from {} to {}", probe.from, goal(probe))];
    let mut place = None;
    for step in &trace.steps {
        let here = (&step.stack, step.direction);
        if place.replace(here) != Some(here) {
            let way = if step.direction == Direction::There { "" } else { ", the answer" };
            lines.push(format!("{HEADING}{}{way}{HEADING:#}", step.stack));
        }
        lines.push(format!("  {}", in_words(step)));
    }
    if !trace.counted.is_empty() {
        lines.push(format!("{HEADING}the old iptables counted meanwhile{HEADING:#}"));
        lines.extend(trace.counted.iter().map(|count| format!("  {}", counted(count))));
    }
    lines.extend(trace.unheard.iter().map(|what| format!("{LABEL}not heard: {what}{LABEL:#}")));
    lines.push(verdict(trace));
    lines
}

fn goal(probe: &TraceProbe) -> String {
    match probe.port {
        Some(port) => format!("{}/{}", std::net::SocketAddr::new(probe.to, port), probe.protocol),
        None => format!("{} (ping)", probe.to),
    }
}

fn in_words(step: &TraceStep) -> String {
    let words = match &step.event {
        TraceEvent::Seen { hook, .. } => {
            return format!("{LABEL}{hook}{LABEL:#} {}{}", links(step), addresses(&step.headers));
        }
        TraceEvent::Rule { chain, handle, text, verdict } => {
            let text = text.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
            format!("{chain} handle {handle}{text} {LABEL}→{LABEL:#} {}", coloured(verdict))
        }
        TraceEvent::End { chain } => format!("{chain} {LABEL}→ end of the chain{LABEL:#}"),
        TraceEvent::Policy { chain, policy } => {
            format!("{chain} {LABEL}→{LABEL:#} policy {}", format!("{policy:?}").to_lowercase())
        }
    };
    if step.drops() { format!("{BAD}✗{BAD:#} {words}") } else { words }
}

fn coloured(verdict: &TraceVerdict) -> String {
    match verdict {
        TraceVerdict::Drop => format!("{BAD}{verdict}{BAD:#}"),
        TraceVerdict::Accept => format!("{GOOD}{verdict}{GOOD:#}"),
        _ => verdict.to_string(),
    }
}

fn links(step: &TraceStep) -> String {
    let incoming = step.incoming.as_ref().map(|link| format!("in by {link} ")).unwrap_or_default();
    let outgoing = step.outgoing.as_ref().map(|link| format!("out by {link} ")).unwrap_or_default();
    incoming + &outgoing
}

fn addresses(headers: &TracedHeaders) -> String {
    let end = |address: std::net::IpAddr, port: Option<u16>| match port {
        Some(port) => std::net::SocketAddr::new(address, port).to_string(),
        None => address.to_string(),
    };
    let from = end(headers.source, headers.source_port);
    let to = end(headers.destination, headers.destination_port);
    format!("{from} {LABEL}→{LABEL:#} {to}")
}

fn counted(count: &LegacyCount) -> String {
    let place = match &count.rule {
        Some((number, text)) => format!("rule {number} of {} ({text})", count.chain),
        None => format!("the policy of {}", count.chain),
    };
    let mark = if count.drops() { format!("{BAD}✗{BAD:#} ") } else { String::new() };
    format!(
        "{mark}table {}: {place}, {} packets {LABEL}→{LABEL:#} {}",
        count.table, count.packets, count.target
    )
}

fn verdict(trace: &Trace) -> String {
    match &trace.fate {
        Fate::Answered { .. } => format!("{GOOD}An answer came{GOOD:#}"),
        Fate::Refused { why } => format!("{BAD}Refused{BAD:#}: {why}"),
        Fate::Silent if trace.drops().next().is_some() || trace.legacy_drops().next().is_some() => {
            format!("{BAD}Dropped{BAD:#} where the cross is")
        }
        Fate::Silent => {
            match trace.last_seen(Direction::Back).or_else(|| trace.last_seen(Direction::There)) {
                Some(step) => format!(
                    "{BAD}No answer{BAD:#}; no filter dropped it, and it was seen last {}",
                    seen_last(step)
                ),
                None => format!("{BAD}No answer{BAD:#}; no filter saw it: it did not even leave"),
            }
        }
    }
}

fn seen_last(step: &TraceStep) -> String {
    let packet = if step.direction == Direction::There { "" } else { "as the answer, " };
    format!("{packet}in {}, {}", step.stack, links(step).trim_end())
}

/// The trace for programs.
pub(in crate::output) fn json(probe: &TraceProbe, trace: &Trace) -> Value {
    json!({ "probe": probe, "trace": trace })
}
