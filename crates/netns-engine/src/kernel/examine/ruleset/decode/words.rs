//! Conditions and verdicts as `nft list ruleset` prints them.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Subnets, Ipv6Subnets};

use crate::diagnose::firewall::{Field, NatTarget, Values, Verdict};

/// Returns values in nft's words, in braces if there are several.
pub(super) fn in_words(field: Field, values: &Values) -> String {
    let all: Vec<_> = match values {
        Values::Words(words) => words.iter().map(|word| quoted(field, word)).collect(),
        Values::Addresses(ranges) => ranges.iter().map(|range| addresses(*range)).collect(),
        Values::Numbers(ranges) => ranges.iter().map(|range| numbers(field, *range)).collect(),
        Values::AnyBit(bits) => return bit_words(field, *bits),
        Values::Masked { mask, value } => return masked_words(field, (*mask, *value), "=="),
    };
    match all.as_slice() {
        [one] => one.clone(),
        _ => format!("{{ {} }}", all.join(", ")),
    }
}

/// Returns a comparison of some bits; where they have names, none and any of them have words of their own.
pub(super) fn masked_words(field: Field, (mask, value): (u64, u64), sign: &str) -> String {
    let has_names = matches!(field, Field::ConnectionState | Field::ConnectionStatus | Field::TcpFlags);
    let bits = bit_words(field, mask);
    match (has_names, value, sign) {
        (true, 0, "!=") => bits,
        (true, 0, _) => format!("! {bits}"),
        (true, _, "==") => format!("{} / {bits}", bit_words(field, value)),
        (true, _, _) => format!("{sign} {} / {bits}", bit_words(field, value)),
        (false, ..) => format!("& {mask:#010x} {sign} {value:#010x}"),
    }
}

fn quoted(field: Field, word: &str) -> String {
    match field {
        Field::IncomingLink | Field::OutgoingLink | Field::IncomingPort | Field::OutgoingPort => {
            format!("\"{word}\"")
        }
        _ => word.to_owned(),
    }
}

fn addresses((first, last): (IpAddr, IpAddr)) -> String {
    if first == last {
        return first.to_string();
    }
    let nets: Vec<IpNet> = match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => {
            Ipv4Subnets::new(first, last, 0).map(IpNet::V4).take(2).collect()
        }
        (IpAddr::V6(first), IpAddr::V6(last)) => {
            Ipv6Subnets::new(first, last, 0).map(IpNet::V6).take(2).collect()
        }
        _ => Vec::new(),
    };
    match nets.as_slice() {
        [net] => net.to_string(),
        _ => format!("{first}-{last}"),
    }
}

fn numbers(field: Field, (first, last): (u64, u64)) -> String {
    if first == last { number(field, first) } else { format!("{first}-{last}") }
}

fn number(field: Field, number: u64) -> String {
    let word = match (field, number) {
        (Field::Protocol, 1) => "icmp",
        (Field::Protocol, 6) => "tcp",
        (Field::Protocol, 17) => "udp",
        (Field::Protocol, 58) => "ipv6-icmp",
        (Field::Family, 2) => "ipv4",
        (Field::Family, 10) => "ipv6",
        (Field::IcmpType, 8 | 128) => "echo-request",
        (Field::IcmpType, 0 | 129) => "echo-reply",
        (Field::ConnectionState | Field::ConnectionStatus | Field::TcpFlags, bits) => {
            return bit_words(field, bits);
        }
        (Field::Mark, mark) => return format!("{mark:#010x}"),
        _ => return number.to_string(),
    };
    word.to_owned()
}

/// The bits' names: `NF_CT_STATE_BIT` and `IPS_*` of `linux/netfilter/nf_conntrack_common.h`, RFC 9293.
fn bit_words(field: Field, bits: u64) -> String {
    let names: &[(u64, &str)] = match field {
        Field::ConnectionState => {
            &[(1, "invalid"), (2, "established"), (4, "related"), (8, "new"), (64, "untracked")]
        }
        Field::ConnectionStatus => &[
            (1, "expected"),
            (2, "seen-reply"),
            (4, "assured"),
            (8, "confirmed"),
            (16, "snat"),
            (32, "dnat"),
            (512, "dying"),
        ],
        Field::TcpFlags => &[(1, "fin"), (2, "syn"), (4, "rst"), (8, "psh"), (16, "ack"), (32, "urg")],
        _ => &[],
    };
    let known = names.iter().fold(0, |known, (bit, _)| known | bit);
    if bits == 0 || bits & !known != 0 {
        return format!("{bits:#x}");
    }
    let set = names.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| *name);
    set.collect::<Vec<_>>().join(",")
}

/// Returns a verdict in nft's words.
pub(super) fn verdict(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Accept => "accept".to_owned(),
        Verdict::Drop => "drop".to_owned(),
        Verdict::Reject => "reject".to_owned(),
        Verdict::Return => "return".to_owned(),
        Verdict::Continue => "continue".to_owned(),
        Verdict::Jump(chain) => format!("jump {chain}"),
        Verdict::Goto(chain) => format!("goto {chain}"),
        Verdict::Queue => "queue".to_owned(),
        Verdict::Unknown(words) => words.clone(),
        _ => String::new(),
    }
}

/// Returns what something is translated to: `10.0.0.2:80`, `[fd00::2]:80`, `:80`.
pub(super) fn target(target: &NatTarget) -> String {
    match (target.address, target.port) {
        (Some(address @ IpAddr::V6(_)), Some(port)) => format!("[{address}]:{port}"),
        (Some(address), Some(port)) => format!("{address}:{port}"),
        (Some(address), None) => address.to_string(),
        (None, Some(port)) => format!(":{port}"),
        (None, None) => String::new(),
    }
}
