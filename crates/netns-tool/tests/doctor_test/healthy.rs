//! What works is called healthy, however it is made: no false alarm.

use libtest_mimic::Trial;
use netns_testkit::{Sandbox, Sleeper, online, sh, trials};

use crate::{
    diagnosis::doctor,
    exchange::{
        BLUE, Client, Exchange, Kind, PUBLISHED, RED, RED_CALLS_BLUE, RED_FETCHES, RED_FETCHES_V6,
        RED_LOOKS_UP, tcp, udp,
    },
    lab::Lab,
};

/// A setup that works, and what is asked about it.
#[derive(Clone, Copy)]
pub(crate) struct Variant {
    name: &'static str,
    lab: Lab,
    /// What is different, typed on the host, and beyond its uplink.
    script: &'static str,
    beyond: &'static str,
    asks: &'static str,
    exchange: Exchange,
}

pub(crate) const fn variant(name: &'static str, lab: Lab, script: &'static str) -> Variant {
    Variant { name, lab, script, beyond: "", asks: "red", exchange: RED_FETCHES }
}

impl Variant {
    pub(crate) const fn asking(self, asks: &'static str, exchange: Exchange) -> Self {
        Self { asks, exchange, ..self }
    }

    pub(crate) const fn and_beyond(self, beyond: &'static str) -> Self {
        Self { beyond, ..self }
    }

    fn trial(self) -> Trial {
        online(&format!("doctor_calls_{}_healthy", self.name), move |host| self.is_healthy(host))
    }

    fn is_healthy(self, host: &Sandbox) {
        let _servers = self.lab.build(host);
        if !self.beyond.is_empty() {
            host.beyond_uplink(|| sh(self.beyond));
        }
        sh(self.script);
        self.exchange.must_work(host, "as it should");
        doctor(host, self.asks).is_healthy();
    }
}

pub(crate) fn trials() -> Vec<Trial> {
    let variants = [PLAIN, crate::variants::ALL].concat();
    let mut trials: Vec<_> = variants.into_iter().map(Variant::trial).collect();
    trials.extend(trials!(online: doctor_calls_a_netns_without_a_name_healthy));
    trials
}

const PLAIN: &[Variant] = &[
    variant("a_setup_by_iptables", Lab::ByIptables, ""),
    variant("a_setup_by_nft", Lab::ByNft, ""),
    variant("a_setup_by_this_tool", Lab::ByTool, ""),
    variant("a_setup_by_this_tool_with_nftables", Lab::ByToolWithNft, ""),
    variant("a_topology", Lab::ByTopology, ""),
    variant("a_dual_stack", Lab::DualStack, "").asking("red [2001:db8:ffff::8]:80", RED_FETCHES_V6),
    variant("a_name", Lab::ByIptables, "").asking("red example.test", RED_LOOKS_UP),
    variant("a_datagram", Lab::ByNft, "").asking("red 203.0.113.8:7/udp", udp(RED, "203.0.113.8:7")),
    variant("a_neighbour", Lab::ByIptables, "").asking("red blue:80", RED_CALLS_BLUE),
    variant("a_ping", Lab::ByNft, "")
        .asking("red blue", Exchange { from: RED, to: "192.168.100.3", kind: Kind::Ping }),
    variant("a_neighbour_on_another_bridge", Lab::Routed, "")
        .asking("red blue:80", tcp(RED, "192.168.101.3:80")),
    variant("a_published_port", Lab::ByIptables, "").asking("8080", PUBLISHED),
    variant("a_port_published_by_udp", Lab::ByIptables, "")
        .asking("8080/udp", udp(Client::Internet, "198.51.100.2:8080")),
    variant("an_nft_published_port", Lab::ByNft, "").asking("8080", PUBLISHED),
    variant("a_port_published_by_this_tool", Lab::ByTool, "").asking("8080", PUBLISHED),
    variant("a_port_published_by_a_topology", Lab::ByTopology, "").asking("8080", PUBLISHED),
    variant("a_loopback_port", Lab::ByIptables, "")
        .asking("127.0.0.1:8080", tcp(Client::Host, "127.0.0.1:8080")),
    variant("a_hairpin", Lab::ByIptables, "")
        .asking("blue 198.51.100.2:8080", tcp(BLUE, "198.51.100.2:8080")),
];

fn doctor_calls_a_netns_without_a_name_healthy(host: &Sandbox) {
    let _servers = Lab::ByIptables.build(host);
    let sleeper = Sleeper::inside("red");
    RED_FETCHES.must_work(host, "while it has a name");
    // A resolver of its own is found by name; without one, the host's counts.
    sh("umount /run/netns/red; rm /run/netns/red");
    doctor(host, &format!("/proc/{}/ns/net", sleeper.pid())).is_healthy();
}
