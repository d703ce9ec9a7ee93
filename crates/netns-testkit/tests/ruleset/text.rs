//! Rules read as other programs print them, and reading many is cheap.

use std::fmt::Write;

use libtest_mimic::Trial;
use netns_engine::{
    diagnose::firewall::{Match, Origin, Rule},
    kernel::examine::ruleset_of,
    place::Entrance,
};
use netns_testkit::{Missing, Sandbox, program_exists, sh, trials};

use crate::load;

pub(crate) fn trials() -> Vec<Trial> {
    trials!(bare:
        rules_read_as_nft_prints_them,
        a_rule_of_nft_among_those_of_iptables_keeps_its_meaning,
        what_is_not_understood_is_said,
        ten_thousand_rules_take_few_calls,
    )
}

/// Every rule as `nft -s list ruleset` prints it.
const RULES: &str = "table inet t {
    set nets { type ipv4_addr; flags interval; elements = { 10.0.0.0/8 } }
    set pairs { type ipv4_addr . inet_service; elements = { 10.0.0.1 . 80 } }
    map verdicts { type ifname : verdict; elements = { \"eth0\" : jump x } }
    map ports { type inet_service : ipv4_addr . inet_service; elements = { 80 : 10.0.0.2 . 8080 } }
    chain x {
        iifname \"br*\" oif \"lo\" accept
        iifname { \"a\", \"b\" } oifname != \"c\" meta nfproto ipv6 goto y
        ip saddr 10.0.0.0/8 ip daddr != 10.1.0.0/16 tcp dport 22 reject with tcp reset
        ip saddr 10.0.0.1-10.0.0.9 udp sport 53 counter drop
        ip6 saddr fd00::/64 ip6 daddr fd01::1 drop
        ct state established,related accept
        ct state vmap { invalid : drop, established : accept, related : accept }
        ct status dnat accept
        meta l4proto { tcp, udp } th dport 53 accept
        tcp dport 1000-2000 drop
        tcp dport != 1000-2000 drop
        tcp dport > 1000 drop
        tcp flags syn / syn,ack drop
        tcp flags != syn / syn,ack drop
        tcp flags syn,ack drop
        ct status ! dnat drop
        meta mark & 0x000000ff != 0x00000012 drop
        meta mark 0x00000012 drop
        fib daddr type local accept
        fib saddr . iif oif missing drop
        icmp type echo-request accept
        icmpv6 type echo-request accept
        ip saddr @nets accept
        ip saddr . tcp dport @pairs drop
        iifname vmap @verdicts
        limit rate 3/minute log prefix \"dropped: \" drop
        limit rate over 10/second drop
        reject
        reject with icmpx admin-prohibited
        tcp dport 80 drop comment \"why not\"
        return
    }
    chain y {
    }
    chain n {
        type nat hook prerouting priority dstnat; policy accept;
        tcp dport 81 dnat ip to 10.0.0.3:82
        dnat ip to tcp dport map @ports
        tcp dport 83 redirect to :84
        dnat ip6 to fd00::1
    }
    chain p {
        type nat hook postrouting priority srcnat; policy accept;
        oifname \"eth0\" masquerade
        snat ip to 192.0.2.1
    }
}";

fn rules_read_as_nft_prints_them(_: &Sandbox) {
    load(RULES);
    let ruleset = ruleset_of(&Entrance::Host).unwrap();
    let rules: Vec<_> = ruleset.chains.iter().flat_map(|chain| &chain.rules).collect();
    let texts: Vec<_> = rules.iter().map(|rule| rule.text.as_str()).collect();
    let printed = sh("nft -s list ruleset");
    let (_, chains) = printed.split_once("chain x").unwrap();
    let is_rule =
        |line: &&str| !line.ends_with('{') && *line != "}" && !line.starts_with("type ") && !line.is_empty();
    let lines: Vec<_> = chains.lines().map(str::trim).filter(is_rule).collect();
    assert_eq!(texts, lines);
    let unknown = |rule: &&&Rule| rule.matches.iter().any(|one| matches!(one, Match::Unknown(_)));
    assert_eq!(rules.iter().find(unknown), None);
}

/// `iptables-save` shows such a rule without the set: as if it accepted everything.
fn a_rule_of_nft_among_those_of_iptables_keeps_its_meaning(_: &Sandbox) {
    sh("iptables -A FORWARD -s 10.0.0.1 -j DROP
        nft add rule ip filter FORWARD tcp dport { 22, 80 } accept");
    let ruleset = ruleset_of(&Entrance::Host).unwrap();
    let chain = ruleset.chains.iter().find(|chain| chain.name == "FORWARD").unwrap();
    assert_eq!(chain.origin, Origin::Iptables);
    let texts: Vec<_> = chain.rules.iter().map(|rule| rule.text.as_str()).collect();
    assert_eq!(texts, ["-A FORWARD -s 10.0.0.1/32 -j DROP", "tcp dport { 22, 80 } accept"]);
    assert!(chain.rules.iter().all(|rule| rule.handle.is_some()));
    // With this one, iptables refuses to show the chain at all.
    sh("nft add rule ip filter FORWARD ct state new fib daddr type local masquerade 2>/dev/null || true
        nft add rule ip filter FORWARD ct state new fib daddr type local accept");
    let chain = ruleset_of(&Entrance::Host).unwrap().chains.into_iter().find(|chain| chain.name == "FORWARD");
    let chain = chain.unwrap();
    assert_eq!(chain.rules.last().unwrap().text, "ct state new fib daddr type local accept");
}

fn what_is_not_understood_is_said(_: &Sandbox) {
    load(
        "table inet t { chain f { type filter hook forward priority 0
            meta skuid 0 drop
            ct mark 0x1 accept
            ip ttl 1 drop
            meta cgroup 1 accept
            numgen random mod 2 0 drop
        }
    }",
    );
    let ruleset = ruleset_of(&Entrance::Host).unwrap();
    for rule in &ruleset.chains[0].rules {
        assert!(rule.matches.iter().any(|one| matches!(one, Match::Unknown(_))), "{rule:?}");
    }
}

fn ten_thousand_rules_take_few_calls(_: &Sandbox) -> Result<(), Missing> {
    if !program_exists("strace") {
        return Err(Missing("the program strace".to_owned()));
    }
    load(
        "table inet t { chain f { type filter hook forward priority 0; }
        }",
    );
    let numbers: Vec<_> = (0..10_000).collect();
    // A transaction must fit into a message, which for others than real root is small.
    for some in numbers.chunks(250) {
        let mut rules = String::new();
        for number in some {
            let (third, fourth) = (number / 250, number % 250);
            let rule = format!("iifname \"eth0\" ip saddr 10.0.{third}.{fourth} tcp dport 80 drop");
            writeln!(rules, "add rule inet t f {rule}").unwrap();
        }
        load(&rules);
    }
    let program = std::env::current_exe().unwrap();
    let calls = "network,read,clone,clone3,execve";
    sh(&format!("strace -f -qq --trace=%{calls} -o /run/trace {} {}", program.display(), crate::READ));
    let calls = std::fs::read_to_string("/run/trace").unwrap().lines().count();
    // A message of the kernel holds about a hundred rules.
    assert!(calls < 400, "{calls} calls");
    Ok(())
}
