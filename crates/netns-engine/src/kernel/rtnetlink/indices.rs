//! Which links there are, and nothing else of them.
//!
//! The kernel tells statistics link by link (`struct if_stats_msg` in `linux/if_link.h`): asked for next to none
//! of them, it lists a thousand links in the time it takes to describe seven.

use super::{Rtnetlink, message};
use crate::kernel::{netlink::Request, refusal::Refusal};

/// `IFLA_STATS_FILTER_BIT(IFLA_STATS_AF_SPEC)`: what only few links have.
const NEXT_TO_NOTHING: u32 = 1 << 4;
/// Where the index stands in a `struct if_stats_msg`.
const INDEX: std::ops::Range<usize> = 4..8;

impl Rtnetlink {
    /// Returns the indices of all links.
    pub(crate) fn indices(&mut self) -> Result<Vec<u32>, Refusal> {
        let mut payload = vec![0; INDEX.end];
        payload.extend_from_slice(&NEXT_TO_NOTHING.to_ne_bytes());
        let mut indices = Vec::new();
        self.socket.dump(&Request { kind: message::GET_STATISTICS, flags: 0, payload }, |payload| {
            match payload {
                None => indices.clear(),
                Some(payload) => {
                    let index = payload.get(INDEX).and_then(|bytes| bytes.try_into().ok());
                    indices.extend(index.map(u32::from_ne_bytes));
                }
            }
        })?;
        Ok(indices)
    }
}
