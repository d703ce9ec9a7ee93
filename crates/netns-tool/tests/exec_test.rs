//! Programs inside a netns, their name servers, and those who will not leave.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{os::unix::process::ExitStatusExt, process::ExitCode, time::Instant};

use netns_testkit::{Sandbox, Sleeper, Snapshot, sh, trials};

fn main() -> ExitCode {
    netns_testkit::main(trials!(bare:
        exec_runs_inside_with_the_sys_of_the_netns,
        exec_passes_exit_codes_and_signals,
        exec_shows_the_words_and_runs_nothing,
        exec_fails_as_a_shell_does,
        exec_covers_files_of_etc_and_leaves_the_hosts,
        exec_as_another_user_has_no_capabilities,
        exec_takes_the_path_of_a_namespace,
        dns_writes_what_exec_shows,
        dns_refuses_servers_that_answer_nobody,
        dns_from_host_sees_behind_the_stub,
        dns_goes_with_its_netns,
        delete_names_a_process_inside,
        delete_names_an_open_file,
        delete_names_another_mount,
        delete_kill_ends_the_holders,
        delete_wait_gives_up_in_time,
        gc_removes_half_made_names_and_loose_cables,
        gc_takes_back_ports_of_a_netns_that_is_gone,
    ))
}

fn exec_runs_inside_with_the_sys_of_the_netns(host: &Sandbox) {
    host.netns_tool("create red").succeeds();
    sh("ip link add only-here type bridge");
    let links = host.netns_tool("exec red -- ls /sys/class/net").succeeds();
    assert_eq!(links.stdout(), "lo\n");
    assert!(sh("ls /sys/class/net").contains("only-here"), "the host keeps its own /sys");
    let inode = sh("stat --format=%i /run/netns/red");
    host.netns_tool("exec red readlink /proc/self/ns/net").succeeds().says(inode.trim());
}

fn exec_passes_exit_codes_and_signals(host: &Sandbox) {
    host.netns_tool("create red").succeeds();
    let _forty_two = host.tool().words("exec red -- sh -c").arg("exit 42").run().fails_with(42);
    let killed = host.tool().words("exec red -- sh -c").arg("kill -TERM $$").run();
    assert_eq!(killed.code(), None, "the signal that ended the program ends the tool");
}

fn exec_shows_the_words_and_runs_nothing(host: &Sandbox) {
    host.netns_tool("create red").succeeds();
    let shown = host.tool().words("exec red --explain -- touch").arg("/tmp/it ran").run().succeeds();
    assert_eq!(shown.stdout(), "ip netns exec red touch '/tmp/it ran'\n");
    assert!(!std::path::Path::new("/tmp/it ran").exists());
}

fn exec_fails_as_a_shell_does(host: &Sandbox) {
    host.netns_tool("create red").succeeds();
    host.netns_tool("exec red no-such-program").fails_with(127).complains("'no-such-program' not found");
    sh("touch /tmp/no-program; chmod 644 /tmp/no-program");
    host.netns_tool("exec red /tmp/no-program").fails_with(126).complains("cannot run '/tmp/no-program'");
    host.netns_tool("exec blue true").fails_with(4).complains("netns 'blue' does not exist");
    host.netns_tool("exec red --user no-such-user true").fails_with(2).complains("no-such-user");
}

fn exec_covers_files_of_etc_and_leaves_the_hosts(host: &Sandbox) {
    host.netns_tool("create red").succeeds();
    let before = sh("cat /etc/hosts");
    sh("mkdir -p /etc/netns/red; echo '192.0.2.7 inside' > /etc/netns/red/hosts");
    host.netns_tool("exec red cat /etc/hosts").succeeds().says("192.0.2.7 inside");
    assert_eq!(sh("cat /etc/hosts"), before);
    sh("touch /etc/netns/red/there-is-no-such-file");
    let warned = host.netns_tool("exec red true").succeeds();
    let _warned = warned.complains("warning:").complains("/etc/there-is-no-such-file");
}

/// A host that root makes has a user 1000; that of an ordinary user has room for nobody but root.
fn exec_as_another_user_has_no_capabilities(host: &Sandbox) {
    host.netns_tool("create red").succeeds();
    if sh("cat /proc/self/uid_map").lines().count() == 1 {
        host.netns_tool("exec red --user 1000 true").fails_with(3).complains("cannot become user");
        return;
    }
    let ended = host.netns_tool("exec red --user 1000:1000 -- cat /proc/self/status").succeeds();
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert!(ended.stdout().contains(&format!("{set}:\t0000000000000000\n")), "{}", ended.stdout());
    }
    for (question, answer) in [("--user", "1000"), ("--group", "1000"), ("--groups", "1000")] {
        let said = host.netns_tool(&format!("exec red -u 1000:1000 -- id {question}")).succeeds();
        assert_eq!(said.stdout().trim(), answer, "id {question}");
    }
}

fn exec_takes_the_path_of_a_namespace(host: &Sandbox) {
    host.netns_tool("create red").succeeds();
    let sleeper = Sleeper::inside("red");
    let path = format!("/proc/{}/ns/net", sleeper.pid());
    let inode = sh("stat --format=%i /run/netns/red");
    host.netns_tool(&format!("exec {path} readlink /proc/self/ns/net")).succeeds().says(inode.trim());
}

fn dns_writes_what_exec_shows(host: &Sandbox) {
    host.netns_tool("create red").succeeds();
    host.netns_tool("dns red 192.0.2.53 2001:db8::53").succeeds().says("192.0.2.53, 2001:db8::53");
    assert_eq!(sh("stat --format=%a /etc/netns/red/resolv.conf").trim(), "644");
    for inside in [
        host.netns_tool("exec red cat /etc/resolv.conf").succeeds().stdout().to_owned(),
        sh("ip netns exec red cat /etc/resolv.conf"),
    ] {
        assert!(inside.contains("nameserver 192.0.2.53\nnameserver 2001:db8::53\n"), "{inside}");
    }
    host.netns_tool("dns red 192.0.2.53 2001:db8::53").succeeds().says("already asks");
    host.netns_tool("dns red --remove").succeeds();
    assert_eq!(sh("ls -A /etc/netns").trim(), "");
}

fn dns_refuses_servers_that_answer_nobody(host: &Sandbox) {
    host.netns_tool("create red").succeeds();
    host.netns_tool("dns red 127.0.0.53").fails_with(2).complains("loopback");
    host.netns_tool("dns red ::1").fails_with(2).complains("loopback");
    host.netns_tool("dns blue 192.0.2.53").fails_with(4).complains("netns 'blue' does not exist");
    sh("echo 'nameserver 127.0.0.53' > /tmp/stub; mount --bind /tmp/stub /etc/resolv.conf");
    host.netns_tool("dns red --from-host").fails_with(4).complains("no name server");
    assert_eq!(sh("ls -A /etc/netns").trim(), "");
}

fn dns_from_host_sees_behind_the_stub(host: &Sandbox) {
    host.netns_tool("create red").succeeds();
    sh("echo 'nameserver 127.0.0.53' > /tmp/stub; mount --bind /tmp/stub /etc/resolv.conf
        mkdir -p /run/systemd/resolve
        printf 'nameserver 192.0.2.99\\nsearch lab\\n' > /run/systemd/resolve/resolv.conf");
    host.netns_tool("dns red --from-host").succeeds().says("192.0.2.99");
    let inside = sh("ip netns exec red cat /etc/resolv.conf");
    assert!(inside.contains("search lab\nnameserver 192.0.2.99\n"), "{inside}");
}

fn dns_goes_with_its_netns(host: &Sandbox) {
    let before = Snapshot::take();
    host.netns_tool("create red").succeeds();
    host.netns_tool("dns red 192.0.2.53").succeeds();
    host.netns_tool("delete red").succeeds();
    assert_eq!(sh("ls -A /etc/netns").trim(), "");
    before.assert_same(&Snapshot::take(), "nothing of the netns is left");
}

fn delete_names_a_process_inside(host: &Sandbox) {
    host.netns_tool("create red").succeeds();
    let sleeper = Sleeper::inside("red");
    let before = Snapshot::take();
    let refused = host.netns_tool("delete red").fails_with(6).complains("--kill");
    let _named = refused.complains(&format!("sleep (pid {}, inside)", sleeper.pid()));
    before.assert_same(&Snapshot::take(), "a refusal changes nothing");
}

fn delete_names_an_open_file(host: &Sandbox) {
    host.netns_tool("create red").succeeds();
    let sleeper = Sleeper::with_open_file("red");
    let who = format!("sleep (pid {}, open file 7)", sleeper.pid());
    host.netns_tool("delete red").fails_with(6).complains(&who);
    host.netns_tool("delete red --kill").succeeds();
    assert_eq!(sleeper.end().signal(), Some(9));
}

fn delete_names_another_mount(host: &Sandbox) {
    host.netns_tool("create red").succeeds();
    sh("touch /tmp/another; mount --bind /run/netns/red /tmp/another");
    host.netns_tool("delete red").fails_with(6).complains("/tmp/another");
    host.netns_tool("delete red --kill").fails_with(6).complains("umount");
    sh("umount /tmp/another");
    host.netns_tool("delete red").succeeds();
}

fn delete_kill_ends_the_holders(host: &Sandbox) {
    host.netns_tool("create red").succeeds();
    let (one, other) = (Sleeper::inside("red"), Sleeper::inside("red"));
    let bystander = Sleeper::on_the_host();
    host.netns_tool("delete red --kill").succeeds().says("Deleted network namespace 'red'");
    assert_eq!((one.end().signal(), other.end().signal()), (Some(9), Some(9)));
    assert!(std::path::Path::new(&format!("/proc/{}/ns/net", bystander.pid())).exists());
    assert_eq!(sh("ip netns list").trim(), "");
}

fn delete_wait_gives_up_in_time(host: &Sandbox) {
    host.netns_tool("create red").succeeds();
    let sleeper = Sleeper::inside("red");
    let start = Instant::now();
    host.netns_tool("delete red --wait 1").fails_with(6).complains("sleep");
    assert!(start.elapsed().as_millis() >= 1000);
    drop(sleeper);
    let mut short = std::process::Command::new("/bin/sh");
    let mut short = short.arg("-c").arg("exec ip netns exec red sleep 0.5").spawn().unwrap();
    host.netns_tool("delete red --wait 30").succeeds();
    assert!(short.wait().unwrap().success() || sh("ip netns list").trim().is_empty());
}

fn gc_removes_half_made_names_and_loose_cables(host: &Sandbox) {
    let before = Snapshot::take();
    host.netns_tool("create red").succeeds();
    host.netns_tool("veth veth-host red veth-ns").succeeds();
    let sleeper = Sleeper::inside("red");
    sh("ip netns delete red; touch /run/netns/half");
    let shown = host.netns_tool("gc --dry-run").succeeds();
    let _shown = shown.says("delete link 'veth-host'").says("delete netns 'half'");
    assert_eq!(sh("ls /run/netns").trim(), "half", "a dry run changes nothing");
    host.netns_tool("gc").succeeds();
    host.netns_tool("gc").succeeds().says("Nothing was left over");
    drop(sleeper);
    before.assert_same(&Snapshot::take(), "nothing is left");
}

fn gc_takes_back_ports_of_a_netns_that_is_gone(host: &Sandbox) {
    host.netns_tool("bridge br0 --address 10.5.0.1/24").succeeds();
    let before = Snapshot::take();
    host.netns_tool("create red").succeeds();
    host.netns_tool("connect red br0").succeeds();
    host.netns_tool("publish 8080:red:80").succeeds();
    sh("ip netns delete red");
    host.netns_tool("gc").succeeds();
    netns_testkit::eventually("the cable is gone", || !sh("ip -oneline link").contains("veth-red"));
    before.assert_same(&Snapshot::take(), "nothing of the port is left");
}
