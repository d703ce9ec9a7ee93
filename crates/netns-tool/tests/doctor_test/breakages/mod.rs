//! Everything that is broken, one file per stretch of the path.

mod bridge;
mod firewall;
mod forwarding;
mod inside;
mod names;
mod profiles;
mod published;

use crate::breakage::Breakage;

/// Returns all of them.
pub(crate) fn all() -> Vec<Breakage> {
    [inside::ALL, bridge::ALL, forwarding::ALL, firewall::ALL, profiles::ALL, published::ALL, names::ALL]
        .concat()
}
