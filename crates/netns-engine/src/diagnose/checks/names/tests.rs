//! Names that are not found, and why.

use std::time::Duration;

use super::*;
use crate::{
    check::Outcome,
    diagnose::{
        packet::Protocol,
        question::Path,
        scene::Scene,
        tests::lab::{HOST, RED, WORLD, codes, lab, to},
        way::{Way, ways},
    },
    view::Socket,
};

fn question(from: StackId, to: Destination) -> Question {
    let from = lab().stack(from).entrance.clone();
    Question::Path(Path { from, to, protocol: Protocol::Icmp, port: None })
}

fn name() -> Destination {
    Destination::Name("example.org".to_owned())
}

/// Asks with ways that were tried: `works` says which.
fn asked(
    scene: &Scene,
    question: &Question,
    resolved: Option<IpAddr>,
    works: fn(&Way) -> bool,
) -> Vec<Finding> {
    let tried = |way: Way| {
        let reached = Outcome::Reached { after: Duration::ZERO };
        let outcome = if works(&way) { reached } else { Outcome::NoAnswer };
        Followed::new(scene, way, Some(outcome))
    };
    let ways = ways(scene, question, resolved).into_iter().map(tried).collect();
    look(&Case { scene, question, ways }, &[])
}

fn out_of(scene: &Scene, from: StackId) -> Vec<Finding> {
    asked(scene, &question(from, Destination::Internet), None, |_| true)
}

#[test]
fn the_lab_is_well() {
    for from in [RED, HOST] {
        assert_eq!(codes(&out_of(&lab(), from)), [""; 0]);
    }
    let resolved = WORLD.parse().ok();
    assert_eq!(codes(&asked(&lab(), &question(RED, name()), resolved, |_| true)), [""; 0]);
}

#[test]
fn a_missing_file_is_made_with_the_hosts_servers() {
    for exists in [true, false] {
        let mut scene = lab();
        scene.stacks[RED.0].resolver.servers.clear();
        scene.stacks[RED.0].resolver.exists = exists;
        let findings = out_of(&scene, RED);
        assert_eq!(codes(&findings), ["resolver-empty"]);
        assert_eq!(findings[0].remedy[0].commands, ["netns-tool dns red 198.51.100.1"]);
        assert_eq!(findings[0].mend.len(), 1);
    }
}

fn with_stub() -> Scene {
    let mut scene = lab();
    for stack in &mut scene.stacks {
        stack.resolver.servers = vec!["127.0.0.53".parse().unwrap()];
    }
    scene
}

#[test]
fn a_stub_of_the_host_is_out_of_reach_inside() {
    let findings = out_of(&with_stub(), RED);
    assert_eq!(codes(&findings), ["resolver-on-loopback"]);
    assert_eq!(findings[0].evidence[0].says, "nameserver 127.0.0.53");
    assert_eq!(codes(&out_of(&with_stub(), HOST)), [""; 0], "the host reaches it");
}

#[test]
fn a_stub_of_its_own_is_as_good_as_any() {
    let mut scene = with_stub();
    scene.stacks[RED.0].listeners.push(Socket {
        transport: Transport::Udp,
        local: "127.0.0.53:53".parse().unwrap(),
        remote: None,
        state: "open".to_owned(),
        programs: Vec::new(),
    });
    assert_eq!(codes(&out_of(&scene, RED)), [""; 0]);
}

#[test]
fn a_file_that_somebody_wrote_is_not_overwritten_unasked() {
    let mut scene = with_stub();
    scene.stacks[RED.0].resolver.file = "/etc/netns/red/resolv.conf".to_owned();
    assert!(out_of(&scene, RED)[0].mend.is_empty());
    scene.stacks[RED.0].resolver.upstream.clear();
    assert_eq!(out_of(&scene, RED)[0].remedy[0].commands, ["netns-tool dns red 9.9.9.9"]);
}

#[test]
fn a_silent_server_is_blamed_only_if_nothing_stops_the_way() {
    let mut scene = lab();
    scene.stacks[RED.0].resolver.servers = vec!["192.0.2.53".parse().unwrap()];
    let question = question(RED, Destination::Internet);
    let findings = asked(&scene, &question, None, |_| false);
    assert_eq!(codes(&findings), ["resolver-silent"]);
    assert_eq!(findings[0].remedy[0].commands, ["netns-tool dns red 198.51.100.1"]);
    let host_alone = |way: &Way| way.from == HOST;
    assert_eq!(codes(&asked(&scene, &question, None, host_alone)), [""; 0], "the server is well");
    let cut = Finding::error(&NAME_UNKNOWN, RED, Spot::default(), "the cable is cut");
    let way = Way {
        purpose: Purpose::NameServer,
        protocol: Protocol::Udp,
        port: Some(DNS),
        ..to(RED, "192.0.2.53")
    };
    let ways = vec![Followed::new(&scene, way, Some(Outcome::NoAnswer))];
    let case = Case { scene: &scene, question: &question, ways };
    assert_eq!(codes(&look(&case, &[])), ["resolver-silent"]);
    assert_eq!(codes(&look(&case, &[cut])), [""; 0]);
}

#[test]
fn a_name_that_servers_do_not_know_is_not_their_fault() {
    let question = question(RED, name());
    assert_eq!(codes(&asked(&lab(), &question, None, |_| true)), ["name-unknown"]);
    assert_eq!(codes(&asked(&lab(), &question, None, |_| false)), ["resolver-silent"]);
}

#[test]
fn a_line_without_dns_switches_names_off() {
    let mut scene = lab();
    scene.stacks[RED.0].resolver.nsswitch_hosts = Some("files myhostname".to_owned());
    assert_eq!(codes(&out_of(&scene, RED)), ["names-off"]);
    for line in [None, Some("files resolve [!UNAVAIL=return] dns".to_owned())] {
        scene.stacks[RED.0].resolver.nsswitch_hosts = line;
        assert_eq!(codes(&out_of(&scene, RED)), [""; 0]);
    }
}

#[test]
fn ways_by_address_need_no_names() {
    let question = question(RED, Destination::Address(WORLD.parse().unwrap()));
    let case = Case {
        scene: &with_stub(),
        question: &question,
        ways: vec![Followed::new(&with_stub(), to(RED, WORLD), None)],
    };
    assert_eq!(codes(&look(&case, &[])), [""; 0]);
}
