//! Settings of a stack that netlink tells, too (`linux/netconf.h`).
//!
//! The first look into `/proc/sys/net` of a new netns takes the kernel longer than most other things here.

use rustix::io::Errno;

use super::{Rtnetlink, message, raw_link::number};
use crate::{
    address::Family,
    kernel::{
        netlink::{Request, attributes_of},
        refusal::Refusal,
    },
};

/// `NETCONFA_IFINDEX`, with the value for all links (`NETCONFA_IFINDEX_ALL`).
const IFINDEX: u16 = 1;
const ALL: i32 = -1;
/// `NETCONFA_FORWARDING`.
const FORWARDING: u16 = 2;

impl Rtnetlink {
    /// Returns what `net.ipv4.ip_forward` or `net.ipv6.conf.all.forwarding` says; nothing where the kernel lacks the
    /// family.
    pub(crate) fn forwarding(&mut self, family: Family) -> Result<Option<i32>, Refusal> {
        // `AF_INET` and `AF_INET6`; that is all of a `struct netconfmsg`, padded.
        let header: [u8; 4] = if family == Family::Ipv4 { [2, 0, 0, 0] } else { [10, 0, 0, 0] };
        let mut payload = header.to_vec();
        payload.extend_from_slice(&8_u16.to_ne_bytes());
        payload.extend_from_slice(&IFINDEX.to_ne_bytes());
        payload.extend_from_slice(&ALL.to_ne_bytes());
        let answer = match self.socket.get(&Request { kind: message::GET_NETCONF, flags: 0, payload }) {
            Err(refusal) if matches!(refusal.errno(), Errno::OPNOTSUPP | Errno::AFNOSUPPORT) => {
                return Ok(None);
            }
            answer => answer?,
        };
        let attributes = answer.get(header.len()..).unwrap_or_default();
        let forwarding = attributes_of(attributes).find(|(kind, _)| *kind == FORWARDING);
        Ok(forwarding.and_then(|(_, value)| number(value)).map(u32::cast_signed))
    }
}
