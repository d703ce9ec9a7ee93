//! Where a topology comes from: a file, or the note on one that is up.

use std::{
    convert::Infallible,
    fmt::{self, Display},
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    process::ExitCode,
    str::FromStr,
    sync::Arc,
};

use anyhow::{Context as _, Result};
use clap::Args;
use netns_engine::{
    change::{self, Report},
    desired::Look,
    error::Error,
    kernel::{Ahead, LinuxKernel, look},
    plan::{Conflict, Desired},
    topology::{self, Topology, TopologyName},
};

use super::super::{Context, patience::patiently, show};

/// What is wrong or without effect in a topology file.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {remark}")]
struct InFile<T: Display + fmt::Debug> {
    file: String,
    remark: T,
}

/// How closely to look at what is there.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Thoroughness {
    /// After an edit, look inside the nodes that it does not touch, too; without one, that is always done.
    #[arg(long)]
    verify: bool,
}

impl Thoroughness {
    pub(crate) fn look(self) -> Look {
        if self.verify { Look::Within } else { Look::FromOutside }
    }
}

/// A topology file, or standard input.
#[derive(Clone, Debug)]
pub(crate) struct File {
    path: PathBuf,
}

/// A topology file, or the name of a topology that is up.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    File(File),
    Name(TopologyName),
}

impl FromStr for File {
    type Err = Infallible;

    fn from_str(path: &str) -> Result<Self, Infallible> {
        Ok(Self { path: path.into() })
    }
}

impl FromStr for Source {
    type Err = netns_engine::name::NameError;

    /// Takes what looks like a file, or is one, as a file.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let path = Path::new(text);
        let has_ending = path.extension().is_some_and(|ending| {
            ["yaml", "yml", "json"].iter().any(|known| ending.eq_ignore_ascii_case(known))
        });
        if text == "-" || text.contains('/') || has_ending || path.is_file() {
            return Ok(Self::File(File { path: path.into() }));
        }
        text.parse().map(Self::Name)
    }
}

impl File {
    /// Reads the topology, and warns of what in the file has no effect.
    pub(crate) fn read(&self, context: Context<'_>) -> Result<Topology> {
        Ok(self.read_with_text(context)?.0)
    }

    /// Reads the topology, and returns what the file says word for word too.
    pub(super) fn read_with_text(&self, context: Context<'_>) -> Result<(Topology, String)> {
        let text = self.text()?;
        Ok((self.understand(&text, context)?, text))
    }

    /// Reads the topology, and meanwhile what is known of it, if that takes as long. Until the change is made,
    /// or is not, nobody else makes one.
    pub(super) fn read_to_change(&self, context: Context<'_>) -> Result<(Topology, Option<Ahead>)> {
        /// A thread is worth it from here on, in bytes.
        const LONG: usize = 4096;
        let text = self.text()?;
        let name = topology::likely_name(&text).filter(|_| text.len() > LONG && !context.global.only_shows());
        // Without a thread to do it, it is read later.
        let ahead = name.and_then(|name| Ahead::begin(name).ok());
        Ok((self.understand(&text, context)?, ahead))
    }

    fn understand(&self, text: &str, context: Context<'_>) -> Result<Topology> {
        let (topology, warnings) =
            topology::read(text).map_err(|mistake| InFile { file: self.name(), remark: mistake })?;
        for warning in warnings {
            context.output.warn(&InFile { file: self.name(), remark: warning });
        }
        Ok(topology)
    }

    /// Reads the file, but no more of it than a topology may have.
    fn text(&self) -> Result<String> {
        let reader: Box<dyn Read> = if self.path == Path::new("-") {
            Box::new(io::stdin().lock())
        } else {
            Box::new(fs::File::open(&self.path).with_context(|| format!("cannot open '{}'", self.name()))?)
        };
        let mut bytes = Vec::new();
        let limit = u64::try_from(topology::MAX_BYTES).unwrap_or(u64::MAX);
        reader
            .take(limit + 1)
            .read_to_end(&mut bytes)
            .with_context(|| format!("cannot read '{}'", self.name()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn name(&self) -> String {
        if self.path == Path::new("-") {
            "standard input".to_owned()
        } else {
            self.path.display().to_string()
        }
    }
}

impl Source {
    /// Returns the topology: as the file says, or as it was asked for last.
    pub(crate) fn read(&self, context: Context<'_>) -> Result<Topology> {
        match self {
            Self::File(file) => file.read(context),
            Self::Name(name) => {
                let record = look::topology(name).map_err(Error::Unreadable)?;
                let record = record.ok_or_else(|| Error::Conflict(Conflict::NoTopology(name.clone())))?;
                Ok(Arc::unwrap_or_clone(record.topology.shared()))
            }
        }
    }

    /// Returns the command that brings it up, as far as it is known.
    pub(crate) fn up(&self) -> String {
        match self {
            Self::File(file) if file.path != Path::new("-") => format!("netns-tool up {}", file.name()),
            _ => "netns-tool up FILE".to_owned(),
        }
    }

    /// Returns the name alone.
    pub(crate) fn name(&self, context: Context<'_>) -> Result<TopologyName> {
        match self {
            Self::File(file) => Ok(file.read(context)?.name),
            Self::Name(name) => Ok(name.clone()),
        }
    }
}

/// Makes a change and shows how far it is; what goes by itself before it can be deleted is no error.
pub(super) fn change_patiently(
    desired: &dyn Desired,
    mut ahead: Option<Ahead>,
    context: Context<'_>,
    say: impl Fn(&Report) -> Vec<String>,
) -> Result<ExitCode> {
    if context.global.only_shows() {
        show(&change::plan(desired, &mut LinuxKernel::default())?, context);
        return Ok(ExitCode::SUCCESS);
    }
    let progress = context.output.progress();
    let report = patiently(|| {
        let mut kernel = LinuxKernel::default();
        let mut watch = |stage| progress.show(stage);
        match ahead.take() {
            Some(ahead) => change::make_ahead(desired, &mut kernel, ahead, &mut watch),
            None => change::make_watched(desired, &mut kernel, &mut watch),
        }
    });
    progress.end();
    let report = report?;
    context.output.changed(&report, say);
    // The process ends, and gives all memory back at once: to free what a thousand nodes are told by takes as long
    // as to plan for one more.
    std::mem::forget(report);
    Ok(ExitCode::SUCCESS)
}
