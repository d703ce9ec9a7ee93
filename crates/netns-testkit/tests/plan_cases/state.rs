//! Reads what is there. Words that mean nothing fail the test.

use std::{collections::BTreeSet, net::IpAddr, str::FromStr};

use netns_engine::{
    address::Family,
    firewall::{IptablesRule, IptablesTable, TableEntry, Translation, Transport},
    name::LinkName,
    observed::{Hold, Holder, Iptables, Link, LinkKind, Listener, NetnsEntry, NetnsState, Observed, Stack},
    place::{LinkAt, Place},
    resolver::ResolvConf,
    route::{Route, RouteProtocol},
    sysctl::Sysctl,
};

use crate::wish;

/// A host that reaches the internet and does nothing for anybody else.
const HOST_ONLINE: &[&str] = &[
    "link lo loopback up 127.0.0.1/8",
    "link eth0 physical up 198.51.100.2/24",
    "route default via 198.51.100.1 dev eth0",
    "sysctl net.ipv4.ip_forward 0",
    "sysctl net.ipv6.conf.all.forwarding 0",
    "sysctl net.ipv4.conf.all.accept_redirects 1",
    "iptables works",
    "nftables works",
];

pub(crate) fn read(lines: &[String]) -> Observed {
    let mut observed = Observed::default();
    observed.stacks.insert(Place::Host, Stack::default());
    for line in lines {
        add(&mut observed, line);
    }
    observed
}

fn add(observed: &mut Observed, line: &str) {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        ["host", "online"] => HOST_ONLINE.iter().for_each(|line| add(observed, line)),
        ["netns", name, rest @ ..] => add_netns(observed, name, rest),
        ["link", at, kind, rest @ ..] => add_link(observed, &link_at(at), kind, rest),
        ["route", rest @ ..] => add_route(observed, rest),
        ["sysctl", path, value] => {
            let host = observed.stacks.get_mut(&Place::Host).unwrap();
            host.sysctls.insert(sysctl(path), parsed(value));
        }
        ["iptables" | "nftables" | "table", ..] => add_firewall(observed, line, &words),
        ["users", bridge, addresses @ ..] => {
            let addresses = addresses.iter().map(|address| parsed(address)).collect();
            observed.bridge_users.insert(parsed(bridge), addresses);
        }
        ["listener", transport, address, program, pid] => {
            let transport = if *transport == "udp" { Transport::Udp } else { Transport::Tcp };
            let program = Some((parsed(pid), (*program).to_owned()));
            observed.listeners.insert(Listener { transport, address: parsed(address), program });
        }
        ["resolver", name, "ours", servers @ ..] => {
            let servers = servers.iter().map(|server| parsed(server)).collect();
            observed.resolvers.insert(parsed(name), ResolvConf::of_servers(servers));
        }
        ["resolver", name, "foreign", servers @ ..] => {
            observed.resolvers.insert(parsed(name), foreign_resolver(servers));
        }
        ["upstream", servers @ ..] => observed.upstream = foreign_resolver(servers),
        ["configured", "ipv4-forwarding"] => {
            observed.configured_forwarding.insert(Family::Ipv4);
        }
        // What the tool did before: also its notes are there then.
        ["already", ..] => {
            let wish = wish::read(line.strip_prefix("already ").unwrap(), observed);
            let plan = wish.plan(observed).unwrap_or_else(|conflict| panic!("{line}: {conflict}"));
            *observed = plan.expected;
        }
        ["gone", "link", at] => {
            let at = link_at(at);
            observed.stacks.get_mut(&at.place).unwrap().links.remove(&at.name).unwrap();
        }
        ["gone", "netns", name] => {
            observed.netns.remove(&parsed(name)).unwrap();
            observed.stacks.remove(&Place::Netns(parsed(name)));
            for link in observed.stacks.values_mut().flat_map(|stack| stack.links.values_mut()) {
                link.peer.take_if(|peer| peer.place == Place::Netns(parsed(name)));
            }
        }
        ["stale-mark", name] => {
            observed.stale_marks.insert(parsed(name));
        }
        _ => panic!("'{line}' says nothing about a state"),
    }
}

fn add_netns(observed: &mut Observed, name: &str, words: &[&str]) {
    let mut entry = NetnsEntry { state: NetnsState::Live, ours: true, holders: Vec::new() };
    match words {
        [] => {}
        ["foreign"] => entry.ours = false,
        ["half-made"] => entry.state = NetnsState::HalfMade,
        ["held", "by", program, pid] => {
            entry.holders.push(Holder {
                pid: parsed(pid),
                program: (*program).to_owned(),
                by: Hold::Inside,
                runs: None,
            });
        }
        ["mounted", path, program, pid] => entry.holders.push(Holder {
            pid: parsed(pid),
            program: (*program).to_owned(),
            by: Hold::Mount((*path).to_owned()),
            runs: None,
        }),
        _ => panic!("{words:?} says nothing about a netns"),
    }
    if entry.state == NetnsState::Live {
        let lo = Link { up: true, ..Link::new(LinkKind::Loopback) };
        let stack = Stack { links: [(parsed("lo"), lo)].into(), ..Stack::default() };
        observed.stacks.insert(Place::Netns(parsed(name)), stack);
    }
    observed.netns.insert(parsed(name), entry);
}

fn add_link(observed: &mut Observed, at: &LinkAt, kind: &str, words: &[&str]) {
    let mut link = Link::new(match kind {
        "loopback" => LinkKind::Loopback,
        "bridge" => LinkKind::Bridge,
        "veth" => LinkKind::Veth,
        "physical" | "dummy" => LinkKind::Other(kind.to_owned()),
        _ => panic!("'{kind}' is no kind of link"),
    });
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "up" => link.up = true,
            "ours" => link.ours = true,
            "port-of" => link.master = Some(parsed(words.next().unwrap())),
            "peer" => link.peer = Some(link_at(words.next().unwrap())),
            "mtu" => link.mtu_bytes = parsed(words.next().unwrap()),
            address => {
                link.addresses.insert(parsed(address));
            }
        }
    }
    observed.stacks.get_mut(&at.place).unwrap().links.insert(at.name.clone(), link);
}

fn add_route(observed: &mut Observed, words: &[&str]) {
    let (words, protocol) = match words {
        [words @ .., "advertised"] => (words, RouteProtocol::RouterAdvertisement),
        words => (words, RouteProtocol::Boot),
    };
    let (place, route) = route(words);
    observed.stacks.get_mut(&place).unwrap().routes.insert(Route { protocol, ..route });
}

/// Reads `default via 10.0.0.1 dev eth0 metric 5 in red`.
pub(crate) fn route(words: &[&str]) -> (Place, Route) {
    let mut place = Place::Host;
    let (mut gateway, mut link, mut metric) = (None::<IpAddr>, None, 0);
    for pair in words[1..].chunks(2) {
        match *pair {
            ["via", address] => gateway = Some(parsed(address)),
            ["dev", name] => link = Some(parsed(name)),
            ["metric", number] => metric = parsed(number),
            ["in", netns] => place = Place::Netns(parsed(netns)),
            _ => panic!("{pair:?} says nothing about a route"),
        }
    }
    let destination = match words[0] {
        "default" => gateway.map_or(Family::Ipv4, Family::of).everything(),
        network => parsed(network),
    };
    (place, Route { destination, gateway, link, metric, protocol: RouteProtocol::Ours })
}

fn add_firewall(observed: &mut Observed, line: &str, words: &[&str]) {
    let firewall = &mut observed.firewall;
    let iptables = &mut firewall.iptables;
    let table = &mut firewall.table;
    match words {
        ["iptables", "works"] => *iptables = Some(Iptables::default()),
        ["iptables", "missing"] => {
            *iptables = None;
            let families = [Family::Ipv4, Family::Ipv6];
            firewall.iptables_missing =
                families.map(|family| (family, "it is not installed".to_owned())).into();
        }
        ["iptables", "drops", "forward"] => {
            iptables.as_mut().unwrap().forward_drops.insert(Family::Ipv4);
        }
        ["iptables", "-t", table, "-A", chain, ..] => {
            let (_, arguments) = line.split_once(&format!("-A {chain} ")).unwrap();
            let table = if *table == "nat" { IptablesTable::Nat } else { IptablesTable::Filter };
            let (chain, arguments) = ((*chain).to_owned(), arguments.to_owned());
            let rule = IptablesRule { family: Family::Ipv4, table, chain, arguments };
            iptables.as_mut().unwrap().rules.push(rule);
        }
        ["nftables", "works"] => firewall.nftables = true,
        ["table", "guard", bridge] => {
            let guard = [
                TableEntry::Guard { bridge: parsed(bridge) },
                TableEntry::Hairpin { bridge: parsed(bridge) },
            ];
            table.get_or_insert_with(BTreeSet::new).extend(guard);
        }
        ["table", "masquerade", subnet, uplink] => {
            let (subnet, uplink, translation) = (parsed(subnet), parsed(uplink), Translation::Masquerade);
            let entry = TableEntry::Translate { subnet, uplink, translation };
            table.get_or_insert_with(BTreeSet::new).insert(entry);
        }
        _ => panic!("'{line}' says nothing about a firewall"),
    }
}

/// Reads `br0`, or `eth0@red` for a link in a netns.
pub(crate) fn link_at(text: &str) -> LinkAt {
    match text.split_once('@') {
        Some((name, netns)) => LinkAt::inside(parsed(netns), parsed(name)),
        None => LinkAt::on_host(parsed(text)),
    }
}

fn sysctl(path: &str) -> Sysctl {
    let parts: Vec<&str> = path.split('.').collect();
    let link = || parsed::<LinkName>(parts[3]);
    let sysctl = match parts.as_slice() {
        ["net", "ipv4", "ip_forward"] => Sysctl::IpForward,
        ["net", "ipv6", "conf", "all", "forwarding"] => Sysctl::Ipv6Forwarding,
        ["net", "ipv4", "conf", "all", "accept_redirects"] => Sysctl::AcceptRedirects,
        ["net", "ipv4", "conf", _, "forwarding"] => Sysctl::LinkForwarding(Family::Ipv4, link()),
        ["net", "ipv4", "conf", _, "route_localnet"] => Sysctl::RouteLocalnet(link()),
        ["net", "ipv6", "conf", _, "forwarding"] => Sysctl::LinkForwarding(Family::Ipv6, link()),
        ["net", "ipv6", "conf", _, "accept_ra"] => Sysctl::AcceptRa(link()),
        ["net", "ipv6", "conf", _, "disable_ipv6"] => Sysctl::DisableIpv6(link()),
        _ => panic!("'{path}' is no setting known here"),
    };
    assert_eq!(sysctl.to_string(), path);
    sysctl
}

fn foreign_resolver(servers: &[&str]) -> ResolvConf {
    ResolvConf { servers: servers.iter().map(|server| parsed(server)).collect(), others: Vec::new() }
}

pub(crate) fn parsed<T: FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("'{text}' is not what is expected there"))
}
