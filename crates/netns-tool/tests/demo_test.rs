//! The throw-away host as a product: the guided tour, and the playground.

#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::process::ExitCode;

use netns_testkit::{Sandbox, Snapshot, sh, trials};
use serde_json::Value;

fn main() -> ExitCode {
    netns_testkit::main(trials!(bare:
        demo_shows_the_way_and_leaves_nothing,
        demo_needs_nothing_installed,
        demo_for_programs,
        playground_has_an_internet,
        playground_in_a_playground_has_all_programs_and_users,
        playground_is_closed_to_both_sides,
        playground_passes_exit_codes_and_signals_on,
        playground_ends_when_it_is_told_to,
        playground_hears_of_ends_that_its_starter_ignores,
        playground_takes_left_over_processes_along,
    ))
}

fn demo_shows_the_way_and_leaves_nothing(host: &Sandbox) {
    let before = Snapshot::take();
    let demo = host.netns_tool("demo").succeeds();
    let text = demo.stdout();
    let (unanswered, answered) = text.split_once("netns-tool nat br0").expect("the tour comes to NAT");
    assert_eq!(unanswered.matches("no answer").count(), 2, "{text}");
    assert!(answered.contains("You come from 198.51.100.2."), "{text}");
    assert!(!answered.contains("no answer"), "{text}");
    assert!(!text.contains('\u{1b}'), "no colours but on a terminal");
    assert!(text.lines().count() <= 70, "a tour, not a lecture: {} lines", text.lines().count());
    before.assert_same(&Snapshot::take(), "after the demo");
}

fn demo_needs_nothing_installed(host: &Sandbox) {
    // The judges of other tests live there; with them gone, no iptables is found either.
    sh("mount -t tmpfs tmpfs /usr/sbin");
    host.tool().arg("demo").env("PATH", "/nowhere").run().succeeds().says("You come from 198.51.100.2.");
}

fn demo_for_programs(host: &Sandbox) {
    let demo = host.netns_tool("demo --json").succeeds();
    let document: Value = serde_json::from_str(demo.stdout()).expect("one JSON document");
    assert_eq!(document["as_expected"], true);
    let asked: Vec<_> = document["tour"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|fact| fact["asked"].is_string())
        .collect();
    let answered: Vec<_> = asked.iter().map(|fact| fact["answered"].as_bool().expect("yes or no")).collect();
    assert_eq!(answered, [false, false, true, true]);
}

fn playground_has_an_internet(host: &Sandbox) {
    let script =
        "ping -c1 -W2 203.0.113.8 && curl -4sS -m 5 http://example.test/ && ip -j route show default";
    let ended = playground(host, script).succeeds();
    ended.says("You come from 198.51.100.2.").says(r#""gateway":"198.51.100.1""#);
}

/// Such a host is what each of these tests runs on.
fn playground_in_a_playground_has_all_programs_and_users(host: &Sandbox) {
    let script = "test -d /run/real-etc && iptables --version && grep ^root: /etc/passwd";
    playground(host, script).succeeds().says("iptables v").says("root:");
    let deeper = format!("{} playground -- sh -euc '{script}'", host.tool().path().display());
    playground(host, &deeper).succeeds().says("iptables v").says("root:");
}

fn playground_is_closed_to_both_sides(host: &Sandbox) {
    sh("ip netns add outside; ip link add outer type bridge");
    let before = Snapshot::take();
    let script =
        "ip netns list; ip -br link; netns-tool create inside; echo 1 > /proc/sys/net/ipv4/ip_forward";
    let ended = playground(host, script).succeeds();
    assert!(!ended.stdout().contains("outside") && !ended.stdout().contains("outer"), "{}", ended.stdout());
    before.assert_same(&Snapshot::take(), "after the playground");
}

fn playground_passes_exit_codes_and_signals_on(host: &Sandbox) {
    drop(playground(host, "exit 7").fails_with(7));
    drop(playground(host, "kill -TERM $$").fails_with(128 + 15));
    drop(host.netns_tool("playground -- /no/such/program").complains("not found").fails_with(127));
}

fn playground_ends_when_it_is_told_to(host: &Sandbox) {
    for (signal, code) in [("TERM", 143), ("HUP", 129), ("INT", 130)] {
        // The command says through the pipe that it runs; `$$` is the tool by then.
        let pipe = format!("/run/{signal}");
        let kill = format!("mkfifo {pipe}; (read ready <{pipe}; kill -{signal} $$) &");
        drop(shell(host, &kill, &format!("'echo ready >&3; exec sleep 60' 3>{pipe}")).fails_with(code));
    }
}

fn playground_hears_of_ends_that_its_starter_ignores(host: &Sandbox) {
    drop(shell(host, "trap '' CHLD;", "'sleep 0 & wait; exit 7'").fails_with(7));
}

/// Runs a shell in a playground that another shell becomes, after `before`. Who runs the tests in the background,
/// without job control, has them ignore SIGINT; the playground is not to inherit that.
fn shell(host: &Sandbox, before: &str, script: &str) -> netns_testkit::Ended {
    let tool = host.tool();
    let tool = format!("env --default-signal=INT {}", tool.path().display());
    let line = format!("{before} exec {tool} playground -- /bin/sh -c {script}");
    netns_testkit::Program::new("/bin/sh").arg("-c").arg(&line).run()
}

fn playground_takes_left_over_processes_along(host: &Sandbox) {
    // The number is only found if the sleeper survives: process numbers inside are others.
    drop(playground(host, "sleep 98765 & echo started").succeeds().says("started"));
    let sleepers = sh("ps -eo args | grep -c '^sleep 98765' || true");
    assert_eq!(sleepers.trim(), "0");
}

fn playground(host: &Sandbox, script: &str) -> netns_testkit::Ended {
    host.tool().words("playground -- /bin/sh -c").arg(script).run()
}
