//! From the text of a file to a topology.

use serde::de::DeserializeOwned;
use serde_saphyr::{Error, MessageFormatter, Options, budget::BudgetBreach, options::DuplicateKeyPolicy};

use super::{
    Mistake, Position, Topology, TopologyError, TopologyName, Warning, clab, file::File, generate,
    mistake::Flaw, resolve,
};

/// The largest file that is read, in bytes.
pub const MAX_BYTES: usize = 16 << 20;

/// What the YAML of a file may consist of.
const MOST_VALUES: usize = 500_000;
const MOST_LEVELS: usize = 32;
const MOST_ANCHORS: usize = 1_000;
const MOST_ALIASES: usize = 1_000;

/// Reads a topology file and settles every name, address and MAC address in it.
///
/// Nothing is read but `text`, and the same text gives the same topology on every host.
///
/// # Errors
///
/// Returns the first mistake, with its place and what may have been meant.
///
/// ```
/// let file = "
/// name: lab
/// networks:
///   br0: { subnet: 192.168.100.0/24 }
/// nodes:
///   ns1: { networks: [br0] }
/// ";
/// let (topology, warnings) = netns_engine::topology::read(file)?;
/// assert_eq!(topology.cables[0].ends[1].addresses[0].to_string(), "192.168.100.2/24");
/// assert!(warnings.is_empty());
/// # Ok::<(), netns_engine::topology::TopologyError>(())
/// ```
pub fn read(text: &str) -> Result<(Topology, Vec<Warning>), TopologyError> {
    read_parts(text).map_err(|flaw| TopologyError::new(flaw, text))
}

/// Returns the name that a file seems to give its topology, told by a line that says nothing else: whoever has
/// time before the file is understood may look what is known under it.
#[must_use]
pub fn likely_name(text: &str) -> Option<TopologyName> {
    let line = text.lines().find_map(|line| line.strip_prefix("name:"))?;
    TopologyName::new(line.trim()).ok()
}

fn read_parts(text: &str) -> Result<(Topology, Vec<Warning>), Flaw> {
    if text.len() > MAX_BYTES {
        return Err(Flaw::new(Position::default(), Mistake::FileTooLarge { most_bytes: MAX_BYTES }));
    }
    let (mut file, warnings) =
        if clab::is_one(text) { clab::translate(parse(text)?)? } else { (parse::<File>(text)?, Vec::new()) };
    generate::expand(&mut file)?;
    Ok((resolve::resolve(&file)?, warnings))
}

/// Reads YAML; aliases may repeat only as much as a file can hold.
fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Flaw> {
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| flaw(&error))
}

fn options() -> Options {
    serde_saphyr::options! {
        with_snippet: false,
        duplicate_keys: DuplicateKeyPolicy::Error,
        strict_booleans: true,
        budget: serde_saphyr::budget! {
            max_documents: 1,
            max_nodes: MOST_VALUES,
            max_events: 2 * MOST_VALUES,
            max_depth: MOST_LEVELS,
            max_anchors: MOST_ANCHORS,
            max_aliases: MOST_ALIASES,
        },
    }
}

fn flaw(error: &Error) -> Flaw {
    let at = error.location().map(Position::from).unwrap_or_default();
    match error.without_snippet() {
        Error::SerdeUnknownField { field, expected, .. } => {
            Flaw::new(at, Mistake::UnknownKey { key: field.clone() })
                .or_one_of(field, expected.iter().copied())
        }
        Error::SerdeMissingField { field, .. } => Flaw::new(at, Mistake::MissingKey { key: field }),
        Error::DuplicateMappingKey { key, .. } => {
            let name = key.clone().unwrap_or_default();
            Flaw::new(at, Mistake::Twice { thing: "key", name, first: None })
        }
        Error::SerdeInvalidType { unexpected, expected, .. }
        | Error::SerdeInvalidValue { unexpected, expected, .. } => {
            Flaw::new(at, Mistake::Form { what: format!("expected {expected}, found {unexpected}") })
        }
        Error::Budget { breach, .. } => too_much(at, breach),
        Error::InvalidScalar { ty: "bool", .. } | Error::InvalidBooleanStrict { .. } => {
            Flaw::new(at, Mistake::Form { what: "expected true or false".to_owned() })
        }
        Error::InvalidScalar { .. } => {
            Flaw::new(at, Mistake::Form { what: "expected a whole number".to_owned() })
        }
        error => Flaw::new(at, Mistake::Form { what: words(error) }),
    }
}

fn too_much(at: Position, breach: &BudgetBreach) -> Flaw {
    let (things, most) = match breach {
        BudgetBreach::Nodes { .. } | BudgetBreach::Events { .. } => ("values", MOST_VALUES),
        BudgetBreach::Depth { .. } => ("levels of nesting", MOST_LEVELS),
        BudgetBreach::Aliases { .. } | BudgetBreach::AliasAnchorRatio { .. } => ("aliases", MOST_ALIASES),
        BudgetBreach::Anchors { .. } => ("anchors", MOST_ANCHORS),
        _ => return Flaw::new(at, Mistake::Form { what: "more than a topology needs".to_owned() }),
    };
    Flaw::new(at, Mistake::TooMany { things, most })
}

fn words(error: &Error) -> String {
    match error {
        Error::Message { msg, .. } => msg.clone(),
        error => serde_saphyr::DefaultMessageFormatter.format_message(error).into_owned(),
    }
}
