//! Are the rules that this tool added still there?

use std::{collections::BTreeSet, net::SocketAddr};

use super::{Check, Look};
use crate::{
    address::Family,
    diagnose::{
        case::{Case, Followed},
        finding::{Code, Finding, Remedy, Spot, Step},
        firewall::{ChainFamily, Field, Match, Origin, Rule, Ruleset},
        mend::Mend,
        question::Question,
        scene::{Scene, StackId},
    },
    firewall::{IptablesRule, Translation, Transport},
    name::LinkName,
    own_table,
    record::{NatRecord, PublishedRecord, Record},
};

pub(super) const CHECK: Check = Check {
    question: "Are the rules still there that this tool added?",
    codes: &[&GONE],
    look: Look::Around(look),
};

static GONE: Code = Code {
    name: "own-rules-gone",
    title: "Rules that netns-tool added are gone",
    symptom: "It worked, and stopped without a change of the network: no internet inside, or published ports are dead.",
    cause: "Something emptied the firewall: 'nft flush ruleset', 'iptables -F', a restart of nftables.service, or a reload \
            of firewalld, which drops the iptables rules of others.",
    remedy: "Run again what added them ('netns-tool nat', 'netns-tool publish', 'netns-tool up'): it adds what is missing. \
             To have them back after each restart, run it after the firewall's.",
    example: "netns-tool nat br0\nnft flush ruleset\nnetns-tool doctor red        # own-rules-gone\nnetns-tool nat br0",
};

fn look(case: &Case<'_>) -> Vec<Finding> {
    let known = Known::of(&case.scene.host().firewall);
    case.scene.host.records.iter().filter_map(|record| gone(case, &known, record)).collect()
}

/// Rules of ours that a flush, or a restart of a firewall, took away.
fn gone(case: &Case<'_>, known: &Known<'_>, record: &Record) -> Option<Finding> {
    if !known.ruleset.unread.is_empty() {
        return None;
    }
    let (in_own_table, rules) = match record {
        Record::Nat(nat) if case.scene.host().link_named(&nat.bridge).is_some() => {
            (!nat.entries.is_empty(), &nat.rules)
        }
        Record::Published(port) => (true, &port.rules),
        _ => return None,
    };
    let mut missing: Vec<(String, String)> = Vec::new();
    if in_own_table && !known.has_own_table() {
        missing.push((format!("nft list table inet {}", own_table::NAME), "no such table".to_owned()));
    }
    missing.extend(rules.iter().filter(|rule| !known.holds(rule)).map(|rule| {
        let IptablesRule { table, chain, .. } = rule;
        let show = format!("{} -t {} -S {chain}", rule.program(), table.as_str());
        (show, format!("no '-A {chain} {}'", rule.arguments))
    }));
    if missing.is_empty() {
        return None;
    }
    let standing = standing(case, record)?;
    let what = format!("rules of the {} are gone", record.key());
    // Whatever else is missing then is missing for this.
    let spot = Spot { leg: 0, step: Step::Link };
    let mut finding = match standing {
        Standing::Needed => Finding::error(&GONE, StackId::HOST, spot, what),
        Standing::WorksWithout => Finding::warning(&GONE, StackId::HOST, spot, what),
    };
    for (read, says) in missing {
        finding = finding.seen(read, says);
    }
    finding = finding
        .degrades()
        .why("something emptied the firewall since, and what hung on these rules does not work any more");
    Some(with_remedy(case.scene, finding, record))
}

/// What a set of rules is to the question.
enum Standing {
    /// The host as a whole is asked about, or a way that does not work.
    Needed,
    /// All ways that it concerns work all the same.
    WorksWithout,
}

/// None if the question is about something else.
fn standing(case: &Case<'_>, record: &Record) -> Option<Standing> {
    let concerned: Vec<&Followed> = match record {
        Record::Nat(nat) => case.ways.iter().filter(|way| passes(case.scene, way, &nat.bridge)).collect(),
        Record::Published(port) => case.ways.iter().filter(|way| is_to(way, port)).collect(),
        _ => return None,
    };
    if concerned.is_empty() {
        return (*case.question == Question::Host).then_some(Standing::Needed);
    }
    let all_work = concerned.iter().all(|way| way.works());
    Some(if all_work { Standing::WorksWithout } else { Standing::Needed })
}

/// Whether a way leads through the host, from or to this bridge.
fn passes(scene: &Scene, way: &Followed, bridge: &LinkName) -> bool {
    way.legs().filter(|leg| leg.stack == StackId::HOST && leg.forwards()).any(|leg| {
        let links = [leg.arrival_in(scene), leg.departure_in(scene)];
        links.into_iter().flatten().any(|link| link.name == *bridge)
    })
}

fn is_to(way: &Followed, port: &PublishedRecord) -> bool {
    let published = &port.forward.published;
    way.way.service() == Some((published.port, published.transport))
        && way.journey.there().any(|leg| {
            leg.stack == StackId::HOST
                && (published.address.is_unspecified() || leg.packet.destination == published.address)
                && (leg.ends() || leg.redirection.is_some())
        })
}

fn with_remedy(scene: &Scene, finding: Finding, record: &Record) -> Finding {
    let again = Remedy::command(command(record));
    let of_topology = match record {
        Record::Nat(nat) => topology_with(scene, &nat.bridge),
        Record::Published(port) => topology_with(scene, &port.forward.bridge),
        _ => None,
    };
    let finding = match of_topology {
        Some(name) => finding.remedy(
            Remedy::command("netns-tool up FILE").because(format!("with the file of topology '{name}'")),
        ),
        None => finding.remedy(again.because("again: it adds what is missing")),
    };
    match record {
        Record::Nat(NatRecord { bridge, uplink, translation: Translation::Masquerade, .. }) => {
            finding.mend([Mend::Nat { bridge: bridge.clone(), uplink: uplink.clone() }])
        }
        Record::Published(port) => finding.mend([Mend::Publish {
            published: port.forward.published.clone(),
            netns: port.netns.clone(),
            port: port.forward.target.port(),
        }]),
        _ => finding,
    }
}

/// The command that made a record.
fn command(record: &Record) -> String {
    match record {
        Record::Nat(NatRecord { bridge, uplink, translation, .. }) => match translation {
            Translation::Masquerade => format!("netns-tool nat {bridge} {uplink}"),
            Translation::Snat(source) => format!("netns-tool snat {bridge} {uplink} --to-source {source}"),
        },
        Record::Published(port) => publish(port),
        other => format!("netns-tool gc   # {}", other.key()),
    }
}

/// The command that published a port.
pub(super) fn publish(port: &PublishedRecord) -> String {
    let published = &port.forward.published;
    let listen = SocketAddr::new(published.address, published.port);
    let (netns, target) = (&port.netns, port.forward.target.port());
    format!("netns-tool publish {listen}:{netns}:{target}{}", suffix(published.transport))
}

/// What stands behind a port that is not TCP's.
pub(super) fn suffix(transport: Transport) -> &'static str {
    match transport {
        Transport::Tcp => "",
        Transport::Udp => "/udp",
    }
}

fn topology_with<'a>(scene: &'a Scene, bridge: &LinkName) -> Option<&'a str> {
    scene.host.records.iter().find_map(|record| match record {
        Record::Topology(up) if up.topology.networks.iter().any(|network| network.bridge == *bridge) => {
            Some(up.topology.name.as_str())
        }
        _ => None,
    })
}

/// The host's rules, so that each of ours is found at once among thousands.
struct Known<'a> {
    ruleset: &'a Ruleset,
    /// Family, table and words of every iptables rule.
    lines: BTreeSet<(&'a str, &'a str, &'a str)>,
}

impl<'a> Known<'a> {
    fn of(ruleset: &'a Ruleset) -> Self {
        let chains = ruleset.chains.iter().filter(|chain| chain.origin != Origin::Nftables);
        let lines = chains.flat_map(|chain| {
            let place = (word(chain.family), chain.table.as_str());
            chain.rules.iter().map(move |rule| (place.0, place.1, rule.text.as_str()))
        });
        Self { ruleset, lines: lines.collect() }
    }

    fn has_own_table(&self) -> bool {
        let mut chains = self.ruleset.chains.iter();
        chains.any(|chain| chain.family == ChainFamily::Inet && chain.table == own_table::NAME)
    }

    /// Whether an iptables rule is there, however its program spells it.
    fn holds(&self, wanted: &IptablesRule) -> bool {
        let family = if wanted.family == Family::Ipv4 { ChainFamily::Ip } else { ChainFamily::Ip6 };
        let table = wanted.table.as_str();
        let line = format!("-A {} {}", wanted.chain, wanted.arguments);
        if self.lines.contains(&(word(family), table, line.as_str())) {
            return true;
        }
        let rule = Rule::from_words(wanted.family, 1, &line);
        let mut chains = self.ruleset.chains.iter().filter(|chain| {
            chain.origin != Origin::Nftables
                && chain.family == family
                && chain.table == table
                && chain.name == wanted.chain
        });
        chains.any(|chain| chain.rules.iter().any(|it| is_like(it, &rule)))
    }
}

fn word(family: ChainFamily) -> &'static str {
    if family == ChainFamily::Ip6 { "ip6" } else { "ip" }
}

/// Same links, addresses and ports, and the same end.
fn is_like(rule: &Rule, wanted: &Rule) -> bool {
    let telling = |it: &&Match| {
        matches!(
            it,
            Match::Is(
                Field::IncomingLink
                    | Field::OutgoingLink
                    | Field::Source
                    | Field::Destination
                    | Field::SourcePort
                    | Field::DestinationPort,
                _
            )
        )
    };
    rule.verdict == wanted.verdict
        && wanted.matches.iter().filter(telling).all(|it| rule.matches.contains(it))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        check::Outcome,
        diagnose::{
            finding::Severity,
            firewall::Chain,
            tests::lab::{RED, WORLD, codes, findings_on, lab, to},
        },
        firewall::{Driver, IptablesTable, PortForward, Published, TableEntry},
        name::NetnsName,
    };

    #[test]
    fn rules_that_are_there_are_well() {
        let mut scene = lab();
        scene.host.records = vec![nat(Driver::Iptables), nat(Driver::Nftables), published()];
        scene.stacks[0].firewall.chains.extend([
            own_chain(),
            iptables_chain("nat", "POSTROUTING", "-s 192.168.100.0/24 -o eth0 -j MASQUERADE"),
            iptables_chain("filter", "FORWARD", "-i br0 -j ACCEPT"),
        ]);
        assert_eq!(codes(&findings_on(&CHECK, &scene, to(RED, WORLD))), [""; 0]);
        assert_eq!(codes(&of_host(&scene)), [""; 0]);
    }

    #[test]
    fn a_rule_counts_however_its_program_spells_it() {
        let mut scene = lab();
        scene.host.records = vec![nat(Driver::Iptables)];
        scene.stacks[0].firewall.chains.extend([
            iptables_chain("nat", "POSTROUTING", "-o eth0 -s 192.168.100.0/24 -j MASQUERADE"),
            iptables_chain("filter", "FORWARD", "-i br0 -j ACCEPT"),
        ]);
        assert_eq!(codes(&findings_on(&CHECK, &scene, to(RED, WORLD))), [""; 0]);
    }

    #[test]
    fn a_flush_takes_rules_away() {
        let mut scene = lab();
        scene.host.records = vec![nat(Driver::Iptables)];
        let found = findings_on(&CHECK, &scene, to(RED, WORLD));
        assert_eq!((codes(&found), found[0].severity), (vec!["own-rules-gone"], Severity::Error));
        assert_eq!(found[0].evidence.len(), 2, "a line for each rule");
        assert_eq!(found[0].remedy[0].commands, ["netns-tool nat br0 eth0"]);
        assert_eq!(found[0].mend.len(), 1);
        scene.host.records = vec![nat(Driver::Nftables)];
        assert_eq!(codes(&findings_on(&CHECK, &scene, to(RED, WORLD))), ["own-rules-gone"]);
        scene.host.records = vec![published()];
        let found = of_host(&scene);
        assert_eq!(found[0].remedy[0].commands, ["netns-tool publish 0.0.0.0:8080:red:80"]);
    }

    #[test]
    fn what_the_question_is_not_about_is_left_out() {
        let mut scene = lab();
        scene.host.records = vec![nat(Driver::Nftables), published()];
        assert_eq!(codes(&findings_on(&CHECK, &scene, to(RED, "192.168.100.3"))), [""; 0]);
        scene.stacks[0].firewall.unread = vec!["nftables: operation not permitted".to_owned()];
        assert_eq!(codes(&of_host(&scene)), [""; 0], "what cannot be seen may be there");
    }

    #[test]
    fn where_all_works_without_them_it_is_a_warning() {
        let mut scene = lab();
        scene.host.records = vec![nat(Driver::Nftables)];
        let reached = Outcome::Reached { after: Duration::from_millis(1) };
        let ways = vec![Followed::new(&scene, to(RED, WORLD), Some(reached))];
        let found = look(&Case { scene: &scene, question: &Question::Host, ways });
        assert_eq!((codes(&found), found[0].severity), (vec!["own-rules-gone"], Severity::Warning));
    }

    fn of_host(scene: &Scene) -> Vec<Finding> {
        look(&Case { scene, question: &Question::Host, ways: Vec::new() })
    }

    fn own_chain() -> Chain {
        Chain {
            origin: Origin::Nftables,
            family: ChainFamily::Inet,
            table: own_table::NAME.to_owned(),
            name: "leaving".to_owned(),
            base: None,
            rules: Vec::new(),
        }
    }

    fn iptables_chain(table: &str, name: &str, arguments: &str) -> Chain {
        Chain {
            origin: Origin::Iptables,
            family: ChainFamily::Ip,
            table: table.to_owned(),
            name: name.to_owned(),
            base: None,
            rules: vec![Rule::from_words(Family::Ipv4, 1, &format!("-A {name} {arguments}"))],
        }
    }

    fn nat(driver: Driver) -> Record {
        let (bridge, uplink) = (LinkName::new("br0").unwrap(), LinkName::new("eth0").unwrap());
        let rule = |table, chain: &str, arguments: &str| IptablesRule {
            family: Family::Ipv4,
            table,
            chain: chain.to_owned(),
            arguments: arguments.to_owned(),
        };
        let rules = vec![
            rule(IptablesTable::Nat, "POSTROUTING", "-s 192.168.100.0/24 -o eth0 -j MASQUERADE"),
            rule(IptablesTable::Filter, "FORWARD", "-i br0 -j ACCEPT"),
        ];
        let entries = vec![TableEntry::Guard { bridge: bridge.clone() }];
        let of = |wanted: Driver| driver == wanted;
        Record::Nat(NatRecord {
            bridge,
            uplink,
            subnets: vec!["192.168.100.0/24".parse().unwrap()],
            translation: Translation::Masquerade,
            driver,
            rules: if of(Driver::Iptables) { rules } else { Vec::new() },
            entries: if of(Driver::Nftables) { entries } else { Vec::new() },
        })
    }

    fn published() -> Record {
        let published =
            Published { address: "0.0.0.0".parse().unwrap(), port: 8080, transport: Transport::Tcp };
        let forward = PortForward {
            published,
            target: "192.168.100.2:80".parse().unwrap(),
            bridge: LinkName::new("br0").unwrap(),
        };
        Record::Published(PublishedRecord {
            forward,
            netns: NetnsName::new("red").unwrap(),
            rules: Vec::new(),
            settings: Vec::new(),
            hairpin: None,
        })
    }
}
