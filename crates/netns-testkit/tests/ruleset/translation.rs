//! Addresses are translated as connection tracking saw them translated.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use libtest_mimic::Trial;
use netns_engine::{
    diagnose::{
        firewall::{Certainty, Field, Hook, Passage, Ruleset, Translation, Unmet, Values},
        packet::{Packet, Protocol},
    },
    kernel::examine::ruleset_of,
    name::LinkName,
    place::Entrance,
};
use netns_testkit::{Sandbox, sh, trials};

use crate::{
    lab::{Lab, Node, Try, forget_connections},
    load, restore,
};

pub(crate) fn trials() -> Vec<Trial> {
    trials!(bare:
        maps_and_sets_translate_as_told,
        iptables_translates_as_told,
        legacy_iptables_translates_as_told,
        a_redirect_leads_to_the_router,
        a_rule_for_another_uplink_is_near,
    )
}

/// Where `red` asks: an address of the router, at a port that nobody listens on.
const PUBLISHED: u16 = 8000;

fn passage_of<T>(packet: &Packet, hook: Hook, look: impl FnOnce(&Passage<'_>) -> T) -> T {
    let (incoming, outgoing) = (LinkName::new("vr").unwrap(), LinkName::new("vb").unwrap());
    look(&Passage {
        packet,
        hook,
        incoming: Some(&incoming),
        outgoing: (hook == Hook::Postrouting).then_some(&outgoing),
        incoming_port: None,
        outgoing_port: None,
        for_this_stack: packet.destination == Node::Router.address(),
        from_this_stack: false,
    })
}

fn published() -> Packet {
    Packet::new(Node::Red.address(), Node::Router.address(), Protocol::Tcp, Some(PUBLISHED))
}

fn read() -> Ruleset {
    ruleset_of(&Entrance::Host).unwrap()
}

/// Tells both translations of a connection from `red` to the published port.
fn told(ruleset: &Ruleset) -> (Translation, Option<Translation>) {
    let mut packet = published();
    let destination = passage_of(&packet, Hook::Prerouting, |passage| ruleset.destination(passage)).unwrap();
    packet.destination = destination.target.address.unwrap_or(packet.destination);
    packet.destination_port = destination.target.port.or(packet.destination_port);
    packet.redirected = true;
    let own: IpAddr = "10.2.0.1".parse().unwrap();
    let source = passage_of(&packet, Hook::Postrouting, |passage| ruleset.source(passage, Some(own)));
    (destination, source)
}

/// Returns where the answer comes from and goes to, by `conntrack`.
fn seen(lab: &Lab<'_>) -> (SocketAddr, IpAddr) {
    forget_connections();
    let to = SocketAddr::new(Node::Router.address(), PUBLISHED);
    let tried = Try { from: Node::Red, to, protocol: Protocol::Tcp };
    assert!(lab.reaches(&tried, Duration::from_secs(10)), "{}", sh("nft list ruleset"));
    let listed = sh(&format!("conntrack -L -p tcp --orig-port-dst {PUBLISHED} 2>/dev/null"));
    let last =
        |key: &str| listed.split(&format!(" {key}=")).last().unwrap().split(' ').next().unwrap().to_owned();
    let source = SocketAddr::new(last("src").parse().unwrap(), last("sport").parse().unwrap());
    (source, last("dst").parse().unwrap())
}

#[track_caller]
fn translates_as_told(lab: &Lab<'_>) {
    let (destination, source) = told(&read());
    let (answered_from, answered_to) = seen(lab);
    assert_eq!(destination.certainty, Certainty::Certain);
    assert_eq!(
        (destination.target.address, destination.target.port),
        (Some(answered_from.ip()), Some(answered_from.port()))
    );
    let source = source.and_then(|source| source.target.address).unwrap_or_else(|| Node::Red.address());
    assert_eq!(source, answered_to);
}

/// What stands in the chains `pre` and `post`.
const NATIVE: [(&str, &str); 6] = [
    ("tcp dport 8000 dnat ip to 10.2.0.2:80", "masquerade"),
    (
        "fib daddr type local dnat ip to meta l4proto . th dport map @ports",
        "ip saddr . oifname @pairs masquerade",
    ),
    (
        "ip daddr 10.1.0.1 dnat ip to tcp dport map { 8000 : 10.2.0.2 . 80, 81 : 10.2.0.3 . 80 }",
        "ip saddr 10.9.0.0/16 masquerade",
    ),
    (
        "iifname \"vr\" jump ports",
        "ct status dnat snat ip to ip saddr map { 10.1.0.0/24 : 10.2.0.9, 10.3.0.0/24 : 10.2.0.8 }",
    ),
    (
        "ip6 daddr fd01::1 dnat ip6 to fd02::2\n tcp dport { 7000-7999, 8000 } dnat ip to 10.2.0.2:8080",
        "ct status dnat snat ip to 10.2.0.7",
    ),
    (
        "tcp dport vmap { 80 : accept, 8000 : goto ports }",
        "oifname != \"vr\" ip daddr 10.2.0.0-10.2.0.9 ct state new masquerade random",
    ),
];

fn maps_and_sets_translate_as_told(host: &Sandbox) {
    let lab = Lab::new(host);
    // The answers must find back to addresses that the router does not have.
    sh("for last in 7 8 9; do ip address add 10.2.0.$last/24 dev vb; done");
    for (pre, post) in NATIVE {
        load(&format!(
            "table inet t {{
                map ports {{ type inet_proto . inet_service : ipv4_addr . inet_service
                    elements = {{ tcp . 8000 : 10.2.0.2 . 22, udp . 8000 : 10.2.0.2 . 53 }} }}
                set pairs {{ type ipv4_addr . ifname; flags interval
                    elements = {{ 10.1.0.0/24 . \"vb\", 10.0.0.0/24 . \"vr\" }} }}
                chain ports {{ ip daddr 10.1.0.1 tcp dport 8000 dnat ip to 10.2.0.2:22; }}
                chain pre {{ type nat hook prerouting priority -100; {pre}
                }}
                chain post {{ type nat hook postrouting priority 100; {post}
                }}
            }}"
        ));
        translates_as_told(&lab);
        sh("nft flush ruleset");
    }
}

const DOCKER: &str = "*nat
:DOCKER -
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A POSTROUTING -s 10.1.0.0/24 ! -o vr -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8000 -j DNAT --to-destination 10.2.0.2:80
COMMIT";

fn iptables_translates_as_told(host: &Sandbox) {
    let lab = Lab::new(host);
    restore("iptables-nft-restore", DOCKER);
    translates_as_told(&lab);
    let (destination, source) = told(&read());
    assert_eq!(destination.by, "rule 2 of DOCKER (iptables -t nat -S DOCKER)");
    assert_eq!(source.unwrap().by, "rule 2 of POSTROUTING (iptables -t nat -S POSTROUTING)");
}

fn legacy_iptables_translates_as_told(host: &Sandbox) {
    let lab = Lab::new(host);
    restore("iptables-legacy-restore", DOCKER);
    translates_as_told(&lab);
    assert_eq!(told(&read()).0.by, "rule 2 of DOCKER (iptables-legacy -t nat -S DOCKER)");
}

fn a_redirect_leads_to_the_router(host: &Sandbox) {
    let lab = Lab::new(host);
    let rules =
        "table ip t { chain pre { type nat hook prerouting priority -100; tcp dport 8000 redirect to :80; }
        }";
    load(rules);
    let (destination, _) = told(&read());
    assert_eq!((destination.to_this_stack, destination.target.port), (true, Some(80)));
    let (answered_from, _) = seen(&lab);
    assert_eq!(answered_from, (Node::Router.address(), 80).into());
    sh("nft flush ruleset");
    restore(
        "iptables-nft-restore",
        "*nat\n-A PREROUTING -p tcp --dport 8000 -j REDIRECT --to-ports 22\nCOMMIT",
    );
    let (destination, _) = told(&read());
    assert_eq!((destination.to_this_stack, destination.target.port), (true, Some(22)));
    assert_eq!(seen(&lab).0, (Node::Router.address(), 22).into());
}

fn a_rule_for_another_uplink_is_near(_: &Sandbox) {
    load(
        "table inet t {
            set pairs { type ipv4_addr . ifname; flags interval; elements = { 10.1.0.0/24 . \"wlan0\" } }
            chain post { type nat hook postrouting priority 100
                oifname \"eth9\" masquerade
                ip saddr . oifname @pairs masquerade
                meta l4proto udp oifname \"eth9\" masquerade
                ip saddr 10.7.0.0/16 masquerade
            }
        }",
    );
    let ruleset = read();
    let packet = Packet::new(Node::Red.address(), Node::Blue.address(), Protocol::Tcp, Some(80));
    let near = passage_of(&packet, Hook::Postrouting, |passage| ruleset.near_translations(passage));
    let link = |name: &str| Unmet::Is(Field::OutgoingLink, Values::Words(vec![name.to_owned()]));
    let unmet: Vec<_> = near.iter().map(|miss| miss.unmet.as_slice()).collect();
    assert_eq!(unmet[..2], [&[link("eth9")], &[link("wlan0")]]);
    assert_eq!((unmet.len(), unmet[2][0].field()), (3, Field::Source));
    assert_eq!(near[0].text, "oifname \"eth9\" masquerade");
}
