//! What a diagnosis finds: what is wrong, how that is known, why it matters, what mends it.

use std::cmp::Reverse;

use serde::Serialize;

use super::{mend::Mend, scene::StackId};

/// A kind of finding. Its name is stable: programs match on it, people look it up.
///
/// It stands in the file of the check that finds it, together with its page of the manual.
#[derive(Debug, Eq, PartialEq)]
pub struct Code {
    /// Small letters and hyphens: `forwarding-off`.
    pub name: &'static str,
    /// What is wrong, in a few words.
    pub title: &'static str,
    /// What people see.
    pub symptom: &'static str,
    /// Why that is so.
    pub cause: &'static str,
    /// What mends it, and what to think of before.
    pub remedy: &'static str,
    /// Commands that bring it about and mend it, on a host where all else works.
    pub example: &'static str,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Good to know; this path works all the same.
    Note,
    /// It may be what is wrong, or will be: it hangs on something that cannot be seen.
    Warning,
    /// This breaks the path.
    Error,
}

/// What a finding does to the path it was found on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Effect {
    /// Nothing gets through: a successful probe disproves it.
    Blocks,
    /// Some of it does not work, though a first packet may get through.
    Degrades,
}

/// Where on the path something is: sorts the first broken hop first.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Spot {
    /// Number of the leg, counted from the start; the way back goes on counting.
    pub leg: usize,
    /// Place within the leg: what the packet meets first comes first.
    pub step: Step,
}

impl Spot {
    /// Beside the path: after all that is on it.
    pub const LAST: Self = Self { leg: usize::MAX, step: Step::Socket };
}

/// What a packet meets within a leg, in this order.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum Step {
    /// It comes in: the link, its state.
    Link,
    /// The reverse path is checked, the settings of the link hold.
    #[default]
    Arrival,
    /// Filters before the routing decision.
    Prerouting,
    /// The routing decision.
    Routing,
    /// Forwarding from link to link.
    Forwarding,
    /// Filters on the way through, in, or out.
    Filter,
    /// Translation of the source.
    Translation,
    /// The next neighbour on the link it leaves through.
    Neighbour,
    /// A program takes it.
    Socket,
}

/// One thing that is wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// What kind of thing.
    pub code: &'static Code,
    /// How bad.
    pub severity: Severity,
    /// What it does to the path.
    pub effect: Effect,
    /// Where on the path.
    pub spot: Spot,
    /// The stack it is in.
    pub stack: StackId,
    /// What is wrong, on which object: one sentence without a full stop.
    pub what: String,
    /// The very values, and where they were read.
    pub evidence: Vec<Evidence>,
    /// Why it matters: one sentence without a full stop.
    pub why: String,
    /// What to type.
    pub remedy: Vec<Remedy>,
    /// What this tool can do about it.
    pub mend: Vec<Mend>,
}

/// A value, and where it was read.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Evidence {
    /// A file, or a command that shows the same.
    pub read: String,
    /// What it says.
    pub says: String,
}

/// A way to mend something.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Remedy {
    /// What it does, if the commands do not say it.
    pub note: Option<String>,
    /// Commands, to be typed as they stand.
    pub commands: Vec<String>,
}

impl Evidence {
    /// What a file, or a command, says.
    #[must_use]
    pub fn new(read: impl Into<String>, says: impl Into<String>) -> Self {
        Self { read: read.into(), says: says.into() }
    }
}

impl Remedy {
    /// Commands that say what they do.
    #[must_use]
    pub fn commands(commands: impl IntoIterator<Item = String>) -> Self {
        Self { note: None, commands: commands.into_iter().collect() }
    }

    /// One command.
    #[must_use]
    pub fn command(command: impl Into<String>) -> Self {
        Self::commands([command.into()])
    }

    /// Advice that is no command.
    #[must_use]
    pub fn note(note: impl Into<String>) -> Self {
        Self { note: Some(note.into()), commands: Vec::new() }
    }

    /// Says what the commands do.
    #[must_use]
    pub fn because(self, note: impl Into<String>) -> Self {
        Self { note: Some(note.into()), ..self }
    }
}

impl Finding {
    /// An error that breaks the path, so far without evidence and remedy.
    #[must_use]
    pub fn error(code: &'static Code, stack: StackId, spot: Spot, what: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            effect: Effect::Blocks,
            spot,
            stack,
            what: what.into(),
            evidence: Vec::new(),
            why: String::new(),
            remedy: Vec::new(),
            mend: Vec::new(),
        }
    }

    /// Something that may be wrong.
    #[must_use]
    pub fn warning(code: &'static Code, stack: StackId, spot: Spot, what: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, stack, spot, what) }
    }

    /// Something good to know, that stops nothing.
    #[must_use]
    pub fn note(code: &'static Code, stack: StackId, spot: Spot, what: impl Into<String>) -> Self {
        Self { severity: Severity::Note, effect: Effect::Degrades, ..Self::error(code, stack, spot, what) }
    }

    /// Says that a first packet may get through all the same.
    #[must_use]
    pub fn degrades(self) -> Self {
        Self { effect: Effect::Degrades, ..self }
    }

    /// Adds a value and where it was read.
    #[must_use]
    pub fn seen(mut self, read: impl Into<String>, says: impl Into<String>) -> Self {
        self.evidence.push(Evidence::new(read, says));
        self
    }

    /// Says why it matters.
    #[must_use]
    pub fn why(self, why: impl Into<String>) -> Self {
        Self { why: why.into(), ..self }
    }

    /// Adds what to type.
    #[must_use]
    pub fn remedy(mut self, remedy: Remedy) -> Self {
        self.remedy.push(remedy);
        self
    }

    /// Adds what this tool can do about it; what the same takes by hand is a remedy of its own.
    #[must_use]
    pub fn mend(mut self, mend: impl IntoIterator<Item = Mend>) -> Self {
        self.mend.extend(mend);
        self
    }

    /// Returns whether two ways led to the same finding.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.code == other.code && self.stack == other.stack && self.what == other.what
    }

    /// Errors first, then warnings, then notes; each in the order a packet meets them.
    pub(super) fn rank(&self) -> (Reverse<Severity>, Spot) {
        (Reverse(self.severity), self.spot)
    }
}
