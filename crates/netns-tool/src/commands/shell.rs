//! `completions` and `man`: what a package installs beside the program.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result};
use clap::Args;
use clap_complete::Shell;

use super::Context;

/// Print the completion script for a shell.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  netns-tool completions bash > /etc/bash_completion.d/netns-tool")]
pub(crate) struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self, context: Context<'_>) -> Result<ExitCode> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut (context.grammar)(), "netns-tool", &mut script);
        context.output.raw(&script)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Print the manual page, or write one page per command into a folder.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  netns-tool man --directory /usr/local/share/man/man1")]
pub(crate) struct Man {
    /// Write every page as a file into this folder.
    #[arg(long)]
    directory: Option<PathBuf>,
}

impl Man {
    pub(crate) fn run(self, context: Context<'_>) -> Result<ExitCode> {
        if let Some(directory) = self.directory {
            let shown = directory.display().to_string();
            clap_mangen::generate_to((context.grammar)(), directory)
                .with_context(|| format!("cannot write manual pages into '{shown}'"))?;
        } else {
            let mut page = Vec::new();
            clap_mangen::Man::new((context.grammar)()).render(&mut page)?;
            context.output.raw(&page)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
