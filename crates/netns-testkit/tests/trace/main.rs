//! One packet, followed through every chain, as the real kernel tells it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod interrupted;
mod lab;

use std::process::ExitCode;

use lab::{
    bridged, follow, follow_connection, handle_of_drop_in, in_words, listen, nft, nft_in, probe, receive,
    routed, way,
};
use netns_engine::{
    diagnose::{
        packet::Protocol,
        trace::{Direction, Fate, Trace, TraceEvent},
    },
    kernel::trace::trace,
    place::Entrance,
};
use netns_testkit::{Missing, Sandbox, Snapshot, program_exists, sh, trials};

fn main() -> ExitCode {
    if let Some(ended) = interrupted::run_as_child() {
        return ended;
    }
    netns_testkit::main(
        trials!(bare:
            every_chain_on_an_open_path_is_named,
            the_answer_is_followed_too,
            a_dropping_rule_is_named_by_its_handle,
            a_dropping_policy_is_named,
            a_rule_of_iptables_is_named_by_its_handle,
            a_rule_of_iptables_legacy_is_found_by_its_counter,
            a_refusing_rule_is_named_and_the_sender_hears_it,
            a_dropped_answer_is_told_from_a_dropped_packet,
            translated_packets_are_followed_through,
            bridged_frames_are_followed,
            what_the_senders_own_rules_drop_is_told,
            pings_and_datagrams_are_followed,
            ipv6_is_followed,
            marks_and_links_are_told,
            a_packet_sent_again_is_told_once,
            traces_of_others_are_left_out,
            a_stack_with_two_names_is_heard_once,
            a_trace_leaves_everything_as_it_was,
        )
        .into_iter()
        .chain(interrupted::trials())
        .collect(),
    )
}

/// Everything that is there even where nobody has rules.
const OPEN_WAY: [&str; 7] = [
    "red ip output",
    "red ip postrouting",
    "host ip prerouting",
    "host ip forward",
    "host ip postrouting",
    "blue ip prerouting",
    "blue ip input",
];

fn assert_answered(trace: &Trace) {
    assert!(matches!(trace.fate, Fate::Answered { .. }), "{trace:#?}");
    assert_eq!(trace.unheard, Vec::<String>::new());
}

/// The only drop, in words.
#[track_caller]
fn drop_in(trace: &Trace) -> String {
    let drops: Vec<_> = trace.drops().collect();
    assert_eq!(drops.len(), 1, "{:#?}", trace.steps.iter().map(in_words).collect::<Vec<_>>());
    in_words(drops[0])
}

#[track_caller]
fn handle_in(trace: &Trace) -> u64 {
    match trace.drops().next().map(|step| &step.event) {
        Some(TraceEvent::Rule { handle, .. }) => *handle,
        other => panic!("no rule: {other:?}"),
    }
}

fn every_chain_on_an_open_path_is_named(host: &Sandbox) {
    routed();
    let _server = listen(host);
    nft("table ip mine {
        chain early { type filter hook prerouting priority raw; policy accept; }
        chain through {
            type filter hook forward priority filter; policy drop;
            counter
            tcp dport 80 jump web
            accept
        }
        chain web { tcp dport 80 jump inner; return; }
        chain inner { counter; }
    }");
    let trace = follow_connection("10.0.2.2");
    assert_answered(&trace);
    assert_eq!(
        way(&trace, Direction::There),
        [
            "red ip output",
            "red ip postrouting",
            "host ip prerouting",
            "host ip mine early: policy accept",
            "host ip forward",
            "host ip mine through: continue",
            "host ip mine through: jump web",
            "host ip mine web: jump inner",
            "host ip mine inner: continue",
            "host ip mine inner: end",
            "host ip mine web: return",
            "host ip mine through: accept",
            "host ip postrouting",
            "blue ip prerouting",
            "blue ip input",
        ]
    );
    let base = trace.steps.iter().find_map(|step| step.event.chain()?.base.clone()).unwrap();
    assert_eq!(base.priority, -300, "that of the first chain");
}

fn the_answer_is_followed_too(host: &Sandbox) {
    routed();
    let _server = listen(host);
    let trace = follow_connection("10.0.2.2");
    assert_answered(&trace);
    assert_eq!(way(&trace, Direction::There), OPEN_WAY);
    assert_eq!(
        way(&trace, Direction::Back),
        OPEN_WAY.map(|step| match step.split_once(' ').unwrap() {
            ("red", step) => format!("blue {step}"),
            ("blue", step) => format!("red {step}"),
            (stack, step) => format!("{stack} {step}"),
        })
    );
}

fn a_dropping_rule_is_named_by_its_handle(host: &Sandbox) {
    routed();
    let _server = listen(host);
    nft("table inet mine {
        chain through {
            type filter hook forward priority filter; policy accept;
            tcp dport 81 counter
            tcp dport 80 drop
        }
    }");
    let trace = follow_connection("10.0.2.2");
    assert_eq!(trace.fate, Fate::Silent);
    assert_eq!(drop_in(&trace), "host inet mine through: drop");
    assert_eq!(handle_in(&trace), handle_of_drop_in("through"));
    let last = trace.last_seen(Direction::There).unwrap();
    assert_eq!(in_words(last), "host ip forward", "it came no farther");
}

fn a_dropping_policy_is_named(host: &Sandbox) {
    routed();
    let _server = listen(host);
    nft("table inet mine { chain through { type filter hook forward priority 5; policy drop; } }");
    let trace = follow_connection("10.0.2.2");
    assert_eq!(trace.fate, Fate::Silent);
    assert_eq!(drop_in(&trace), "host inet mine through: policy drop");
    let chain = trace.drops().next().unwrap().event.chain().unwrap();
    assert_eq!(chain.base.as_ref().unwrap().priority, 5);
}

fn a_rule_of_iptables_is_named_by_its_handle(host: &Sandbox) -> Result<(), Missing> {
    require("iptables-nft")?;
    routed();
    let _server = listen(host);
    sh("iptables-nft -N GUARD
        iptables-nft -A FORWARD -i v-red -j GUARD
        iptables-nft -A GUARD -p tcp --dport 80 -j DROP");
    let trace = follow_connection("10.0.2.2");
    assert_eq!(drop_in(&trace), "host ip filter GUARD: drop");
    assert_eq!(handle_in(&trace), handle_of_drop_in("GUARD"));
    assert!(way(&trace, Direction::There).contains(&"host ip filter FORWARD: jump GUARD".to_owned()));
    Ok(())
}

fn a_rule_of_iptables_legacy_is_found_by_its_counter(host: &Sandbox) -> Result<(), Missing> {
    require_legacy()?;
    routed();
    let _server = listen(host);
    sh("iptables-legacy -A FORWARD -p udp -j ACCEPT
        iptables-legacy -A FORWARD -p tcp --dport 80 -j DROP");
    let tables = sh("cat /proc/self/net/ip_tables_names");
    let trace = follow_connection("10.0.2.2");
    assert_eq!(trace.fate, Fate::Silent);
    assert_eq!(trace.drops().count(), 0, "nftables knows nothing of it");
    let drops: Vec<_> = trace.legacy_drops().collect();
    assert_eq!(drops.len(), 1, "{:#?}", trace.counted);
    assert_eq!((drops[0].table.as_str(), drops[0].chain.as_str()), ("filter", "FORWARD"));
    let (number, text) = drops[0].rule.as_ref().unwrap();
    assert_eq!((*number, text.as_str()), (2, "-p tcp -m tcp --dport 80 -j DROP"));
    assert_eq!(sh("cat /proc/self/net/ip_tables_names"), tables, "looking makes no table");
    assert_eq!(sh("ip netns exec red cat /proc/self/net/ip_tables_names"), "");
    Ok(())
}

fn a_refusing_rule_is_named_and_the_sender_hears_it(host: &Sandbox) {
    routed();
    let _server = listen(host);
    nft("table ip mine { chain through { type filter hook forward priority 0; tcp dport 80 reject; } }");
    let trace = follow_connection("10.0.2.2");
    assert_eq!(trace.fate, Fate::Refused { why: "connection refused (ECONNREFUSED)".to_owned() });
    assert_eq!(drop_in(&trace), "host ip mine through: drop");
    let back = ["host ip output", "host ip postrouting", "red ip prerouting", "red ip input"];
    assert_eq!(way(&trace, Direction::Back), back, "the refusal");
}

fn a_dropped_answer_is_told_from_a_dropped_packet(host: &Sandbox) {
    routed();
    let _server = listen(host);
    nft("table ip mine { chain through { type filter hook forward priority 0; tcp sport 80 drop; } }");
    let trace = follow_connection("10.0.2.2");
    let there = way(&trace, Direction::There);
    assert_eq!(there.last().map(String::as_str), Some("blue ip input"), "the packet came through");
    assert_eq!(drop_in(&trace), "host ip mine through: drop");
    assert_eq!(trace.drops().next().unwrap().direction, Direction::Back);
}

fn translated_packets_are_followed_through(host: &Sandbox) {
    routed();
    let _server = listen(host);
    nft("table ip mine {
        chain elsewhere { type nat hook prerouting priority dstnat; tcp dport 8080 dnat to 10.0.2.2:80; }
        chain hide { type nat hook postrouting priority srcnat; oifname \"v-blue\" masquerade; }
    }");
    let trace = follow(&probe("10.0.1.1", Protocol::Tcp, Some(8080)));
    assert_answered(&trace);
    let addresses: Vec<_> = trace
        .steps
        .iter()
        .filter(|step| matches!(step.event, TraceEvent::Seen { .. }))
        .map(|step| {
            let headers = &step.headers;
            let port = headers.destination_port.unwrap();
            // The source port is another one each time.
            let port = if step.direction == Direction::There { format!(":{port}") } else { String::new() };
            format!("{}: {} to {}{port}", in_words(step), headers.source, headers.destination)
        })
        .collect();
    assert_eq!(
        addresses,
        [
            "red ip output: 10.0.1.2 to 10.0.1.1:8080",
            "red ip postrouting: 10.0.1.2 to 10.0.1.1:8080",
            "host ip prerouting: 10.0.1.2 to 10.0.1.1:8080",
            "host ip forward: 10.0.1.2 to 10.0.2.2:80",
            "host ip postrouting: 10.0.2.1 to 10.0.2.2:80",
            "blue ip prerouting: 10.0.2.1 to 10.0.2.2:80",
            "blue ip input: 10.0.2.1 to 10.0.2.2:80",
            "blue ip output: 10.0.2.2 to 10.0.2.1",
            "blue ip postrouting: 10.0.2.2 to 10.0.2.1",
            "host ip prerouting: 10.0.2.2 to 10.0.2.1",
            "host ip forward: 10.0.2.2 to 10.0.1.2",
            "host ip postrouting: 10.0.1.1 to 10.0.1.2",
            "red ip prerouting: 10.0.1.1 to 10.0.1.2",
            "red ip input: 10.0.1.1 to 10.0.1.2",
        ]
    );
    let there = way(&trace, Direction::There);
    assert!(there.contains(&"host ip mine elsewhere: accept".to_owned()), "{there:#?}");
    assert!(there.contains(&"host ip mine hide: accept".to_owned()), "{there:#?}");
}

fn bridged_frames_are_followed(host: &Sandbox) {
    bridged();
    let _server = listen(host);
    let trace = follow_connection("10.0.0.3");
    assert_answered(&trace);
    let way_there = [
        "red ip output",
        "red ip postrouting",
        "host bridge prerouting",
        "host bridge forward",
        "host bridge postrouting",
        "blue ip prerouting",
        "blue ip input",
    ];
    assert_eq!(way(&trace, Direction::There), way_there);
    nft("table bridge mine { chain through { type filter hook forward priority 0; tcp dport 80 drop; } }");
    let trace = follow_connection("10.0.0.3");
    assert_eq!(trace.fate, Fate::Silent);
    assert_eq!(drop_in(&trace), "host bridge mine through: drop");
}

fn what_the_senders_own_rules_drop_is_told(_: &Sandbox) {
    routed();
    nft_in("red", "table ip own { chain out { type filter hook output priority 0; policy drop; } }");
    let trace = follow_connection("10.0.2.2");
    assert_eq!(drop_in(&trace), "red ip own out: policy drop");
    let trace = follow(&probe("10.0.2.2", Protocol::Udp, Some(53)));
    assert_eq!(drop_in(&trace), "red ip own out: policy drop");
    assert!(matches!(trace.fate, Fate::Refused { .. }), "the kernel tells the sender: {:?}", trace.fate);
}

fn pings_and_datagrams_are_followed(host: &Sandbox) {
    routed();
    let ping = follow(&probe("10.0.2.2", Protocol::Icmp, None));
    assert_answered(&ping);
    assert_eq!(way(&ping, Direction::There), OPEN_WAY);
    assert_eq!(way(&ping, Direction::Back).len(), OPEN_WAY.len());
    // Nobody there: the refusal comes from blue itself, and quotes the datagram.
    let refused = follow(&probe("10.0.2.2", Protocol::Udp, Some(53)));
    assert_eq!(refused.fate, Fate::Refused { why: "connection refused (ECONNREFUSED)".to_owned() });
    assert_eq!(way(&refused, Direction::There), OPEN_WAY);
    assert_eq!(way(&refused, Direction::Back).len(), OPEN_WAY.len());
    let server = receive(host);
    let silent = follow(&probe("10.0.2.2", Protocol::Udp, Some(53)));
    assert_eq!((&silent.fate, way(&silent, Direction::There).len()), (&Fate::Silent, OPEN_WAY.len()));
    assert_eq!(server.recv(&mut [0; 64]).unwrap(), "netns-tool trace\n".len());
}

fn ipv6_is_followed(host: &Sandbox) {
    routed();
    let _server = listen(host);
    nft("table ip6 mine { chain through { type filter hook forward priority 0; } }");
    let way_there = [
        "red ip6 output",
        "red ip6 postrouting",
        "host ip6 prerouting",
        "host ip6 forward",
        "host ip6 mine through: policy accept",
        "host ip6 postrouting",
        "blue ip6 prerouting",
        "blue ip6 input",
    ];
    for one in [probe("fd00:2::2", Protocol::Tcp, Some(80)), probe("fd00:2::2", Protocol::Icmp, None)] {
        let trace = follow(&one);
        assert_answered(&trace);
        assert_eq!(way(&trace, Direction::There), way_there);
    }
}

fn marks_and_links_are_told(host: &Sandbox) {
    routed();
    let _server = listen(host);
    nft(
        "table ip mine { chain early { type filter hook prerouting priority 0; iifname \"v-red\" meta mark set 42; } }",
    );
    let trace = follow_connection("10.0.2.2");
    let forward = trace.steps.iter().find(|step| in_words(step) == "host ip forward").unwrap();
    assert_eq!(forward.mark, 42);
    assert_eq!(forward.incoming.as_ref().unwrap().as_str(), "v-red");
    assert_eq!(forward.outgoing.as_ref().unwrap().as_str(), "v-blue");
}

/// Nothing hears of the drop, so TCP has the time to send again.
fn a_packet_sent_again_is_told_once(_: &Sandbox) {
    routed();
    sh("ip -n blue route replace blackhole 10.0.1.0/24");
    let trace = follow_connection("10.0.2.2");
    assert_eq!(trace.fate, Fate::Silent);
    assert_eq!(way(&trace, Direction::There), OPEN_WAY);
}

fn traces_of_others_are_left_out(host: &Sandbox) {
    routed();
    let _server = listen(host);
    nft("table ip mine {
        chain early { type filter hook prerouting priority -350; meta nftrace set 1; }
        chain late { type filter hook prerouting priority 0; }
    }");
    let mut pinging = std::process::Command::new("ip")
        .args("netns exec red ping -q -i 0.01 -w 10 10.0.2.2".split(' '))
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let trace = follow_connection("10.0.2.2");
    pinging.kill().unwrap();
    pinging.wait().unwrap();
    assert_answered(&trace);
    assert!(trace.steps.iter().all(|step| step.headers.protocol == 6), "no ping among them");
    let late = way(&trace, Direction::There).iter().filter(|step| step.contains("mine late")).count();
    assert_eq!(late, 1);
}

fn a_stack_with_two_names_is_heard_once(host: &Sandbox) {
    routed();
    let _server = listen(host);
    let twice = ["/run/netns/red", "blue", "/run/netns/blue"].map(|name| name.parse().unwrap());
    let stacks = [&twice[..], &[Entrance::Host]].concat();
    let trace = trace(&stacks, &probe("10.0.2.2", Protocol::Tcp, Some(80)), lab::PATIENCE).unwrap();
    assert_answered(&trace);
    assert_eq!(way(&trace, Direction::There), OPEN_WAY);
}

fn a_trace_leaves_everything_as_it_was(host: &Sandbox) {
    bridged();
    let _server = listen(host);
    nft("table inet mine {
        set some { type inet_service; elements = { 22, 81 } }
        chain through { type filter hook forward priority 0; policy accept; tcp dport @some drop; }
    }");
    let before = Snapshot::take();
    let shown = sh("nft -a list ruleset");
    assert_answered(&follow_connection("10.0.0.3"));
    assert_eq!(sh("nft -a list ruleset"), shown, "handles, too");
    assert_eq!(sh("ip netns exec red nft list ruleset"), "");
    before.assert_same(&Snapshot::take(), "after the trace");
}

fn require(program: &str) -> Result<(), Missing> {
    if program_exists(program) { Ok(()) } else { Err(Missing(format!("the program {program}"))) }
}

fn require_legacy() -> Result<(), Missing> {
    require("iptables-legacy")?;
    let tried = netns_testkit::Program::new("iptables-legacy").words("-L -n").run();
    if tried.code() == Some(0) { Ok(()) } else { Err(Missing("a kernel with iptables-legacy".to_owned())) }
}
