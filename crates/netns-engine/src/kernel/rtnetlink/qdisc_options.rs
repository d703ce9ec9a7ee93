//! How `tbf` and `netem` are told what to do (`linux/pkt_sched.h`), and how they tell it back.

use std::time::Duration;

use netlink_packet_core::{DefaultNla, Emitable};

use crate::{
    kernel::netlink::attributes_of,
    operation::LinkLimits,
    topology::{Loss, Shaping},
};

/// `TCA_TBF_PARMS`: a `struct tc_tbf_qopt`.
const TBF_PARMS: u16 = 1;
/// `TCA_TBF_RATE64`: bytes in a second, where 32 bits do not hold them.
const TBF_RATE64: u16 = 4;
/// `TCA_TBF_BURST`: in bytes; else the kernel computes it from a time, and loses some.
const TBF_BURST: u16 = 6;
/// `TCA_NETEM_LATENCY64` and `TCA_NETEM_JITTER64`, in nanoseconds.
const NETEM_LATENCY64: u16 = 10;
const NETEM_JITTER64: u16 = 11;
/// `struct tc_netem_qopt`: six numbers of 32 bits.
const NETEM_QOPT_BYTES: usize = 24;

/// Returns the options of a `tbf` for the rate in `limits`.
///
/// A packet waits 50 ms at most, as by `tbf … latency 50ms` of `tc(8)`, which makes a limit in bytes of it.
pub(super) fn of_tbf(limits: &LinkLimits) -> Vec<u8> {
    const WAITS_PER_SECOND: u64 = 20;
    let LinkLimits { shaping, mtu_bytes } = limits;
    let bytes_per_second = shaping.rate_bits.unwrap_or_default() / 8;
    let burst = shaping.burst_bytes(*mtu_bytes).unwrap_or_default();
    let limit = saturated(bytes_per_second / WAITS_PER_SECOND).saturating_add(burst);
    let mut options = vec![
        DefaultNla::new(TBF_PARMS, tbf_parms(saturated(bytes_per_second), limit)),
        DefaultNla::new(TBF_BURST, burst.to_ne_bytes().to_vec()),
    ];
    if bytes_per_second > u64::from(u32::MAX) {
        options.push(DefaultNla::new(TBF_RATE64, bytes_per_second.to_ne_bytes().to_vec()));
    }
    packed(&options)
}

/// A `struct tc_tbf_qopt`: the rate, no peak rate, the limit, and times that are left to the kernel.
fn tbf_parms(bytes_per_second: u32, limit: u32) -> Vec<u8> {
    [ratespec(bytes_per_second), ratespec(0), words(&[limit, 0, 0])].concat()
}

/// A `struct tc_ratespec`. With the link layer named, the kernel needs no table of sending times.
fn ratespec(bytes_per_second: u32) -> Vec<u8> {
    /// `TC_LINKLAYER_ETHERNET`.
    const ETHERNET: u8 = 1;
    // cell_log, linklayer, overhead, cell_align, mpu
    let [low, high] = u16::MAX.to_ne_bytes();
    [vec![0, ETHERNET, 0, 0, low, high, 0, 0], words(&[bytes_per_second])].concat()
}

/// Returns the rate that the options of a `tbf` tell, in bits.
pub(super) fn rate_of_tbf(options: &[u8]) -> Option<u64> {
    /// Where `tc_ratespec.rate` is, in `tc_tbf_qopt.rate`.
    const RATE: usize = 8;
    let value = |wanted| attributes_of(options).find(|(kind, _)| *kind == wanted).map(|(_, value)| value);
    let bytes_per_second = match value(TBF_RATE64) {
        Some(rate) => u64::from_ne_bytes(rate.try_into().ok()?),
        None => u64::from(word_at(value(TBF_PARMS)?, RATE)?),
    };
    bytes_per_second.checked_mul(8)
}

/// Returns the options of a `netem` for delay, jitter and loss in `shaping`.
pub(super) fn of_netem(shaping: &Shaping) -> Vec<u8> {
    /// Packets on their way at once: the default of `tc-netem(8)`.
    const LIMIT: u32 = 1000;
    let loss = shaping.loss.map_or(0, share_of_loss);
    // latency, limit, loss, gap, duplicate, jitter
    let mut options = words(&[0, LIMIT, loss, 0, 0, 0]);
    options.extend(packed(&[
        DefaultNla::new(NETEM_LATENCY64, nanoseconds(shaping.delay).to_ne_bytes().to_vec()),
        DefaultNla::new(NETEM_JITTER64, nanoseconds(shaping.jitter).to_ne_bytes().to_vec()),
    ]));
    options
}

/// Returns delay, jitter and loss that the options of a `netem` tell.
pub(super) fn read_netem(options: &[u8]) -> Option<Shaping> {
    const LOSS: usize = 8;
    let attributes = options.get(NETEM_QOPT_BYTES..)?;
    let time = |wanted| {
        let (_, value) = attributes_of(attributes).find(|(kind, _)| *kind == wanted)?;
        let nanoseconds = i64::from_ne_bytes(value.try_into().ok()?);
        Some(Duration::from_nanos(u64::try_from(nanoseconds).ok()?))
    };
    let loss = loss_of_share(word_at(options, LOSS)?);
    let shaping = Shaping {
        rate_bits: None,
        delay: time(NETEM_LATENCY64),
        jitter: time(NETEM_JITTER64),
        loss: Some(loss),
    };
    Some(shaping.as_kept())
}

/// The kernel counts in shares of 2³² − 1. A millionth is 4,295 of them, so that rounding to the nearest
/// leads there and back.
fn share_of_loss(loss: Loss) -> u32 {
    let share = (u64::from(loss.per_million) * u64::from(u32::MAX) + MILLION / 2) / MILLION;
    saturated(share)
}

fn loss_of_share(share: u32) -> Loss {
    let whole = u64::from(u32::MAX);
    Loss { per_million: saturated((u64::from(share) * MILLION + whole / 2) / whole) }
}

const MILLION: u64 = 1_000_000;

fn nanoseconds(time: Option<Duration>) -> i64 {
    time.map_or(0, |time| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX))
}

fn saturated(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn words(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_ne_bytes()).collect()
}

fn word_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(offset..offset + 4)?.try_into().ok()?))
}

fn packed(attributes: &[DefaultNla]) -> Vec<u8> {
    let mut bytes = vec![0; attributes.buffer_len()];
    attributes.emit(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delayed(delay: u64, jitter: u64, per_million: u32) -> Shaping {
        Shaping {
            delay: Some(Duration::from_nanos(delay)),
            jitter: Some(Duration::from_nanos(jitter)),
            loss: Some(Loss { per_million }),
            rate_bits: None,
        }
    }

    #[test]
    fn what_netem_is_told_reads_back_the_same() {
        for per_million in [1, 2, 3, 499_999, 500_000, 999_999, 1_000_000] {
            let shaping = delayed(5_000_001, 333, per_million);
            assert_eq!(read_netem(&of_netem(&shaping)), Some(shaping));
        }
    }

    #[test]
    fn limit_and_loss_stand_where_tc_puts_them() {
        // `tc qdisc replace dev lo root netem delay 5ms 1ms loss 0.1%` of iproute2 6.1 sends these
        // 24 bytes, but with the times in the first and the last four.
        let by_tc = [0xe8, 0x03, 0, 0, 0x37, 0x89, 0x41, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let options = of_netem(&delayed(5_000_000, 1_000_000, 1000));
        if cfg!(target_endian = "little") {
            assert_eq!(options.get(4..20), Some(&by_tc[..]));
        }
    }

    #[test]
    fn a_rate_reads_back_the_same_also_beyond_32_bits() {
        for rate in [8, 10_000_000, 34_359_738_360, 34_359_738_368, 1 << 62] {
            let shaping = Shaping { rate_bits: Some(rate), ..Shaping::default() };
            let limits = LinkLimits { shaping, mtu_bytes: 1500 };
            assert_eq!(rate_of_tbf(&of_tbf(&limits)), Some(rate));
        }
    }
}
