//! What happens, in iptables' words: `iptables-extensions(8)`, target extensions.

use std::net::IpAddr;

use super::super::{NatTarget, Verdict};

/// Targets after which the next rule is asked.
const GO_ON: [&str; 26] = [
    "AUDIT",
    "CHECKSUM",
    "CLASSIFY",
    "CONNMARK",
    "CONNSECMARK",
    "CT",
    "DSCP",
    "ECN",
    "HL",
    "IDLETIMER",
    "LED",
    "LOG",
    "MARK",
    "NFLOG",
    "NOTRACK",
    "RATEEST",
    "SECMARK",
    "SET",
    "TCPMSS",
    "TCPOPTSTRIP",
    "TEE",
    "TOS",
    "TRACE",
    "TTL",
    "ULOG",
    "HMARK",
];

/// Returns whether a target gives packets a mark.
pub(super) fn marks(name: &str, options: &[&str]) -> bool {
    name == "MARK" || (name == "CONNMARK" && options.contains(&"--restore-mark"))
}

/// Understands what follows `-j`.
pub(super) fn read(name: &str, options: &[&str]) -> Verdict {
    let after = |option: &str| {
        let place = options.iter().position(|word| *word == option)?;
        options.get(place + 1).copied()
    };
    match name {
        "ACCEPT" => Verdict::Accept,
        "DROP" => Verdict::Drop,
        "REJECT" => Verdict::Reject,
        "RETURN" => Verdict::Return,
        "QUEUE" | "NFQUEUE" => Verdict::Queue,
        "MASQUERADE" => Verdict::Masquerade,
        "SNAT" => {
            after("--to-source").and_then(nat_target).map_or_else(|| unknown(name, options), Verdict::Snat)
        }
        "DNAT" => after("--to-destination")
            .and_then(nat_target)
            .map_or_else(|| unknown(name, options), Verdict::Dnat),
        "REDIRECT" => Verdict::Redirect(after("--to-ports").and_then(first_port)),
        "NETMAP" | "TPROXY" | "SYNPROXY" | "CLUSTERIP" | "MIRROR" => unknown(name, options),
        _ if GO_ON.contains(&name) => Verdict::Continue,
        _ => Verdict::Jump(name.to_owned()),
    }
}

fn unknown(name: &str, options: &[&str]) -> Verdict {
    Verdict::Unknown([&[name], options].concat().join(" "))
}

/// Reads `ADDRESS[-ADDRESS][:PORT[-PORT]]`, the same with an IPv6 address in brackets, or `:PORT`; of a range
/// the first counts.
fn nat_target(text: &str) -> Option<NatTarget> {
    let (addresses, ports) = match text.strip_prefix('[') {
        Some(rest) => rest.rsplit_once("]:").map(|(addresses, ports)| (addresses, Some(ports)))?,
        None if text.matches(':').count() == 1 => text.split_once(':').map(|(a, ports)| (a, Some(ports)))?,
        None => (text, None),
    };
    let port = ports.map(|ports| first_port(ports).ok_or(())).transpose().ok()?;
    // Both ends of a range of IPv6 addresses may have brackets of their own.
    let first = first_of(addresses).trim_end_matches(']');
    let address = if first.is_empty() { None } else { Some(first.parse::<IpAddr>().ok()?) };
    Some(NatTarget { address, port })
}

fn first_port(text: &str) -> Option<u16> {
    first_of(text).parse().ok()
}

fn first_of(range: &str) -> &str {
    range.split('-').next().unwrap_or_default()
}
