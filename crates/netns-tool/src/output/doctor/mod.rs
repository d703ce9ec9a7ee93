//! Diagnoses: for people, with the evidence and what to type; for programs, with stable codes.

mod hops;
mod json;
mod trace;

use anstyle::{AnsiColor, Style};
use netns_engine::{
    check::Outcome,
    diagnose::{
        Diagnosis,
        case::Followed,
        finding::{Code, Finding, Remedy, Severity},
        question::Question,
        way::{Purpose, Way},
    },
    plan::Operation,
};

pub(super) use json::{codes as codes_json, diagnosis as json, page as page_json};
pub(super) use trace::{human as trace, json as trace_json};

use super::{Verbosity, check::outcome_in_words};

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const WARN: Style = AnsiColor::Yellow.on_default().bold();
const NOTE: Style = AnsiColor::Cyan.on_default().bold();
const LABEL: Style = Style::new().dimmed();
const COMMAND: Style = Style::new().bold();

/// The diagnosis in words.
pub(super) fn human(diagnosis: &Diagnosis<'_>, verbosity: Verbosity) -> Vec<String> {
    let quiet = verbosity == Verbosity::Quiet;
    if quiet && diagnosis.is_healthy() {
        return Vec::new();
    }
    let mut lines = vec![title(diagnosis)];
    for followed in &diagnosis.case.ways {
        lines.extend(tried(diagnosis, followed));
        if followed.works() && followed.way.purpose != Purpose::Control {
            lines.extend(hops::in_words(diagnosis.case.scene, followed));
        }
    }
    let shown = diagnosis.findings.iter().filter(|finding| !quiet || finding.severity == Severity::Error);
    for finding in shown {
        lines.push(String::new());
        lines.extend(in_words(diagnosis, finding));
    }
    lines.push(String::new());
    lines.push(summary(diagnosis));
    lines
}

/// What was mended, in words.
pub(super) fn mended(operations: &[Operation]) -> Vec<String> {
    operations.iter().map(|operation| format!("{GOOD}mended{GOOD:#} {operation}")).collect()
}

fn title(diagnosis: &Diagnosis<'_>) -> String {
    match diagnosis.case.question {
        Question::Host => "The host, and everything of netns-tool".to_owned(),
        Question::Path(path) => format!("From {path}"),
        Question::Port(port) => capitalized(&port.to_string()),
    }
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

fn tried(diagnosis: &Diagnosis<'_>, followed: &Followed) -> Option<String> {
    let outcome = followed.outcome.as_ref()?;
    let mark = if followed.works() { format!("{GOOD}✓{GOOD:#}") } else { format!("{BAD}✗{BAD:#}") };
    let from = &diagnosis.case.scene.stack(followed.way.from).entrance;
    let purpose = match followed.way.purpose {
        Purpose::Control => format!(" {LABEL}(tried from the host, to compare){LABEL:#}"),
        Purpose::NameServer => format!(" {LABEL}(name server){LABEL:#}"),
        Purpose::Asked | Purpose::Internet | Purpose::FromOutside => String::new(),
    };
    Some(format!("{mark} {from}: {}{purpose}", outcome_in_words(outcome, &target(&followed.way))))
}

/// `192.0.2.1`, `192.0.2.1:80/tcp`.
fn target(way: &Way) -> String {
    match way.service() {
        Some((port, transport)) => format!("{}/{transport}", std::net::SocketAddr::new(way.to, port)),
        None => way.to.to_string(),
    }
}

fn in_words(diagnosis: &Diagnosis<'_>, finding: &Finding) -> Vec<String> {
    let (style, word) = match finding.severity {
        Severity::Error => (BAD, "error"),
        Severity::Warning => (WARN, "warning"),
        Severity::Note => (NOTE, "note"),
    };
    let mut lines = vec![format!("{style}{word}[{}]{style:#} {}", finding.code.name, finding.what)];
    lines.extend(
        finding
            .evidence
            .iter()
            .map(|seen| format!("  {LABEL}seen:{LABEL:#} {} {LABEL}→{LABEL:#} {}", seen.read, seen.says)),
    );
    if !finding.why.is_empty() {
        lines.push(format!("  {LABEL}why:{LABEL:#}  {}", finding.why));
    }
    lines.extend(finding.remedy.iter().flat_map(remedy));
    if !finding.mend.is_empty() && diagnosis.case.scene.host.may_change {
        lines.push(format!("  {LABEL}or:{LABEL:#}   --fix does it"));
    }
    lines
}

fn remedy(remedy: &Remedy) -> Vec<String> {
    let mut lines: Vec<String> = remedy
        .commands
        .iter()
        .map(|command| format!("  {LABEL}mend:{LABEL:#} {COMMAND}{command}{COMMAND:#}"))
        .collect();
    match (&remedy.note, lines.first_mut()) {
        (Some(note), Some(first)) => *first = format!("{first}   {LABEL}# {note}{LABEL:#}"),
        (Some(note), None) => lines.push(format!("  {LABEL}mend:{LABEL:#} {note}")),
        (None, _) => {}
    }
    lines
}

fn summary(diagnosis: &Diagnosis<'_>) -> String {
    let errors = diagnosis.findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    match (diagnosis.is_healthy(), errors) {
        (true, _) => format!("{GOOD}Healthy{GOOD:#}"),
        (false, 0) if unanswered_datagrams(diagnosis) => {
            "Nothing on the way stops it. Over UDP, a program that does not answer cannot be told from one that is not there".to_owned()
        }
        (false, 0) => "Nothing that could be seen stops it; 'netns-tool doctor … --trace' follows one packet through every rule".to_owned(),
        (false, 1) => format!("{BAD}1 fault{BAD:#}; 'netns-tool doctor --explain CODE' tells more about each code"),
        (false, _) => format!(
            "{BAD}{errors} faults{BAD:#}, in the order a packet meets them; 'netns-tool doctor --explain CODE' tells more about each code"
        ),
    }
}

fn unanswered_datagrams(diagnosis: &Diagnosis<'_>) -> bool {
    diagnosis.silent_ways().all(|way| {
        matches!(way.outcome, Some(Outcome::NoAnswer))
            && way.way.service().is_some_and(|(port, transport)| port != 53 && transport.number() == 17)
    })
}

/// The page of a code.
pub(super) fn page(code: &Code) -> Vec<String> {
    let mut lines = vec![format!("{COMMAND}{}{COMMAND:#}: {}", code.name, code.title), String::new()];
    for (label, text) in [("Symptom", code.symptom), ("Cause", code.cause), ("Remedy", code.remedy)] {
        lines.push(format!("{LABEL}{label}{LABEL:#}"));
        lines.extend(wrapped(text));
        lines.push(String::new());
    }
    lines.push(format!("{LABEL}Example{LABEL:#}"));
    lines.extend(code.example.lines().map(|line| format!("  {line}")));
    lines
}

/// All codes with their titles.
pub(super) fn codes(codes: &[&Code]) -> Vec<String> {
    let width = codes.iter().map(|code| code.name.len()).max().unwrap_or_default();
    codes.iter().map(|code| format!("{:<width$}  {}", code.name, code.title)).collect()
}

/// Breaks a text into lines that fit beside each other on a terminal.
fn wrapped(text: &str) -> Vec<String> {
    const WIDTH: usize = 96;
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(last) if last.len() + word.len() < WIDTH => {
                last.push(' ');
                last.push_str(word);
            }
            _ => lines.push(format!("  {word}")),
        }
    }
    lines
}
