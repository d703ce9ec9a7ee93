//! `doctor`: why can't it reach that, with evidence, and what to type.

pub(crate) mod asked;
mod fix;
mod follow;

use std::{process::ExitCode, time::Duration};

use anyhow::{Result, bail};
use clap::Args;
use netns_engine::{
    diagnose::{checks, finding::Code as FindingCode},
    doctor::consult,
    topology::likeness::most_alike,
};

use super::Context;
use crate::exit_code::Code;

/// Find out why something is not reached, and what mends it.
///
/// Tries it for real, from inside; then follows the packet there and back through every link, route, setting and
/// firewall rule, and names what stops it: the first broken hop first, with the value it was told by and the command that mends
/// it. Works on networks made by anyone, and changes nothing without '--fix'.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  netns-tool doctor                       # the host, and everything of this tool
  netns-tool doctor red                   # out of netns red, to the internet
  netns-tool doctor red 192.0.2.7:443     # … to an address and TCP port
  netns-tool doctor red blue:53/udp       # … to another netns
  netns-tool doctor 8080                  # a published port of the host
  netns-tool doctor pid:1234 example.com  # out of the netns of a process
  netns-tool doctor red --fix --dry-run
  netns-tool doctor --explain             # every code; with a code, its page")]
pub(crate) struct Doctor {
    /// What is asked about.
    #[arg(value_name = "NETNS|PORT")]
    #[arg(
        help = "A netns by name, path or pid:N, 'host', or a port of the host ([ADDR:]PORT[/udp]); with '--explain', a code"
    )]
    subject: Option<String>,
    /// Where to: an address, a name or a netns, with :PORT (TCP) or :PORT/udp; a ping without one.
    #[arg(value_name = "DEST[:PORT]")]
    destination: Option<String>,
    /// Mend what this tool may mend, and print what is the administrator's to decide.
    #[arg(long)]
    fix: bool,
    /// Send one packet and print every chain and rule it meets, as the kernel tells it (needs root).
    #[arg(long, conflicts_with = "fix")]
    trace: bool,
    /// How long a try may take, in seconds.
    #[arg(long, value_name = "SECONDS", default_value = "0.5", value_parser = patience)]
    timeout: Duration,
}

impl Doctor {
    pub(crate) fn run(self, context: Context<'_>) -> Result<ExitCode> {
        if context.global.explain && !self.fix {
            return explain(self.subject.as_deref(), context);
        }
        let question = asked::question(self.subject.as_deref(), self.destination.as_deref())?;
        if self.fix {
            return fix::fix(&question, self.timeout, context);
        }
        if self.trace {
            return follow::follow(question, self.timeout, context);
        }
        let consultation = consult(question, self.timeout)?;
        let diagnosis = consultation.diagnosis();
        context.output.diagnosis(&diagnosis);
        Ok(if diagnosis.is_healthy() { ExitCode::SUCCESS } else { Code::NotAsAsked.into() })
    }
}

/// Prints the page of a code, or all codes.
fn explain(code: Option<&str>, context: Context<'_>) -> Result<ExitCode> {
    let Some(name) = code else {
        context.output.codes(&checks::codes().collect::<Vec<_>>());
        return Ok(ExitCode::SUCCESS);
    };
    match checks::codes().find(|code| code.name == name) {
        Some(code) => context.output.page(code),
        None => bail!(NoSuchCode { name: name.to_owned(), likeness: likeness(name) }),
    }
    Ok(ExitCode::SUCCESS)
}

/// A code that there is not.
#[derive(Debug, thiserror::Error)]
#[error("there is no code '{}'", .name.escape_debug())]
pub(crate) struct NoSuchCode {
    name: String,
    /// The code that was probably meant.
    pub(crate) likeness: Option<&'static str>,
}

fn likeness(name: &str) -> Option<&'static str> {
    if let Some(alike) = most_alike(name, checks::codes().map(|code| code.name)) {
        return Some(alike);
    }
    let shared = |code: &FindingCode| code.name.split('-').filter(|word| name.contains(word)).count();
    let best = checks::codes().max_by_key(|code| shared(code))?;
    (shared(best) > 0).then_some(best.name)
}

fn patience(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "it must be a number of seconds, such as 0.5".to_owned())?;
    if !(0.01..=3600.0).contains(&seconds) {
        return Err("it must be from 0.01 to 3600 seconds".to_owned());
    }
    Ok(Duration::from_secs_f64(seconds))
}
