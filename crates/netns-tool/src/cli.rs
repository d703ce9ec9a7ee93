//! The command line as a whole: what every command takes, and the commands.

use clap::Parser;

use crate::{commands::Command, options::Global};

/// Network namespaces with one command each, and whole networks from one file.
#[derive(Debug, Parser)]
#[command(name = "netns-tool", version, about, long_about = None, propagate_version = true)]
#[command(after_help = "Try it without root and without risk: netns-tool demo, netns-tool playground")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}
