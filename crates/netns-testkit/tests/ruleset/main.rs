//! Packet filters are read from the real kernel, and judged as real packets fare.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bridged;
mod hosts;
mod lab;
mod text;
mod translation;

use std::process::ExitCode;

use netns_engine::{diagnose::firewall::Origin, kernel::examine::ruleset_of, place::Entrance};
use netns_testkit::{Sandbox, sh, trials};

use self::lab::Lab;

/// The argument that makes this program read the rules and end, to be watched.
const READ: &str = "read-rules";

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(READ) {
        return ExitCode::from(u8::from(ruleset_of(&Entrance::Host).is_err()));
    }
    let mut trials = trials!(bare:
        nothing_stops_where_there_are_no_rules,
        rules_of_nftables_are_judged_as_packets_fare,
        chains_of_links_are_judged_as_packets_fare,
        rules_of_iptables_are_judged_as_packets_fare,
        rules_of_legacy_iptables_are_judged_as_packets_fare,
        rules_of_ip6tables_are_judged_as_packets_fare,
        without_the_program_netlink_tells_the_rules,
        reading_creates_nothing,
    );
    trials
        .push(netns_testkit::bare("bridged_packets_fare_as_judged", bridged::bridged_packets_fare_as_judged));
    trials.extend(hosts::trials().into_iter().chain(text::trials()).chain(translation::trials()));
    netns_testkit::main(trials)
}

fn nothing_stops_where_there_are_no_rules(host: &Sandbox) {
    let ruleset = Lab::new(host).check("no rules");
    assert_eq!(ruleset.chains, []);
    assert_eq!(ruleset.unread, Vec::<String>::new());
}

/// What stands in the chains `input`, `forward` and `postrouting`.
const NATIVE: [(&str, &str, &str); 14] = [
    ("", "tcp dport 22 drop", ""),
    ("", "ct state established,related accept\n iifname \"vr\" tcp dport { 22, 80 } accept\n drop", ""),
    (
        "tcp dport vmap { 22 : accept, 80 : drop, 8080 : drop }",
        "iifname vmap { \"vr\" : jump from_red, \"vb\" : accept }",
        "",
    ),
    (
        "icmp type echo-request drop\n icmpv6 type echo-request drop",
        "meta l4proto { icmp, ipv6-icmp } drop",
        "",
    ),
    ("", "ct state vmap { established : accept, related : accept, new : jump from_red }\n drop", ""),
    ("", "ip saddr . tcp dport { 10.1.0.0/24 . 70-90, 10.2.0.2 . 22 } drop", ""),
    ("", "iifname . oifname { \"vr\" . \"vb\" } ip6 saddr fd01::/64 reject", ""),
    ("", "iifname \"v*\" udp dport 53 drop\n iif \"vb\" oif \"vr\" tcp dport 80 reject with tcp reset", ""),
    ("fib daddr type local tcp dport != 22 drop", "ip daddr != 10.2.0.0/16 ct state new drop", ""),
    (
        "",
        "meta nfproto ipv4 tcp dport 1000-9000 drop\n tcp dport > 79 tcp dport < 81 drop",
        "oifname \"vb\" ip saddr 10.1.0.0-10.1.0.9 udp dport 53 drop",
    ),
    ("", "tcp flags & (syn | ack) == syn tcp dport 80 drop\n tcp flags syn / syn,ack tcp dport 22 drop", ""),
    ("", "jump nested\n goto from_red\n drop", ""),
    (
        "meta mark 0x1 drop",
        "meta mark & 0xff != 0x0 drop\n ip saddr @odd accept\n ip saddr != @odd tcp dport @ports drop",
        "",
    ),
    (
        "",
        "iifname { \"vr\", \"x*\" } oifname != \"vr\" tcp sport 1-65535 tcp dport 22 counter log prefix \"a b\" limit rate 10/second drop",
        "",
    ),
];

fn rules_of_nftables_are_judged_as_packets_fare(host: &Sandbox) {
    let lab = Lab::new(host);
    for (input, forward, postrouting) in NATIVE {
        let rules = format!(
            "table inet t {{
                set odd {{ type ipv4_addr; flags interval; elements = {{ 10.2.0.0/24, 172.16.0.0-172.16.0.7 }} }}
                set ports {{ type inet_service; elements = {{ 22, 8080 }} }}
                chain from_red {{ tcp dport 22 drop; meta l4proto udp return; tcp dport 80 accept; }}
                chain nested {{ iifname \"vb\" return; jump deeper; tcp dport 80 drop; }}
                chain deeper {{ ip protocol udp accept; ip6 nexthdr udp drop; }}
                chain i {{ type filter hook input priority 0; policy accept; {input}
                }}
                chain f {{ type filter hook forward priority filter + 5; policy accept; {forward}
                }}
                chain p {{ type filter hook postrouting priority -10; {postrouting}
                }}
            }}"
        );
        load(&rules);
        let ruleset = lab.check(&rules);
        assert!(ruleset.chains.iter().all(|chain| chain.origin == Origin::Nftables));
        sh("nft flush ruleset");
    }
}

fn chains_of_links_are_judged_as_packets_fare(host: &Sandbox) {
    let lab = Lab::new(host);
    for rules in [
        "table netdev t {
            chain vr { type filter hook ingress device vr priority 0; tcp dport 80 drop; }
            chain vb { type filter hook ingress device \"vb\" priority 0; ip saddr 10.2.0.0/24 udp sport 53 drop; }
        }",
        "table netdev t {
            chain out { type filter hook egress device vb priority 0; meta protocol ip icmp type echo-request drop; }
        }",
        "table inet t { chain i { type filter hook ingress device vr priority 0; ip6 nexthdr tcp tcp dport 22 drop; }
        }",
    ] {
        load(rules);
        lab.check(rules);
        sh("nft flush ruleset");
    }
}

/// What `iptables-restore` takes.
const WORDS: [&str; 9] = [
    "*filter\n:FORWARD DROP\n-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A FORWARD -i vr -o vb -p tcp -m multiport --dports 22,70:80 -j ACCEPT\nCOMMIT",
    "*filter\n-A FORWARD ! -s 10.1.0.0/24 -j REJECT\n-A INPUT -p icmp -m icmp --icmp-type 8 -j DROP\nCOMMIT",
    "*filter\n:A -\n:B -\n-A FORWARD -i v+ -g A\n-A FORWARD -j DROP\n-A A -p udp -j RETURN\n-A A -p tcp --dport 80 -j B\n-A A -j ACCEPT\n-A B ! -i vb -p tcp -m comment --comment \"say \\\"no\\\"\" -j REJECT --reject-with tcp-reset\nCOMMIT",
    "*mangle\n-A FORWARD -p tcp --syn --dport 8080 -j DROP\n-A PREROUTING -m addrtype --dst-type LOCAL -p tcp --dport 22 -j DROP\nCOMMIT\n*filter\n-A FORWARD -p tcp --dport 22 -j LOG\n-A INPUT -p udp -j DROP\nCOMMIT",
    "*raw\n-A PREROUTING -m conntrack --ctstate NEW -j DROP\n-A PREROUTING -p tcp --dport 80 -j DROP\nCOMMIT",
    "*filter\n-A FORWARD -m mark --mark 0x1/0xff -j DROP\n-A FORWARD -m limit --limit 100/sec -p tcp --dport 22 -j ACCEPT\n-A FORWARD -p tcp -j DROP\nCOMMIT",
    "*security\n-A FORWARD -d 10.2.0.2/32 -p tcp -m tcp --dport 80 -j DROP\nCOMMIT\n*nat\n-A POSTROUTING -o vb -p tcp -j ACCEPT\nCOMMIT",
    "*filter\n:FORWARD DROP\n:DOCKER-USER -\n:DOCKER-FORWARD -\n:DOCKER-CT -\n-A FORWARD -j DOCKER-USER\n-A FORWARD -j DOCKER-FORWARD\n-A DOCKER-FORWARD -j DOCKER-CT\n-A DOCKER-CT -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A DOCKER-FORWARD -i docker0 -j ACCEPT\n-A DOCKER-USER -i vr -j ACCEPT\n-A DOCKER-USER -o vr -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A DOCKER-USER -j RETURN\nCOMMIT",
    "*filter
:FORWARD DROP
:DOCKER-USER -
:DOCKER -
:DOCKER-ISOLATION-STAGE-1 -
:DOCKER-ISOLATION-STAGE-2 -
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o vb -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o vb -j DOCKER
-A FORWARD -i vb ! -o vb -j ACCEPT
-A FORWARD -o vr -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A DOCKER -d 10.2.0.2/32 ! -i vb -o vb -p tcp -m tcp --dport 80 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-1 -i vr ! -o vr -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
-A DOCKER-ISOLATION-STAGE-2 -j RETURN
-A DOCKER-USER -j RETURN
COMMIT",
];

fn rules_of_iptables_are_judged_as_packets_fare(host: &Sandbox) {
    judged_as_packets_fare(host, "nft", Origin::Iptables);
}

fn rules_of_legacy_iptables_are_judged_as_packets_fare(host: &Sandbox) {
    judged_as_packets_fare(host, "legacy", Origin::IptablesLegacy);
}

fn rules_of_ip6tables_are_judged_as_packets_fare(host: &Sandbox) {
    let lab = Lab::new(host);
    for kind in ["nft", "legacy"] {
        for rules in [
            "*filter\n:FORWARD DROP\n-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT\n-A FORWARD -s fd01::/64 -p tcp -m tcp --dport 80 -j ACCEPT\nCOMMIT",
            "*filter\n-A FORWARD -p ipv6-icmp -m icmp6 --icmpv6-type 128 -j DROP\n-A INPUT -m rt --rt-type 0 -j DROP\n-A INPUT -d fd01::1/128 -p udp -j REJECT\nCOMMIT",
        ] {
            restore(&format!("ip6tables-{kind}-restore"), rules);
            lab.check(rules);
            sh(&format!("ip6tables-{kind} -F; ip6tables-{kind} -P FORWARD ACCEPT"));
        }
    }
}

fn without_the_program_netlink_tells_the_rules(host: &Sandbox) {
    let lab = Lab::new(host);
    sh("iptables-nft -A FORWARD -i vr -p tcp --dport 80 -j DROP
        iptables-nft -A FORWARD -s 10.1.0.0/24 -o vb -p udp -j REJECT
        iptables-nft -t nat -A POSTROUTING -o vb -j MASQUERADE
        mount --bind /dev/null $(readlink -f $(command -v iptables-nft-save))");
    let ruleset = lab.check("rules of iptables, without iptables");
    assert!(ruleset.chains.iter().all(|chain| chain.origin == Origin::Nftables));
    assert_eq!(ruleset.unread.len(), 1, "{:?}", ruleset.unread);
}

fn judged_as_packets_fare(host: &Sandbox, kind: &str, origin: Origin) {
    let lab = Lab::new(host);
    for rules in WORDS {
        restore(&format!("iptables-{kind}-restore"), rules);
        let ruleset = lab.check(rules);
        assert_eq!(ruleset.unread, Vec::<String>::new());
        assert!(ruleset.chains.iter().all(|chain| chain.origin == origin), "{ruleset:#?}");
        let texts: Vec<_> =
            ruleset.chains.iter().flat_map(|chain| &chain.rules).map(|rule| &rule.text).collect();
        let saved = sh(&format!("iptables-{kind}-save"));
        let missing: Vec<_> = saved
            .lines()
            .filter(|line| line.starts_with("-A") && !texts.contains(&&(*line).to_owned()))
            .collect();
        assert_eq!(missing, Vec::<&str>::new(), "{texts:?}");
        forget_rules(kind);
    }
}

fn forget_rules(kind: &str) {
    sh(&format!(
        "nft flush ruleset
        for table in $(cat /proc/net/ip_tables_names); do
            iptables-{kind} -t $table -F; iptables-{kind} -t $table -X
        done
        if test {kind} = legacy; then iptables-legacy -P FORWARD ACCEPT; fi"
    ));
}

fn reading_creates_nothing(_: &Sandbox) {
    let state =
        "nft list ruleset; cat /proc/net/ip_tables_names /proc/net/ip6_tables_names 2>/dev/null || true";
    for rules in [
        "",
        "iptables -A FORWARD -j ACCEPT",
        "iptables-legacy -t nat -A POSTROUTING -j ACCEPT",
        "ip6tables -t raw -A PREROUTING -j ACCEPT",
    ] {
        sh(rules);
        let before = sh(state);
        ruleset_of(&Entrance::Host).unwrap();
        assert_eq!(sh(state), before, "{rules}");
    }
}

fn load(rules: &str) {
    std::fs::write("/run/rules", rules).unwrap();
    sh("nft -f /run/rules");
}

fn restore(program: &str, rules: &str) {
    std::fs::write("/run/rules", format!("{rules}\n")).unwrap();
    sh(&format!("{program} < /run/rules"));
}
