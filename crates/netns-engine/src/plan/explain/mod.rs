//! A plan as a shell script: what would do the same by hand, with one sentence of why above it.

mod files;
mod firewall;
mod link;

use crate::{
    place::Place,
    plan::{Operation, Plan, Step},
    sysctl::Sysctl,
};

/// Returns the script, ready for `sh`, ending in a newline.
///
/// ```
/// use netns_engine::{desired::Netns, observed::Observed, plan::{Desired, explain}};
///
/// let plan = Netns { name: "red".parse()? }.plan(&Observed::default())?;
/// assert!(explain::script(&plan).contains("\nip netns add red\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn script(plan: &Plan) -> String {
    let mut script = String::from("#!/bin/sh\nset -e\n");
    for step in plan.steps.iter().filter(|step| !step.operation.is_bookkeeping()) {
        script.push_str(&paragraph(step));
    }
    if plan.is_empty() {
        script.push_str("\n# Everything is already as asked: nothing to do.\n");
    }
    script
}

fn paragraph(step: &Step) -> String {
    let mut text = format!("\n# {}\n", step.why);
    for line in commands(&step.operation) {
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// Returns the shell commands that do what `operation` does; none for the tool's own notes.
#[must_use]
pub fn commands(operation: &Operation) -> Vec<String> {
    match operation {
        Operation::CreateNetns(name) => vec![
            format!("ip netns add {name}"),
            format!("ip netns exec {name} sysctl -qw net.ipv4.ip_forward=0"),
        ],
        Operation::DeleteNetns(name) => vec![format!("ip netns delete {name}")],
        Operation::KillProcesses(_, pids) => {
            let pids: Vec<_> = pids.iter().map(u32::to_string).collect();
            vec![format!("kill -KILL {}", pids.join(" "))]
        }
        Operation::AddBridge(bridge) => link::add_bridge(bridge),
        Operation::AddVeth(veth) => link::add_veth(veth),
        Operation::AddLink(link) => link::add_link(link),
        Operation::DeleteLinks(links) => {
            links.iter().map(|link| format!("ip link delete dev {link}")).collect()
        }
        Operation::SetShaping(at, limits) => link::shape(at, limits),
        Operation::ClearShaping(at) => vec![link::unshape(at)],
        Operation::DeleteLink(at) => vec![format!("{} link delete dev {}", ip(&at.place), at.name)],
        Operation::SetLink(at, change) => vec![link::set(at, change)],
        Operation::AddAddress(at, address) => vec![link::add_address(at, *address)],
        Operation::DeleteAddress(at, address) => {
            vec![format!("{} address delete {address} dev {}", ip(&at.place), at.name)]
        }
        Operation::AddRoute(place, route) => vec![link::route(place, "add", route)],
        Operation::DeleteRoute(place, route) => vec![link::route(place, "delete", route)],
        Operation::RestoreRoute(at, address) => vec![link::restore_route(at, *address)],
        Operation::SetSysctl(place, sysctl, value) => vec![set_sysctl(place, sysctl, *value)],
        Operation::WriteResolver(netns, file) => files::write_resolver(netns, file),
        Operation::RemoveResolver(netns) => vec![
            format!("rm /etc/netns/{netns}/resolv.conf"),
            format!("rmdir --ignore-fail-on-non-empty /etc/netns/{netns}"),
        ],
        Operation::WriteHosts(topology, entries) => files::write_hosts(topology, entries),
        Operation::RemoveHosts(topology) => vec![format!("rm {}", files::hosts_of(topology))],
        Operation::ShareHosts(netns, topology) => vec![
            format!("mkdir -p /etc/netns/{netns}"),
            format!("ln -sfn {} /etc/netns/{netns}/hosts", files::hosts_of(topology)),
        ],
        Operation::UnshareHosts(netns) => vec![
            format!("rm /etc/netns/{netns}/hosts"),
            format!("rmdir --ignore-fail-on-non-empty /etc/netns/{netns}"),
        ],
        Operation::WriteBootFile(file, text) => files::write_boot_file(file, text),
        Operation::RemoveBootFile(file) => vec![format!("rm {file}")],
        Operation::StartProgram(key, program) => vec![files::start_program(key, program)],
        Operation::StopProgram(key) => vec![files::stop_program(key)],
        Operation::StopStrays(keys) => keys.iter().map(files::stop_strays).collect(),
        Operation::Iptables(changes) => firewall::iptables(changes),
        Operation::AddTable => firewall::add_table(),
        Operation::RestoreRules => firewall::restore_rules(),
        Operation::DeleteTable => firewall::delete_table(),
        Operation::AddEntries(entries) => firewall::add_entries(entries),
        Operation::DeleteEntries(entries) => firewall::delete_entries(entries),
        Operation::ForgetFlows(forwards) => forwards.iter().map(firewall::forget_flows).collect(),
        Operation::Remember(_) | Operation::Forget(_) | Operation::ForgetNetns(_) => Vec::new(),
    }
}

/// `ip`, or `ip -n NETNS`.
fn ip(place: &Place) -> String {
    of_iproute2("ip", place)
}

/// A program of iproute2, and where it looks.
fn of_iproute2(program: &str, place: &Place) -> String {
    place.netns().map_or_else(|| program.to_owned(), |netns| format!("{program} -n {netns}"))
}

fn set_sysctl(place: &Place, sysctl: &Sysctl, value: i32) -> String {
    let enter = place.netns().map_or_else(String::new, |netns| format!("ip netns exec {netns} "));
    format!("{enter}sysctl -qw {sysctl}={value}")
}
