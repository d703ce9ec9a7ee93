//! Changes beside a kernel that is still cleaning up.

use netns_engine::{apply::ApplyError, change::Report, error::Error};

/// How often a change is planned anew because something went by itself meanwhile.
const TRIES: usize = 5;

/// Makes a change, and plans it anew where something that it was to delete went by itself: the links of a
/// deleted netns do, a moment after its name, perhaps just before we come to them.
pub(crate) fn patiently(mut attempt: impl FnMut() -> Result<Report, Error>) -> Result<Report, Error> {
    for _ in 1..TRIES {
        match attempt() {
            Err(error) if went_by_itself(&error) => {}
            result => return result,
        }
    }
    attempt()
}

fn went_by_itself(error: &Error) -> bool {
    match error {
        Error::Apply(ApplyError::Refused { operation, cause, .. }) => operation.is_moot_after(cause.errno()),
        _ => false,
    }
}
