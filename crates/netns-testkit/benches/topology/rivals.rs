//! The same network by other means: the lessons' own commands, the same in batches, what containers use, and
//! Mininet.

use std::{
    fmt::Write,
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use crate::measured::{RivalTimes, program, timed};

/// A way to make a bridge with NAT and nodes on it.
pub(crate) struct Rival {
    pub(crate) name: &'static str,
    /// A program it cannot do without.
    needs: &'static str,
    how: How,
}

enum How {
    /// One shell script to make the network, one to take it away.
    Scripts { build: fn(usize) -> String, tear_down: fn(usize) -> String },
    /// One program, which keeps the network as long as it runs.
    Mininet,
}

const NETAVARK: &str = "/usr/lib/podman/netavark";
const CNI: &str = "/usr/lib/cni";
const MININET: &str = "/usr/bin/mn";

pub(crate) const RIVALS: [Rival; 5] = [
    Rival {
        name: "the lessons' script",
        needs: "/usr/sbin/iptables",
        how: How::Scripts { build: by_lesson, tear_down: away_by_lesson },
    },
    Rival {
        name: "`ip -batch` and `nft -f`",
        needs: "/usr/sbin/nft",
        how: How::Scripts { build: by_batch, tear_down: away_by_batch },
    },
    Rival {
        name: "netavark, N times",
        needs: NETAVARK,
        how: How::Scripts { build: by_netavark, tear_down: away_by_netavark },
    },
    Rival {
        name: "CNI bridge and host-local, N times",
        needs: "/usr/lib/cni/bridge",
        how: How::Scripts { build: by_cni, tear_down: away_by_cni },
    },
    Rival { name: "Mininet, LinuxBridge, no NAT", needs: MININET, how: How::Mininet },
];

impl Rival {
    /// Begins to measure.
    pub(crate) fn begin(&'static self) -> RivalTimes {
        let there = fs::exists(self.needs).is_ok_and(|there| there);
        let not_run = (!there).then(|| format!("no {}", self.needs));
        RivalTimes { rival: self, up: Vec::new(), down: Vec::new(), not_run }
    }
}

impl RivalTimes {
    /// One round. `check` looks whether a netns gets out; Mininet's have neither names nor NAT.
    pub(crate) fn once(&mut self, size: usize, check: &dyn Fn(&str)) {
        if self.not_run.is_some() {
            return;
        }
        match self.rival.how {
            How::Scripts { build, tear_down } => {
                self.up.push(timed(|| run(&build(size))));
                check(&format!("s{size}"));
                self.down.push(timed(|| run(&tear_down(size))));
            }
            How::Mininet => match self.one_of_mininet(size) {
                Ok(()) => {}
                Err(why) => self.not_run = Some(why),
            },
        }
    }

    fn one_of_mininet(&mut self, size: usize) -> Result<(), String> {
        let mut running = None;
        let up = timed(|| running = Some(begin_mininet(size)));
        let Some((mut child, said)) = running else { return Ok(()) };
        if said.trim() != "up" {
            drop(child.wait());
            return Err(format!("it said '{}'", said.trim()));
        }
        self.up.push(up);
        self.down.push(timed(|| {
            drop(child.stdin.take());
            assert!(child.wait().expect("it ends").success(), "Mininet failed");
        }));
        Ok(())
    }
}

/// Runs a script and insists that all of it works.
fn run(script: &str) {
    const FILE: &str = "/run/bench/script";
    fs::write(FILE, script).expect("it may");
    program(Command::new("sh").args(["-e", FILE]));
}

/// Starts Mininet and waits for its network.
fn begin_mininet(nodes: usize) -> (Child, String) {
    const PROGRAM: &str = "import sys
from mininet.net import Mininet
from mininet.topo import SingleSwitchTopo
from mininet.nodelib import LinuxBridge
net = Mininet(topo=SingleSwitchTopo(k=int(sys.argv[1])), switch=LinuxBridge, controller=None)
net.start()
print('up', flush=True)
sys.stdin.readline()
net.stop()
";
    let mut python = Command::new("/usr/bin/python3");
    python.args(["-c", PROGRAM, &nodes.to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = python.stderr(Stdio::null()).spawn().expect("Mininet brings it along");
    let mut said = String::new();
    let output = child.stdout.take().expect("it was asked for");
    BufReader::new(output).read_line(&mut said).expect("it speaks or ends");
    (child, said)
}

fn address(node: usize) -> String {
    let [high, low] = u16::try_from(node + 1).expect("a /16 holds them").to_be_bytes();
    format!("10.77.{high}.{low}/16")
}

/// One command a line, as it is typed.
fn by_lesson(nodes: usize) -> String {
    let mut script = String::from(
        "ip link add sbr type bridge
ip addr add 10.77.0.1/16 dev sbr
ip link set sbr up
sysctl -qw net.ipv4.ip_forward=1
iptables -t nat -A POSTROUTING -s 10.77.0.0/16 -o eth0 -j MASQUERADE
iptables -A FORWARD -i sbr -o eth0 -j ACCEPT
iptables -A FORWARD -i eth0 -o sbr -m state --state RELATED,ESTABLISHED -j ACCEPT
",
    );
    for node in 1..=nodes {
        writeln!(
            script,
            "ip netns add s{node}
ip link add sv{node} type veth peer name sp{node}
ip link set sp{node} netns s{node}
ip link set sv{node} master sbr
ip link set sv{node} up
ip netns exec s{node} ip addr add {} dev sp{node}
ip netns exec s{node} ip link set sp{node} up
ip netns exec s{node} ip link set lo up
ip netns exec s{node} ip route add default via 10.77.0.1",
            address(node)
        )
        .expect("a string grows");
    }
    script
}

fn away_by_lesson(nodes: usize) -> String {
    let mut script = String::new();
    for node in 1..=nodes {
        writeln!(script, "ip link delete sv{node}\nip netns delete s{node}").expect("a string grows");
    }
    script.push_str(
        "ip link delete sbr
iptables -D FORWARD -i eth0 -o sbr -m state --state RELATED,ESTABLISHED -j ACCEPT
iptables -D FORWARD -i sbr -o eth0 -j ACCEPT
iptables -t nat -D POSTROUTING -s 10.77.0.0/16 -o eth0 -j MASQUERADE
sysctl -qw net.ipv4.ip_forward=0
",
    );
    script
}

/// One process for the host, one for each netns: `ip -batch` cannot go from one to another.
fn by_batch(nodes: usize) -> String {
    let mut host = String::from("link add sbr type bridge\naddr add 10.77.0.1/16 dev sbr\nlink set sbr up\n");
    let mut inside = String::new();
    for node in 1..=nodes {
        writeln!(
            host,
            "netns add s{node}\nlink add sv{node} numtxqueues 1 numrxqueues 1 master sbr up type veth peer name \
             eth0 numtxqueues 1 numrxqueues 1 netns s{node}"
        )
        .expect("a string grows");
        writeln!(
            inside,
            "ip -n s{node} -batch - <<E\nlink set lo up\naddr add {} dev eth0\nlink set eth0 up\nroute add default \
             via 10.77.0.1\nE",
            address(node)
        )
        .expect("a string grows");
    }
    format!(
        "ip -batch - <<E\n{host}E\n{inside}sysctl -qw net.ipv4.ip_forward=1\nnft -f - <<E\ntable ip bench {{\n  chain \
         post {{ type nat hook postrouting priority 100; ip saddr 10.77.0.0/16 oifname \"eth0\" masquerade; }}\n}}\nE\n"
    )
}

fn away_by_batch(nodes: usize) -> String {
    let mut host = String::new();
    for node in 1..=nodes {
        writeln!(host, "link delete sv{node}\nnetns delete s{node}").expect("a string grows");
    }
    format!(
        "nft delete table ip bench\nip -batch - <<E\n{host}link delete sbr\nE\nsysctl -qw net.ipv4.ip_forward=0\n"
    )
}

/// One call a node, each with its configuration; a runtime makes the netns.
fn for_each_node(nodes: usize, before: &str, command: &dyn Fn(usize) -> String, after: &str) -> String {
    let mut script = String::new();
    for node in 1..=nodes {
        let lines = [
            before.replace("NODE", &format!("s{node}")),
            command(node),
            after.replace("NODE", &format!("s{node}")),
        ];
        for line in lines.iter().filter(|line| !line.is_empty()) {
            writeln!(script, "{line}").expect("a string grows");
        }
    }
    script
}

fn netavark(verb: &str, node: usize) -> String {
    let address = address(node).replace("/16", "");
    format!(
        r#"{NETAVARK} --config /run/netavark {verb} /run/netns/s{node} >/dev/null <<'E'
{{"container_id":"c{node}","container_name":"c{node}","networks":{{"n":{{"static_ips":["{address}"],"interface_name":"eth0"}}}},
"network_info":{{"n":{{"name":"n","id":"2f259bab93aaaaa2542ba43ef33eb990d0999ee1b9924b557b7be53c0b7a1bb9","driver":"bridge","network_interface":"sbr",
"subnets":[{{"subnet":"10.77.0.0/16","gateway":"10.77.0.1"}}],"ipv6_enabled":false,"internal":false,"dns_enabled":false,"ipam_options":{{"driver":"host-local"}}}}}}}}
E"#
    )
}

fn by_netavark(nodes: usize) -> String {
    let calls = for_each_node(nodes, "ip netns add NODE", &|node| netavark("setup", node), "");
    format!("mkdir -p /run/netavark\n{calls}")
}

fn away_by_netavark(nodes: usize) -> String {
    let calls = for_each_node(nodes, "", &|node| netavark("teardown", node), "ip netns delete NODE");
    format!("{calls}sysctl -qw net.ipv4.ip_forward=0\n")
}

fn cni(verb: &str, node: usize) -> String {
    format!(
        r#"CNI_COMMAND={verb} CNI_CONTAINERID=c{node} CNI_NETNS=/run/netns/s{node} CNI_IFNAME=eth0 CNI_PATH={CNI} {CNI}/bridge >/dev/null <<'E'
{{"cniVersion":"1.0.0","name":"n","type":"bridge","bridge":"sbr","isDefaultGateway":true,"ipMasq":true,
"ipam":{{"type":"host-local","ranges":[[{{"subnet":"10.77.0.0/16"}}]],"dataDir":"/run/cni"}}}}
E"#
    )
}

fn by_cni(nodes: usize) -> String {
    for_each_node(nodes, "ip netns add NODE\nip -n NODE link set lo up", &|node| cni("ADD", node), "")
}

fn away_by_cni(nodes: usize) -> String {
    let calls = for_each_node(nodes, "", &|node| cni("DEL", node), "ip netns delete NODE");
    format!("{calls}ip link delete sbr\nsysctl -qw net.ipv4.ip_forward=0\n")
}
