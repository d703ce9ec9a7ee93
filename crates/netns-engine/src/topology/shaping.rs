//! How packets are held up on their way out of a link.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Limits of a link in one direction: that of packets leaving through it. At least one is given.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Shaping {
    /// Most bits in a second, 8 to 2⁶³ (`tc-tbf(8)`).
    pub rate_bits: Option<u64>,
    /// How much later each packet leaves (`tc-netem(8)`).
    pub delay: Option<Duration>,
    /// How much the delay varies, to both sides.
    pub jitter: Option<Duration>,
    /// How many packets get lost.
    pub loss: Option<Loss>,
}

/// A share of packets, in millionths: 0 to 1,000,000.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Loss {
    /// Of a million packets, so many.
    pub per_million: u32,
}
