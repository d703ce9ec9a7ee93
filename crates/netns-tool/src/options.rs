//! Options that every command takes.

use clap::{ArgAction, Args, ValueEnum};

/// Options every command takes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Options of every command")]
#[expect(clippy::struct_excessive_bools, reason = "each is one switch of the command line")]
pub(crate) struct Global {
    /// Print one JSON document instead of text.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say what would change, and change nothing.
    #[arg(long, global = true, conflicts_with = "explain")]
    pub(crate) dry_run: bool,
    /// Print the shell script that would do the same, and change nothing.
    #[arg(long, global = true)]
    pub(crate) explain: bool,
    /// Say more: every step that was taken.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Print nothing on success.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// When to use colour.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
}

impl Global {
    /// Returns whether the command shall only show what it would do.
    pub(crate) fn only_shows(&self) -> bool {
        self.dry_run || self.explain
    }
}

/// When to use colour.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless the environment forbids it.
    #[value(help = "On a terminal, unless NO_COLOR is set")]
    Auto,
    /// Also into files and pipes.
    Always,
    /// Not at all.
    Never,
}
