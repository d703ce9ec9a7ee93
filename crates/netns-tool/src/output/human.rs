//! Text for people.

use std::ffi::OsString;

use anstyle::{AnsiColor, Style};
use anyhow::Error;
use clap::error::{ContextKind, ContextValue};
use netns_engine::{
    apply::Undone,
    change::Report,
    error,
    observed::Stack,
    plan::{Plan, explain},
};

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const LABEL: Style = Style::new().dimmed();
const COMMENT: Style = AnsiColor::Cyan.on_default();

/// Where the right command line is found.
pub(super) const USAGE_HINT: &str =
    "'netns-tool help' lists the commands, 'netns-tool COMMAND --help' their arguments";

/// The plan in words.
pub(super) fn plan(plan: &Plan) -> Vec<String> {
    if plan.is_empty() {
        return vec!["Nothing would change: everything is already as asked.".to_owned()];
    }
    let mut lines = vec!["Would, in this order:".to_owned()];
    lines.extend(plan.steps.iter().map(|step| format!("  {}", step.operation)));
    lines
}

/// The steps that were taken.
pub(super) fn steps(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(|step| format!("{LABEL}  {}{LABEL:#}", step.operation)).collect()
}

/// The plan as a script, with its sentences in colour.
pub(super) fn script(plan: &Plan) -> String {
    let script = explain::script(plan);
    let lines = script.lines().map(|line| {
        if line.starts_with("# ") { format!("{COMMENT}{line}{COMMENT:#}") } else { line.to_owned() }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What there is on the throw-away host, and what to try first.
pub(super) fn playground_banner() -> Vec<String> {
    let title = AnsiColor::Green.on_default().bold();
    [
        format!("{title}A throw-away host: everything may be tried, nothing outside can break.{title:#}"),
        String::new(),
        "  eth0  198.51.100.2/24, the uplink; behind it a pretend internet that answers this address only:"
            .to_owned(),
        "        203.0.113.8   ping, HTTP on port 80, DNS for example.test".to_owned(),
        String::new(),
        format!("{LABEL}  Try:{LABEL:#}  netns-tool create ns1"),
        "        netns-tool bridge br0 --address 192.168.100.1/24".to_owned(),
        "        netns-tool connect ns1 br0".to_owned(),
        "        netns-tool exec ns1 -- ping -c1 203.0.113.8     # nobody answers".to_owned(),
        "        netns-tool nat br0".to_owned(),
        "        netns-tool exec ns1 -- ping -c1 203.0.113.8     # now somebody does".to_owned(),
        format!("{LABEL}  'exit' takes all of it away.{LABEL:#}"),
        String::new(),
    ]
    .into()
}

/// What was taken back of a change that a killed process had begun.
pub(super) fn recovered(report: &Report) -> Vec<String> {
    let taken_back = report.recovered.iter().map(|operation| format!("  {operation}"));
    let mut lines: Vec<String> = taken_back.collect();
    if !lines.is_empty() {
        lines.insert(0, "An earlier change was killed midway; taken back first:".to_owned());
    }
    lines
}

/// Addresses, one a line, links in columns.
pub(super) fn addresses(stack: &Stack) -> Vec<String> {
    let width = stack.links.keys().map(|name| name.as_str().len()).max().unwrap_or_default();
    let line = |name: &str, address: String| format!("{name:<width$}  {address}");
    let links = stack.links.iter();
    links
        .flat_map(|(name, link)| link.addresses.iter().map(move |a| line(name.as_str(), a.to_string())))
        .collect()
}

/// Routes, one a line, with those that come with an address.
pub(super) fn routes(stack: &Stack) -> Vec<String> {
    let mut lines: Vec<String> = stack.routes.iter().map(ToString::to_string).collect();
    for (name, link) in stack.links.iter().filter(|(name, link)| link.up && name.as_str() != "lo") {
        lines.extend(link.addresses.iter().map(|address| format!("{} dev {name}", address.trunc())));
    }
    lines
}

/// An error with its causes, its hint, and what became of the steps before it.
pub(super) fn failure(error: &Error, hint: Option<&str>) -> Vec<String> {
    let mut lines = vec![format!("{ERROR}error:{ERROR:#} {error}")];
    lines.extend(error.chain().skip(1).map(|cause| labelled("cause", &cause.to_string())));
    lines.extend(hint.map(|hint| labelled("hint", hint)));
    if let Some(error::Error::Apply(apply)) = error.downcast_ref() {
        lines.extend(undone(apply.undone()));
    }
    lines
}

/// A command line, quoted for `sh` where needed.
pub(super) fn command(words: &[OsString]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    let quoted = words.iter().map(|word| match word.to_string_lossy() {
        word if !word.is_empty() && word.chars().all(plain) => word.into_owned(),
        word => format!("'{}'", word.replace('\'', r"'\''")),
    });
    quoted.collect::<Vec<_>>().join(" ")
}

/// What goes on, but not as it should.
pub(super) fn warning(error: &dyn std::error::Error) -> Vec<String> {
    let mut lines = vec![format!("{WARNING}warning:{WARNING:#} {error}")];
    lines.extend(error.source().map(|cause| labelled("cause", &cause.to_string())));
    lines
}

/// A value of the command line that no option or argument can have.
pub(super) fn wrong_value(why: &str, error: &clap::Error) -> Vec<String> {
    let mut lines = vec![format!("{ERROR}error:{ERROR:#} {}", naming_the_value(why, error))];
    if let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) {
        lines.push(labelled("for", argument));
    }
    lines.push(labelled("hint", USAGE_HINT));
    lines
}

/// What is wrong with the command line, in one line.
pub(super) fn first_line(error: &clap::Error) -> String {
    if let Some(source) = std::error::Error::source(error) {
        return naming_the_value(&source.to_string(), error);
    }
    let text = error.render().to_string();
    text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

/// Puts the rejected value before a reason that does not tell it, such as a library's.
fn naming_the_value(why: &str, error: &clap::Error) -> String {
    match error.get(ContextKind::InvalidValue) {
        Some(ContextValue::String(value)) if !why.contains('\'') => {
            format!("'{}': {why}", value.escape_debug())
        }
        _ => why.to_owned(),
    }
}

pub(super) fn labelled(label: &str, text: &str) -> String {
    format!("  {LABEL}{label}:{LABEL:#} {text}")
}

fn undone(undone: &Undone) -> Vec<String> {
    if undone.steps == 0 {
        return vec![labelled("undone", "nothing had been changed")];
    }
    if undone.left_behind.is_empty() {
        return vec![labelled(
            "undone",
            &format!("{} of {} earlier changes; the host is as it was", undone.steps, undone.steps),
        )];
    }
    let mut lines = vec![labelled(
        "undone",
        &format!("{} of {} earlier changes", undone.steps - undone.left_behind.len(), undone.steps),
    )];
    for (operation, reason) in &undone.left_behind {
        let reason = reason.as_ref().map_or_else(|| "it cannot be undone".to_owned(), ToString::to_string);
        lines.push(labelled("left behind", &format!("{operation}: {reason}")));
    }
    lines
}
