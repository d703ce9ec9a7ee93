//! Files and what becomes of them.

mod hostile;
mod mistakes;
mod mtus;
mod settled;

use super::{Topology, read};

/// Reads a file that must be right.
fn good(text: &str) -> Topology {
    match read(text) {
        Ok((topology, _)) => topology,
        Err(error) => panic!("{text}\n{error}"),
    }
}

/// Reads a file that must be wrong, and returns what is said about it.
fn wrong(text: &str) -> String {
    read(text).map(|(topology, _)| topology).expect_err(text).to_string()
}
