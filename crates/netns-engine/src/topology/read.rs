//! From the text of a file to a topology.

use serde::de::DeserializeOwned;
use serde_saphyr::{Error, MessageFormatter, Options, options::DuplicateKeyPolicy};

use super::{Mistake, Position, Topology, TopologyError, Warning, file::File, mistake::Flaw, resolve};

/// The largest file that is read, in bytes.
pub const MAX_BYTES: usize = 16 << 20;

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

fn read_parts(text: &str) -> Result<(Topology, Vec<Warning>), Flaw> {
    if text.len() > MAX_BYTES {
        return Err(Flaw::new(Position::default(), Mistake::FileTooLarge { most_bytes: MAX_BYTES }));
    }
    let file: File = parse(text)?;
    Ok((resolve::resolve(&file)?, Vec::new()))
}

/// Reads YAML; aliases may repeat only as much as a file can hold.
pub(super) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Flaw> {
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| flaw(&error))
}

fn options() -> Options {
    serde_saphyr::options! {
        with_snippet: false,
        duplicate_keys: DuplicateKeyPolicy::Error,
        strict_booleans: true,
        budget: serde_saphyr::budget! {
            max_documents: 1,
            max_depth: 32,
            max_anchors: 1_000,
            max_aliases: 10_000,
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
        error => Flaw::new(at, Mistake::Form { what: words(error) }),
    }
}

fn words(error: &Error) -> String {
    match error {
        Error::Message { msg, .. } => msg.clone(),
        error => serde_saphyr::DefaultMessageFormatter.format_message(error).into_owned(),
    }
}
