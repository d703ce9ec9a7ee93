//! What is known of the host beside its stack, and of ports that lead elsewhere.

use std::net::UdpSocket;

use libtest_mimic::Trial;
use netns_engine::{
    diagnose::{
        question::{HostPort, Question},
        scene::{Scene, StackId},
    },
    firewall::Transport,
    kernel::{Kernel, LinuxKernel, examine::examine},
    plan::Operation,
};
use netns_testkit::{Missing, Sandbox, Sleeper, Snapshot, sh, trials};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};

use crate::{TWO_ON_A_BRIDGE, named};

pub(crate) fn trials() -> Vec<Trial> {
    trials!(bare:
        half_made_names_are_told,
        a_netns_that_lost_its_name_is_told_with_its_holders,
        files_that_stop_forwarding_are_told,
        without_rights_the_host_is_seen,
        tracked_connections_of_a_port_are_told,
        no_table_of_the_old_iptables_comes_by_looking,
        a_port_leads_to_where_rules_send_it,
        a_netns_of_ours_is_known_by_the_name_it_had,
    )
}

#[track_caller]
fn look_at_the_host() -> Scene {
    let before = Snapshot::take();
    let scene = examine(&Question::Host).unwrap();
    before.assert_same(&Snapshot::take(), "looking changed something");
    scene
}

fn half_made_names_are_told(_: &Sandbox) {
    sh("ip netns add red; touch /run/netns/half");
    assert_eq!(look_at_the_host().host.half_made, ["half"]);
}

fn a_netns_that_lost_its_name_is_told_with_its_holders(_: &Sandbox) {
    sh(TWO_ON_A_BRIDGE);
    let (inside, holding) = (Sleeper::inside("red"), Sleeper::with_open_file("blue"));
    assert_eq!(look_at_the_host().host.nameless.iter().filter(|one| one.is_held_by(&inside)).count(), 0);
    sh("ip netns delete red; ip netns delete blue");
    let nameless = look_at_the_host().host.nameless;
    for (sleeper, address) in [(&inside, "10.0.0.2"), (&holding, "10.0.0.3")] {
        let found = nameless.iter().find(|one| one.is_held_by(sleeper)).expect("it is held");
        assert_eq!(found.addresses, [address.parse::<std::net::IpAddr>().unwrap()]);
        assert_eq!(found.was, None, "not made by us");
    }
}

trait Held {
    fn is_held_by(&self, sleeper: &Sleeper) -> bool;
}

impl Held for netns_engine::diagnose::scene::Nameless {
    fn is_held_by(&self, sleeper: &Sleeper) -> bool {
        self.holders.iter().any(|holder| holder.pid == sleeper.pid() && holder.program == "sleep")
    }
}

fn files_that_stop_forwarding_are_told(_: &Sandbox) {
    sh("mkdir -p /run/sysctl.d
        printf 'net.ipv4.ip_forward = 1\\n' > /run/sysctl.d/00-a.conf
        printf '# no\\nnet.ipv4.ip_forward=0\\n' > /run/sysctl.d/zz-b.conf");
    let expected = ("/run/sysctl.d/zz-b.conf".to_owned(), "net.ipv4.ip_forward=0".to_owned());
    let told = look_at_the_host().host.forwarding_off_in;
    assert!(told.contains(&expected), "{told:?}");
}

fn without_rights_the_host_is_seen(_: &Sandbox) {
    sh(TWO_ON_A_BRIDGE);
    assert!(look_at_the_host().host.may_change);
    let none = CapabilitySet::empty();
    // Of this thread alone, and of those it starts.
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none }).unwrap();
    let scene = examine(&Question::Host).unwrap();
    assert!(!scene.host.may_change);
    assert!(scene.host().link_named(&"br0".parse().unwrap()).is_some());
    let inside = examine(&crate::path(named("red"), netns_engine::diagnose::question::Destination::Internet));
    assert!(inside.is_err(), "a netns cannot be entered");
}

fn tracked_connections_of_a_port_are_told(host: &Sandbox) -> Result<(), Missing> {
    sh(TWO_ON_A_BRIDGE);
    // What looks at states makes the kernel track.
    sh("nft 'table ip t { chain c { type filter hook input priority 0; ct state new accept; }; }'");
    let server = UdpSocket::bind("10.0.0.1:5000").unwrap();
    let client = host.inside("red", || UdpSocket::bind("10.0.0.2:6000").unwrap());
    client.send_to(b"hello", "10.0.0.1:5000").unwrap();
    server.recv(&mut [0; 16]).unwrap();
    let ask = |port| {
        let port = HostPort { address: None, port, transport: Transport::Udp };
        examine(&Question::Port(port)).unwrap().stack(StackId::HOST).flows.clone()
    };
    let told = sh("conntrack -L -p udp --dport 5000 2>/dev/null || true");
    if told.is_empty() {
        return Err(Missing("a kernel that tells its tracked connections".to_owned()));
    }
    assert!(told.contains("UNREPLIED") && told.contains("src=10.0.0.2 dst=10.0.0.1 sport=6000"), "{told}");
    let flows = ask(5000);
    let [flow] = flows.as_slice() else { panic!("{flows:?}") };
    assert_eq!(flow.original.source, "10.0.0.2:6000".parse().unwrap());
    assert_eq!(flow.original.destination, "10.0.0.1:5000".parse().unwrap());
    assert_eq!(flow.reply.source, "10.0.0.1:5000".parse().unwrap());
    assert!(!flow.answered);
    server.send_to(b"hello", "10.0.0.2:6000").unwrap();
    client.recv(&mut [0; 16]).unwrap();
    assert!(ask(5000)[0].answered);
    assert_eq!(ask(5001), []);
    Ok(())
}

/// The snapshot itself would make them.
fn no_table_of_the_old_iptables_comes_by_looking(_: &Sandbox) {
    sh(TWO_ON_A_BRIDGE);
    let witness = "cat /proc/net/ip_tables_names /proc/net/ip6_tables_names 2>/dev/null; cut -d' ' -f1 /proc/modules 2>/dev/null || true";
    let before = sh(witness);
    examine(&Question::Host).unwrap();
    assert_eq!(sh(witness), before);
}

/// More ports on the bridge than would all be looked at.
fn a_port_leads_to_where_rules_send_it(_: &Sandbox) {
    sh(TWO_ON_A_BRIDGE);
    sh("for i in $(seq 10 50); do
            ip netns add n$i
            ip link add v$i type veth peer name eth0 netns n$i
            ip link set v$i master br0
            ip -n n$i addr add 10.0.0.$i/24 dev eth0
        done
        nft 'table ip t {
            chain c {
                type nat hook prerouting priority -100;
                tcp dport 8080 dnat to 10.0.0.20:80
                udp dport 8080 dnat to 10.0.0.21:80
                tcp dport 9090 dnat to 10.0.0.30:80
                dnat to tcp dport map { 7070 : 10.0.0.40, 7071 : 10.0.0.41 }
            };
        }'");
    let found = |port| {
        let port = HostPort { address: None, port, transport: Transport::Tcp };
        let scene = examine(&Question::Port(port)).unwrap();
        scene.stacks.iter().skip(1).map(|stack| stack.entrance.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(found(9090), ["netns 'n30'"]);
    assert_eq!(found(7071), ["netns 'n41'"]);
    assert!(found(8080).contains(&"netns 'n20'".to_owned()));
    assert!(found(1).is_empty());
}

fn a_netns_of_ours_is_known_by_the_name_it_had(_: &Sandbox) {
    let name = "red".parse::<netns_engine::name::NetnsName>().unwrap();
    LinuxKernel::default().perform(&Operation::CreateNetns(name)).unwrap();
    let sleeper = Sleeper::inside("red");
    sh("ip netns delete red");
    let notes = look_at_the_host().host;
    assert_eq!(notes.stale_marks, ["red"]);
    let found = notes.nameless.iter().find(|one| one.is_held_by(&sleeper)).expect("it is held");
    assert_eq!(found.was.as_deref(), Some("red"));
}
