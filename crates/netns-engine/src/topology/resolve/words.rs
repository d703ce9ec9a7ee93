//! The words of `tc(8)`: rates, times and shares.

use std::time::Duration;

use crate::topology::{Loss, Mistake, file::Text, mistake::Flaw, resolve::Found};

/// Reads a rate in bits per second, such as `10mbit`.
pub(super) fn rate(text: &Text) -> Found<u64> {
    let units = [("bit", 1.0), ("kbit", 1e3), ("mbit", 1e6), ("gbit", 1e9), ("tbit", 1e12)];
    let bits = quantity(&text.value, &units).filter(|bits| (8.0..9.2e18).contains(bits));
    let wrong = || malformed(text, "a rate of at least 8bit, such as 500kbit, 10mbit or 1gbit");
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it was checked to be in range"
    )]
    bits.map(|bits| bits.round() as u64).ok_or_else(wrong)
}

/// Reads a time of at most a minute, such as `10ms`.
pub(super) fn time(text: &Text) -> Found<Duration> {
    let units = [("us", 1e-6), ("ms", 1e-3), ("s", 1.0)];
    let seconds = quantity(&text.value, &units).filter(|seconds| *seconds <= 60.0);
    seconds
        .map(Duration::from_secs_f64)
        .ok_or_else(|| malformed(text, "a time of at most 60s, such as 10ms or 500us"))
}

/// Reads a share, such as `1%`.
pub(super) fn share(text: &Text) -> Found<Loss> {
    let millionths = quantity(&text.value, &[("%", 1e4)]).filter(|millionths| *millionths <= 1e6);
    let wrong = || malformed(text, "a share of at most 100%, such as 1% or 0.1%");
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it was checked to be in range"
    )]
    millionths.map(|share| Loss { per_million: share.round() as u32 }).ok_or_else(wrong)
}

fn quantity(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let start = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(start);
    let (_, size) = units.iter().find(|(word, _)| word.eq_ignore_ascii_case(unit))?;
    let number: f64 = number.parse().ok()?;
    Some(number * size).filter(|quantity| quantity.is_finite())
}

pub(super) fn malformed(text: &Text, expected: &'static str) -> Flaw {
    Flaw::new(text.at, Mistake::Malformed { text: text.value.clone(), expected })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::{Position, file::Located};

    fn text(text: &str) -> Text {
        Located::new(text.to_owned(), Position::default())
    }

    #[test]
    fn rates_times_and_shares_are_read_as_tc_does() {
        let rates = ["8bit", "500kbit", "10mbit", "1.5Mbit", "1gbit"].map(|word| rate(&text(word)).ok());
        assert_eq!(rates, [8, 500_000, 10_000_000, 1_500_000, 1_000_000_000].map(Some));
        assert_eq!(time(&text("2.5ms")).unwrap(), Duration::from_micros(2500));
        assert_eq!(share(&text("0.1%")).unwrap().per_million, 1000);
        for wrong in ["", "10", "mbit", "10mbps", "1bit", "-1mbit", "1e3mbit", "999999999tbit", "1..2mbit"] {
            assert!(rate(&text(wrong)).is_err(), "{wrong}");
        }
        assert!(time(&text("10")).is_err() && time(&text("61s")).is_err());
        assert!(share(&text("101%")).is_err() && share(&text("1")).is_err());
    }
}
