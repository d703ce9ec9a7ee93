//! `graph`: a picture of a topology.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use clap::Args;

use super::{Context, topology::Source};
use crate::output::graph::{self, Drawing};

/// Draw a topology: netns, bridges, cables, addresses, NAT and published ports.
///
/// Without a format, the ending of the output file decides; on the terminal, a tree is drawn.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  netns-tool graph lab.yaml
  netns-tool graph lab.yaml -o lab.html
  netns-tool graph lab --format dot | dot -Tpdf > lab.pdf")]
pub(crate) struct Graph {
    /// The topology: a file, or the name of one that is up.
    #[arg(value_name = "FILE|NAME")]
    topology: Source,
    /// How to draw it.
    #[arg(long, value_name = "FORMAT")]
    format: Option<Drawing>,
    /// Write into this file.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Graph {
    pub(crate) fn run(self, context: Context<'_>) -> Result<ExitCode> {
        let picture = graph::picture(&self.topology.read(context)?);
        let named = self.output.as_deref().and_then(by_ending);
        let drawing = self.format.or(named).unwrap_or(Drawing::Text);
        match &self.output {
            None => context.output.picture(&picture, drawing),
            Some(file) => {
                let drawn = context.output.plain_picture(&picture, drawing);
                fs::write(file, drawn).with_context(|| format!("cannot write '{}'", file.display()))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What a file of this name usually holds.
fn by_ending(file: &Path) -> Option<Drawing> {
    match file.extension()?.to_str()? {
        "txt" => Some(Drawing::Text),
        "dot" | "gv" => Some(Drawing::Dot),
        "mmd" | "mermaid" => Some(Drawing::Mermaid),
        "svg" => Some(Drawing::Svg),
        "html" | "htm" => Some(Drawing::Html),
        _ => None,
    }
}
