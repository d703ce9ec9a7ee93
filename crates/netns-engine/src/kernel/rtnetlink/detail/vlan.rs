//! VLANs of bridges and their ports.

use super::{
    super::message,
    Attributes, Rtnetlink,
    link::{HEADER_BYTES, question},
    u16_at, u32_at,
};
use crate::{
    diagnose::scene::Vlan,
    kernel::{netlink::attributes_of, refusal::Refusal},
};

impl Rtnetlink {
    /// Returns the VLANs of every bridge and every port of one, by the index of the link.
    pub(crate) fn vlans(&mut self) -> Result<Vec<(u32, Vec<Vlan>)>, Refusal> {
        /// `AF_BRIDGE` of `linux/socket.h`.
        const BRIDGE: u8 = 7;
        /// `RTEXT_FILTER_BRVLAN` of `linux/rtnetlink.h`.
        const EACH_VLAN: u32 = 1 << 1;
        self.detail(message::GET_LINK, question(BRIDGE, EACH_VLAN), read)
    }
}

fn read(payload: &[u8]) -> Option<(u32, Vec<Vlan>)> {
    /// `IFLA_AF_SPEC` of `linux/if_link.h`, in it `IFLA_BRIDGE_VLAN_INFO` of `linux/if_bridge.h`.
    const AF_SPEC: u16 = 26;
    const VLAN_INFO: u16 = 2;
    let of_bridge = Attributes::behind(payload, HEADER_BYTES).nested(AF_SPEC);
    let infos = attributes_of(of_bridge.0).filter(|(kind, _)| *kind == VLAN_INFO);
    Some((u32_at(payload, 4)?, infos.filter_map(|(_, info)| vlan(info)).collect()))
}

/// Reads a `struct bridge_vlan_info`: flags and number.
fn vlan(info: &[u8]) -> Option<Vlan> {
    /// `BRIDGE_VLAN_INFO_*` of `linux/if_bridge.h`.
    const PVID: u16 = 1 << 1;
    const UNTAGGED: u16 = 1 << 2;
    let flags = u16_at(info, 0)?;
    Some(Vlan { id: u16_at(info, 2)?, pvid: flags & PVID != 0, untagged: flags & UNTAGGED != 0 })
}
