//! `import`: the topology file for what is there.

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result};
use clap::Args;
use netns_engine::{kernel, name::NetnsName, topology};

use super::Context;

/// Write the topology file for netns that were made by hand, or by other programs.
///
/// What a topology file has no words for stands in it as a comment. Nothing is changed: to let 'up' take
/// over, delete what was made by hand first.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  netns-tool import
  netns-tool import red blue -o lab.yaml
  netns-tool import --name lab --json")]
pub(crate) struct Import {
    /// The netns; all that 'list' shows if not given.
    #[arg(value_name = "NAME")]
    netns: Vec<NetnsName>,
    /// Write into this file.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// What the topology is called.
    #[arg(long, default_value = "imported")]
    name: topology::TopologyName,
}

/// What is there and has no words in a topology file; JSON has no comments to say it in.
#[derive(Debug, thiserror::Error)]
#[error("not expressed: {0}")]
struct NotExpressed(String);

impl Import {
    pub(crate) fn run(self, context: Context<'_>) -> Result<ExitCode> {
        let output = context.output;
        let document = topology::import(&self.name, &kernel::sight(&self.netns)?);
        if context.global.json {
            for remark in &document.not_expressed {
                output.warn(&NotExpressed(remark.clone()));
            }
        }
        match &self.output {
            None => output.document(&document),
            Some(file) => fs::write(file, output.document_text(&document))
                .with_context(|| format!("cannot write '{}'", file.display()))?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
