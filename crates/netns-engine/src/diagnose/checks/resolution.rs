//! Does the stack know the link-layer address of its next neighbour, and the right one?

use super::{
    Check, Look, bridge_ports,
    crossing::{Crossing, Member, crossings},
};
use crate::diagnose::{
    case::Followed,
    finding::{Code, Finding, Remedy},
    journey::WireEnd,
    scene::{Link, Neighbour, Scene},
    words::link_in,
};

pub(super) const CHECK: Check = Check {
    question: "Is the next neighbour's link-layer address known, and right?",
    codes: &[&NEIGHBOUR_FAILED, &WRONG_NEIGHBOUR],
    look: Look::Along(look),
};

static NEIGHBOUR_FAILED: Code = Code {
    name: "neighbour-failed",
    title: "The next neighbour does not answer ARP or neighbour discovery",
    symptom: "'Destination Host Unreachable' after three seconds; 'ip neighbour' shows FAILED or INCOMPLETE, or nothing at all where \
              ARP is switched off.",
    cause: "The request for the neighbour's link-layer address, or its answer, is lost: ARP is switched off on one of the links, a \
            filter of the bridge or arp family drops it, 'arp_ignore' forbids the \
            answer, or the neighbour beyond the cable is not there.",
    remedy: "Switch ARP on ('ip link set LINK arp on'); look who answers with 'tcpdump -ni LINK arp'. For the host's router: see \
             whether the host reaches it at all.",
    example: "ip -n red link set eth0 arp off\nnetns-tool doctor red        # neighbour-failed\nip -n red link set eth0 arp on",
};

static WRONG_NEIGHBOUR: Code = Code {
    name: "wrong-neighbour",
    title: "A fixed neighbour entry holds another link-layer address",
    symptom: "No answer from just one neighbour; 'ip neighbour' shows it as PERMANENT, and nothing asks for it any more.",
    cause: "Somebody entered the address by hand, and the neighbour was made anew since, with another one. The kernel believes a \
            permanent entry for ever.",
    remedy: "Delete the entry: 'ip neighbour del ADDRESS dev LINK'; the kernel asks anew.",
    example: "ip -n red neighbour replace 192.168.100.1 lladdr 02:00:00:00:00:99 dev eth0 nud permanent\n\
              netns-tool doctor red        # wrong-neighbour\nip -n red neighbour del 192.168.100.1 dev eth0",
};

fn look(scene: &Scene, followed: &Followed) -> Vec<Finding> {
    crossings(scene, followed)
        .filter_map(|crossing| {
            let entry = entry(&crossing);
            wrong(&crossing, entry)
                .or_else(|| silent(&crossing, entry))
                .or_else(|| ignored(&crossing, entry))
                .or_else(|| failed(&crossing, entry?, followed))
        })
        .collect()
}

/// What the stack knows of the next neighbour.
fn entry<'a>(crossing: &Crossing<'a>) -> Option<&'a Neighbour> {
    let mut known = crossing.stack().neighbours.iter();
    known.find(|it| it.link == crossing.leaving.index && it.address == crossing.next())
}

fn found_link<'a>(crossing: &Crossing<'a>) -> Option<Member<'a>> {
    let WireEnd::Found(stack, link) = crossing.departure.wire.end else { return None };
    Some(Member { stack, link: crossing.scene.stack(stack).link(link)? })
}

fn wrong(crossing: &Crossing<'_>, entry: Option<&Neighbour>) -> Option<Finding> {
    let entry = entry.filter(|entry| entry.state == "permanent")?;
    let far = found_link(crossing)?;
    let (noted, real) = (entry.mac?, far.link.mac?);
    if noted == real {
        return None;
    }
    let stack = crossing.stack();
    let (address, link) = (entry.address, &crossing.leaving.name);
    let what = format!(
        "a permanent entry {} sends what is for {address} to {noted}, which is not {}",
        stack.location(),
        link_in(crossing.scene, far.stack, far.link)
    );
    let there = crossing.scene.stack(far.stack);
    let finding = Finding::error(&WRONG_NEIGHBOUR, crossing.leg.stack, crossing.spot(), what)
        .seen(format!("{} neighbour show {address}", stack.ip()), format!("lladdr {noted} PERMANENT"))
        .seen(format!("{} link show {}", there.ip(), far.link.name), format!("link/ether {real}"))
        .why("whoever has the address drops frames that are for another link-layer address")
        .remedy(Remedy::command(format!("{} neighbour del {address} dev {link}", stack.ip())));
    Some(finding)
}

/// Kinds of links that live by ARP; others never speak it, or have nobody to ask (tunnels).
const ASKING_KINDS: [&str; 3] = ["veth", "bridge", "macvlan"];

/// ARP is off where it is needed, on this side or on the other.
fn silent(crossing: &Crossing<'_>, entry: Option<&Neighbour>) -> Option<Finding> {
    if is_known(entry) {
        return None;
    }
    let near = Member { stack: crossing.leg.stack, link: crossing.leaving };
    let is_mute = |it: &Member<'_>| !it.link.arp && ASKING_KINDS.contains(&it.link.kind.as_str());
    let mute = [Some(near), found_link(crossing)].into_iter().flatten().find(is_mute)?;
    let stack = crossing.scene.stack(mute.stack);
    let named = link_in(crossing.scene, mute.stack, mute.link);
    let what = format!("{named} neither asks for neighbours nor answers them: ARP is off");
    let finding = Finding::error(&NEIGHBOUR_FAILED, mute.stack, crossing.spot(), what)
        .seen(format!("{} link show {}", stack.ip(), mute.link.name), "NOARP")
        .seen(format!("{} neighbour show {}", crossing.stack().ip(), crossing.next()), in_words(entry))
        .why("without ARP, or a permanent entry, nobody knows the link-layer address to send to")
        .remedy(Remedy::command(format!("{} link set {} arp on", stack.ip(), mute.link.name)));
    Some(finding)
}

fn is_known(entry: Option<&Neighbour>) -> bool {
    entry.is_some_and(|it| it.mac.is_some() && !is_lost(it) && it.state != "noarp")
}

/// The neighbour is told not to answer for the address that is asked for (`arp_ignore` in ip-sysctl.rst).
fn ignored(crossing: &Crossing<'_>, entry: Option<&Neighbour>) -> Option<Finding> {
    let far = found_link(crossing).filter(|_| crossing.next().is_ipv4() && !is_known(entry))?;
    let stack = crossing.scene.stack(far.stack);
    let path = |of: &str| format!("net/ipv4/conf/{of}/arp_ignore");
    let places = [path("all"), path(far.link.name.as_str())];
    let value = |path: &String| stack.setting(path).unwrap_or_default();
    // The larger of the two holds.
    let strictest = places.iter().max_by_key(|path| value(path))?;
    let answers = match value(strictest) {
        0 => true,
        1..=3 => far.link.has_address(crossing.next()),
        _ => false,
    };
    if answers {
        return None;
    }
    let named = link_in(crossing.scene, far.stack, far.link);
    let what = format!("{named} does not answer who asks for {}", crossing.next());
    let finding = Finding::error(&NEIGHBOUR_FAILED, far.stack, crossing.spot(), what)
        .seen(stack.file_of(strictest), value(strictest).to_string())
        .seen(format!("{} neighbour show {}", crossing.stack().ip(), crossing.next()), in_words(entry))
        .why("from 1, a link answers for its own addresses only, and with 8 for none at all")
        .remedy(Remedy::command(stack.set(strictest, 0)));
    Some(finding)
}

fn is_lost(entry: &Neighbour) -> bool {
    matches!(entry.state.as_str(), "failed" | "incomplete")
}

fn in_words(entry: Option<&Neighbour>) -> String {
    entry.map_or_else(|| "nothing".to_owned(), |entry| entry.state.to_uppercase())
}

/// An entry that failed: old news if nothing was tried, and what other checks explain is theirs.
fn failed(crossing: &Crossing<'_>, entry: &Neighbour, followed: &Followed) -> Option<Finding> {
    let explained = !is_whole(crossing)
        || bridge_ports::stop(crossing)
        || matches!(crossing.departure.wire.end, WireEnd::Nobody(_))
        || crossing.departure.guessed;
    if !is_lost(entry) || explained {
        return None;
    }
    let stack = crossing.stack();
    let (address, link) = (entry.address, &crossing.leaving.name);
    let what = format!(
        "{address} does not answer on {}",
        link_in(crossing.scene, crossing.leg.stack, crossing.leaving)
    );
    // What cannot be seen may be missing; what can be seen and is there may well answer by now.
    let beyond = crossing.departure.wire.end == WireEnd::World;
    let in_vain = followed.outcome.is_some() && !followed.works();
    let (id, spot) = (crossing.leg.stack, crossing.spot());
    let finding = if beyond && in_vain {
        Finding::error(&NEIGHBOUR_FAILED, id, spot, what)
    } else {
        Finding::warning(&NEIGHBOUR_FAILED, id, spot, what)
    };
    let finding = finding
        .seen(format!("{} neighbour show {address} dev {link}", stack.ip()), in_words(Some(entry)))
        .why("the stack asked who has the address, and heard nothing: what is sent there is dropped");
    let watch = stack.run(&format!("tcpdump -ni {link} arp or icmp6"));
    Some(match found_link(crossing) {
        Some(far) => {
            let far = link_in(crossing.scene, far.stack, far.link);
            let note = format!(
                "see whether the question comes to {far}; a filter of family bridge or arp may drop it"
            );
            finding.remedy(Remedy::command(watch).because(note))
        }
        None => {
            finding.remedy(Remedy::command(watch).because(format!("see whether {address} is there at all")))
        }
    })
}

/// Whether all links passed are on and bright; if not, that is said elsewhere.
fn is_whole(crossing: &Crossing<'_>) -> bool {
    let on = |link: &Link| link.up && link.carrier;
    crossing.touches().all(|(_, member)| on(member.link))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        check::Outcome,
        diagnose::{
            finding::Severity,
            scene::PortState,
            tests::lab::{HOST, RED, WORLD, codes, findings_on, lab, neighbour, to},
            way::Way,
        },
    };

    fn found(scene: &Scene, way: Way) -> Vec<&'static str> {
        codes(&findings_on(&CHECK, scene, way))
    }

    fn with_entry(state: &str, mac: &str) -> Scene {
        let mut scene = lab();
        let entry = Neighbour { state: state.to_owned(), ..neighbour(2, "192.168.100.1", mac) };
        scene.stacks[RED.0].neighbours.push(entry);
        scene.stacks[HOST.0].links[2].mac = "02:00:00:00:00:01".parse().ok();
        scene
    }

    #[test]
    fn a_neighbour_that_is_known_or_not_asked_yet_is_well() {
        assert_eq!(found(&lab(), to(RED, WORLD)), [""; 0]);
        for state in ["reachable", "stale", "permanent"] {
            assert_eq!(found(&with_entry(state, "02:00:00:00:00:01"), to(RED, WORLD)), [""; 0]);
        }
    }

    #[test]
    fn a_permanent_entry_with_another_mac_is_to_go() {
        let findings = findings_on(&CHECK, &with_entry("permanent", "02:00:00:00:00:99"), to(RED, WORLD));
        assert_eq!(codes(&findings), ["wrong-neighbour"]);
        assert_eq!(findings[0].remedy[0].commands, ["ip -n red neighbour del 192.168.100.1 dev eth0"]);
        assert_eq!(found(&with_entry("stale", "02:00:00:00:00:99"), to(RED, WORLD)), [""; 0]);
    }

    #[test]
    fn a_failed_entry_is_a_warning_where_the_neighbour_can_be_seen() {
        let findings = findings_on(&CHECK, &with_entry("failed", ""), to(RED, WORLD));
        assert_eq!(codes(&findings), ["neighbour-failed"]);
        assert_eq!(findings[0].severity, Severity::Warning);
    }

    #[test]
    fn a_failed_entry_is_no_news_where_something_else_is_broken() {
        let mut scene = with_entry("failed", "");
        scene.stacks[HOST.0].links[3].up = false;
        assert_eq!(found(&scene, to(RED, WORLD)), [""; 0]);
        let mut scene = with_entry("failed", "");
        scene.stacks[HOST.0].links[3].port.as_mut().unwrap().state = PortState::Blocking;
        assert_eq!(found(&scene, to(RED, WORLD)), [""; 0]);
    }

    #[test]
    fn a_router_of_the_host_that_does_not_answer_is_an_error_once_it_was_tried() {
        let mut scene = lab();
        scene.stacks[HOST.0].neighbours[0].state = "failed".to_owned();
        scene.stacks[HOST.0].neighbours[0].mac = None;
        let look = |outcome| look(&scene, &Followed::new(&scene, to(RED, WORLD), outcome));
        assert_eq!(look(Some(Outcome::NoAnswer))[0].severity, Severity::Error);
        assert_eq!(look(None)[0].severity, Severity::Warning);
    }

    #[test]
    fn arp_must_be_on_at_both_sides() {
        for (stack, place, command) in
            [(RED, 1, "ip -n red link set eth0 arp on"), (HOST, 2, "ip link set br0 arp on")]
        {
            let mut scene = lab();
            scene.stacks[stack.0].links[place].arp = false;
            let findings = findings_on(&CHECK, &scene, to(RED, WORLD));
            assert_eq!(codes(&findings)[0], "neighbour-failed");
            assert_eq!(findings[0].severity, Severity::Error);
            assert_eq!(findings[0].remedy[0].commands, [command]);
        }
    }

    #[test]
    fn a_neighbour_may_be_told_not_to_answer() {
        let mut scene = lab();
        let settings = &mut scene.stacks[HOST.0].settings;
        settings.insert("net/ipv4/conf/br0/arp_ignore".to_owned(), 1);
        assert_eq!(found(&scene, to(RED, WORLD)), [""; 0], "it answers for its own");
        scene.stacks[HOST.0].settings.insert("net/ipv4/conf/br0/arp_ignore".to_owned(), 8);
        let findings = findings_on(&CHECK, &scene, to(RED, WORLD));
        assert_eq!(codes(&findings), ["neighbour-failed"]);
        assert_eq!(findings[0].remedy[0].commands, ["sysctl -w net.ipv4.conf.br0.arp_ignore=0"]);
    }

    #[test]
    fn without_arp_a_permanent_entry_does_and_tunnels_never_ask() {
        let mut scene = with_entry("permanent", "02:00:00:00:00:01");
        scene.stacks[RED.0].links[1].arp = false;
        scene.stacks[HOST.0].neighbours.push(Neighbour {
            state: "permanent".to_owned(),
            ..neighbour(3, "192.168.100.2", "02:00:00:00:00:02")
        });
        assert_eq!(found(&scene, to(RED, WORLD)), [""; 0]);
        let mut scene = lab();
        scene.stacks[HOST.0].links[1].kind = "tun".to_owned();
        scene.stacks[HOST.0].links[1].arp = false;
        assert_eq!(found(&scene, to(HOST, WORLD)), [""; 0]);
    }
}
