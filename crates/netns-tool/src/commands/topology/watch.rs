//! `watch`, started by `up` in the background: takes a topology down when its time is over.

use std::{
    process::{Command, ExitCode, Stdio},
    str::FromStr,
    time::Duration,
};

use anyhow::{Context as _, Result};
use clap::Args;
use netns_engine::{
    desired::TopologyExpired,
    kernel::{background, lifetime},
    record::Lifetime,
    topology::TopologyName,
};

use super::{super::Context, source};

/// Wait until the lifetime of a topology is over, then take it down.
#[derive(Debug, Args)]
pub(crate) struct Watch {
    /// The topology.
    name: TopologyName,
}

impl Watch {
    pub(crate) fn run(self, context: Context<'_>) -> Result<ExitCode> {
        let Some(lifetime) = lifetime::wait(&self.name)? else { return Ok(ExitCode::SUCCESS) };
        let expired = TopologyExpired { name: self.name, lifetime };
        source::change_patiently(&expired, None, context, |_| Vec::new())
    }
}

/// Starts the watcher of a topology that is up with a lifetime: it outlives this process.
pub(crate) fn start_watcher(name: &TopologyName) -> Result<()> {
    let own = std::env::current_exe().context("cannot find this program again")?;
    let mut command = Command::new(own);
    command.arg("watch").arg(name.as_str()).current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    background::start(&mut command).with_context(|| format!("cannot watch over topology '{name}'"))
}

/// How long a topology is to stay.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ttl {
    Forever,
    For(Duration),
}

impl FromStr for Ttl {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        if text == "never" { Ok(Self::Forever) } else { parse_time(text).map(Self::For) }
    }
}

impl From<Ttl> for Lifetime {
    fn from(ttl: Ttl) -> Self {
        match ttl {
            Ttl::Forever => Self::UntilDown,
            Ttl::For(time) => lifetime::ending_in(time),
        }
    }
}

/// Reads a time such as `90`, `90s`, `10m`, `2h`, `1h30m` or `1d`.
fn parse_time(text: &str) -> Result<Duration, NotATime> {
    let parts = text.split_inclusive(|c: char| c.is_ascii_alphabetic());
    let seconds = parts.map(parse_part).try_fold(0_u64, |sum, part| sum.checked_add(part?));
    seconds.filter(|seconds| *seconds > 0).map(Duration::from_secs).ok_or(NotATime)
}

/// Reads a number with its unit, in seconds.
fn parse_part(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|last: char| last.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

/// A text that is no time.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("expected a time such as '90s', '10m', '1h30m' or '1d', or 'never'")]
pub(super) struct NotATime;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_numbers_with_a_unit() {
        assert_eq!(parse_time("90"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_time("10m"), Ok(Duration::from_mins(10)));
        assert_eq!(parse_time("1h30m"), Ok(Duration::from_mins(90)));
        for wrong in ["", "m", "0", "10x", "-1", "10 m", "1hm", "m1", "10mh", "99999999999999999999d"] {
            assert_eq!(parse_time(wrong), Err(NotATime), "'{wrong}'");
        }
    }
}
