//! The framing that nftables and connection tracking share (`linux/netfilter/nfnetlink.h`).

use crate::diagnose::firewall::ChainFamily;

/// `NLA_F_NESTED` (`linux/netlink.h`): the attribute holds attributes.
const NESTED: u16 = 0x8000;
/// `struct nfgenmsg` is four bytes: family, version, and a resource number we leave zero.
pub(super) const HEADER_BYTES: usize = 4;

/// A subsystem behind `NETLINK_NETFILTER`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Subsystem {
    /// `NFNL_SUBSYS_CTNETLINK`.
    ConnectionTracking,
    /// `NFNL_SUBSYS_NFTABLES`.
    Nftables,
}

impl Subsystem {
    /// Returns its number.
    pub(super) fn number(self) -> u16 {
        match self {
            Self::ConnectionTracking => 1,
            Self::Nftables => 10,
        }
    }

    /// Returns the netlink message type of one of its messages.
    pub(super) fn message(self, number: u16) -> u16 {
        (self.number() << 8) | number
    }
}

/// A run of netlink attributes under construction.
#[derive(Clone, Debug, Default)]
pub(super) struct Attributes(Vec<u8>);

impl Attributes {
    /// Starts with no attribute.
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Takes a run of attributes as the kernel sent it.
    pub(super) fn raw(attributes: &[u8]) -> Self {
        Self(attributes.to_vec())
    }

    /// Adds raw bytes.
    pub(super) fn bytes(mut self, kind: u16, value: &[u8]) -> Self {
        /// `struct nlattr`: length and type.
        const HEADER: usize = 4;
        let length = u16::try_from(HEADER + value.len()).unwrap_or(u16::MAX);
        self.0.extend_from_slice(&length.to_ne_bytes());
        self.0.extend_from_slice(&kind.to_ne_bytes());
        self.0.extend_from_slice(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    /// Adds a text with its closing NUL.
    pub(super) fn text(self, kind: u16, value: &str) -> Self {
        self.bytes(kind, &[value.as_bytes(), &[0]].concat())
    }

    /// Adds a number, in network byte order as nearly all of netfilter's numbers are.
    pub(super) fn number(self, kind: u16, value: u32) -> Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// Adds attributes inside an attribute.
    pub(super) fn nested(self, kind: u16, inner: &Self) -> Self {
        self.bytes(kind | NESTED, &inner.0)
    }

    /// Adds another run behind this one.
    pub(super) fn and(mut self, more: &Self) -> Self {
        self.0.extend_from_slice(&more.0);
        self
    }

    /// Returns the payload of a message about `family` (`NFPROTO_*`).
    pub(super) fn message(self, family: u8) -> Vec<u8> {
        let mut payload = vec![family, 0, 0, 0];
        payload.extend_from_slice(&self.0);
        payload
    }
}

/// Returns the value of the attribute `kind` in a run of attributes.
pub(super) fn attribute(attributes: &[u8], kind: u16) -> Option<&[u8]> {
    super::netlink::attributes_of(attributes).find(|(found, _)| *found == kind).map(|(_, value)| value)
}

/// Returns the attributes behind the header of a message.
pub(super) fn body(payload: &[u8]) -> &[u8] {
    payload.get(HEADER_BYTES..).unwrap_or_default()
}

/// Reads a text that ends with NUL.
pub(super) fn text_in(value: &[u8]) -> String {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    String::from_utf8_lossy(value.get(..end).unwrap_or_default()).into_owned()
}

/// Reads a number in network byte order.
pub(super) fn number_in(value: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(value.try_into().ok()?))
}

/// Returns the number of a family (`NFPROTO_*` of `linux/netfilter.h`).
pub(super) fn number_of_family(family: ChainFamily) -> u8 {
    match family {
        ChainFamily::Inet => 1,
        ChainFamily::Ip => 2,
        ChainFamily::Netdev => 5,
        ChainFamily::Bridge => 7,
        ChainFamily::Ip6 => 10,
    }
}

/// Returns the family with a number; ARP is left out, as no packet of ours is filtered there.
pub(super) fn family_of(number: u8) -> Option<ChainFamily> {
    use ChainFamily::{Bridge, Inet, Ip, Ip6, Netdev};
    [Inet, Ip, Netdev, Bridge, Ip6].into_iter().find(|family| number_of_family(*family) == number)
}
