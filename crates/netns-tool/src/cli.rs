//! The command line: one subcommand per file of [`crate::commands`], and what they share.

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use crate::commands;

/// Network namespaces with one command each.
#[derive(Debug, Parser)]
#[command(name = "netns-tool", version, about, long_about = None, propagate_version = true)]
#[command(after_help = "Try it without root and without risk: netns-tool demo, netns-tool playground")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options every command takes.
#[derive(Clone, Debug, Args)]
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
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Also into files and pipes.
    Always,
    /// Not at all.
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Create(commands::netns::Create),
    Delete(commands::netns::Delete),
    Veth(commands::veth::Veth),
    Bridge(commands::bridge::Bridge),
    Connect(commands::connect::Connect),
    Link(commands::link::Link),
    Nat(commands::nat::Nat),
    Snat(commands::nat::Snat),
    Address(commands::address::Address),
    Route(commands::route::Route),
    Demo(commands::demo::Demo),
    Dns(commands::dns::Dns),
    List(commands::list::List),
    Show(commands::list::Show),
    Exec(commands::exec::Exec),
    Gc(commands::gc::Gc),
    Playground(commands::playground::Playground),
    Publish(commands::publish::Publish),
    Unpublish(commands::publish::Unpublish),
    Completions(commands::shell::Completions),
    Man(commands::shell::Man),
}
