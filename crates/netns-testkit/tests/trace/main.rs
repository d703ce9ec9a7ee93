//! One packet, followed through every chain, as the real kernel tells it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod drops;
mod interrupted;
mod lab;

use std::process::ExitCode;

use lab::{bridged, follow, follow_connection, in_words, listen, nft, probe, receive, routed, way};
use netns_engine::{
    diagnose::{
        packet::Protocol,
        trace::{Direction, Fate, Trace, TraceEvent, TraceProbe},
    },
    kernel::trace::trace,
    place::Entrance,
};
use netns_testkit::{Sandbox, Snapshot, sh, trials};

fn main() -> ExitCode {
    if let Some(ended) = interrupted::run_as_child() {
        return ended;
    }
    netns_testkit::main(
        trials!(bare:
            every_chain_on_an_open_path_is_named,
            the_answer_is_followed_too,
            translated_packets_are_followed_through,
            bridged_frames_are_followed,
            a_host_talking_to_itself_is_followed,
        a_trace_is_read_back_from_json,
            pings_and_datagrams_are_followed,
            ipv6_is_followed,
            marks_and_links_are_told,
            a_packet_sent_again_is_told_once,
            traces_of_others_are_left_out,
            a_stack_with_two_names_is_heard_once,
            a_trace_leaves_everything_as_it_was,
        )
        .into_iter()
        .chain(drops::trials())
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
    assert!(server.recv(&mut [0; 64]).unwrap() > 0, "the probe came");
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

/// One stack both sends and receives, at the same TTL.
fn a_host_talking_to_itself_is_followed(_: &Sandbox) {
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let from_host = TraceProbe { from: Entrance::Host, ..probe("127.0.0.1", Protocol::Tcp, Some(port)) };
    let trace = trace(&[], &from_host, lab::PATIENCE).unwrap();
    assert_answered(&trace);
    let around = ["host ip output", "host ip postrouting", "host ip prerouting", "host ip input"];
    assert_eq!(way(&trace, Direction::There), around);
    assert_eq!(way(&trace, Direction::Back), around);
}

fn a_trace_is_read_back_from_json(host: &Sandbox) {
    routed();
    let _server = listen(host);
    nft("table ip mine { chain through { type filter hook forward priority 0; counter; } }");
    let trace = follow_connection("10.0.2.2");
    let json = serde_json::to_value(&trace).unwrap();
    assert_eq!(json["steps"][0]["event"]["kind"], "seen");
    assert_eq!(serde_json::from_value::<Trace>(json).unwrap(), trace);
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
