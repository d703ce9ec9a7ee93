//! It does not work, and nothing that was looked at says why.

use super::{Check, Look};
use crate::{
    check::Outcome,
    diagnose::{
        case::{Case, Followed},
        finding::{Code, Effect, Finding, Remedy, Severity, Spot, Step},
        packet::Protocol,
        way::Purpose,
    },
};

pub(super) const CHECK: Check = Check {
    question: "Is there anything left that nothing explains?",
    codes: &[&UNKNOWN_DROP],
    look: Look::Afterwards(look),
};

static UNKNOWN_DROP: Code = Code {
    name: "unknown-drop",
    title: "It does not work, and nothing that could be seen says why",
    symptom: "Silence, on a path whose links, routes, settings and filters all look well.",
    cause: "Something that cannot be read as rules: a BPF program (tc, XDP, cgroup), a rule with a condition that hangs on more than the packet, a \
            limit of a queue, an LSM, or something beyond this host.",
    remedy: "'netns-tool doctor … --trace' sends one packet and shows every chain it passes and where it was seen last; 'tcpdump -ni LINK' on each link of the \
             path shows the same by eye; 'tc filter show dev LINK ingress' and 'bpftool net' show programs.",
    example: "tc qdisc add dev veth-red clsact; tc filter add dev veth-red ingress matchall action drop\nnetns-tool doctor red 203.0.113.8:80   # unknown-drop\n\
              netns-tool doctor red 203.0.113.8:80 --trace",
};

fn look(case: &Case<'_>, found: &[Finding]) -> Vec<Finding> {
    let explained =
        found.iter().any(|finding| finding.severity > Severity::Note && finding.effect == Effect::Blocks);
    let silent = case.ways.iter().filter(|way| way.way.purpose != Purpose::Control && is_odd(way));
    if explained { Vec::new() } else { silent.map(|way| unexplained(case, way)).collect() }
}

/// A datagram that nobody answers is no wonder, unless it is a question to a name server.
fn is_odd(way: &Followed) -> bool {
    /// The port of name servers (RFC 1035).
    const DNS: u16 = 53;
    match way.outcome {
        Some(Outcome::NoAnswer) => way.way.protocol != Protocol::Udp || way.way.port == Some(DNS),
        Some(Outcome::Refused | Outcome::Unreachable(_)) => true,
        _ => false,
    }
}

fn unexplained(case: &Case<'_>, way: &Followed) -> Finding {
    let last = way
        .journey
        .last_there()
        .map_or_else(Spot::default, |leg| Spot { leg: leg.number, step: Step::Socket });
    let from = &case.scene.stack(way.way.from).entrance;
    let what = format!("{from} does not reach {}, and nothing that could be seen stops it", way.way.to);
    let service =
        way.way.service().map(|(port, transport)| format!(" port {port}/{transport}")).unwrap_or_default();
    let said = match &way.outcome {
        Some(Outcome::Unreachable(refusal)) => refusal.to_string(),
        Some(Outcome::Refused) => "refused".to_owned(),
        _ => "no answer".to_owned(),
    };
    let unread = case.stacks().into_iter().flat_map(|stack| &case.scene.stack(stack).firewall.unread);
    let mut finding = Finding::error(&UNKNOWN_DROP, way.way.from, last, what)
        .seen(format!("a try from {from} to {}{service}", way.way.to), said)
        .why("links, addresses, routes, settings and filters on the way let it pass, as far as they can be read");
    for missing in unread {
        finding = finding.seen("not read", missing.clone());
    }
    finding.remedy(Remedy::note("ask again with '--trace': it shows where the packet is seen last"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::{
        diagnose,
        question::{Destination, Path, Question},
        tests::lab::{RED, WORLD, codes, lab, to},
    };

    #[test]
    fn silence_on_a_path_that_looks_well_is_said_to_be_unexplained() {
        let scene = lab();
        let way = to(RED, WORLD);
        let question = Question::Path(Path {
            from: scene.stack(RED).entrance.clone(),
            to: Destination::Address(way.to),
            protocol: way.protocol,
            port: way.port,
        });
        let with = |outcome| {
            let ways = vec![Followed::new(&scene, way.clone(), outcome)];
            codes(&diagnose(Case { scene: &scene, question: &question, ways }).findings)
        };
        assert_eq!(with(Some(Outcome::NoAnswer)), ["unknown-drop"]);
        assert_eq!(with(Some(Outcome::Reached { after: std::time::Duration::ZERO })), [""; 0]);
        assert_eq!(with(None), [""; 0]);
    }
}
