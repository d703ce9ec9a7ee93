//! The only folder that prints: for people ([`human`]) or for programs ([`json`]).

pub(crate) mod check;
mod doctor;
pub(crate) mod graph;
mod human;
mod json;
mod look;
mod progress;
pub(crate) mod status;
pub(crate) mod tour;

use std::{ffi::OsString, io::Write, process::ExitCode};

use anyhow::Error;
use clap::error::ErrorKind;
use netns_engine::{
    change::Report,
    diagnose::{
        Diagnosis,
        finding::Code as FindingCode,
        trace::{Trace, TraceProbe},
    },
    kernel::logs::Said,
    observed::Stack,
    place::Entrance,
    plan::{Operation, Plan},
    topology::Document,
    view::{NetnsSummary, StackView},
};

use self::{
    check::Checked,
    progress::{ProgressBar, Visibility},
    status::TopologyStatus,
};
use crate::{
    exit_code::{self, Code},
    hint,
    options::{Color, Global},
};

/// How to talk to whoever called.
#[derive(Debug)]
pub(crate) struct Output {
    format: Format,
    verbosity: Verbosity,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Format {
    Human,
    Json,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Verbosity {
    Quiet,
    Normal,
    Verbose,
}

impl Output {
    /// Takes the shared options, and sets colour for the whole process.
    pub(crate) fn new(global: &Global) -> Self {
        match global.color {
            Color::Auto => {}
            Color::Always => anstream::ColorChoice::Always.write_global(),
            Color::Never => anstream::ColorChoice::Never.write_global(),
        }
        let verbosity = match (global.quiet, global.verbose) {
            (true, _) => Verbosity::Quiet,
            (false, 0) => Verbosity::Normal,
            (false, _) => Verbosity::Verbose,
        };
        Self { format: if global.json { Format::Json } else { Format::Human }, verbosity }
    }

    /// Says what was changed.
    pub(crate) fn changed(&self, report: &Report, say: impl FnOnce(&Report) -> Vec<String>) {
        match self.format {
            Format::Json => print_lines([json::changed(report)]),
            Format::Human if self.verbosity == Verbosity::Quiet => {}
            Format::Human => {
                print_lines(human::recovered(report));
                print_lines(say(report));
                if self.verbosity == Verbosity::Verbose {
                    print_lines(human::steps(&report.done));
                }
            }
        }
    }

    /// Says what would be changed.
    pub(crate) fn dry_run(&self, plan: &Plan) {
        print_lines(match self.format {
            Format::Json => vec![json::plan(plan)],
            Format::Human => human::plan(plan),
        });
    }

    /// Prints the script that would do the same.
    pub(crate) fn explain(&self, plan: &Plan) {
        match self.format {
            Format::Json => print_lines([json::plan(plan)]),
            Format::Human => print_lines([human::script(plan)]),
        }
    }

    /// Lists addresses.
    pub(crate) fn addresses(&self, stack: &Stack) {
        print_lines(match self.format {
            Format::Json => vec![json::addresses(stack)],
            Format::Human => human::addresses(stack),
        });
    }

    /// Lists routes.
    pub(crate) fn routes(&self, stack: &Stack) {
        print_lines(match self.format {
            Format::Json => vec![json::routes(stack)],
            Format::Human => human::routes(stack),
        });
    }

    /// Lists network namespaces.
    pub(crate) fn list(&self, summaries: &[NetnsSummary]) {
        print_lines(match self.format {
            Format::Json => vec![json::view(&summaries)],
            Format::Human => look::list(summaries),
        });
    }

    /// Shows a stack in full.
    pub(crate) fn show(&self, entrance: &Entrance, view: &StackView) {
        print_lines(match self.format {
            Format::Json => vec![json::view(view)],
            Format::Human => look::show(entrance, view),
        });
    }

    /// Says whether topologies are as asked.
    pub(crate) fn status(&self, statuses: &[TopologyStatus]) {
        print_lines(match self.format {
            Format::Json => vec![status::json(statuses).to_string()],
            Format::Human => status::human(statuses),
        });
    }

    /// Returns a bar that shows how far a change is, where there is a terminal to show it.
    pub(crate) fn progress(&self) -> ProgressBar {
        let talks = self.format == Format::Human && self.verbosity > Verbosity::Quiet;
        ProgressBar::new(if talks { Visibility::OnTerminal } else { Visibility::Hidden })
    }

    /// Says what came of checks.
    pub(crate) fn checks(&self, checked: &[Checked]) {
        match self.format {
            Format::Json => print_lines([check::json(checked).to_string()]),
            Format::Human => print_lines(check::human(checked, self.verbosity)),
        }
    }

    /// Says what a diagnosis comes to.
    pub(crate) fn diagnosis(&self, diagnosis: &Diagnosis<'_>) {
        print_lines(match self.format {
            Format::Json => vec![doctor::json(diagnosis, None).to_string()],
            Format::Human => doctor::human(diagnosis, self.verbosity),
        });
    }

    /// Says what was mended, and what a diagnosis comes to afterwards.
    pub(crate) fn mended(&self, mended: &[Operation], diagnosis: &Diagnosis<'_>) {
        match self.format {
            Format::Json => print_lines([doctor::json(diagnosis, Some(mended)).to_string()]),
            Format::Human => {
                print_lines(doctor::mended(mended));
                print_lines(doctor::human(diagnosis, self.verbosity));
            }
        }
    }

    /// Says what one packet met.
    pub(crate) fn traced(&self, probe: &TraceProbe, trace: &Trace) {
        print_lines(match self.format {
            Format::Json => vec![doctor::trace_json(probe, trace).to_string()],
            Format::Human => doctor::trace(probe, trace),
        });
    }

    /// Prints the page of a finding's code.
    pub(crate) fn page(&self, code: &FindingCode) {
        print_lines(match self.format {
            Format::Json => vec![doctor::page_json(code).to_string()],
            Format::Human => doctor::page(code),
        });
    }

    /// Lists the codes of findings.
    pub(crate) fn codes(&self, codes: &[&FindingCode]) {
        print_lines(match self.format {
            Format::Json => vec![doctor::codes_json(codes).to_string()],
            Format::Human => doctor::codes(codes),
        });
    }

    /// Prints a command line that would do the same.
    pub(crate) fn command(&self, words: &[OsString]) {
        print_lines(match self.format {
            Format::Json => vec![json::command(words)],
            Format::Human => vec![human::command(words)],
        });
    }

    /// Says on standard error what is not as it should be, though the command goes on.
    pub(crate) fn warn(&self, error: &dyn std::error::Error) {
        if self.verbosity != Verbosity::Quiet {
            complain(human::warning(error));
        }
    }

    /// Says what there is on the throw-away host.
    pub(crate) fn playground_banner(&self) {
        if self.format == Format::Human && self.verbosity > Verbosity::Quiet {
            print_lines(human::playground_banner());
        }
    }

    /// Prints a topology file.
    pub(crate) fn document(&self, document: &Document) {
        print_lines([self.document_text(document).trim_end().to_owned()]);
    }

    /// Returns a topology file as text: YAML with comments, or JSON.
    pub(crate) fn document_text(&self, document: &Document) -> String {
        match self.format {
            Format::Json => json::view(document) + "\n",
            Format::Human => document.to_yaml(),
        }
    }

    /// Prints what programs said; whose words they are, where there are several.
    pub(crate) fn logs(&self, said: &[Said]) -> std::io::Result<()> {
        for part in said.iter().filter(|part| !part.text.is_empty()) {
            match (self.format, part.others) {
                (Format::Json, _) => print_lines([json::view(part)]),
                (Format::Human, 0) => self.raw(&part.text)?,
                (Format::Human, _) => {
                    self.raw(format!("==> {} <==\n", part.program).as_bytes())?;
                    self.raw(&part.text)?;
                }
            }
        }
        Ok(())
    }

    /// Prints a picture of a topology.
    pub(crate) fn picture(&self, picture: &graph::Picture, drawing: graph::Drawing) {
        print_lines([match self.format {
            Format::Json => json::view(picture),
            Format::Human => graph::draw(picture, drawing).trim_end().to_owned(),
        }]);
    }

    /// Returns a picture of a topology for a file: without colour.
    pub(crate) fn plain_picture(&self, picture: &graph::Picture, drawing: graph::Drawing) -> String {
        match self.format {
            Format::Json => json::view(picture) + "\n",
            Format::Human => anstream::adapter::strip_str(&graph::draw(picture, drawing)).to_string(),
        }
    }

    /// Prints bytes as they are: a generated script or page.
    #[expect(clippy::unused_self, reason = "whoever prints has an output")]
    pub(crate) fn raw(&self, bytes: &[u8]) -> std::io::Result<()> {
        std::io::stdout().write_all(bytes)
    }

    /// Says on standard error why the command failed.
    pub(crate) fn failure(&self, error: &Error) {
        let hint = hint::of(error);
        let lines = match self.format {
            Format::Json => vec![json::failure(error, hint.as_deref(), exit_code::of(error))],
            Format::Human => human::failure(error, hint.as_deref()),
        };
        complain(lines);
    }
}

/// Says what is wrong with the command line, or prints the help that was asked for.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // Help and version were asked for. A reader that went away has read enough.
        error.print().ok();
        return ExitCode::SUCCESS;
    }
    // The options could not be read, so this one is looked for by hand.
    let wants_json = std::env::args_os().any(|argument| argument == "--json");
    let source = std::error::Error::source(error).filter(|_| error.kind() == ErrorKind::ValueValidation);
    match source {
        _ if wants_json => complain([json::usage(&human::first_line(error))]),
        // clap would print the rejected value as it came, escape sequences and all.
        Some(source) => complain(human::wrong_value(&source.to_string(), error)),
        None => error.print().unwrap_or_default(),
    }
    Code::Usage.into()
}

/// Prints lines to standard output; a reader that went away ends the program's business quietly.
fn print_lines(lines: impl IntoIterator<Item = String>) {
    let mut stdout = anstream::stdout().lock();
    for line in lines {
        if writeln!(stdout, "{line}").is_err() {
            return;
        }
    }
}

fn complain(lines: impl IntoIterator<Item = String>) {
    let mut stderr = anstream::stderr().lock();
    for line in lines {
        if writeln!(stderr, "{line}").is_err() {
            return;
        }
    }
}
