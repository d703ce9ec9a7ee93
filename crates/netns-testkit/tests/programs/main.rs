//! Programs in nodes and the names they know, as the real kernel and other programs see them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::BTreeSet,
    fs::{self, File},
    process::{Command, ExitCode},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use netns_engine::{
    kernel::{Kernel, LinuxKernel, Refusal},
    name::NetnsName,
    observed::{Hold, Observed, Scope},
    operation::Operation,
    topology::{HostEntry, Program, ProgramKey},
};
use netns_testkit::{Sandbox, Sleeper, Snapshot, eventually, eventually_some, sh, trials};
use rustix::io::Errno;

fn main() -> ExitCode {
    netns_testkit::main(trials!(bare:
        shared_names_are_resolved_inside,
        a_hosts_file_of_somebody_else_stays,
        a_program_runs_inside_in_a_session_of_its_own,
        a_program_that_is_not_there_is_refused_and_leaves_nothing,
        a_program_is_started_once,
        a_program_is_stopped_with_all_it_started,
        a_program_that_does_not_listen_is_killed,
        a_program_that_writes_over_its_environment_is_known_all_the_same,
        a_program_that_ended_is_not_running,
        holders_of_many_netns_are_found_at_once,
        a_process_that_is_being_started_holds_nothing,
    ))
}

fn name(text: &str) -> NetnsName {
    NetnsName::new(text).unwrap()
}

fn key(node: &str) -> ProgramKey {
    ProgramKey { topology: name("lab"), netns: name(node), number: 1 }
}

fn perform(operation: &Operation) -> Result<(), Refusal> {
    LinuxKernel::default().perform(operation)
}

fn start(node: &str, script: &str) -> Result<(), Refusal> {
    let command = ["sh", "-c", script].map(str::to_owned).to_vec();
    perform(&Operation::StartProgram(key(node), Program { command }))
}

fn stop(node: &str) -> Result<(), Refusal> {
    perform(&Operation::StopProgram(key(node)))
}

fn observe(names: &[&str]) -> Observed {
    let names: BTreeSet<_> = names.iter().map(|text| name(text)).collect();
    let scope =
        Scope { netns: names.clone(), holders: names.clone(), programs: names.clone(), ..Scope::default() };
    let scope = Scope { shared_hosts: names, hosts: [name("lab")].into(), ..scope };
    LinuxKernel::default().observe(&scope).unwrap()
}

fn make(node: &str) {
    perform(&Operation::CreateNetns(name(node))).unwrap();
}

fn log(node: &str) -> String {
    fs::read_to_string(format!("/run/netns-tool/logs/lab/{node}-1.log")).unwrap_or_default()
}

/// The processes in a netns, by `ip`.
fn pids(node: &str) -> Vec<String> {
    sh(&format!("ip netns pids {node}")).lines().map(str::to_owned).collect()
}

fn shared_names_are_resolved_inside(_: &Sandbox) {
    make("red");
    let before = Snapshot::take();
    let address = "192.0.2.7".parse().unwrap();
    let entry = HostEntry { address, names: vec!["blue".to_owned(), "b".to_owned()] };
    let topology = name("lab");
    perform(&Operation::WriteHosts(topology.clone(), vec![entry.clone()])).unwrap();
    perform(&Operation::ShareHosts(name("red"), topology.clone())).unwrap();
    assert_eq!(sh("ip netns exec red getent hosts b | tr -s ' '").trim(), "192.0.2.7 blue b");
    assert_eq!(sh("stat --format=%a /run/netns-tool/hosts/lab").trim(), "644");
    let observed = observe(&["red"]);
    assert_eq!(observed.hosts[&topology], [entry]);
    assert_eq!(observed.shared_hosts[&name("red")], topology);
    perform(&Operation::UnshareHosts(name("red"))).unwrap();
    perform(&Operation::RemoveHosts(topology)).unwrap();
    before.assert_same(&Snapshot::take(), "after the names were taken away");
}

fn a_hosts_file_of_somebody_else_stays(_: &Sandbox) {
    make("red");
    sh("mkdir -p /etc/netns/red; echo '192.0.2.1 mine' > /etc/netns/red/hosts");
    let refused = perform(&Operation::ShareHosts(name("red"), name("lab"))).unwrap_err();
    assert_eq!(refused.errno(), Errno::EXIST);
    assert!(perform(&Operation::UnshareHosts(name("red"))).is_err());
    assert_eq!(sh("cat /etc/netns/red/hosts"), "192.0.2.1 mine\n");
}

fn a_program_runs_inside_in_a_session_of_its_own(_: &Sandbox) {
    make("red");
    let before = Snapshot::take();
    start("red", "echo to the log; echo and errors >&2; exec sleep 1000").unwrap();
    let pid = eventually_some("the program sleeps", || {
        let found = pids("red").into_iter().next()?;
        (fs::read_to_string(format!("/proc/{found}/comm")).ok()? == "sleep\n").then_some(found)
    });
    assert_eq!(log("red"), "to the log\nand errors\n");
    assert_ne!(sh(&format!("ps -o sid= -p {pid}")), sh("ps -o sid= -p $$"), "its session");
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    assert!(status.contains("SigBlk:\t0000000000000000"), "no signal is held back: {status}");
    let files = sh(&format!("ls /proc/{pid}/fd"));
    assert_eq!(files.split_whitespace().collect::<Vec<_>>(), ["0", "1", "2"], "no file is inherited");
    assert_eq!(sh(&format!("readlink /proc/{pid}/fd/0")).trim(), "/dev/null");
    let observed = observe(&["red"]);
    assert!(observed.programs.contains(&key("red")), "{observed:?}");
    let holders = &observed.netns[&name("red")].holders;
    assert_eq!(holders.len(), 1, "{holders:?}");
    assert_eq!((&holders[0].by, holders[0].runs.as_ref()), (&Hold::Inside, Some(&key("red"))));
    stop("red").unwrap();
    assert_eq!(pids("red"), Vec::<String>::new());
    before.assert_same(&Snapshot::take(), "after the program was stopped");
    assert_eq!(stop("red").unwrap_err().errno(), Errno::SRCH);
}

fn a_program_that_is_not_there_is_refused_and_leaves_nothing(_: &Sandbox) {
    make("red");
    let before = Snapshot::take();
    let program = Program { command: vec!["no-such-program".to_owned()] };
    let refused = perform(&Operation::StartProgram(key("red"), program)).unwrap_err();
    assert_eq!(refused.to_string(), "command 'no-such-program' not found (ENOENT)");
    before.assert_same(&Snapshot::take(), "after the refusal");
    assert!(!fs::exists("/run/netns-tool/logs").unwrap(), "not even a folder");
    let nowhere = start("blue", "true").unwrap_err();
    assert_eq!(nowhere.errno(), Errno::NOENT);
}

fn a_program_is_started_once(_: &Sandbox) {
    make("red");
    start("red", "exec sleep 1000").unwrap();
    assert_eq!(start("red", "true").unwrap_err().errno(), Errno::EXIST);
    stop("red").unwrap();
}

fn a_program_is_stopped_with_all_it_started(_: &Sandbox) {
    make("red");
    start("red", "sleep 1000 & setsid sleep 1000 & wait").unwrap();
    eventually("three processes run", || pids("red").len() == 3);
    stop("red").unwrap();
    assert_eq!(pids("red"), Vec::<String>::new());
}

fn a_program_that_does_not_listen_is_killed(_: &Sandbox) {
    make("red");
    start("red", "trap '' TERM; echo deaf; while :; do sleep 1000; done").unwrap();
    eventually("it is deaf", || log("red") == "deaf\n");
    stop("red").unwrap();
    assert_eq!(pids("red"), Vec::<String>::new());
}

/// `env -i` leaves as little as a server does that writes its title there.
fn a_program_that_writes_over_its_environment_is_known_all_the_same(_: &Sandbox) {
    make("red");
    start("red", "exec env -i /bin/sleep 1000").unwrap();
    eventually("its environment is empty", || {
        pids("red").iter().any(|pid| fs::read(format!("/proc/{pid}/environ")).is_ok_and(|all| all.is_empty()))
    });
    assert!(observe(&["red"]).programs.contains(&key("red")));
    stop("red").unwrap();
    assert_eq!(pids("red"), Vec::<String>::new());
}

fn a_program_that_ended_is_not_running(_: &Sandbox) {
    make("red");
    start("red", "echo done").unwrap();
    eventually("it said what it had to", || log("red") == "done\n");
    eventually("it is over", || observe(&["red"]).programs.is_empty());
    start("red", "exec sleep 1000").unwrap();
    assert_eq!(log("red"), "done\n", "what it said stays");
    stop("red").unwrap();
}

fn holders_of_many_netns_are_found_at_once(_: &Sandbox) {
    for node in ["red", "blue", "idle"] {
        make(node);
    }
    let inside = Sleeper::inside("red");
    let open = Sleeper::with_open_file("blue");
    let observed = observe(&["red", "blue", "idle"]);
    let held = |node: &str| {
        let holders = &observed.netns[&name(node)].holders;
        holders.iter().map(|holder| (holder.pid, holder.by.clone())).collect::<Vec<_>>()
    };
    assert_eq!(held("red"), [(inside.pid(), Hold::Inside)]);
    assert_eq!(held("blue"), [(open.pid(), Hold::OpenFile(7))]);
    assert_eq!(held("idle"), []);
}

/// Between `fork` and `exec` it has all files that this process has open.
fn a_process_that_is_being_started_holds_nothing(_: &Sandbox) {
    make("red");
    let _open = File::open("/run/netns/red").unwrap();
    let looks_on = AtomicBool::new(true);
    thread::scope(|scope| {
        scope.spawn(|| {
            while looks_on.load(Ordering::Relaxed) {
                assert!(Command::new("true").status().unwrap().success());
            }
        });
        let seen: BTreeSet<_> =
            (0..200).flat_map(|_| observe(&["red"]).netns.remove(&name("red")).unwrap().holders).collect();
        looks_on.store(false, Ordering::Relaxed);
        assert_eq!(seen, BTreeSet::new());
    });
}
