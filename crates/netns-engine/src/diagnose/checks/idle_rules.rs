//! Are there rules that do nothing: the same once more, or for a link that is not there?

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use super::{Check, Look};
use crate::{
    address::Family,
    diagnose::{
        case::{Case, Followed},
        finding::{Code, Finding, Remedy, Severity, Spot, Step},
        firewall::{Chain, ChainFamily, ChainKind, Field, Hook, Match, Origin, Rule, Values, Verdict},
        question::Question,
        scene::{Scene, Stack, StackId},
        way,
    },
    own_table,
    record::Record,
};

pub(super) const CHECK: Check = Check {
    question: "Are there rules that do nothing: the same once more, or for a link that is not there?",
    codes: &[&DUPLICATE, &NAMES_MISSING_LINK],
    look: Look::Around(look),
};

static DUPLICATE: Code = Code {
    name: "duplicate-rules",
    title: "The same rule stands in a chain twice",
    symptom: "'iptables -S' shows the same line again and again; after a rule was deleted, it still works.",
    cause: "'iptables -A' adds a rule whether it is there or not. A script that runs again, or two at once, adds it again. \
            The second is never reached; but who deletes one, deletes only one.",
    remedy: "Delete all but one, and let the script ask first ('iptables -C … || iptables -A …').",
    example: "iptables -t nat -A POSTROUTING -s 192.168.100.0/24 -o eth0 -j MASQUERADE    # typed twice\nnetns-tool doctor \
              red        # duplicate-rules\niptables -t nat -D POSTROUTING 2",
};

static NAMES_MISSING_LINK: Code = Code {
    name: "rule-names-missing-link",
    title: "A rule names a link that does not exist",
    symptom: "The rule is there, and its counters stay at zero; 'Cannot find device' from ip.",
    cause: "iptables and nft take any name for a link. It was mistyped, the link has another name on this host (enp3s0, not \
            eth0), or it was deleted, and the rule stayed.",
    remedy: "Add the rule for the link that is there ('ip route get 9.9.9.9' shows the uplink), or make the bridge, and \
             delete what names nothing.",
    example: "iptables -A FORWARD -i br0 -o wlan9 -j ACCEPT\nnetns-tool doctor red        # rule-names-missing-link\n\
              iptables -D FORWARD -i br0 -o wlan9 -j ACCEPT",
};

fn look(case: &Case<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> =
        case.stacks().into_iter().flat_map(|stack| duplicates(case, stack)).collect();
    findings.extend(naming_missing_links(case));
    findings
}

/// iptables rules that stand in a chain more than once.
fn duplicates(case: &Case<'_>, id: StackId) -> Vec<Finding> {
    let stack = case.scene.stack(id);
    let spot = case.spot_in(id, Step::Filter);
    let mut findings = Vec::new();
    for chain in stack.firewall.chains.iter().filter(|chain| chain.origin != Origin::Nftables) {
        // A chain may hold thousands: each is only compared with those that read the same.
        let mut first: BTreeMap<&str, (&Rule, Vec<usize>)> = BTreeMap::new();
        for rule in chain.rules.iter().filter(|rule| !counts(rule)) {
            let (first, again) = first.entry(&rule.text).or_insert((rule, Vec::new()));
            if rule.number != first.number && is_again(rule, first) {
                again.push(rule.number);
            }
        }
        let found = first.values().filter(|(_, again)| !again.is_empty());
        findings.extend(found.map(|(rule, again)| duplicate(stack, chain, (rule, again), (id, spot))));
    }
    findings
}

fn is_again(rule: &Rule, other: &Rule) -> bool {
    (&rule.matches, &rule.verdict) == (&other.matches, &other.verdict)
}

/// Rules that do something else each time, or only every so often, may well stand there twice.
fn counts(rule: &Rule) -> bool {
    ["statistic", "limit", "recent", "LOG"].iter().any(|word| rule.text.contains(word))
}

fn duplicate(
    stack: &Stack,
    chain: &Chain,
    (rule, again): (&Rule, &[usize]),
    (id, spot): (StackId, Spot),
) -> Finding {
    let (program, table, name) = (program(chain), &chain.table, &chain.name);
    let numbers: Vec<String> = again.iter().map(ToString::to_string).collect();
    let delete = again.iter().map(|_| stack.run(&deletion(chain, rule)));
    let what =
        format!("'{}' stands in chain {name} {} {} times", rule.text, stack.location(), again.len() + 1);
    Finding::note(&DUPLICATE, id, spot, what)
        .seen(
            stack.run(&format!("{program} -t {table} -S {name}")),
            format!("rule {}, and again as {}", rule.number, numbers.join(", ")),
        )
        .why("it does no harm, until somebody deletes it once and wonders why it still holds")
        .remedy(Remedy::commands(delete))
}

/// The command that deletes the first rule that reads so: unlike a number, it means the same after another deletion.
fn deletion(chain: &Chain, rule: &Rule) -> String {
    let Chain { table, name, .. } = chain;
    match rule.text.strip_prefix("-A ") {
        Some(words) => format!("{} -t {table} -D {words}", program(chain)),
        None => format!("{} -t {table} -D {name} {}", program(chain), rule.number),
    }
}

fn program(chain: &Chain) -> &'static str {
    match (chain.origin, chain.family) {
        (Origin::IptablesLegacy, ChainFamily::Ip6) => "ip6tables-legacy",
        (Origin::IptablesLegacy, _) => "iptables-legacy",
        (_, ChainFamily::Ip6) => "ip6tables",
        _ => "iptables",
    }
}

/// Rules for a name that no link has: a warning where one was made for a way that does not work.
fn naming_missing_links(case: &Case<'_>) -> Vec<Finding> {
    let host = case.scene.host();
    let mut legs = case.ways.iter().flat_map(Followed::legs);
    let all = *case.question == Question::Host;
    let names: BTreeSet<&str> = host.links.iter().map(|link| link.name.as_str()).collect();
    let ours = recorded(case.scene);
    let mut findings = Vec::new();
    if !all && !legs.any(|leg| leg.stack == StackId::HOST && leg.forwards()) {
        return findings;
    }
    for (chain, base) in host.firewall.chains.iter().filter_map(|chain| Some((chain, chain.base.as_ref()?))) {
        if chain.family == ChainFamily::Inet && chain.table == own_table::NAME {
            continue;
        }
        let is_route =
            matches!((base.kind, base.hook), (ChainKind::Nat, Hook::Postrouting) | (_, Hook::Forward));
        for rule in
            chain.rules.iter().filter(|rule| is_route && lets_pass(rule) && !ours.contains(&rule.text))
        {
            let missing = links_of(rule).find(|name| is_missing(&names, name));
            let concerns = || case.ways.iter().any(|way| !way.works() && would_match(case.scene, way, rule));
            if let Some(name) = missing {
                let finding = names_missing(case, chain, rule, name);
                findings.push(if all || !concerns() { noted(finding) } else { finding });
            }
        }
    }
    findings
}

/// Rules of this tool: where their bridge is gone, they are left over, and 'gc' takes them away.
fn recorded(scene: &Scene) -> BTreeSet<String> {
    let rules = scene.host.records.iter().flat_map(|record| match record {
        Record::Nat(nat) => nat.rules.as_slice(),
        Record::Published(port) => port.rules.as_slice(),
        Record::Forwarding(_) | Record::Topology(_) => &[],
    });
    rules.map(|rule| format!("-A {} {}", rule.chain, rule.arguments)).collect()
}

fn noted(finding: Finding) -> Finding {
    Finding { severity: Severity::Note, ..finding }
}

fn lets_pass(rule: &Rule) -> bool {
    matches!(rule.verdict, Verdict::Accept | Verdict::Masquerade | Verdict::Snat(_))
}

/// The links that a rule asks for.
fn links_of(rule: &Rule) -> impl Iterator<Item = &str> {
    rule.matches.iter().filter_map(|it| match it {
        Match::Is(Field::IncomingLink | Field::OutgoingLink, Values::Words(names)) => {
            match names.as_slice() {
                [name] => Some(name.as_str()),
                _ => None,
            }
        }
        _ => None,
    })
}

fn is_missing(names: &BTreeSet<&str>, name: &str) -> bool {
    match name.strip_suffix(['*', '+']) {
        Some(start) => !names.iter().any(|name| name.starts_with(start)),
        None => !names.contains(name),
    }
}

/// Whether a rule would be for a packet of this way, if it were not for the link: it names the bridge that the
/// host takes the packet from or gives it to, or translates sources like this one, which nothing else does.
fn would_match(scene: &Scene, way: &Followed, rule: &Rule) -> bool {
    let uplink = way::uplink(scene.host(), Family::of(way.way.to)).map(|link| link.index);
    way.legs().filter(|leg| leg.stack == StackId::HOST && leg.forwards()).any(|leg| {
        let links = [leg.arrival_in(scene), leg.departure_in(scene)].into_iter().flatten();
        let mut inner = links.filter(|link| Some(link.index) != uplink);
        let names_one = inner.any(|link| links_of(rule).any(|name| link.name.as_str() == name));
        let translates = rule.verdict != Verdict::Accept && leg.translation.is_none();
        names_one || translates && takes_source(rule, leg.routed.source)
    })
}

fn takes_source(rule: &Rule, source: IpAddr) -> bool {
    rule.matches.iter().all(|it| match it {
        Match::Is(Field::Source, Values::Addresses(ranges)) => {
            ranges.iter().any(|(first, last)| (*first..=*last).contains(&source))
        }
        _ => true,
    })
}

fn names_missing(case: &Case<'_>, chain: &Chain, rule: &Rule, name: &str) -> Finding {
    let show = match chain.origin {
        Origin::Nftables => format!("nft -a list chain {} {} {}", chain.family, chain.table, chain.name),
        _ => format!("{} -t {} -S {}", program(chain), chain.table, chain.name),
    };
    let delete = match (chain.origin, rule.handle) {
        (Origin::Nftables, Some(handle)) => {
            format!("nft delete rule {} {} {} handle {handle}", chain.family, chain.table, chain.name)
        }
        (Origin::Nftables, None) => show.clone(),
        _ => deletion(chain, rule),
    };
    let spot = case.spot_in(StackId::HOST, Step::Translation);
    let name = name.escape_debug();
    Finding::warning(
        &NAMES_MISSING_LINK,
        StackId::HOST,
        spot,
        format!(
            "rule {} of chain {} names link '{name}', which the host does not have",
            rule.number, chain.name
        ),
    )
    .degrades()
    .seen(show, rule.text.clone())
    .seen(format!("ip link show {name}"), "does not exist")
    .why("a rule for a link that is not there never matches; the link may be called otherwise, or be gone")
    .remedy(
        Remedy::commands(["ip -br link".to_owned(), delete])
            .because("add it for the right link, then delete this one"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::{
        firewall::{Base, Policy},
        tests::lab::{HOST, RED, WORLD, codes, findings_on, lab, to},
    };

    const MASQUERADE: &str = "-A POSTROUTING -s 192.168.100.0/24 -o eth0 -j MASQUERADE";

    #[test]
    fn a_rule_of_each_kind_is_well() {
        let rules = [MASQUERADE, "-A POSTROUTING -s 10.0.0.0/24 -o eth0 -j MASQUERADE"];
        let scene = with_rules(&rules);
        assert_eq!(codes(&findings_on(&CHECK, &scene, to(RED, WORLD))), [""; 0]);
        assert_eq!(codes(&of_host(&scene)), [""; 0]);
    }

    #[test]
    fn the_same_rule_again_is_deleted_as_often() {
        let found = findings_on(&CHECK, &with_rules(&[MASQUERADE, MASQUERADE, MASQUERADE]), to(RED, WORLD));
        assert_eq!((codes(&found), found[0].severity), (vec!["duplicate-rules"], Severity::Note));
        let deletion = "iptables -t nat -D POSTROUTING -s 192.168.100.0/24 -o eth0 -j MASQUERADE";
        assert_eq!(found[0].remedy[0].commands, [deletion, deletion]);
    }

    #[test]
    fn rules_that_count_may_stand_twice() {
        let every_other = "-A POSTROUTING -m statistic --mode nth --every 2 -j MASQUERADE";
        let scene = with_rules(&[every_other, every_other]);
        assert_eq!(codes(&findings_on(&CHECK, &scene, to(RED, WORLD))), [""; 0]);
    }

    #[test]
    fn a_rule_for_the_subnet_on_a_link_that_is_not_there_is_named() {
        let scene = with_rules(&["-A POSTROUTING -s 192.168.100.0/24 -o enp3s0 -j MASQUERADE"]);
        let found = findings_on(&CHECK, &scene, to(RED, WORLD));
        assert_eq!((codes(&found), found[0].severity), (vec!["rule-names-missing-link"], Severity::Warning));
        assert_eq!(of_host(&scene)[0].severity, Severity::Note);
    }

    #[test]
    fn rules_of_others_are_only_noted() {
        for line in [
            "-A POSTROUTING -s 172.17.0.0/16 -o docker9 -j MASQUERADE",
            "-A FORWARD -i docker9 -o eth0 -j ACCEPT",
        ] {
            let found = findings_on(&CHECK, &with_rules(&[line]), to(RED, WORLD));
            assert_eq!((codes(&found), found[0].severity), (vec!["rule-names-missing-link"], Severity::Note));
        }
        let beside = with_rules(&[MASQUERADE, "-A POSTROUTING -s 192.168.100.0/24 -o wlan0 -j MASQUERADE"]);
        assert_eq!(
            findings_on(&CHECK, &beside, to(RED, WORLD))[0].severity,
            Severity::Note,
            "for another uplink"
        );
    }

    #[test]
    fn rules_for_all_but_one_or_all_of_a_kind_are_well() {
        let negated = with_rules(&["-A POSTROUTING -s 192.168.100.0/24 ! -o enp3s0 -j MASQUERADE"]);
        assert_eq!(codes(&findings_on(&CHECK, &negated, to(RED, WORLD))), [""; 0], "it matches all others");
        let all_of_a_kind = with_rules(&["-A POSTROUTING -s 192.168.100.0/24 -o eth+ -j MASQUERADE"]);
        assert_eq!(codes(&findings_on(&CHECK, &all_of_a_kind, to(RED, WORLD))), [""; 0]);
    }

    fn of_host(scene: &Scene) -> Vec<Finding> {
        look(&Case { scene, question: &Question::Host, ways: Vec::new() })
    }

    fn with_rules(lines: &[&str]) -> Scene {
        let mut scene = lab();
        let rules = lines.iter().zip(1..).map(|(line, number)| Rule::from_words(Family::Ipv4, number, line));
        scene.stacks[HOST.0].firewall.chains = vec![Chain {
            origin: Origin::Iptables,
            family: ChainFamily::Ip,
            table: "nat".to_owned(),
            name: "POSTROUTING".to_owned(),
            base: Some(Base {
                kind: ChainKind::Nat,
                hook: Hook::Postrouting,
                priority: 100,
                policy: Policy::Accept,
                devices: Vec::new(),
            }),
            rules: rules.collect(),
        }];
        scene
    }
}
