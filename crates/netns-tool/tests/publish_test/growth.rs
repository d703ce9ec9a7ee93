//! What it costs to publish the ports of a topology, as they become more.

use std::fs;

use netns_testkit::{Sandbox, Snapshot, sh};

use super::{cost::Cost, make_chains_of_iptables};

/// Judged by the system calls of `up` and `down`; a test of the plan counts its steps.
pub(crate) fn twice_the_ports_of_a_topology_cost_twice_as_much(host: &Sandbox) {
    make_chains_of_iptables();
    sh("iptables -P FORWARD DROP");
    let before = Snapshot::take();
    let costs = [500, 1000].map(|count| {
        fs::write("/run/ports.yaml", topology_with_ports(count)).expect("it may");
        let costs = ["up /run/ports.yaml", "down ports"].map(|command| Cost::of(host, command));
        before.assert_same(&Snapshot::take(), "a topology that came and went");
        costs
    });
    let [once, twice] = &costs;
    for (once, twice) in once.iter().zip(twice) {
        assert!(twice.calls <= 2 * once.calls, "{once:?}, and with twice the ports {twice:?}");
    }
}

fn topology_with_ports(count: u16) -> String {
    let ports: Vec<_> = (1..=count).map(|port| format!("\"0.0.0.0:{port}:{port}\"")).collect();
    let ports = ports.join(", ");
    format!(
        "name: ports\nnetworks:\n  ports0: {{ subnet: 10.98.0.0/24 }}\nnodes:\n  many:\n    networks: [ports0]\n    ports: [{ports}]\n"
    )
}
