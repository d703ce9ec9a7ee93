//! What was left behind: names without a netns, netns without a name, notes of what is gone.

use std::net::IpAddr;

use super::{Check, Look};
use crate::{
    diagnose::{
        case::{Case, Followed},
        finding::{Code, Finding, Remedy, Severity, Spot, Step},
        mend::Mend,
        question::{Destination, Path, Question},
        scene::{Nameless, Scene, StackId},
    },
    name::NetnsName,
    operation::Operation,
    place::Entrance,
    record::Record,
    view::Process,
};

pub(super) const CHECK: Check = Check {
    question: "Was something left behind that is in the way?",
    codes: &[&HALF_MADE, &UNDEAD, &LEFTOVER],
    look: Look::Around(look),
};

static HALF_MADE: Code = Code {
    name: "netns-half-made",
    title: "A name stands for no netns",
    symptom: "'ip netns list' shows the name; 'ip netns exec' says 'Invalid argument', 'ip netns add' says 'File exists'.",
    cause: "A named netns is a file under /run/netns with a netns mounted on it. The mount is missing: whoever made it was \
            killed halfway, or made it in a mount namespace of its own (a systemd service with PrivateMounts=), or \
            the file survived a reboot.",
    remedy: "'netns-tool gc' removes such names ('ip netns delete NAME' does too); then make the netns anew.",
    example: "touch /run/netns/green\nnetns-tool doctor            # netns-half-made\nnetns-tool gc",
};

static UNDEAD: Code = Code {
    name: "netns-undead",
    title: "A netns lives on without its name",
    symptom: "The netns was deleted, and its address still answers; a new one cannot have the same cable or address ('File \
              exists', or answers from the wrong one).",
    cause: "Deleting a netns takes its name away. The netns itself stays as long as a process runs in it or keeps a file \
            of it open, and so do its links and addresses.",
    remedy: "End the processes that hold it; 'lsns -t net' shows them.",
    example: "ip netns exec red sleep 1000 &   # and once it runs:\nip netns delete red\nnetns-tool doctor            # netns-undead\nkill %1",
};

static LEFTOVER: Code = Code {
    name: "leftover",
    title: "Something of a netns or bridge that is gone is still there",
    symptom: "Rules and published ports for addresses that nobody has; a new netns that is reached in surprising ways.",
    cause: "netns-tool takes back what it did for a netns or a bridge when it deletes that. Somebody else deleted it, and \
            knew nothing of the rules, ports and files that belong to it.",
    remedy: "'netns-tool gc --dry-run' shows what has no use, 'netns-tool gc' takes it away.",
    example: "netns-tool create green\nip netns delete green        # behind its back\nnetns-tool doctor            # \
              leftover\nnetns-tool gc",
};

fn look(case: &Case<'_>) -> Vec<Finding> {
    let notes = &case.scene.host;
    let half_made = notes.half_made.iter().filter(|name| is_asked(case.question, name));
    let mut findings: Vec<Finding> = half_made.map(|name| without_netns(case, name)).collect();
    findings.extend(notes.nameless.iter().filter_map(|netns| without_name(case, netns)));
    if *case.question == Question::Host {
        let undead = |name: &&String| notes.nameless.iter().any(|netns| netns.was.as_ref() == Some(*name));
        findings.extend(notes.stale_marks.iter().filter(|name| !undead(name)).map(|name| stale_mark(name)));
        findings.extend(notes.records.iter().filter_map(|record| orphan(case.scene, record)));
    }
    findings
}

/// Asked about the whole host, or about this netns.
fn is_asked(question: &Question, name: &str) -> bool {
    let is_it = |entrance: &Entrance| matches!(entrance, Entrance::Named(named) if named.as_str() == name);
    match question {
        Question::Host => true,
        Question::Port(_) => false,
        Question::Path(Path { from, to, .. }) => {
            is_it(from) || matches!(to, Destination::Stack(to) if is_it(to))
        }
    }
}

fn finding(code: &'static Code, what: String) -> Finding {
    let spot = Spot { leg: 0, step: Step::Link };
    Finding::warning(code, StackId::HOST, spot, what).degrades()
}

fn without_netns(case: &Case<'_>, name: &str) -> Finding {
    let shown = name.escape_debug();
    let spot = Spot { leg: 0, step: Step::Link };
    let again = NetnsName::new(name).ok();
    let mut commands = vec!["netns-tool gc".to_owned()];
    let wanted = again.iter().filter(|_| !is_host(case));
    commands.extend(wanted.map(|name| format!("netns-tool create {name}")));
    Finding::error(&HALF_MADE, StackId::HOST, spot, format!("the name '{shown}' stands for no netns"))
        .degrades()
        .seen(format!("/run/netns/{shown}"), "a plain file, no netns is mounted on it")
        .why("it can neither be entered nor made anew while the empty name is there")
        .remedy(Remedy::commands(commands))
        .mend(again.map(|name| Mend::Change(Operation::DeleteNetns(name))))
}

fn without_name(case: &Case<'_>, netns: &Nameless) -> Option<Finding> {
    let twice = netns.addresses.iter().filter(|_| netns.wired).find(|address| {
        has_named_owner(case.scene, **address)
            && (is_host(case) || case.ways.iter().any(|way| meets(way, **address)))
    });
    let on_the_way =
        netns.wired && netns.addresses.iter().any(|address| case.ways.iter().any(|way| meets(way, *address)));
    let was_asked = netns.was.as_deref().is_some_and(|name| is_asked(case.question, name));
    if netns.contained
        || is_among(case.scene, netns)
        || !(was_asked || on_the_way || twice.is_some() || is_host(case))
    {
        return None;
    }
    let known = netns.was.as_ref().map(|name| format!(", '{}' once,", name.escape_debug()));
    let known = known.as_deref().unwrap_or_default();
    let what = format!("a netns without a name{known} lives on: {}", netns.inode);
    let mut found = finding(&UNDEAD, what)
        .seen("lsns -t net", format!("netns {}, {}", netns.inode, held(&netns.holders)));
    if !netns.addresses.is_empty() {
        let addresses: Vec<String> = netns.addresses.iter().map(ToString::to_string).collect();
        found = found.seen("its addresses", addresses.join(", "));
    }
    found = match twice {
        Some(address) => found.why(format!("{address} is there twice: either may get the other's packets")),
        None if netns.was.is_some() || on_the_way => {
            found.why("its links and addresses are still there, and answer in place of what was made since")
        }
        // Whoever runs 'unshare -n' wants just that. One without addresses, or without a link to here, is a sandbox, if
        // somebody is inside.
        None if netns.wired && !netns.addresses.is_empty() || !netns.inhabited => {
            Finding { severity: Severity::Note, spot: Spot::LAST, ..found }
                .why("its links and addresses are there as long as somebody holds it")
        }
        None => return None,
    };
    Some(found.remedy(end(&netns.holders)))
}

fn is_host(case: &Case<'_>) -> bool {
    *case.question == Question::Host
}

/// Who is asked about by a path to its files is known to be there.
fn is_among(scene: &Scene, netns: &Nameless) -> bool {
    let own = |path: &std::path::Path| {
        netns.holders.iter().any(|holder| path.starts_with(format!("/proc/{}", holder.pid)))
    };
    scene.stacks.iter().any(|stack| matches!(&stack.entrance, Entrance::File(path) if own(path)))
}

fn has_named_owner(scene: &Scene, address: IpAddr) -> bool {
    let is_link_local = matches!(address, IpAddr::V6(address) if address.is_unicast_link_local());
    !is_link_local
        && scene.owners(address).any(|(id, _)| !matches!(scene.stack(id).entrance, Entrance::File(_)))
}

fn meets(way: &Followed, address: IpAddr) -> bool {
    way.legs()
        .any(|leg| [leg.packet.source, leg.packet.destination, leg.routed.destination].contains(&address))
}

fn held(holders: &[Process]) -> String {
    let holders: Vec<String> = holders
        .iter()
        .map(|Process { pid, program }| format!("{pid} ({})", program.escape_debug()))
        .collect();
    if holders.is_empty() {
        "held by nobody that can be seen".to_owned()
    } else {
        format!("held by {}", holders.join(", "))
    }
}

fn end(holders: &[Process]) -> Remedy {
    let pids: Vec<String> = holders.iter().map(|holder| holder.pid.to_string()).collect();
    if pids.is_empty() {
        return Remedy::note("look for who holds it: 'lsns -t net', as root");
    }
    Remedy::command(format!("kill {}", pids.join(" "))).because("end who holds it, unless it is still wanted")
}

fn stale_mark(name: &str) -> Finding {
    let shown = name.escape_debug();
    let mend = NetnsName::new(name).ok().map(|name| Mend::Change(Operation::ForgetNetns(name)));
    finding(&LEFTOVER, format!("netns-tool made netns '{shown}', and somebody else deleted it"))
        .seen("/run/netns-tool", format!("a mark for '{shown}', and no such netns"))
        .why("what was done for it beside (rules, ports, resolv.conf) may still be there")
        .remedy(Remedy::command("netns-tool gc"))
        .mend(mend)
}

/// What was done for a bridge or netns that is gone.
fn orphan(scene: &Scene, record: &Record) -> Option<Finding> {
    let gone = match record {
        Record::Nat(nat) if scene.host().link_named(&nat.bridge).is_none() => {
            format!("bridge '{}'", nat.bridge)
        }
        Record::Published(port) if scene.find(&Entrance::Named(port.netns.clone())).is_none() => {
            format!("netns '{}'", port.netns)
        }
        _ => return None,
    };
    let key = record.key();
    Some(
        finding(&LEFTOVER, format!("{key} is still there, though {gone} is gone"))
            .seen("/run/netns-tool", format!("a note of {key}"))
            .why("its rules match whatever gets the same name or address next")
            .remedy(Remedy::command("netns-tool gc")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        diagnose::tests::lab::{RED, WORLD, codes, findings_on, lab, to},
        firewall::{Driver, Translation},
        name::LinkName,
        record::NatRecord,
    };

    #[test]
    fn a_tidy_host_is_well() {
        assert_eq!(codes(&of_host(&lab())), [""; 0]);
    }

    #[test]
    fn a_name_without_a_netns_is_half_made() {
        let mut scene = lab();
        scene.host.half_made = vec!["green".to_owned(), "a b".to_owned()];
        let found = of_host(&scene);
        assert_eq!(codes(&found), ["netns-half-made", "netns-half-made"]);
        assert_eq!(found[0].severity, Severity::Error);
        assert_eq!(found[0].remedy[0].commands, ["netns-tool gc"]);
        assert_eq!((found[0].mend.len(), found[1].mend.len()), (1, 0));
        assert_eq!(codes(&findings_on(&CHECK, &scene, to(RED, WORLD))), [""; 0], "it is not about red");
    }

    #[test]
    fn a_deleted_netns_that_somebody_holds_is_undead() {
        let mut scene = lab();
        scene.host.nameless = vec![nameless("192.168.100.9", Some("green"))];
        scene.host.stale_marks = vec!["green".to_owned()];
        let found = of_host(&scene);
        assert_eq!((codes(&found), found[0].severity), (vec!["netns-undead"], Severity::Warning));
        assert_eq!(found[0].remedy[0].commands, ["kill 7"]);
    }

    #[test]
    fn a_netns_without_a_name_matters_where_it_has_an_address_of_the_way() {
        let mut scene = lab();
        scene.host.nameless = vec![nameless("192.168.100.2", None)];
        let found = findings_on(&CHECK, &scene, to(RED, WORLD));
        assert_eq!((codes(&found), found[0].severity), (vec!["netns-undead"], Severity::Warning));
        scene.host.nameless = vec![nameless("10.9.9.9", None)];
        assert_eq!(codes(&findings_on(&CHECK, &scene, to(RED, WORLD))), [""; 0]);
        assert_eq!(of_host(&scene)[0].severity, Severity::Note);
    }

    #[test]
    fn an_open_file_keeps_a_netns_too() {
        let mut scene = lab();
        scene.host.nameless =
            vec![Nameless { addresses: Vec::new(), inhabited: false, ..nameless("10.0.0.1", None) }];
        let found = of_host(&scene);
        assert_eq!((codes(&found), found[0].severity), (vec!["netns-undead"], Severity::Note));
    }

    #[test]
    fn containers_and_empty_sandboxes_are_well() {
        let mut scene = lab();
        scene.host.nameless = vec![
            Nameless { contained: true, ..nameless("172.17.0.2", None) },
            Nameless { addresses: Vec::new(), ..nameless("10.0.0.1", None) },
            Nameless { wired: false, ..nameless("192.168.100.2", None) },
        ];
        assert_eq!(codes(&of_host(&scene)), [""; 0]);
    }

    #[test]
    fn what_was_done_for_something_gone_is_left_over() {
        let mut scene = lab();
        scene.host.stale_marks = vec!["green".to_owned()];
        scene.host.records = vec![nat("br9"), nat("br0")];
        let found = of_host(&scene);
        assert_eq!(codes(&found), ["leftover", "leftover"]);
        assert!(found[1].what.contains("br9"), "{}", found[1].what);
        assert_eq!(found[0].mend.len(), 1);
    }

    fn of_host(scene: &Scene) -> Vec<Finding> {
        look(&Case { scene, question: &Question::Host, ways: Vec::new() })
    }

    fn nameless(address: &str, was: Option<&str>) -> Nameless {
        Nameless {
            inode: 4_026_532_000,
            holders: vec![Process { pid: 7, program: "sleep".to_owned() }],
            addresses: vec![address.parse().unwrap()],
            was: was.map(ToOwned::to_owned),
            contained: false,
            wired: true,
            inhabited: true,
        }
    }

    fn nat(bridge: &str) -> Record {
        Record::Nat(NatRecord {
            bridge: LinkName::new(bridge).unwrap(),
            uplink: LinkName::new("eth0").unwrap(),
            subnets: Vec::new(),
            translation: Translation::Masquerade,
            driver: Driver::Nftables,
            rules: Vec::new(),
            entries: Vec::new(),
        })
    }
}
