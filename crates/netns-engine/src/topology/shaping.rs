//! How packets are held up on their way out of a link.

use std::{fmt, time::Duration};

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

impl Shaping {
    /// Returns whether it does more than limit the rate.
    #[must_use]
    pub fn delays_or_loses(&self) -> bool {
        self.delay.is_some() || self.jitter.is_some() || self.loss.is_some()
    }

    /// Returns it as the kernel keeps it and tells it back: a rate in whole bytes a second, times that fit
    /// into 63 bits of nanoseconds, and nothing of what has no effect.
    ///
    /// ```
    /// use netns_engine::topology::{Loss, Shaping};
    ///
    /// let asked = Shaping { rate_bits: Some(1003), loss: Some(Loss { per_million: 0 }), ..Shaping::default() };
    /// assert_eq!(asked.as_kept(), Shaping { rate_bits: Some(1000), ..Shaping::default() });
    /// ```
    #[must_use]
    pub fn as_kept(&self) -> Self {
        const LONGEST: Duration = Duration::from_nanos(i64::MAX.cast_unsigned());
        let time = |time: Option<Duration>| time.map(|time| time.min(LONGEST)).filter(|time| !time.is_zero());
        Self {
            rate_bits: self.rate_bits.map(|bits| bits / 8 * 8).filter(|bits| *bits != 0),
            delay: time(self.delay),
            jitter: time(self.jitter),
            loss: self.loss.filter(|loss| loss.per_million != 0),
        }
    }

    /// Returns how many bytes may leave at once, without regard to the rate: what it lets through in 5 ms,
    /// but at least two packets of the usual MTU, and one of this link's. What is larger would never leave.
    #[must_use]
    pub fn burst_bytes(&self, mtu_bytes: u32) -> Option<u32> {
        const LEAST: u64 = 3200;
        /// `ETH_HLEN` of `linux/if_ether.h` and `VLAN_HLEN` of `linux/if_vlan.h`: the MTU counts neither.
        const HEADERS: u64 = 14 + 4;
        let full_packet = u64::from(mtu_bytes) + HEADERS;
        let bytes = self.rate_bits.map(|rate| (rate / 8 / 200).max(LEAST).max(full_packet));
        bytes.map(|bytes| u32::try_from(bytes).unwrap_or(u32::MAX))
    }
}

/// A share of packets, in millionths: 0 to 1,000,000.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Loss {
    /// Of a million packets, so many.
    pub per_million: u32,
}

impl fmt::Display for Shaping {
    /// In the words of `tc(8)`: `rate 10000000bit delay 5ms`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = |time: Duration| format!("{}ms", time.as_secs_f64() * 1000.0);
        let words = [
            self.rate_bits.map(|rate| format!("rate {rate}bit")),
            self.delay.map(|delay| format!("delay {}", milliseconds(delay))),
            self.jitter.map(|jitter| format!("jitter {}", milliseconds(jitter))),
            self.loss.map(|loss| format!("loss {}%", f64::from(loss.per_million) / 10_000.0)),
        ];
        f.write_str(&words.into_iter().flatten().collect::<Vec<_>>().join(" "))
    }
}
