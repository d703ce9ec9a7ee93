//! Rules that other programs make, by these programs themselves.

use std::process::{Child, Command, Stdio};

use libtest_mimic::Trial;
use netns_engine::{
    diagnose::{
        firewall::{Origin, Ruleset},
        packet::Protocol,
    },
    firewall::TableEntry,
    kernel::{Kernel, LinuxKernel},
    name::LinkName,
    operation::Operation,
};
use netns_testkit::{Missing, Sandbox, eventually, program_exists, sh, trials};

use crate::lab::{Lab, Node, Try, culprits};

pub(crate) fn trials() -> Vec<Trial> {
    trials!(bare:
        rules_of_ufw_are_judged_as_packets_fare,
        rules_of_firewalld_are_judged_as_packets_fare,
        the_own_table_is_judged_as_packets_fare,
    )
}

fn to_blue(protocol: Protocol, port: u16) -> Try {
    Try { from: Node::Red, to: (Node::Blue.address(), port).into(), protocol }
}

/// Who stops it, as `chain: rule`.
fn first_culprit(ruleset: &Ruleset, one: &Try) -> String {
    let culprits = culprits(ruleset, one);
    let culprit = culprits.first().unwrap_or_else(|| panic!("{one:?} is stopped"));
    format!("{}: {}", culprit.chain, culprit.text())
}

fn rules_of_ufw_are_judged_as_packets_fare(host: &Sandbox) -> Result<(), Missing> {
    if !program_exists("ufw") {
        return Err(Missing("the program ufw".to_owned()));
    }
    let lab = Lab::new(host);
    sh("for folder in ufw default; do rm /etc/$folder 2>/dev/null || umount /etc/$folder; done
        for folder in ufw default; do rm -rf /etc/$folder; cp -r /run/real-etc/$folder /etc; done
        export PYTHONDONTWRITEBYTECODE=1
        ufw allow 22/tcp; ufw --force enable");
    let ruleset = lab.check("ufw");
    assert!(ruleset.chains.iter().all(|chain| chain.origin == Origin::Iptables));
    let tcp = to_blue(Protocol::Tcp, 80);
    assert_eq!(first_culprit(&ruleset, &tcp), "FORWARD: -P FORWARD DROP");
    assert_eq!(culprits(&ruleset, &to_blue(Protocol::Icmp, 0)), [], "ping passes");
    sh("PYTHONDONTWRITEBYTECODE=1 ufw route allow in on vr out on vb to any port 80 proto tcp");
    assert_eq!(culprits(&lab.check("ufw, with a route"), &tcp), []);
    Ok(())
}

/// A process that is ended with the trial.
struct Daemon(Child);

impl Daemon {
    fn start(command: &str) -> Self {
        let words: Vec<_> = command.split(' ').collect();
        let mut daemon = Command::new(words[0]);
        daemon.args(&words[1..]).env("DBUS_SYSTEM_BUS_ADDRESS", BUS).env("PYTHONDONTWRITEBYTECODE", "1");
        daemon.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(daemon.spawn().unwrap())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

const BUS: &str = "unix:path=/run/bus";
/// A bus on which everybody may do anything.
const BUS_CONFIGURATION: &str = r#"
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
    "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type><listen>unix:path=/run/bus</listen><auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/>
  </policy>
</busconfig>
"#;

fn firewall_cmd(arguments: &str) -> bool {
    let line = format!(
        "DBUS_SYSTEM_BUS_ADDRESS={BUS} firewall-cmd {arguments} >/dev/null 2>&1 && echo yes || echo no"
    );
    sh(&line) == "yes\n"
}

fn rules_of_firewalld_are_judged_as_packets_fare(host: &Sandbox) -> Result<(), Missing> {
    if !["firewalld", "firewall-cmd", "dbus-daemon"].into_iter().all(program_exists) {
        return Err(Missing("the programs firewalld, firewall-cmd and dbus-daemon".to_owned()));
    }
    let lab = Lab::new(host);
    sh("rm -f /etc/firewalld 2>/dev/null || umount /etc/firewalld
        rm -rf /etc/firewalld; cp -r /run/real-etc/firewalld /etc; mount -t tmpfs none /var/log");
    std::fs::write("/run/bus.conf", BUS_CONFIGURATION).unwrap();
    let _bus = Daemon::start("/usr/bin/dbus-daemon --config-file=/run/bus.conf --nofork --nopidfile");
    eventually("the bus is there", || std::path::Path::new("/run/bus").exists());
    let _firewalld = Daemon::start("/usr/sbin/firewalld --nofork --nopid");
    eventually("firewalld answers", || firewall_cmd("--state"));
    let tcp = to_blue(Protocol::Tcp, 80);
    let rules = sh("nft list table inet firewalld");
    let ruleset = lab.check(&rules);
    assert_eq!(first_culprit(&ruleset, &tcp), "filter_FWD_public: reject with icmpx admin-prohibited");
    assert!(firewall_cmd("--zone=trusted --add-source=10.1.0.0/24"));
    assert!(firewall_cmd("--zone=trusted --add-interface=vb"));
    let rules = sh("nft list table inet firewalld");
    let ruleset = lab.check(&rules);
    assert_eq!(culprits(&ruleset, &tcp), [], "{rules}");
    Ok(())
}

fn the_own_table_is_judged_as_packets_fare(host: &Sandbox) {
    let lab = Lab::new(host);
    let name = |name: &str| LinkName::new(name).unwrap();
    let mut kernel = LinuxKernel::default();
    kernel.perform(&Operation::AddTable).unwrap();
    lab.check("the own table, empty");
    let guard = [TableEntry::Guard { bridge: name("vb") }, TableEntry::Hairpin { bridge: name("vb") }];
    kernel.perform(&Operation::AddEntries(guard.to_vec())).unwrap();
    let ruleset = lab.check("vb is guarded");
    let tcp = to_blue(Protocol::Tcp, 80);
    assert_eq!(first_culprit(&ruleset, &tcp), "forward_filter: oifname @guards drop");
    let egress = TableEntry::Egress { bridge: name("vr"), uplink: name("vb") };
    kernel.perform(&Operation::AddEntries(vec![egress])).unwrap();
    assert_eq!(culprits(&lab.check("vr may leave through vb"), &tcp), []);
}
