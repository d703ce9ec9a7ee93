//! Programs of a topology, what they say, and how long it all stays.

#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::{fs, path::Path, process::ExitCode};

use netns_testkit::{Missing, Program, Sandbox, Snapshot, eventually, program_exists, sh, trials};

#[path = "lifetime_test/astray.rs"]
mod astray;

fn main() -> ExitCode {
    let mut trials = trials!(bare:
        programs_run_while_the_topology_is_up,
        a_program_that_is_not_there_leaves_the_host_as_it_was,
        a_program_that_is_not_there_leaves_the_former_one_running,
        logs_tells_what_programs_said,
        logs_follows_until_the_last_program_has_ended,
        a_topology_goes_when_its_time_is_over,
        a_topology_goes_with_the_process_that_called,
        a_topology_that_is_to_stay_outlives_its_first_time,
        gc_takes_down_what_nobody_watches,
        shell_opens_the_users_shell_inside,
        enable_writes_what_disable_removes,
        enable_leaves_files_of_others_alone,
        systemd_understands_what_enable_writes,
    );
    trials.extend(astray::trials());
    netns_testkit::main(trials)
}

/// Brings up a node `web` with `programs`, each a line of shell, and further options of `up`.
fn lab(programs: &[&str]) {
    let lines: Vec<_> = programs.iter().map(|script| format!("      - [sh, -c, '{script}']\n")).collect();
    let run = if programs.is_empty() { String::new() } else { format!("\n    run:\n{}", lines.concat()) };
    let node = if run.is_empty() { " {}".to_owned() } else { run };
    fs::write("/run/lab.yaml", format!("name: lab\nnodes:\n  web:{node}\n")).expect("/run is writable");
}

/// Looks closer only once the note is gone: who looks into a netns at its end is killed with the rest.
fn is_gone(before: &Snapshot) -> bool {
    !Path::new("/run/netns-tool/topology/lab").exists() && before.difference(&Snapshot::take()).is_empty()
}

fn programs_run_while_the_topology_is_up(host: &Sandbox) {
    lab(&["exec sleep 1000"]);
    let before = Snapshot::take();
    host.netns_tool("up /run/lab.yaml").succeeds();
    assert_eq!(sh("ip netns pids web").lines().count(), 1);
    host.netns_tool("up /run/lab.yaml").succeeds().says("already");
    host.netns_tool("down lab").succeeds();
    before.assert_same(&Snapshot::take(), "after down");
}

fn a_program_that_is_not_there_leaves_the_host_as_it_was(host: &Sandbox) {
    fs::write("/run/lab.yaml", "name: lab\nnodes:\n  web:\n    run:\n      - [no-such-program]\n")
        .expect("/run is writable");
    let before = Snapshot::take();
    host.netns_tool("up /run/lab.yaml").fails_with(1).complains("command 'no-such-program' not found");
    before.assert_same(&Snapshot::take(), "after the refusal");
}

fn a_program_that_is_not_there_leaves_the_former_one_running(host: &Sandbox) {
    lab(&["exec sleep 1000"]);
    host.netns_tool("up /run/lab.yaml").succeeds();
    let before = Snapshot::take();
    sh("sed -i 's/- .*/- [no-such-program]/' /run/lab.yaml");
    let failed = host.netns_tool("up /run/lab.yaml").fails_with(1);
    failed.complains("command 'no-such-program' not found").complains("the host is as it was");
    before.assert_same(&Snapshot::take(), "after the refusal");
    let pid = sh("ip netns pids web");
    assert_eq!(sh(&format!("cat /proc/{}/comm", pid.trim())), "sleep\n");
    host.netns_tool("down lab").succeeds();
}

fn logs_tells_what_programs_said(host: &Sandbox) {
    lab(&["echo one; exec sleep 1000", "echo two >&2; exec sleep 1000"]);
    host.netns_tool("up /run/lab.yaml").succeeds();
    eventually("both have spoken", || {
        host.netns_tool("logs web").succeeds().stdout()
            == "==> program 1 of netns 'web' <==\none\n==> program 2 of netns 'web' <==\ntwo\n"
    });
    host.netns_tool("logs blue").fails_with(4).complains("no program of a topology has run in netns 'blue'");
    host.netns_tool("down lab").succeeds();
}

fn logs_follows_until_the_last_program_has_ended(host: &Sandbox) {
    sh("mkfifo /run/go");
    lab(&["echo before; read word < /run/go; echo $word"]);
    host.netns_tool("up /run/lab.yaml").succeeds();
    let tool = host.tool();
    let script = format!("{} logs web --follow & echo after > /run/go; wait", tool.path().to_string_lossy());
    assert_eq!(sh(&script), "before\nafter\n");
    host.netns_tool("down lab").succeeds();
}

fn a_topology_goes_when_its_time_is_over(host: &Sandbox) {
    lab(&["exec sleep 1000"]);
    let before = Snapshot::take();
    host.netns_tool("up --ttl soon /run/lab.yaml").fails_with(2).complains("expected a time");
    host.netns_tool("up --ttl 1s /run/lab.yaml").succeeds();
    eventually("its time is over", || is_gone(&before));
}

fn a_topology_goes_with_the_process_that_called(host: &Sandbox) {
    lab(&["exec sleep 1000"]);
    let before = Snapshot::take();
    let tool = host.tool();
    let script = format!("{} up --with-me /run/lab.yaml; ip netns pids web", tool.path().display());
    let caller = Program::new("/bin/sh").arg("-euc").arg(&script).run().succeeds();
    let is_pid = |line: &str| line.parse::<u32>().is_ok();
    assert!(caller.stdout().lines().any(is_pid), "it was up: {}", caller.stdout());
    eventually("the caller is gone, and all with it", || is_gone(&before));
}

fn a_topology_that_is_to_stay_outlives_its_first_time(host: &Sandbox) {
    lab(&[]);
    host.netns_tool("up --ttl 1d /run/lab.yaml").succeeds();
    assert_eq!(watchers(), 1);
    host.netns_tool("up --ttl never /run/lab.yaml").succeeds();
    eventually("nobody watches any more", || watchers() == 0);
    host.netns_tool("status").succeeds().says("as asked  lab");
    host.netns_tool("down lab").succeeds();
}

/// Counts the processes of this host that wait for the end of a topology.
fn watchers() -> usize {
    let lines = sh(r#"own=$(readlink /proc/self/ns/mnt)
        for process in /proc/[0-9]*; do
            [ "$(readlink $process/ns/mnt)" = "$own" ] && tr '\0' ' ' < $process/cmdline && echo
        done 2>/dev/null; true"#);
    lines.lines().filter(|line| line.ends_with(" watch lab ")).count()
}

fn gc_takes_down_what_nobody_watches(host: &Sandbox) {
    lab(&[]);
    let before = Snapshot::take();
    host.netns_tool("up --ttl 1d /run/lab.yaml").succeeds();
    host.netns_tool("gc").succeeds().says("Nothing was left over");
    // As if that day had passed, and the watcher, which sees another lifetime and ends, had been killed.
    sh(r#"sed -i 's/"Until":[0-9]*/"Until":1/' /run/netns-tool/topology/lab"#);
    host.netns_tool("gc").succeeds().says("delete netns 'web'");
    before.assert_same(&Snapshot::take(), "after gc");
}

fn shell_opens_the_users_shell_inside(host: &Sandbox) {
    host.netns_tool("create red").succeeds();
    let inode = sh("stat --format=%i /run/netns/red");
    sh("printf '#!/bin/sh\\nreadlink /proc/self/ns/net\\n' > /run/my-shell; chmod 755 /run/my-shell");
    let opened = host.tool().words("shell red").env("SHELL", "/run/my-shell").run().succeeds();
    let _inside = opened.says(inode.trim());
    let shown = host.tool().words("shell red --explain").env("SHELL", "").run().succeeds();
    assert_eq!(shown.stdout(), "ip netns exec red /bin/sh\n");
}

/// Of the machine's own folders, a throw-away host sees what is in them, and cannot write there.
fn empty_folders_of_systemd() {
    sh("for folder in systemd sysctl.d; do
        mkdir -p /etc/$folder
        mount -t tmpfs tmpfs /etc/$folder
    done
    mkdir /etc/systemd/system");
}

fn enable_writes_what_disable_removes(host: &Sandbox) {
    empty_folders_of_systemd();
    fs::write("/run/lab.yaml", "name: lab\nnetworks:\n  br0: {subnet: 10.9.0.0/24, nat: true}\n")
        .expect("writable");
    let before = Snapshot::take();
    host.netns_tool("enable --dry-run /run/lab.yaml").succeeds().says("write /etc/netns-tool/lab.yaml");
    before.assert_same(&Snapshot::take(), "after a dry run");
    host.netns_tool("enable /run/lab.yaml").succeeds().says("systemctl daemon-reload");
    assert_eq!(sh("tail -n +2 /etc/netns-tool/lab.yaml"), sh("cat /run/lab.yaml"));
    assert_eq!(sh("grep -v '^#' /etc/sysctl.d/90-netns-tool-lab.conf"), "net.ipv4.ip_forward = 1\n");
    let unit = "/etc/systemd/system/netns-tool-lab.service";
    let started = sh(&format!("grep ^ExecStart= {unit}"));
    assert!(started.ends_with("netns-tool up /etc/netns-tool/lab.yaml\n"), "{started}");
    let wanted = "/etc/systemd/system/multi-user.target.wants/netns-tool-lab.service";
    assert_eq!(sh(&format!("readlink {wanted}")), format!("{unit}\n"));
    host.netns_tool("enable /etc/netns-tool/lab.yaml").succeeds().says("already");
    host.netns_tool("disable lab").succeeds();
    assert_eq!(sh("find /etc/netns-tool /etc/systemd /etc/sysctl.d -name '*lab*' 2>/dev/null || true"), "");
    host.netns_tool("disable lab").fails_with(4).complains("topology 'lab' is not enabled");
}

/// It looks whether the program is there, too: a path with blanks and signs of `systemd.unit(5)` stays one word.
fn systemd_understands_what_enable_writes(host: &Sandbox) -> Result<(), Missing> {
    if !program_exists("systemd-analyze") {
        return Err(Missing("the program systemd-analyze".to_owned()));
    }
    empty_folders_of_systemd();
    lab(&[]);
    let odd = ["/run/a folder %h $HOME", "/run/a \\ \"folder\""];
    let tool = host.tool();
    for folder in [None, Some(odd[0]), Some(odd[1])] {
        let mut program = tool.path().display().to_string();
        if let Some(folder) = folder {
            fs::create_dir(folder).expect("/run is writable");
            let copy = format!("{folder}/netns-tool");
            fs::copy(&program, &copy).expect("it can be read");
            program = copy;
        }
        drop(Program::new(&program).words("enable /run/lab.yaml").run().succeeds());
        let unit = "/etc/systemd/system/netns-tool-lab.service";
        let judged = Program::new("systemd-analyze").words("verify --man=no").arg(unit).run().succeeds();
        assert_eq!(judged.stderr(), "", "{}", fs::read_to_string(unit).expect("it was written"));
        // It only warns, so it is asked about what it must not like.
        sh(&format!("sed -i 's,^ExecStart=.*,ExecStart=/nowhere up,; s/^Type=.*/Type=odd/' {unit}"));
        let judged = Program::new("systemd-analyze").words("verify --man=no").arg(unit).run();
        assert!(judged.stderr().contains("/nowhere") && judged.stderr().contains("odd"), "{judged:?}");
        host.netns_tool("disable lab").succeeds();
    }
    Ok(())
}

fn enable_leaves_files_of_others_alone(host: &Sandbox) {
    empty_folders_of_systemd();
    lab(&[]);
    sh("echo mine > /etc/systemd/system/netns-tool-lab.service");
    host.netns_tool("enable /run/lab.yaml").fails_with(5).complains("was not written by netns-tool");
    assert!(!Path::new("/etc/netns-tool").exists());
    host.netns_tool("disable lab").fails_with(4).complains("is not enabled");
    assert_eq!(sh("cat /etc/systemd/system/netns-tool-lab.service"), "mine\n");
}
