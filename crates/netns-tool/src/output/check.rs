//! What came of checks: a line each.

use std::time::Duration;

use anstyle::{AnsiColor, Style};
use netns_engine::{
    check::{CheckResult, Outcome},
    firewall::Transport,
    plan::Conflict,
    topology::{Expectation, TopologyName},
};
use serde_json::{Value, json};

use super::{Verbosity, human::labelled};

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// The checks of one topology.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) topology: TopologyName,
    pub(crate) results: Vec<CheckResult>,
    /// The command that makes the netns, or makes them again.
    pub(crate) remedy: String,
}

impl Checked {
    /// Returns whether every check passed.
    pub(crate) fn all_well(&self) -> bool {
        self.results.iter().all(CheckResult::is_as_expected)
    }
}

/// Lines for a person; one that wants quiet only hears of what failed.
pub(super) fn human(checked: &[Checked], verbosity: Verbosity) -> Vec<String> {
    let quiet = verbosity == Verbosity::Quiet;
    if checked.is_empty() && !quiet {
        return vec!["No topology is up".to_owned()];
    }
    let mut lines = Vec::new();
    for Checked { topology, results, remedy } in checked {
        if results.is_empty() && !quiet {
            lines.push(format!("Topology '{topology}' has no checks"));
        }
        let shown = results.iter().filter(|result| !quiet || !result.is_as_expected());
        lines.extend(shown.map(line));
        let is_not_up = |result: &CheckResult| matches!(result.outcome, Outcome::NoSuchNetns(_));
        if results.iter().any(is_not_up) && !quiet {
            lines.push(labelled("hint", &format!("'{remedy}' first")));
        }
    }
    lines
}

fn line(result: &CheckResult) -> String {
    let mark =
        if result.is_as_expected() { format!("{GOOD}✓{GOOD:#}") } else { format!("{BAD}✗{BAD:#}") };
    format!("{mark} {}: {}", result.check.text, words(result))
}

fn words(result: &CheckResult) -> String {
    outcome_in_words(&result.outcome, &tried(result))
}

/// What came of trying to reach `tried`.
pub(super) fn outcome_in_words(outcome: &Outcome, tried: &str) -> String {
    match outcome {
        Outcome::Reached { after } => format!("answer from {tried} after {}", milliseconds(*after)),
        Outcome::Refused => format!("refused by {tried}: nothing listens there"),
        Outcome::NoAnswer => format!("no answer from {tried}"),
        Outcome::Unreachable(cause) => format!("{tried} is out of reach: {cause}"),
        Outcome::NoSuchName => "no name server knows an address of it".to_owned(),
        Outcome::NoSuchNetns(netns) => format!("not tried: {}", Conflict::NoNetns(netns.clone())),
        Outcome::NotTried(cause) => format!("not tried: {cause}"),
        other => format!("{other:?}"),
    }
}

/// `192.0.2.1`, `192.0.2.1:80/tcp`, `[2001:db8::1]:53/udp`.
fn tried(result: &CheckResult) -> String {
    match (result.address, result.check.port) {
        (Some(address), Some((port, transport))) => {
            format!("{}/{transport}", std::net::SocketAddr::new(address, port))
        }
        (Some(address), None) => address.to_string(),
        (None, _) => "it".to_owned(),
    }
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

/// One JSON document.
pub(super) fn json(checked: &[Checked]) -> Value {
    checked
        .iter()
        .map(|Checked { topology, results, .. }| {
            json!({
                "topology": topology.as_str(),
                "passed": results.iter().all(CheckResult::is_as_expected),
                "checks": results.iter().map(result_in_json).collect::<Vec<_>>(),
            })
        })
        .collect()
}

/// Outcome, time and cause of a try.
pub(super) fn outcome_in_json(outcome: &Outcome) -> Value {
    let (outcome, after, cause) = match outcome {
        Outcome::Reached { after } => ("reached", Some(after.as_secs_f64() * 1000.0), None),
        Outcome::Refused => ("refused", None, None),
        Outcome::NoAnswer => ("no-answer", None, None),
        Outcome::Unreachable(cause) => ("unreachable", None, Some(cause.to_string())),
        Outcome::NoSuchName => ("no-such-name", None, None),
        Outcome::NoSuchNetns(netns) => {
            ("not-tried", None, Some(Conflict::NoNetns(netns.clone()).to_string()))
        }
        Outcome::NotTried(cause) => ("not-tried", None, Some(cause.to_string())),
        _ => ("other", None, None),
    };
    json!({ "outcome": outcome, "milliseconds": after, "cause": cause })
}

fn result_in_json(result: &CheckResult) -> Value {
    let tried = outcome_in_json(&result.outcome);
    let protocol = match result.check.port {
        None => "icmp",
        Some((_, Transport::Tcp)) => "tcp",
        Some((_, Transport::Udp)) => "udp",
    };
    json!({
        "check": result.check.text,
        "passed": result.is_as_expected(),
        "expected": match result.check.expectation {
            Expectation::Reached => "reached",
            Expectation::NotReached => "not-reached",
        },
        "protocol": protocol,
        "address": result.address,
        "port": result.check.port.map(|(port, _)| port),
        "outcome": tried["outcome"],
        "milliseconds": tried["milliseconds"],
        "cause": tried["cause"],
    })
}
