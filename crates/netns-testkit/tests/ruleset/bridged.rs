//! What a bridge passes from port to port sees chains of bridges, and with `br_netfilter` those of IP.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    time::Duration,
};

use netns_engine::{
    diagnose::{
        firewall::{Hook, Judgement, Passage, Ruleset},
        packet::{Packet, Protocol},
    },
    kernel::examine::ruleset_of,
    name::LinkName,
    place::Entrance,
};
use netns_testkit::{Missing, Sandbox, sh};

use crate::load;

const PORT: u16 = 80;

/// The rules, and whether frames pass without `br_netfilter` and with it.
const CASES: [(&str, bool, bool); 5] = [
    ("table bridge t { chain f { type filter hook forward priority 0; tcp dport 80 drop; }
        }", false, false),
    ("table bridge t { chain f { type filter hook forward priority 0; iifname \"pa\" oifname \"pb\" ether type ip drop; }
        }", false, false),
    ("table bridge t { chain f { type filter hook forward priority 0; iifname \"pb\" ip protocol icmp drop; }
        }", true, true),
    ("table ip t { chain f { type filter hook forward priority 0; policy drop; }
        }", true, false),
    ("table inet t { chain f { type filter hook forward priority 0; iifname \"br0\" oifname \"br0\" tcp dport 80 drop; }
        }", true, false),
];

pub(crate) fn bridged_packets_fare_as_judged(host: &Sandbox) -> Result<(), Missing> {
    let switch = "/proc/sys/net/bridge/bridge-nf-call-iptables";
    if !Path::new(switch).exists() {
        return Err(Missing("a kernel with br_netfilter".to_owned()));
    }
    sh("ip link add br0 type bridge; ip link set br0 up
        for name in a:2 b:3; do
            node=${name%:*}
            ip netns add $node; ip link add p$node master br0 type veth peer name eth0 netns $node
            ip link set p$node up; ip -n $node link set eth0 up; ip -n $node link set lo up
            ip -n $node address add 10.3.0.${name#*:}/24 dev eth0
        done");
    let listener = host.inside("b", || TcpListener::bind(("10.3.0.3", PORT)).unwrap());
    for (rules, alone, with_ip) in CASES {
        for (value, passes) in [("0", alone), ("1", with_ip)] {
            std::fs::write(switch, value).unwrap();
            load(rules);
            sh("conntrack -F >/dev/null 2>&1 || true");
            let ruleset = ruleset_of(&Entrance::Host).unwrap();
            let judge = if value == "0" { Ruleset::judge_frame } else { Ruleset::judge };
            let stopped = judgements(&ruleset, judge).iter().any(|found| !found.culprits.is_empty());
            assert_eq!(!stopped, passes, "{rules}, br_netfilter {value}: {ruleset:#?}");
            let limit = if passes { Duration::from_secs(10) } else { Duration::from_millis(100) };
            let to = listener.local_addr().unwrap();
            assert_eq!(connects(host, to, limit), passes, "{rules}, br_netfilter {value}");
            sh("nft flush ruleset");
        }
    }
    Ok(())
}

fn connects(host: &Sandbox, to: SocketAddr, limit: Duration) -> bool {
    host.inside("a", || TcpStream::connect_timeout(&to, limit).is_ok())
}

/// There and back.
fn judgements(ruleset: &Ruleset, judge: fn(&Ruleset, &Passage<'_>) -> Judgement) -> Vec<Judgement> {
    let link = |name: &str| LinkName::new(name).unwrap();
    let (bridge, first, second) = (link("br0"), link("pa"), link("pb"));
    let mut packet =
        Packet::new("10.3.0.2".parse().unwrap(), "10.3.0.3".parse().unwrap(), Protocol::Tcp, Some(PORT));
    packet.source_port = Some(40_000);
    let mut found = Vec::new();
    for (packet, from, to) in [(packet, &first, &second), (packet.answer(), &second, &first)] {
        for hook in [Hook::Prerouting, Hook::Forward, Hook::Postrouting] {
            found.push(judge(
                ruleset,
                &Passage {
                    packet: &packet,
                    hook,
                    incoming: Some(&bridge),
                    outgoing: Some(&bridge),
                    incoming_port: Some(from),
                    outgoing_port: Some(to),
                    for_this_stack: false,
                    from_this_stack: false,
                },
            ));
        }
    }
    found
}
