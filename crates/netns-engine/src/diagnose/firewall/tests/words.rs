//! Conditions in iptables' words.

use super::{at, forwarded, iptables, link, request};
use crate::diagnose::{
    firewall::{Field, Hook, Match, Passage, Rule, Values, Verdict},
    packet::{Packet, Protocol},
};

#[track_caller]
fn insist_on(conditions: &[&str], packet: &Packet) {
    for condition in conditions {
        let rule = format!("-A FORWARD {condition} -j DROP");
        assert_eq!(forwarded(&iptables(&rule), packet), format!("dropped by {rule}"));
    }
}

#[track_caller]
fn insist_on_none(conditions: &[&str], packet: &Packet) {
    for condition in conditions {
        let rule = format!("-A FORWARD {condition} -j DROP");
        assert_eq!(forwarded(&iptables(&rule), packet), "passes", "{rule}");
    }
}

#[test]
fn a_first_packet_meets_what_it_has() {
    let met = [
        "-s 10.0.0.0/8",
        "-s 10.0.0.2",
        "-s 10.0.0.0/255.255.255.0",
        "! -s 10.1.0.0/16",
        "-d 203.0.113.9/32 -p tcp",
        "-i br0",
        "-i br+",
        "-i +",
        "! -i docker0 -o eth0",
        "-p tcp -m tcp --dport 80",
        "-p 6 --sport 1024:",
        "-p tcp -m multiport --dports 22,79:81",
        "-p tcp -m multiport ! --dports 22,443",
        "-p tcp --syn",
        "-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN",
        "-p tcp -m tcp ! --tcp-flags ACK ACK",
        "-m conntrack --ctstate NEW,RELATED",
        "-m conntrack ! --ctstate ESTABLISHED",
        "-m conntrack ! --ctstate DNAT",
        "-m state --state NEW",
        "-m addrtype --dst-type UNICAST",
        "-m addrtype ! --dst-type LOCAL",
        "-m addrtype ! --dst-type LOCAL --limit-iface-in",
        "-m addrtype ! --src-type LOCAL",
        "-m mark --mark 0x0",
        "-m mark ! --mark 0x1/0xff",
        "-m iprange --src-range 10.0.0.1-10.0.0.3",
        "-m physdev ! --physdev-is-bridged",
        "-m comment --comment \"-j ACCEPT \\\" ! -s 1.2.3.4\"",
        "-m limit --limit 3/min --limit-burst 10",
        "-m hashlimit --hashlimit-upto 5/sec --hashlimit-name x",
        "! -f",
    ];
    insist_on(&met, &request());
}

#[test]
fn a_first_packet_does_not_meet_what_it_lacks() {
    let unmet = [
        "-s 10.1.0.0/16",
        "! -s 10.0.0.0/24",
        "-i eth0",
        "! -i br+",
        "-o br0",
        "-p udp --dport 80",
        "-p esp",
        "-p icmp -m icmp --icmp-type 8",
        "-p tcp --dport 81:90",
        "-p tcp -m multiport ! --dports 80,443",
        "-p tcp ! --syn",
        "-m conntrack --ctstate RELATED,ESTABLISHED",
        "-m conntrack --ctstate INVALID",
        "-m conntrack --ctstate DNAT",
        "-m conntrack --ctstatus SEEN_REPLY -p udp",
        "-m addrtype --dst-type LOCAL",
        "-m addrtype --dst-type LOCAL --limit-iface-in",
        "-m mark --mark 0x1",
        "-m physdev --physdev-in veth0",
        "-m physdev --physdev-is-bridged",
        "-m rpfilter --invert",
        "-m rt --rt-type 0",
        "-m connlimit --connlimit-above 10",
        "-f",
    ];
    insist_on_none(&unmet, &request());
}

#[test]
fn an_answer_is_established_and_no_longer_a_first_packet() {
    let answer = request().answer();
    insist_on(&["-m conntrack --ctstate RELATED,ESTABLISHED", "-s 203.0.113.9 -p tcp --sport 80"], &answer);
    insist_on_none(&["-m conntrack --ctstate NEW", "-p tcp --syn", "-p tcp --dport 80"], &answer);
}

#[test]
fn an_echo_has_a_type_and_no_ports() {
    let mut echo = request();
    echo.protocol = Protocol::Icmp;
    echo.source_port = None;
    echo.destination_port = None;
    insist_on(&["-p icmp -m icmp --icmp-type 8", "-p icmp --icmp-type any", "! -p tcp"], &echo);
    insist_on_none(&["-p icmp --icmp-type 0", "-p tcp --dport 0:65535", "-p udp"], &echo);
    insist_on(&["-p icmp --icmp-type 0"], &echo.answer());
}

#[test]
fn a_redirected_connection_is_told_by_its_status() {
    let mut packet = request();
    packet.redirected = true;
    insist_on(&["-m conntrack --ctstate DNAT"], &packet);
    insist_on_none(&["-m conntrack --ctstate SNAT"], &packet);
}

#[test]
fn what_a_bridge_passes_has_ports() {
    let rules = iptables(
        "-A FORWARD -m physdev --physdev-is-bridged -j DROP
         -A FORWARD -m physdev --physdev-in v1 --physdev-out v+ -j ACCEPT",
    );
    let packet = request();
    let (first, second, bridge) = (link("v1"), link("v2"), link("br0"));
    let stopped = at(Hook::Forward, &packet, |passage| {
        let bridged = Passage {
            outgoing: Some(&bridge),
            incoming_port: Some(&first),
            outgoing_port: Some(&second),
            ..*passage
        };
        (rules.judge(&bridged).culprits.len(), rules.judge(passage).culprits.len())
    });
    assert_eq!(stopped, (1, 0));
}

#[test]
fn before_connection_tracking_packets_count_as_invalid() {
    let packet = request();
    let judged = |rule: &str| {
        let rules = iptables(&format!("*raw\n-A PREROUTING -m conntrack --ctstate {rule} -j DROP"));
        at(Hook::Prerouting, &packet, |passage| rules.judge(passage)).culprits.len()
    };
    assert_eq!((judged("NEW"), judged("INVALID")), (0, 1));
}

#[test]
fn targets_keep_what_they_say() {
    let verdict = |words: &str| Rule::from_words(crate::address::Family::Ipv4, 1, words).verdict;
    let target = |address: Option<&str>, port| crate::diagnose::firewall::NatTarget {
        address: address.map(|address| address.parse().unwrap()),
        port,
    };
    let to = |address: &str, port| target(Some(address), port);
    assert_eq!(
        verdict("-j SNAT --to-source 192.0.2.1-192.0.2.9:1024-2048"),
        Verdict::Snat(to("192.0.2.1", Some(1024)))
    );
    assert_eq!(verdict("-j SNAT --to-source 192.0.2.1 --persistent"), Verdict::Snat(to("192.0.2.1", None)));
    assert_eq!(verdict("-p tcp -j DNAT --to-destination :80"), Verdict::Dnat(target(None, Some(80))));
    assert_eq!(
        verdict("-p tcp -j DNAT --to-destination [fd00::2]:80"),
        Verdict::Dnat(to("fd00::2", Some(80)))
    );
    assert_eq!(verdict("-j DNAT --to-destination fd00::2"), Verdict::Dnat(to("fd00::2", None)));
    assert_eq!(verdict("-p tcp -j REDIRECT --to-ports 81-90"), Verdict::Redirect(Some(81)));
    assert_eq!(verdict("-j MASQUERADE --random"), Verdict::Masquerade);
    assert_eq!(verdict("-g elsewhere"), Verdict::Goto("elsewhere".to_owned()));
    assert_eq!(verdict("-j LOG --log-prefix \"-j DROP\""), Verdict::Continue);
    assert_eq!(verdict("-s 10.0.0.1"), Verdict::Continue);
    assert_eq!(verdict("-j NETMAP --to 10.0.0.0/8"), Verdict::Unknown("NETMAP --to 10.0.0.0/8".to_owned()));
}

#[test]
fn what_is_not_understood_is_kept_in_words() {
    let matches = |words: &str| Rule::from_words(crate::address::Family::Ipv4, 1, words).matches;
    assert_eq!(
        matches("-m set ! --match-set banned src -p tcp -j DROP"),
        [
            Match::Unknown("set ! --match-set banned src".to_owned()),
            Match::Is(Field::Protocol, Values::Numbers(vec![(6, 6)])),
        ]
    );
    assert_eq!(
        matches("-p tcp -m ttl --ttl-eq 3 -j DROP"),
        [Match::Is(Field::Protocol, Values::Numbers(vec![(6, 6)])), Match::Unknown("--ttl-eq 3".to_owned()),]
    );
}
