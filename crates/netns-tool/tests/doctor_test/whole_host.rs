//! `doctor` without a question: is the host in order, and everything that this tool made?

use libtest_mimic::Trial;
use netns_testkit::{Program, Sandbox, Sleeper, sh, trials};

use crate::{
    diagnosis::{self, doctor},
    exchange::RED_FETCHES,
    lab::Lab,
};

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = trials!(
        bare: doctor_calls_an_empty_host_healthy;
        online:
            doctor_names_a_netns_that_lives_on_in_a_process,
            doctor_names_a_netns_that_lives_on_in_an_open_file,
            doctor_names_a_file_among_the_netns_that_is_none,
            doctor_names_what_a_deleted_bridge_left,
            doctor_names_the_lack_of_rights,
            doctor_names_what_it_lacks_the_rights_to_see,
    );
    for lab in LABS {
        trials.push(netns_testkit::online(
            &format!("doctor_calls_the_host_of_{lab:?}_healthy"),
            move |host| {
                let _servers = lab.build(host);
                doctor(host, "").is_healthy();
            },
        ));
    }
    trials
}

const LABS: [Lab; 7] = [
    Lab::ByIptables,
    Lab::ByNft,
    Lab::DualStack,
    Lab::Routed,
    Lab::ByTool,
    Lab::ByToolWithNft,
    Lab::ByTopology,
];

fn doctor_calls_an_empty_host_healthy(host: &Sandbox) {
    doctor(host, "").is_healthy();
}

fn doctor_names_a_netns_that_lives_on_in_a_process(host: &Sandbox) {
    let _servers = Lab::ByIptables.build(host);
    let sleeper = Sleeper::inside("red");
    sh("ip netns delete red");
    names_with_pid(host, "netns-undead", &sleeper);
}

fn doctor_names_a_netns_that_lives_on_in_an_open_file(host: &Sandbox) {
    sh("ip netns add red; ip -n red link set lo up");
    let sleeper = Sleeper::with_open_file("red");
    sh("ip netns delete red");
    names_with_pid(host, "netns-undead", &sleeper);
}

fn names_with_pid(host: &Sandbox, code: &str, sleeper: &Sleeper) {
    let diagnosis = doctor(host, "");
    diagnosis.names(code);
    diagnosis.shows(code, &sleeper.pid().to_string());
}

fn doctor_names_a_file_among_the_netns_that_is_none(host: &Sandbox) {
    sh("ip netns add red; touch /run/netns/broken");
    let diagnosis = doctor(host, "");
    diagnosis.names_first("netns-half-made");
    diagnosis.shows("netns-half-made", "broken");
    diagnosis.type_remedy(host);
    doctor(host, "").is_healthy();
}

fn doctor_names_what_a_deleted_bridge_left(host: &Sandbox) {
    for firewall in ["iptables", "nftables"] {
        host.netns_tool("bridge br0 --address 10.0.0.1/24").succeeds();
        host.netns_tool(&format!("nat br0 --firewall {firewall}")).succeeds();
        sh("ip link delete br0");
        let diagnosis = doctor(host, "");
        diagnosis.names("leftover");
        diagnosis.type_remedy(host);
        doctor(host, "").is_healthy();
        host.netns_tool("gc").succeeds();
    }
}

/// Root without any capability, as in a container.
fn doctor_names_the_lack_of_rights(host: &Sandbox) {
    let _servers = Lab::ByIptables.build(host);
    RED_FETCHES.must_work(host, "for root");
    let _ended = without_rights(host, "doctor red").run().fails_with(3).complains("sudo");
}

fn doctor_names_what_it_lacks_the_rights_to_see(host: &Sandbox) {
    sh("ip netns add red");
    diagnosis::of(&without_rights(host, "doctor --json").run()).names("not-permitted");
}

fn without_rights(host: &Sandbox, arguments: &str) -> Program {
    let tool = host.tool().path().display().to_string();
    Program::new("setpriv").words("--bounding-set=-all --inh-caps=-all").arg(&tool).words(arguments)
}
