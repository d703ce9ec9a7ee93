//! What rules do: decide, refuse, translate, count.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Draft, Mapped, number, place_of, words};
use crate::{
    address::Family,
    diagnose::firewall::{Field, Match, NatTarget, Rule, Values, Verdict},
    kernel::netfilter::{attribute, text_in},
};

/// Reads a verdict (`enum nft_verdict_attributes`, `enum nft_verdicts`; `NF_*` of `linux/netfilter.h`).
pub(super) fn verdict(data: &[u8]) -> Verdict {
    let chain = || attribute(data, 2).map(text_in).unwrap_or_default();
    match number(data, 1).unwrap_or_default().cast_signed() {
        0 => Verdict::Drop,
        1 => Verdict::Accept,
        3 => Verdict::Queue,
        -1 | -2 => Verdict::Continue,
        -3 => Verdict::Jump(chain()),
        -4 => Verdict::Goto(chain()),
        -5 => Verdict::Return,
        other => Verdict::Unknown(format!("verdict {other}")),
    }
}

impl Draft<'_> {
    /// Takes an instruction that loads nothing.
    pub(super) fn statement(&mut self, name: &str, data: &[u8]) {
        match name {
            "limit" => self.limit(data),
            "quota" => self.threshold("quota", number(data, 2)),
            "connlimit" => self.threshold("ct count", number(data, 2)),
            "log" => self.log(data),
            "reject" => self.decide(reject_words(data), Verdict::Reject),
            "queue" => self.decide("queue".to_owned(), Verdict::Queue),
            "nat" => self.nat(data),
            "masq" => self.decide("masquerade".to_owned(), Verdict::Masquerade),
            "redir" => self.redirect(data),
            "match" => self.foreign_match(data),
            "target" => self.foreign_target(data),
            "counter" | "notrack" | "last" => self.say(name),
            "objref" | "dynset" | "dup" | "flow_offload" | "ct_helper" => self.say(format!("{name} …")),
            _ => self.decide(name.to_owned(), Verdict::Unknown(name.to_owned())),
        }
    }

    fn decide(&mut self, words: String, verdict: Verdict) {
        self.say(words);
        self.verdict = verdict;
    }

    /// `enum nft_limit_attributes`.
    fn limit(&mut self, data: &[u8]) {
        let long = |kind: u16| {
            attribute(data, kind).and_then(|value| Some(u64::from_be_bytes(value.try_into().ok()?)))
        };
        let rate = long(1).unwrap_or_default();
        let unit = match long(2) {
            Some(1) => "second",
            Some(60) => "minute",
            Some(3600) => "hour",
            Some(86400) => "day",
            _ => "week",
        };
        let flags = number(data, 5);
        let over = if flags.is_some_and(|flags| flags & 1 != 0) { "over " } else { "" };
        self.threshold_in_words(format!("limit rate {over}{rate}/{unit}"), flags);
    }

    fn threshold(&mut self, words: &str, flags: Option<u32>) {
        self.threshold_in_words(words.to_owned(), flags);
    }

    /// A lone packet stays below any rate (`NFT_LIMIT_F_INV`, `NFT_QUOTA_F_INV`, `NFT_CONNLIMIT_F_INV`).
    fn threshold_in_words(&mut self, words: String, flags: Option<u32>) {
        const INVERTED: u32 = 1;
        let is_inverted = flags.is_some_and(|flags| flags & INVERTED != 0);
        let condition =
            if is_inverted { Match::Exceptional(words.clone()) } else { Match::Usual(words.clone()) };
        self.ask(words, condition);
    }

    /// `enum nft_log_attributes`.
    fn log(&mut self, data: &[u8]) {
        match attribute(data, 2).map(text_in) {
            Some(prefix) => self.say(format!("log prefix \"{prefix}\"")),
            None => self.say("log"),
        }
    }

    /// `enum nft_nat_attributes`, `enum nft_nat_types`.
    fn nat(&mut self, data: &[u8]) {
        let is_source = number(data, 1) == Some(0);
        let family = match number(data, 2) {
            Some(2) => Some(Family::Ipv4),
            Some(10) => Some(Family::Ipv6),
            _ => None,
        };
        let kind = if is_source { "snat" } else { "dnat" };
        let family_word = match (self.raw.family, family) {
            (crate::diagnose::firewall::ChainFamily::Inet, Some(Family::Ipv4)) => " ip",
            (crate::diagnose::firewall::ChainFamily::Inet, Some(Family::Ipv6)) => " ip6",
            _ => "",
        };
        if let (Some(family), None) = (family, self.family) {
            // The kernel leaves packets of the other family alone (`nft_nat_inet_eval`).
            let number = if family == Family::Ipv4 { 2 } else { 10 };
            self.matches.push(Match::Is(Field::Family, Values::Numbers(vec![(number, number)])));
        }
        let (address, port) = (number(data, 3), number(data, 5));
        let mapped = self.mapped.take().filter(|(place, _)| address.map(place_of) == Some(*place));
        if let Some((place, mapped)) = mapped {
            self.say(format!("{kind}{family_word} to {}", mapped.words));
            let verdict = if is_source { Verdict::SnatMap } else { Verdict::DnatMap };
            let (fields, targets) = mapped.into_targets(family, port.map(|port| place_of(port) - place));
            self.verdict = verdict(fields, targets);
            return;
        }
        let target = NatTarget {
            address: address.and_then(|register| address_in(self.data(register)?)),
            port: port.and_then(|register| port_in(self.data(register)?)),
        };
        self.say(format!("{kind}{family_word} to {}", words::target(&target)));
        self.verdict = match (target == NatTarget::default(), is_source) {
            (true, _) => Verdict::Unknown(format!("{kind} to something that is not understood")),
            (false, true) => Verdict::Snat(target),
            (false, false) => Verdict::Dnat(target),
        };
    }

    /// `enum nft_redir_attributes`.
    fn redirect(&mut self, data: &[u8]) {
        let port = number(data, 1).and_then(|register| port_in(self.data(register)?));
        let to = port.map(|port| format!(" to :{port}")).unwrap_or_default();
        self.decide(format!("redirect{to}"), Verdict::Redirect(port));
    }

    /// A module of iptables (`enum nft_match_attributes`), which has bytes of its own.
    fn foreign_match(&mut self, data: &[u8]) {
        let name = attribute(data, 1).map(text_in).unwrap_or_default();
        let words = format!("xt match {name}");
        match name.as_str() {
            "comment" => {}
            "limit" => self.ask(words.clone(), Match::Usual(words)),
            _ => self.ask_unknown(words),
        }
    }

    /// A target of iptables (`enum nft_target_attributes`): without its bytes, only its name.
    fn foreign_target(&mut self, data: &[u8]) {
        let name = attribute(data, 1).map(text_in).unwrap_or_default();
        let named = Rule::from_words(Family::Ipv4, 0, &format!("-j {name}"));
        self.marks |= named.marks;
        let verdict = match named.verdict {
            Verdict::Jump(name) => Verdict::Unknown(format!("xt target {name}")),
            known => known,
        };
        self.decide(format!("xt target {name}"), verdict);
    }
}

impl Mapped {
    /// Reads what the map holds: an address, and a port at its place behind it.
    fn into_targets(self, family: Option<Family>, port: Option<usize>) -> (Vec<Field>, Targets) {
        let bytes = match family {
            Some(Family::Ipv6) => 16,
            _ => 4,
        };
        let target = |value: &[u8]| NatTarget {
            address: value.get(..bytes).and_then(address_in),
            port: port.and_then(|place| port_in(value.get(place..)?)),
        };
        let targets = self.entries.into_iter().map(|(key, value)| (key, target(&value))).collect();
        (self.fields, targets)
    }
}

type Targets = Vec<(Vec<Values>, NatTarget)>;

fn address_in(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).into()),
        16 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into()),
        _ => None,
    }
}

fn port_in(bytes: &[u8]) -> Option<u16> {
    let [high, low, ..] = bytes else { return None };
    Some(u16::from_be_bytes([*high, *low]))
}

/// `enum nft_reject_attributes`, `enum nft_reject_types`, `enum nft_reject_inet_code`; codes of RFC 792, RFC 1812
/// and RFC 4443.
fn reject_words(data: &[u8]) -> String {
    let code = attribute(data, 2).and_then(|code| code.first().copied()).unwrap_or_default();
    let with = match (number(data, 1), code) {
        (Some(1), _) => "tcp reset",
        (Some(0), 0) => "icmp net-unreachable",
        (Some(0), 1) => "icmp host-unreachable",
        (Some(0), 9) => "icmp net-prohibited",
        (Some(0), 10) => "icmp host-prohibited",
        (Some(0 | 2), 13) => "icmp admin-prohibited",
        (Some(2), 0) => "icmpx no-route",
        (Some(2), 2) => "icmpx host-unreachable",
        (Some(2), 3) => "icmpx admin-prohibited",
        _ => return "reject".to_owned(),
    };
    format!("reject with {with}")
}
