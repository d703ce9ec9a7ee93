//! What is wrong with names.

use crate::{
    breakage::{Breakage, Part, breakage},
    exchange::RED_LOOKS_UP,
};

pub(crate) const ALL: &[Breakage] = &[
    names("a_list_of_name_servers_that_is_empty", "resolver-empty", ": > /etc/netns/red/resolv.conf"),
    names(
        "a_name_server_on_the_loopback",
        "resolver-on-loopback",
        "sed -i 's/203.0.113.8/127.0.0.53/' /etc/netns/red/resolv.conf",
    ),
    names(
        "a_stub_resolver_of_the_host",
        "resolver-on-loopback",
        "rm -r /etc/netns/red; printf 'nameserver 127.0.0.53\\noptions timeout:1 attempts:1\\n' > /etc/resolv.conf",
    ),
    names(
        "a_name_server_that_is_silent",
        "resolver-silent",
        "sed -i 's/203.0.113.8/203.0.113.99/' /etc/netns/red/resolv.conf",
    ),
    names(
        "a_filter_that_drops_questions_for_names",
        "iptables-drops",
        "iptables -A FORWARD -p udp --dport 53 -j DROP; iptables -A FORWARD -p tcp --dport 53 -j DROP",
    )
    .mended_by_typing(),
    names("names_that_are_not_looked_up", "names-off", "echo 'hosts: files' > /etc/netns/red/nsswitch.conf"),
];

const fn names(name: &'static str, code: &'static str, script: &'static str) -> Breakage {
    breakage(name, code, Part::Names, script).asking("red example.test", RED_LOOKS_UP)
}
