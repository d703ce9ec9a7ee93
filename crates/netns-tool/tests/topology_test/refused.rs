//! What cannot be is refused before anything is touched.

use std::{
    fs::{self, File},
    net::UdpSocket,
    os::unix::fs::MetadataExt,
    thread,
};

use libtest_mimic::Trial;
use netns_testkit::{Sandbox, Sleeper, Snapshot, eventually, sh, trials};

const FILE: &str = "/run/lab.yaml";

const LAB: &str = "
name: lab
networks:
  lab0: { subnet: 10.44.0.0/24, nat: true }
nodes:
  red: { networks: [lab0] }
  blue: { networks: [lab0] }
";

pub(crate) fn trials() -> Vec<Trial> {
    trials!(online:
        a_mistake_in_the_file_is_shown_where_it_is,
        what_the_kernel_takes_for_no_network_is_refused,
        more_ports_than_a_bridge_has_are_refused,
        a_netns_of_somebody_elses_is_not_taken,
        a_netns_of_somebody_elses_is_not_deleted,
        a_file_of_somebody_elses_is_not_taken,
        a_link_of_somebody_elses_is_not_taken,
        a_subnet_that_the_host_routes_is_refused,
        a_subnet_that_another_table_routes_is_refused,
        what_came_while_it_waited_is_seen,
        a_setting_that_is_no_number_leaves_nothing,
        a_way_out_is_not_in_the_way,
        what_is_not_up_cannot_be_taken_down,
        what_is_no_file_is_not_waited_for,
        names_are_kept_in_files_in_folders,
        a_held_netns_is_not_taken_down,
        a_netns_held_by_a_socket_is_not_taken_down,
    )
}

fn up_is_refused(host: &Sandbox, file: &str, code: i32, phrases: &[&str]) {
    fs::write(FILE, file).unwrap();
    let untouched = Snapshot::take();
    let mut ended = host.netns_tool(&format!("up {FILE}")).fails_with(code);
    for phrase in phrases {
        ended = ended.complains(phrase);
    }
    untouched.assert_same(&Snapshot::take(), "after a refused up");
}

fn a_mistake_in_the_file_is_shown_where_it_is(host: &Sandbox) {
    let file = LAB.replace("subnet:", "subnett:");
    let phrases = ["unknown key 'subnett'", "line 4, column 11", "^^^^^^^", "did you mean 'subnet'"];
    up_is_refused(host, &file, 2, &phrases);
    let file = LAB.replace("blue: { networks: [lab0] }", "blue: { networks: [lab1] }");
    up_is_refused(host, &file, 2, &["'lab1'", "line 7, column 22", "^^^^", "did you mean 'lab0'"]);
}

fn what_the_kernel_takes_for_no_network_is_refused(host: &Sandbox) {
    for name in ["all", "default"] {
        sh(&format!("! ip link add {name} type bridge"));
        let phrases = [&format!("no link can be called '{name}'"), "line 4"];
        up_is_refused(host, &LAB.replace("lab0", name), 2, &phrases);
    }
    let phrases = ["'fe80::/64' is not a subnet", "line 4, column 19"];
    up_is_refused(host, &LAB.replace("10.44.0.0/24", "\"fe80::/64\""), 2, &phrases);
}

fn more_ports_than_a_bridge_has_are_refused(host: &Sandbox) {
    let nodes: Vec<_> = (0..1024).map(|number| format!("  n{number}: {{ networks: [big] }}")).collect();
    let nodes = nodes.join("\n");
    let file = format!("name: big\nnetworks:\n  big: {{ subnet: 10.44.0.0/16 }}\nnodes:\n{nodes}\n");
    up_is_refused(host, &file, 2, &["1023"]);
}

fn a_netns_of_somebody_elses_is_not_taken(host: &Sandbox) {
    sh("ip netns add blue");
    up_is_refused(host, LAB, 5, &["'blue'"]);
    sh("ip netns delete blue");
    drop(host.netns_tool("create blue").succeeds());
    up_is_refused(host, LAB, 5, &["'blue'"]);
}

/// It took the place of a node, and may have somebody inside.
fn a_netns_of_somebody_elses_is_not_deleted(host: &Sandbox) {
    fs::write(FILE, LAB).unwrap();
    drop(host.netns_tool(&format!("up {FILE}")).succeeds());
    sh("ip netns delete blue; ip netns add blue; ip -n blue link add br9 type bridge");
    let sleeper = Sleeper::inside("blue");
    drop(host.netns_tool("down lab --kill").succeeds());
    assert_eq!(
        sh("ip netns list | cut -d' ' -f1; ip -n blue -br link show br9 | cut -d' ' -f1"),
        "blue\nbr9\n"
    );
    assert_eq!(sh("find /run/netns-tool -type f"), "/run/netns-tool/lock\n");
    assert_eq!(sh("ip netns pids blue").trim(), sleeper.pid().to_string());
}

fn a_file_of_somebody_elses_is_not_taken(host: &Sandbox) {
    let file = LAB
        .replace("blue: {", "blue: { nameservers: [203.0.113.8],")
        .replace("name: lab", "name: lab\nhosts: true");
    sh("mkdir -p /etc/netns/blue");
    for (name, deed) in [
        ("hosts", "echo '192.0.2.1 db' > /etc/netns/blue/hosts"),
        ("hosts", "ln -s /nowhere /etc/netns/blue/hosts"),
        ("hosts", "mkdir /etc/netns/blue/hosts"),
        ("resolv.conf", "echo 'nameserver 192.0.2.1' > /etc/netns/blue/resolv.conf"),
    ] {
        sh(deed);
        let taken = format!("/etc/netns/blue/{name} already exists, and was not written by netns-tool");
        up_is_refused(host, &file, 5, &[&taken, "node 'blue'", "or move the file out of the way"]);
        drop(host.netns_tool(&format!("plan {FILE}")).fails_with(5).complains(&taken));
        sh(&format!("rm -r /etc/netns/blue/{name}"));
    }
    drop(host.netns_tool(&format!("up {FILE}")).succeeds());
    sh("rm /etc/netns/blue/hosts; touch /etc/netns/blue/hosts");
    drop(host.netns_tool("status lab").fails_with(9).says("/etc/netns/blue/hosts already exists"));
    drop(host.netns_tool("down lab").succeeds());
    assert_eq!(sh("ls /etc/netns/blue"), "hosts\n");
}

fn a_link_of_somebody_elses_is_not_taken(host: &Sandbox) {
    sh("ip link add lab0 type bridge");
    up_is_refused(host, LAB, 5, &["'lab0'"]);
}

fn a_subnet_that_the_host_routes_is_refused(host: &Sandbox) {
    sh("ip route add 10.44.0.128/25 dev eth0");
    up_is_refused(host, LAB, 5, &["10.44.0.0/24", "10.44.0.128/25"]);
}

/// What a VPN does: a table of its own, and rules that lead there.
fn a_subnet_that_another_table_routes_is_refused(host: &Sandbox) {
    sh("ip route add 10.44.0.0/16 dev eth0 table 51820; ip rule add lookup 51820");
    up_is_refused(host, LAB, 5, &["10.44.0.0/24", "10.44.0.0/16 dev eth0 table 51820"]);
}

/// The same VPN where it takes everything, and the other habit: two halves of a default route.
fn a_setting_that_is_no_number_leaves_nothing(host: &Sandbox) {
    for (name, why) in
        [("net.ipv4.tcp_rmem", "is not one number"), ("net.ipv4.route.flush", "cannot be read")]
    {
        let settings =
            format!("red: {{ sysctls: {{ net.ipv4.tcp_syncookies: 2, {name}: 1 }}, networks: [lab0] }}");
        up_is_refused(host, &LAB.replace("red: { networks: [lab0] }", &settings), 1, &[name, why]);
    }
}

/// A long file is read while others are waited for; what they do meanwhile counts.
fn what_came_while_it_waited_is_seen(host: &Sandbox) {
    let long = format!("{LAB}# {}\n", "-".repeat(5000));
    fs::write(FILE, &long).unwrap();
    drop(host.netns_tool(&format!("up {FILE}")).succeeds());
    let more = "  lab1: { subnet: 10.45.0.0/24 }\nnodes:\n  green: { networks: [lab1] }\n";
    fs::write(FILE, long.replace("nodes:\n", more)).unwrap();
    let lock = File::open("/run/netns-tool/lock").unwrap();
    lock.lock().unwrap();
    thread::scope(|scope| {
        let up = scope.spawn(|| host.netns_tool(&format!("up {FILE}")));
        eventually("it waits for the lock, and does nothing else", || {
            waits_for(&lock).is_some_and(|pid| sh(&format!("ps -o s= -p {pid}")).trim() == "S")
        });
        sh("ip link add br9 type bridge; ip address add 10.45.0.1/24 dev br9");
        let untouched = Snapshot::take();
        lock.unlock().unwrap();
        let _refused = up.join().unwrap().fails_with(5).complains("already in use by link 'br9'");
        untouched.assert_same(&Snapshot::take(), "after a refused up");
    });
}

/// Returns who waits for a lock, as `/proc/locks` tells (`proc_locks(5)`).
fn waits_for(lock: &File) -> Option<u32> {
    let inode = format!(":{}", lock.metadata().unwrap().ino());
    let locks = fs::read_to_string("/proc/locks").unwrap();
    let waiting = locks.lines().filter(|line| line.contains("-> FLOCK"));
    let words = waiting.map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mut of_file = words.filter(|words| words.iter().any(|word| word.ends_with(&inode)));
    of_file.next()?.get(5)?.parse().ok()
}

fn a_way_out_is_not_in_the_way(host: &Sandbox) {
    fs::write(FILE, LAB).unwrap();
    sh("ip route add default dev eth0 table 51820; ip rule add lookup 51820
        ip route add 0.0.0.0/1 via 198.51.100.1; ip route add 128.0.0.0/1 via 198.51.100.1");
    let untouched = Snapshot::take();
    drop(host.netns_tool(&format!("up {FILE}")).succeeds());
    drop(host.netns_tool("down lab").succeeds());
    untouched.assert_same(&Snapshot::take(), "after down");
}

/// What lies where a node's own file belongs, and how it is told.
fn what_is_no_file_is_not_waited_for(host: &Sandbox) {
    let servers = "red: { networks: [lab0], nameservers: [203.0.113.8] }";
    fs::write(FILE, LAB.replace("red: { networks: [lab0] }", servers)).unwrap();
    for (deed, told) in [
        ("mkfifo $file", "resolv.conf' is a pipe, not a file"),
        ("mkdir $file", "resolv.conf' is a folder, not a file"),
        ("ln -s /dev/zero $file", "resolv.conf' is a device, not a file"),
        ("ln -s resolv.conf $file", "resolv.conf': too many levels"),
        ("truncate -s 17M $file", "resolv.conf' is larger than 16 MiB"),
        ("rmdir /etc/netns/red; touch /etc/netns/red", "'/etc/netns/red' is a file, not a folder"),
    ] {
        sh(&format!("mkdir -p /etc/netns/red; file=/etc/netns/red/resolv.conf; {deed}"));
        let refused = host.netns_tool(&format!("up {FILE}")).fails_with(1);
        drop(refused.complains("cannot read the state").complains("'/etc/netns/red").complains(told));
        sh("rm -r /etc/netns/red; ! ip link show lab0");
    }
    sh("mkdir -p /etc/netns/red; mkfifo /etc/netns/red/resolv.conf; ip netns add red");
    // Whoever only looks on passes over it.
    drop(host.netns_tool("doctor red").fails_with(9));
}

/// What lies where the names of a node belong.
fn names_are_kept_in_files_in_folders(host: &Sandbox) {
    sh("mkdir -p /etc/netns; touch /etc/netns/red");
    let file = LAB.replace("name: lab\n", "name: lab\nhosts: true\n");
    up_is_refused(host, &file, 1, &["'/etc/netns/red' is a file, not a folder"]);
    sh("rm /etc/netns/red; mkdir /etc/netns/red; mkfifo /etc/netns/red/hosts; ip netns add red");
    drop(host.netns_tool("import").fails_with(1).complains("'/etc/netns/red/hosts' is a pipe, not a file"));
}

fn what_is_not_up_cannot_be_taken_down(host: &Sandbox) {
    fs::write(FILE, LAB).unwrap();
    drop(host.netns_tool(&format!("down {FILE}")).fails_with(4));
    drop(host.netns_tool(&format!("up {FILE}")).succeeds());
    drop(host.netns_tool("down lab").succeeds());
    drop(host.netns_tool("down lab").fails_with(4).complains("'lab'"));
}

fn a_held_netns_is_not_taken_down(host: &Sandbox) {
    fs::write(FILE, LAB).unwrap();
    let untouched = Snapshot::take();
    drop(host.netns_tool(&format!("up {FILE}")).succeeds());
    let up = Snapshot::take();
    let sleeper = Sleeper::inside("red");
    let pid = sleeper.pid().to_string();
    drop(host.netns_tool("down lab").fails_with(6).complains("'red'").complains(&pid));
    up.assert_same(&Snapshot::take(), "after a refused down");
    drop(host.netns_tool("status").succeeds());
    drop(host.netns_tool("down lab --kill").succeeds());
    assert!(!sleeper.end().success(), "the sleeper was killed");
    untouched.assert_same(&Snapshot::take(), "after down");
}

/// A few netns are entered one after the other, many by several threads.
fn a_netns_held_by_a_socket_is_not_taken_down(host: &Sandbox) {
    for nodes in [2, 20] {
        let nodes: Vec<_> = (1..=nodes).map(|node| format!("  n{node}: {{}}\n")).collect();
        fs::write(FILE, format!("name: lab\nnodes:\n{}", nodes.concat())).unwrap();
        drop(host.netns_tool(&format!("up {FILE}")).succeeds());
        let socket = host.inside("n2", || UdpSocket::bind("127.0.0.1:0").unwrap());
        let own = std::process::id().to_string();
        drop(host.netns_tool("down lab").fails_with(6).complains("'n2'").complains(&own));
        drop(socket);
        drop(host.netns_tool("down lab").succeeds());
    }
}
