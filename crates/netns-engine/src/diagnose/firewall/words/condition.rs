//! Conditions in iptables' words: `iptables(8)`, and match extensions in `iptables-extensions(8)`.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{
    super::{Field, Match, Values},
    Sense, Words,
};
use crate::address::Family;

/// Reads the conditions of one rule.
pub(super) struct Reader {
    family: Family,
    /// The module that options belong to (`-m`).
    module: String,
    matches: Vec<Match>,
}

impl Reader {
    /// Starts a rule.
    pub(super) fn new(family: Family) -> Self {
        Self { family, module: String::new(), matches: Vec::new() }
    }

    /// Returns the conditions read.
    pub(super) fn finish(self) -> Vec<Match> {
        self.matches
    }

    /// Reads an option with the words that belong to it.
    pub(super) fn option(&mut self, option: &str, sense: Sense, words: &mut Words<'_>) {
        match option {
            "-m" => self.open_module(words.next(), words),
            "--limit-iface-in" | "--limit-iface-out" => self.limit_to_link(),
            "--physdev-is-in" => self.has_port(Field::IncomingPort, sense),
            // IP chains know the port that a packet leaves through only if a bridge passes it on.
            "--physdev-is-out" | "--physdev-is-bridged" => self.has_port(Field::OutgoingPort, sense),
            _ => {
                let values = words.values();
                let read = self.read(option, &values).or_else(|| self.read_by_module(option, &values));
                self.matches.push(match read {
                    Some((field, values)) => sense.condition(field, values),
                    None => self.unknown(option, &values, sense),
                });
            }
        }
    }

    /// Most modules only bring options. These are a condition by themselves, or their options say nothing
    /// that could be looked at.
    fn open_module(&mut self, name: &str, words: &mut Words<'_>) {
        name.clone_into(&mut self.module);
        match name {
            // The option, and a text that may look like anything.
            "comment" => drop((words.next(), words.next())),
            "limit" => {
                let asked = take_options(words);
                self.matches.push(Match::Usual(asked));
            }
            "rpfilter" => {
                let asked = take_options(words);
                let sense = asked.contains("--invert");
                let named = format!("rpfilter {asked}").trim_end().to_owned();
                self.matches.push(if sense { Match::Exceptional(named) } else { Match::Usual(named) });
            }
            "rt" => {
                let asked = take_options(words);
                self.matches.push(Match::Exceptional(asked));
            }
            "socket" | "set" | "recent" | "statistic" | "owner" | "hashlimit" | "connlimit" | "string" => {
                self.whole_module(name, words);
            }
            _ => {}
        }
    }

    fn whole_module(&mut self, name: &str, words: &mut Words<'_>) {
        let asked = take_options(words);
        let is_limit = matches!(name, "hashlimit" | "connlimit");
        let above = asked.contains("-above") || asked.contains("--connlimit-above");
        let negated = asked.starts_with('!');
        let said = format!("{name} {asked}").trim_end().to_owned();
        self.matches.push(match (is_limit, above != negated) {
            (true, true) => Match::Exceptional(said),
            (true, false) => Match::Usual(said),
            (false, _) => Match::Unknown(said),
        });
    }

    /// Where there is no port, its name is empty.
    fn has_port(&mut self, port: Field, sense: Sense) {
        self.matches.push(sense.opposite().condition(port, Values::Words(vec![String::new()])));
    }

    /// `addrtype` may ask only whether the address is one of the link in question.
    fn limit_to_link(&mut self) {
        for condition in self.matches.iter_mut().rev() {
            if let Match::Is(field, _) | Match::IsNot(field, _) = condition {
                match field {
                    Field::DestinationType => *field = Field::DestinationTypeOnLink,
                    Field::SourceType => *field = Field::SourceTypeOnLink,
                    _ => return,
                }
            }
        }
    }

    fn read(&self, option: &str, values: &[&str]) -> Option<(Field, Values)> {
        let first = values.first().copied().unwrap_or_default();
        Some(match option {
            "-s" => (Field::Source, network(first)?),
            "-d" => (Field::Destination, network(first)?),
            "-i" => (Field::IncomingLink, link(first)),
            "-o" => (Field::OutgoingLink, link(first)),
            "-p" => (Field::Protocol, protocol(first)),
            "--dport" | "--dports" => (Field::DestinationPort, numbers(first)?),
            "--sport" | "--sports" => (Field::SourcePort, numbers(first)?),
            "--src-range" => (Field::Source, range(first)?),
            "--dst-range" => (Field::Destination, range(first)?),
            "--physdev-in" => (Field::IncomingPort, link(first)),
            "--physdev-out" => (Field::OutgoingPort, link(first)),
            "--ctstate" | "--state" => states(first)?,
            "--ctstatus" => (Field::ConnectionStatus, Values::AnyBit(statuses(first)?)),
            "--dst-type" => (Field::DestinationType, types(first)),
            "--src-type" => (Field::SourceType, types(first)),
            "--icmp-type" | "--icmpv6-type" => (Field::IcmpType, self.icmp_types(first)?),
            "--syn" => (Field::TcpFlags, Values::Masked { mask: 0x17, value: 0x02 }),
            "--tcp-flags" => {
                let [mask, value] = [first, values.get(1)?].map(flags);
                (Field::TcpFlags, Values::Masked { mask: mask?, value: value? })
            }
            _ => return None,
        })
    }

    /// A number, perhaps with a code, which for echoes is always 0.
    fn icmp_types(&self, text: &str) -> Option<Values> {
        let kind = text.split('/').next().unwrap_or_default();
        let number = match (kind, self.family) {
            ("any", _) | ("255", Family::Ipv4) => return Some(Values::Numbers(vec![(0, 255)])),
            ("echo-request", Family::Ipv4) => 8,
            ("echo-request", Family::Ipv6) => 128,
            ("echo-reply", Family::Ipv4) => 0,
            ("echo-reply", Family::Ipv6) => 129,
            (number, _) => number.parse().ok()?,
        };
        Some(Values::Numbers(vec![(number, number)]))
    }

    fn read_by_module(&self, option: &str, values: &[&str]) -> Option<(Field, Values)> {
        match (self.module.as_str(), option) {
            ("mark", "--mark") => Some((Field::Mark, masked(values.first()?)?)),
            _ => None,
        }
    }

    fn unknown(&self, option: &str, values: &[&str], sense: Sense) -> Match {
        let not = if sense == Sense::IsNot { "! " } else { "" };
        let said = format!("{not}{option} {}", values.join(" ")).trim_end().to_owned();
        let is_fragment = option == "-f" && self.family == Family::Ipv4;
        match (is_fragment, sense) {
            (true, Sense::Is) => Match::Exceptional(said),
            (true, Sense::IsNot) => Match::Usual(said),
            (false, _) => Match::Unknown(said),
        }
    }
}

/// Takes the long options of a module.
fn take_options(words: &mut Words<'_>) -> String {
    let mut taken = Vec::new();
    while let Some(word) = words.0.next_if(|word| !is_short_option(word)) {
        taken.push(word);
    }
    taken.join(" ")
}

/// An option of no module, the next module, or the target.
fn is_short_option(word: &str) -> bool {
    word.len() == 2 && word.starts_with('-') && word.ends_with(|c: char| c.is_ascii_alphabetic())
}

fn link(name: &str) -> Values {
    let word = name.strip_suffix('+').map_or_else(|| name.to_owned(), |start| format!("{start}*"));
    Values::Words(vec![word])
}

/// A network with a prefix length or, in IPv4, a mask.
fn network(text: &str) -> Option<Values> {
    let net: IpNet = match text.split_once('/') {
        None => IpNet::from(text.parse::<IpAddr>().ok()?),
        Some((address, mask)) if mask.contains(['.', ':']) => {
            let address: IpAddr = address.parse().ok()?;
            IpNet::with_netmask(address, mask.parse().ok()?).ok()?
        }
        Some(_) => text.parse().ok()?,
    };
    Some(Values::Addresses(vec![(net.network(), net.broadcast())]))
}

fn range(text: &str) -> Option<Values> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some(Values::Addresses(vec![(first.parse().ok()?, last.parse().ok()?)]))
}

/// IANA protocol numbers of what a packet here can carry; it is none of the other protocols.
fn protocol(name: &str) -> Values {
    let number = match name {
        "all" | "0" => return Values::Numbers(vec![(0, 255)]),
        "icmp" => Some(1),
        "tcp" => Some(6),
        "udp" => Some(17),
        "ipv6-icmp" | "icmpv6" => Some(58),
        other => other.parse().ok(),
    };
    Values::Numbers(number.map(|number| (number, number)).into_iter().collect())
}

/// `22`, `80:90`, `1,2,5:9`.
fn numbers(text: &str) -> Option<Values> {
    let range = |part: &str| {
        let (first, last) = part.split_once(':').unwrap_or((part, part));
        let first = if first.is_empty() { Some(0) } else { first.parse().ok() };
        let last = if last.is_empty() { Some(0xffff) } else { last.parse().ok() };
        Some((first?, last?))
    };
    text.split(',').map(range).collect::<Option<_>>().map(Values::Numbers)
}

/// `NF_CT_STATE_BIT` of `linux/netfilter/nf_conntrack_common.h`; two of the words are about the status.
fn states(text: &str) -> Option<(Field, Values)> {
    if text.split(',').all(|word| matches!(word, "SNAT" | "DNAT")) {
        let bit = |word: &str| if word == "SNAT" { 16 } else { 32 };
        let bits = text.split(',').fold(0, |bits, word| bits | bit(word));
        return Some((Field::ConnectionStatus, Values::AnyBit(bits)));
    }
    let bit = |word: &str| {
        Some(match word {
            "INVALID" => 1,
            "ESTABLISHED" => 2,
            "RELATED" => 4,
            "NEW" => 8,
            "UNTRACKED" => 64,
            _ => return None,
        })
    };
    let bits = text.split(',').map(bit).try_fold(0, |bits, bit: Option<u64>| Some(bits | bit?))?;
    Some((Field::ConnectionState, Values::AnyBit(bits)))
}

/// `IPS_*` of `linux/netfilter/nf_conntrack_common.h`.
fn statuses(text: &str) -> Option<u64> {
    let bit = |word: &str| {
        Some(match word {
            "EXPECTED" => 1,
            "SEEN_REPLY" => 2,
            "ASSURED" => 4,
            "CONFIRMED" => 8,
            _ => return None,
        })
    };
    text.split(',').map(bit).try_fold(0, |bits, bit: Option<u64>| Some(bits | bit?))
}

fn types(text: &str) -> Values {
    Values::Words(text.split(',').map(str::to_lowercase).collect())
}

/// `VALUE[/MASK]`, in hexadecimal or decimal.
fn masked(text: &str) -> Option<Values> {
    let number = |text: &str| match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    };
    let (value, mask) = text.split_once('/').unwrap_or((text, "0xffffffff"));
    Some(Values::Masked { mask: number(mask)?, value: number(value)? })
}

/// RFC 9293, section 3.1.
fn flags(text: &str) -> Option<u64> {
    let bit = |word: &str| {
        Some(match word {
            "FIN" => 1,
            "SYN" => 2,
            "RST" => 4,
            "PSH" => 8,
            "ACK" => 16,
            "URG" => 32,
            "ALL" => 63,
            "NONE" => 0,
            _ => return None,
        })
    };
    text.split(',').map(bit).try_fold(0, |bits, bit: Option<u64>| Some(bits | bit?))
}
