//! firewalld with a message bus of its own. It flushes what iptables made, so the setup is by nft.

use std::process::{Child, Command, Stdio};

use libtest_mimic::Trial;
use netns_testkit::{Missing, Program, Sandbox, eventually, sh, trials};

use super::{own_copies, require};
use crate::{
    diagnosis::doctor,
    exchange::{PUBLISHED, RED_FETCHES},
    lab::Lab,
};

pub(super) fn trials() -> Vec<Trial> {
    trials!(online:
        doctor_names_the_real_firewalld,
        doctor_names_the_real_firewalld_with_a_zone_for_the_uplink,
        doctor_calls_a_firewalld_healthy_that_trusts_the_network,
        doctor_calls_a_firewalld_healthy_that_has_bridge_and_uplink_in_one_zone,
    )
}

fn doctor_names_the_real_firewalld(host: &Sandbox) -> Result<(), Missing> {
    is_named(host, "")
}

/// Network managers put the uplink into a zone; the bridge is in none.
fn doctor_names_the_real_firewalld_with_a_zone_for_the_uplink(host: &Sandbox) -> Result<(), Missing> {
    is_named(host, "firewall-cmd --zone=work --add-interface=eth0")
}

fn doctor_calls_a_firewalld_healthy_that_has_bridge_and_uplink_in_one_zone(
    host: &Sandbox,
) -> Result<(), Missing> {
    is_healthy(host, "firewall-cmd --zone=public --add-interface=eth0")
}

fn doctor_calls_a_firewalld_healthy_that_trusts_the_network(host: &Sandbox) -> Result<(), Missing> {
    is_healthy(host, "firewall-cmd --zone=trusted --add-source=192.168.100.0/24")
}

fn is_healthy(host: &Sandbox, set_up: &str) -> Result<(), Missing> {
    let _servers = Lab::ByNft.build(host);
    let _daemons = start()?;
    sh(set_up);
    RED_FETCHES.must_work(host, "as it should");
    doctor(host, "red").is_healthy();
    Ok(())
}

fn is_named(host: &Sandbox, set_up: &str) -> Result<(), Missing> {
    let _servers = Lab::ByNft.build(host);
    RED_FETCHES.must_work(host, "without firewalld");
    let _daemons = start()?;
    sh(set_up);
    RED_FETCHES.must_fail(host, "though firewalld runs");
    PUBLISHED.must_work(host, "all the same");
    let diagnosis = doctor(host, "red");
    diagnosis.names_first("firewalld-drops");
    diagnosis.is_ill();
    diagnosis.type_remedy(host);
    RED_FETCHES.must_work(host, "with the remedy");
    Ok(())
}

/// A daemon that ends with the value.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Daemon {
    fn start(line: &str) -> Self {
        let mut command = Command::new("/bin/sh");
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").arg("-euc").arg(format!("exec {line}"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().expect("every system has sh"))
    }
}

/// Starts firewalld on this host, and waits until it has made its rules.
fn start() -> Result<[Daemon; 2], Missing> {
    require(&["dbus-daemon", "firewalld", "firewall-cmd"])?;
    own_copies(&["firewalld"])?;
    sh(&format!("mkdir -p /run/dbus; printf '%s' '{BUS}' > /run/dbus/bus.conf"));
    let bus = Daemon::start("dbus-daemon --config-file=/run/dbus/bus.conf --nofork --nopidfile");
    eventually("the message bus listens", || std::path::Path::new("/run/dbus/system_bus_socket").exists());
    let firewalld = Daemon::start("firewalld --nofork --nopid --log-target console");
    let is_running = || Program::new("firewall-cmd").arg("--state").run().code() == Some(0);
    eventually("firewalld runs", is_running);
    Ok([firewalld, bus])
}

/// A system bus on which everybody on this host may say everything.
const BUS: &str = "<busconfig>
<type>system</type>
<listen>unix:path=/run/dbus/system_bus_socket</listen>
<auth>EXTERNAL</auth>
<policy context=\"default\">
<allow user=\"*\"/> <allow own=\"*\"/>
<allow send_destination=\"*\"/> <allow receive_sender=\"*\"/>
<allow send_type=\"method_call\"/> <allow receive_type=\"method_call\"/>
<allow send_type=\"signal\"/> <allow receive_type=\"signal\"/>
<allow send_requested_reply=\"true\" send_type=\"method_return\"/> <allow receive_type=\"method_return\"/>
<allow send_requested_reply=\"true\" send_type=\"error\"/> <allow receive_type=\"error\"/>
</policy>
</busconfig>";
