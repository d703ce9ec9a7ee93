//! The first lesson: netns come, are seen by `ip netns`, and go.

use std::process::ExitCode;

use netns_testkit::{Program, Sandbox, Snapshot, sh, trials};

fn main() -> ExitCode {
    netns_testkit::main(trials!(bare:
        test_create_namespace,
        test_delete_namespace,
        test_namespace_has_loopback,
        test_namespace_is_isolated,
        test_namespaces_are_shared_with_ip_netns,
        test_create_existing_namespace,
        test_delete_missing_namespace,
        test_delete_takes_links_along,
        test_names_that_are_no_names,
        test_create_without_root,
    ))
}

fn test_create_namespace(host: &Sandbox) {
    host.netns_tool("create red")
        .succeeds()
        .says("Created network namespace 'red' at \"/run/netns/red\"")
        .says("Loopback interface is UP - localhost is reachable");
    assert!(sh("ip netns list").starts_with("red"));
    assert_eq!(sh("stat --file-system --format=%T /run/netns/red").trim(), "nsfs");
}

fn test_delete_namespace(host: &Sandbox) {
    let before = Snapshot::take();
    host.netns_tool("create red").succeeds();
    host.netns_tool("delete red").succeeds().says("red");
    before.assert_same(&Snapshot::take(), "create and delete leave nothing");
}

fn test_namespace_has_loopback(host: &Sandbox) {
    host.netns_tool("create red").succeeds();
    sh("ip netns exec red ping -c 1 -W 1 127.0.0.1");
    sh("ip netns exec red ping -c 1 -W 1 ::1");
    assert_eq!(sh("ip netns exec red ip -oneline link | wc -l").trim(), "1");
}

fn test_namespace_is_isolated(host: &Sandbox) {
    host.netns_tool("create red").succeeds();
    sh("ip link add only-here type bridge");
    assert!(!sh("ip -n red link").contains("only-here"));
    assert_eq!(sh("ip -n red route; ip -n red -6 route").trim(), "");
    assert_eq!(sh("ip netns exec red cat /proc/sys/net/ipv4/ip_forward").trim(), "0");
}

fn test_namespaces_are_shared_with_ip_netns(host: &Sandbox) {
    host.netns_tool("create red").succeeds();
    sh("ip netns add blue");
    assert_eq!(sh("ip netns list | cut -d ' ' -f 1 | sort | xargs").trim(), "blue red");
    sh("ip netns delete red");
    host.netns_tool("delete blue").succeeds();
    assert_eq!(sh("ip netns list").trim(), "");
}

fn test_create_existing_namespace(host: &Sandbox) {
    sh("ip netns add red");
    let before = Snapshot::take();
    host.netns_tool("create red").fails_with(5).complains("netns 'red' already exists");
    before.assert_same(&Snapshot::take(), "a refusal changes nothing");
}

fn test_delete_missing_namespace(host: &Sandbox) {
    let before = Snapshot::take();
    host.netns_tool("delete red").fails_with(4).complains("netns 'red' does not exist");
    before.assert_same(&Snapshot::take(), "a refusal changes nothing");
}

fn test_delete_takes_links_along(host: &Sandbox) {
    let before = Snapshot::take();
    host.netns_tool("create red").succeeds();
    host.netns_tool("veth veth-host red veth-ns").succeeds();
    host.netns_tool("delete red").succeeds();
    before.assert_same(&Snapshot::take(), "the host's end is gone at once");
}

fn test_names_that_are_no_names(host: &Sandbox) {
    let before = Snapshot::take();
    let long = "n".repeat(300);
    for name in ["../red", "a/b", ".", "..", "", "a\nb", "a\u{1b}[31mb", "-", &long] {
        let ended = host.tool().arg("create").arg("--").arg(name).run().fails_with(2);
        assert!(!ended.stderr().contains('\u{1b}'), "an escape sequence reaches the terminal");
    }
    before.assert_same(&Snapshot::take(), "no such name changes anything");
}

fn test_create_without_root(host: &Sandbox) {
    let before = Snapshot::take();
    let tool = host.tool();
    Program::new("setpriv")
        .words("--bounding-set=-all --inh-caps=-all --ambient-caps=-all")
        .arg(&tool.path().display().to_string())
        .words("create red")
        .run()
        .fails_with(3)
        .complains("create netns 'red'")
        .complains("hint:");
    before.assert_same(&Snapshot::take(), "a refusal changes nothing");
}
