//! Settings of a stack that netlink tells, too (`linux/netconf.h`).
//!
//! The first look into `/proc/sys/net` of a new netns takes the kernel longer than most other things here.

use super::{Rtnetlink, message};
use crate::kernel::{
    netlink::{Request, attributes_of},
    refusal::Refusal,
};

/// `AF_INET`, which is all of a `struct netconfmsg`, padded.
const IPV4: [u8; 4] = [2, 0, 0, 0];
/// `NETCONFA_IFINDEX`, with the value for all links (`NETCONFA_IFINDEX_ALL`).
const IFINDEX: u16 = 1;
const ALL: i32 = -1;
/// `NETCONFA_FORWARDING`.
const FORWARDING: u16 = 2;

/// Whether a stack passes IPv4 packets on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ipv4Forwarding {
    Off,
    On,
}

impl Rtnetlink {
    /// Returns what `net.ipv4.ip_forward` says.
    pub(crate) fn ipv4_forwarding(&mut self) -> Result<Ipv4Forwarding, Refusal> {
        let mut payload = IPV4.to_vec();
        payload.extend_from_slice(&8_u16.to_ne_bytes());
        payload.extend_from_slice(&IFINDEX.to_ne_bytes());
        payload.extend_from_slice(&ALL.to_ne_bytes());
        let answer = self.socket.get(&Request { kind: message::GET_NETCONF, flags: 0, payload })?;
        let attributes = answer.get(IPV4.len()..).unwrap_or_default();
        let forwarding = attributes_of(attributes).find(|(kind, _)| *kind == FORWARDING);
        Ok(match forwarding {
            Some((_, value)) if value.iter().all(|byte| *byte == 0) => Ipv4Forwarding::Off,
            _ => Ipv4Forwarding::On,
        })
    }
}
