//! The guided tour of `demo`: told as it goes for people, in one document for programs.

use anstyle::{AnsiColor, Style};
use netns_engine::{
    kernel::probe::Answer,
    plan::{Plan, explain},
};
use serde_json::{Value, json};

use super::{Format, Output, Verbosity, print_lines};

const TITLE: Style = AnsiColor::Green.on_default().bold();
const HEADING: Style = Style::new().bold();
const TYPED: Style = AnsiColor::Cyan.on_default();
const ASIDE: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default();
const SILENT: Style = AnsiColor::Yellow.on_default();

/// More lines than this of one step's script are left to `--explain`.
const MOST_LINES: usize = 4;

/// A tour under way.
#[derive(Debug)]
pub(crate) struct Tour<'a> {
    output: &'a Output,
    chapter: usize,
    facts: Vec<Value>,
}

/// A question that was asked on the way, and what came back.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) words: String,
    pub(crate) answer: Answer,
}

/// What the tour left on the host.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Left {
    Nothing,
    Something,
}

/// Whether the tour was true to what it told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ending {
    AsTold,
    Otherwise,
}

/// What was built, in words for a picture.
#[derive(Debug)]
pub(crate) struct Drawing {
    pub(crate) netns: String,
    pub(crate) link: String,
    pub(crate) address: String,
    pub(crate) cable: String,
    pub(crate) bridge: String,
    pub(crate) gateway: String,
    pub(crate) uplink: String,
    pub(crate) uplink_address: String,
    pub(crate) subnet: String,
    pub(crate) server: String,
}

impl Output {
    /// Starts a tour.
    pub(crate) fn tour(&self) -> Tour<'_> {
        Tour { output: self, chapter: 0, facts: Vec::new() }
    }
}

impl Tour<'_> {
    /// Says what is going to happen.
    pub(crate) fn begin(&mut self) {
        self.say([
            format!("{TITLE}Internet access for a network namespace{TITLE:#}, on a throw-away host: nothing outside is touched."),
        ]);
    }

    /// Starts a chapter.
    pub(crate) fn chapter(&mut self, title: &str) {
        self.chapter += 1;
        let number = self.chapter;
        self.say([String::new(), format!("{HEADING}{number}  {title}{HEADING:#}")]);
    }

    /// Tells of a step that was taken: what to type, and what it did in other commands' words.
    pub(crate) fn step(&mut self, title: &str, typed: &str, plan: &Plan) {
        self.chapter(title);
        self.say([typed_line(typed)]);
        let lines = script_lines(plan);
        let shown = lines.iter().map(|line| format!("     {ASIDE}{line}{ASIDE:#}"));
        self.say(shown);
        self.note(typed, plan);
    }

    /// Tells of a step that needs no explanation.
    pub(crate) fn quietly(&mut self, typed: &str, plan: &Plan) {
        self.say([typed_line(typed)]);
        self.note(typed, plan);
    }

    /// Tells what was asked and what came back.
    pub(crate) fn asked(&mut self, title: &str, asked: &[Asked], why: &str) {
        self.chapter(title);
        let width = asked.iter().map(|asked| asked.words.len()).max().unwrap_or_default();
        self.say(
            asked.iter().map(|asked| format!("   {:width$}   {}", asked.words, in_words(&asked.answer))),
        );
        self.say([format!("   {why}")]);
        for asked in asked {
            self.facts.push(json!({ "asked": asked.words, "answered": asked.answer.is_answered(), "answer": said(&asked.answer) }));
        }
    }

    /// Draws what was built.
    pub(crate) fn draw(&mut self, drawing: &Drawing) {
        self.say(picture(drawing));
    }

    /// Tells that everything is as it was, or not.
    pub(crate) fn gone(&mut self, left: Left) {
        self.say([match left {
            Left::Nothing => {
                format!("   {GOOD}Links, routes, rules and settings are as they were before.{GOOD:#}")
            }
            Left::Something => format!("   {SILENT}Something was left behind.{SILENT:#}"),
        }]);
        self.facts.push(json!({ "as_before": left == Left::Nothing }));
    }

    /// Ends the tour, and tells whether all of it went as it says.
    pub(crate) fn end(self, ending: Ending) {
        self.say([
            String::new(),
            "Now you: 'netns-tool playground' opens such a host to try things on; --explain before any command"
                .to_owned(),
            "prints its script; on your own machine, start with 'sudo netns-tool create ns1'.".to_owned(),
        ]);
        if self.output.format == Format::Json {
            let document = json!({ "as_expected": ending == Ending::AsTold, "tour": self.facts });
            print_lines([document.to_string()]);
        }
    }

    fn note(&mut self, typed: &str, plan: &Plan) {
        let steps: Vec<_> = plan.steps.iter().map(|step| step.operation.to_string()).collect();
        self.facts.push(json!({ "command": typed, "steps": steps }));
    }

    fn say(&self, lines: impl IntoIterator<Item = String>) {
        if self.output.format == Format::Human && self.output.verbosity > Verbosity::Quiet {
            print_lines(lines);
        }
    }
}

fn typed_line(typed: &str) -> String {
    format!("   {TYPED}$ {typed}{TYPED:#}")
}

/// The script of a plan, without marks, and with long steps cut short.
fn script_lines(plan: &Plan) -> Vec<String> {
    let mut lines = Vec::new();
    for step in &plan.steps {
        // An operation may be one command of many lines, such as a table for nft.
        let words = explain::commands(&step.operation).join("\n");
        let all: Vec<&str> = words.lines().filter(|line| !line.ends_with(" alias netns-tool")).collect();
        lines.extend(all.iter().take(MOST_LINES).map(|line| (*line).to_owned()));
        if all.len() > MOST_LINES {
            lines.push(format!("… and {} lines more, which --explain shows", all.len() - MOST_LINES));
        }
    }
    lines
}

fn in_words(answer: &Answer) -> String {
    match answer {
        Answer::Answered { after, .. } => {
            let words = said(answer);
            let words = if words.is_empty() { "answer".to_owned() } else { format!("\"{words}\"") };
            format!("{GOOD}{words}{GOOD:#} after {:.1} ms", after.as_secs_f64() * 1000.0)
        }
        other => format!("{SILENT}{}{SILENT:#}", said(other)),
    }
}

fn said(answer: &Answer) -> String {
    match answer {
        Answer::Answered { words, .. } => words.clone(),
        Answer::Refused(refusal) => refusal.to_string(),
        _ => "no answer".to_owned(),
    }
}

/// A netns, the host and the internet, with boxes as wide as their words.
fn picture(drawing: &Drawing) -> Vec<String> {
    let d = drawing;
    let netns = [format!("netns {}", d.netns), String::new(), d.link.clone(), d.address.clone()];
    let host = [
        "host".to_owned(),
        String::new(),
        format!("{} <-- routes --> {}", d.bridge, d.uplink),
        format!("{}   {}", d.gateway, d.uplink_address),
    ];
    let internet = ["internet".to_owned(), String::new(), d.server.clone(), String::new()];
    let cable = format!("── {} ──", d.cable);
    let gap = " ".repeat(cable.chars().count());
    let (netns, host, internet) = (boxed(&netns), boxed(&host), boxed(&internet));
    let mut lines = vec![String::new()];
    for (row, ((left, middle), right)) in netns.iter().zip(&host).zip(&internet).enumerate() {
        // The row of the links' names is the one the cables end at.
        let (cable, uplink) =
            if row == 3 { (cable.as_str(), "─────") } else { (gap.as_str(), "     ") };
        lines.push(format!("   {left}{cable}{middle}{uplink}{right}"));
    }
    lines.push(format!(
        "   {ASIDE}source {} leaves {} as {} (masquerade){ASIDE:#}",
        d.subnet, d.uplink, d.uplink_address
    ));
    lines
}

fn boxed(rows: &[String]) -> Vec<String> {
    let width = rows.iter().map(|row| row.chars().count()).max().unwrap_or_default();
    let edge = "─".repeat(width + 2);
    let mut lines = vec![format!("┌{edge}┐")];
    lines.extend(rows.iter().map(|row| format!("│ {row:<width$} │")));
    lines.push(format!("└{edge}┘"));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_a_box_is_equally_wide() {
        let lines = boxed(&["a".to_owned(), "longer ─".to_owned()]);
        assert!(lines.iter().all(|line| line.chars().count() == 12), "{lines:?}");
    }
}
