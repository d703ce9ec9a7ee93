//! Neighbours, and how well they are known.

use super::{super::message, Attributes, Rtnetlink, mac_in, u16_at, u32_at};
use crate::{diagnose::scene::Neighbour, kernel::refusal::Refusal};

/// The length of a `struct ndmsg` (`linux/neighbour.h`).
const HEADER_BYTES: usize = 12;

impl Rtnetlink {
    /// Returns the neighbours that somebody tried to reach, or told the kernel of.
    pub(crate) fn detailed_neighbours(&mut self) -> Result<Vec<Neighbour>, Refusal> {
        self.detail_of_families(message::GET_NEIGHBOUR, HEADER_BYTES, read)
    }
}

fn read(payload: &[u8]) -> Option<Neighbour> {
    /// `NDA_*` of `linux/neighbour.h`.
    const DESTINATION: u16 = 1;
    const MAC: u16 = 2;
    let attributes = Attributes::behind(payload, HEADER_BYTES);
    Some(Neighbour {
        link: u32_at(payload, 4)?,
        address: attributes.ip(DESTINATION)?,
        mac: attributes.get(MAC).and_then(mac_in),
        state: state(u16_at(payload, 8)?)?.to_owned(),
    })
}

/// The words of `ip-neighbour(8)` for `NUD_*` of `linux/neighbour.h`; none for multicast and broadcast, which
/// need no asking.
fn state(state: u16) -> Option<&'static str> {
    match state {
        0x01 => Some("incomplete"),
        0x02 => Some("reachable"),
        0x04 => Some("stale"),
        0x08 => Some("delay"),
        0x10 => Some("probe"),
        0x20 => Some("failed"),
        0x80 => Some("permanent"),
        _ => None,
    }
}
