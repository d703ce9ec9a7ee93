//! The rules that choose a routing table.

use ipnet::IpNet;

use super::{super::message, Attributes, Rtnetlink, family_of, u16_at, u32_at};
use crate::{
    diagnose::scene::{PolicyAction, PolicyRule},
    kernel::{netlink::attributes_of, refusal::Refusal},
    name::LinkName,
};

/// The length of a `struct fib_rule_hdr` (`linux/fib_rules.h`).
const HEADER_BYTES: usize = 12;

/// `FRA_*` of `linux/fib_rules.h`.
mod attribute {
    pub(super) const DESTINATION: u16 = 1;
    pub(super) const SOURCE: u16 = 2;
    pub(super) const INCOMING: u16 = 3;
    pub(super) const GOTO: u16 = 4;
    pub(super) const PRIORITY: u16 = 6;
    pub(super) const MARK: u16 = 10;
    pub(super) const TUNNEL: u16 = 12;
    pub(super) const SUPPRESS_GROUP: u16 = 13;
    pub(super) const SUPPRESS_PREFIX: u16 = 14;
    pub(super) const TABLE: u16 = 15;
    pub(super) const MASK: u16 = 16;
    pub(super) const OUTGOING: u16 = 17;
    pub(super) const L3_MASTER: u16 = 19;
    pub(super) const USERS: u16 = 20;
    pub(super) const PROTOCOL: u16 = 22;
    pub(super) const SOURCE_PORTS: u16 = 23;
    pub(super) const DESTINATION_PORTS: u16 = 24;
    /// Since Linux 6.15; the kernel tells the mask of every single port.
    pub(super) const SOURCE_PORT_MASK: u16 = 28;
    pub(super) const DESTINATION_PORT_MASK: u16 = 29;
}

impl Rtnetlink {
    /// Returns the rules of both families, in the order of their priorities.
    pub(crate) fn policy_rules(&mut self) -> Result<Vec<PolicyRule>, Refusal> {
        let mut rules = self.detail_of_families(message::GET_RULE, HEADER_BYTES, read)?;
        // Stable: rules of one priority stay in the kernel's order.
        rules.sort_by_key(|rule| rule.priority);
        Ok(rules)
    }
}

fn read(payload: &[u8]) -> Option<PolicyRule> {
    /// `FIB_RULE_INVERT`.
    const INVERT: u32 = 2;
    let &[family, destination_prefix, source_prefix, tos, table, _, _, action, ..] = payload else {
        return None;
    };
    let attributes = Attributes::behind(payload, HEADER_BYTES);
    let net = |kind, prefix| attributes.ip(kind).and_then(|ip| IpNet::new(ip, prefix).ok());
    let link = |kind| attributes.text(kind).map(LinkName::from_kernel);
    Some(PolicyRule {
        priority: attributes.u32(attribute::PRIORITY).unwrap_or_default(),
        family: family_of(family)?,
        source: net(attribute::SOURCE, source_prefix),
        destination: net(attribute::DESTINATION, destination_prefix),
        incoming: link(attribute::INCOMING),
        outgoing: link(attribute::OUTGOING),
        mark: mark(attributes),
        inverted: u32_at(payload, 8)? & INVERT != 0,
        others: others(attributes, tos),
        action: action_of(action, attributes, u32::from(table))?,
    })
}

fn mark(attributes: Attributes<'_>) -> Option<(u32, u32)> {
    let mask = attributes.u32(attribute::MASK)?;
    Some((attributes.u32(attribute::MARK).unwrap_or_default(), mask))
}

/// `FR_ACT_*` of `linux/fib_rules.h`.
fn action_of(action: u8, attributes: Attributes<'_>, table: u32) -> Option<PolicyAction> {
    match action {
        1 => Some(PolicyAction::Lookup {
            table: attributes.u32(attribute::TABLE).unwrap_or(table),
            suppress_prefix: attributes.u32(attribute::SUPPRESS_PREFIX).filter(|prefix| *prefix != u32::MAX),
        }),
        2 => attributes.u32(attribute::GOTO).map(PolicyAction::Goto),
        3 => Some(PolicyAction::Nop),
        6 => Some(PolicyAction::Blackhole),
        7 => Some(PolicyAction::Unreachable),
        8 => Some(PolicyAction::Prohibit),
        _ => None,
    }
}

/// The conditions that a [`PolicyRule`] has no field for, in the words of `ip rule`.
fn others(attributes: Attributes<'_>, tos: u8) -> Option<String> {
    let mut words = Vec::new();
    if tos != 0 {
        words.push(format!("tos {tos:#04x}"));
    }
    if attributes.is_set(attribute::L3_MASTER) {
        words.push("l3mdev".to_owned());
    }
    if let Some(tunnel) = attributes.get(attribute::TUNNEL)
        && let Ok(number) = tunnel.try_into().map(u64::from_be_bytes)
        && number != 0
    {
        words.push(format!("tun_id {number}"));
    }
    if let Some(users) = attributes.get(attribute::USERS)
        && let (Some(first), Some(last)) = (u32_at(users, 0), u32_at(users, 4))
    {
        words.push(format!("uidrange {first}-{last}"));
    }
    if let Some([number, ..]) = attributes.get(attribute::PROTOCOL) {
        words.push(format!("ipproto {}", protocol(*number)));
    }
    for (kind, name) in [(attribute::SOURCE_PORTS, "sport"), (attribute::DESTINATION_PORTS, "dport")] {
        words.extend(attributes.get(kind).and_then(ports).map(|ports| format!("{name} {ports}")));
    }
    if let Some(group) = attributes.u32(attribute::SUPPRESS_GROUP).filter(|group| *group != u32::MAX) {
        words.push(format!("suppress_ifgroup {group}"));
    }
    let unknown = attributes_of(attributes.0).filter(|(kind, value)| is_unknown(*kind, value));
    words.extend(unknown.map(|(kind, _)| format!("(condition {kind} of linux/fib_rules.h)")));
    (!words.is_empty()).then(|| words.join(" "))
}

/// Younger conditions than the last that is told of here; that all of a port counts is none.
fn is_unknown(kind: u16, value: &[u8]) -> bool {
    const WHOLE_PORT: [u8; 2] = [0xff; 2];
    let is_mask = [attribute::SOURCE_PORT_MASK, attribute::DESTINATION_PORT_MASK].contains(&kind);
    kind > attribute::DESTINATION_PORTS && !(is_mask && value == WHOLE_PORT)
}

fn protocol(number: u8) -> String {
    match number {
        1 => "icmp".to_owned(),
        6 => "tcp".to_owned(),
        17 => "udp".to_owned(),
        58 => "ipv6-icmp".to_owned(),
        other => other.to_string(),
    }
}

/// A `struct fib_rule_port_range`.
fn ports(range: &[u8]) -> Option<String> {
    let (first, last) = (u16_at(range, 0)?, u16_at(range, 2)?);
    Some(if first == last { first.to_string() } else { format!("{first}-{last}") })
}
