//! Cases of the decision, with hand-written states; no kernel.

use std::collections::BTreeSet;

use super::{Wanted, removal::take_back_ports_of};
use crate::{
    address::Family,
    desired::{Nat, NatRemoved, PortPublished, PortUnpublished},
    firewall::{Driver, PortForward, Published, TableEntry, Translation, Transport},
    name::{LinkName, NetnsName},
    observed::{Firewall, Iptables, Link, LinkKind, Listener, NetnsEntry, NetnsState, Observed, Stack},
    place::{LinkAt, Place},
    plan::{Conflict, Desired, Draft, Operation, Plan},
    record::RecordKey,
    route::Route,
    sysctl::Sysctl,
};

fn name(text: &str) -> LinkName {
    LinkName::new(text).unwrap()
}

fn netns(text: &str) -> NetnsName {
    NetnsName::new(text).unwrap()
}

fn link(kind: LinkKind, addresses: &[&str]) -> Link {
    let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
    Link { up: true, addresses, ..Link::new(kind) }
}

/// A host with an uplink, `br0` with two netns on it, and everything off.
fn host() -> Observed {
    let mut observed = Observed {
        firewall: Firewall { nftables: true, iptables: Some(Iptables::default()), ..Firewall::default() },
        ..Observed::default()
    };
    let mut host = Stack::default();
    host.links.insert(name("lo"), link(LinkKind::Loopback, &["127.0.0.1/8", "::1/128"]));
    host.links.insert(
        name("eth0"),
        link(LinkKind::Other("physical".to_owned()), &["198.51.100.2/24", "2001:db8::2/64"]),
    );
    host.links.insert(name("br0"), link(LinkKind::Bridge, &["10.0.0.1/24", "fd00::1/64"]));
    for gateway in ["198.51.100.1", "2001:db8::1"] {
        host.routes.insert(Route::default_via(gateway.parse().unwrap()).on(name("eth0")));
    }
    for (number, inside) in [(2, "red"), (3, "blue")] {
        plug_in(&mut observed, &mut host, number, &netns(inside));
    }
    for link in ["lo", "eth0", "br0"].map(name) {
        host.sysctls.insert(Sysctl::RouteLocalnet(link.clone()), 0);
        host.sysctls.insert(Sysctl::LinkForwarding(Family::Ipv4, link.clone()), 0);
        host.sysctls.insert(Sysctl::LinkForwarding(Family::Ipv6, link.clone()), 0);
        host.sysctls.insert(Sysctl::AcceptRa(link), 1);
    }
    host.sysctls.extend([(Sysctl::IpForward, 0), (Sysctl::Ipv6Forwarding, 0), (Sysctl::AcceptRedirects, 1)]);
    observed.stacks.insert(Place::Host, host);
    observed
}

fn plug_in(observed: &mut Observed, host: &mut Stack, number: u8, netns: &NetnsName) {
    let inner = LinkAt::inside(netns.clone(), name("eth0"));
    let outer = LinkAt::on_host(name(&format!("veth-{netns}")));
    let addresses = [format!("10.0.0.{number}/24"), format!("fd00::{number}/64")];
    let mut stack = Stack::default();
    stack.links.insert(
        inner.name.clone(),
        Link { peer: Some(outer.clone()), ..link(LinkKind::Veth, &addresses.each_ref().map(String::as_str)) },
    );
    observed.stacks.insert(inner.place.clone(), stack);
    host.links.insert(
        outer.name,
        Link { peer: Some(inner), master: Some(name("br0")), ..link(LinkKind::Veth, &[]) },
    );
    let entry = NetnsEntry { state: NetnsState::Live, ours: true, holders: Vec::new() };
    observed.netns.insert(netns.clone(), entry);
}

fn publish(observed: &Observed, text: &str) -> Result<Plan, Conflict> {
    text.parse::<PortPublished>().unwrap().plan(observed)
}

fn unpublish(observed: &Observed, text: &str) -> Result<Plan, Conflict> {
    text.parse::<PortUnpublished>().unwrap().plan(observed)
}

fn after(plan: Result<Plan, Conflict>) -> Observed {
    plan.unwrap().expected
}

fn nat(driver: Driver) -> Nat {
    Nat { bridge: name("br0"), uplink: None, translation: Translation::Masquerade, driver: Some(driver) }
}

fn operations(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(|step| step.operation.to_string()).collect()
}

#[test]
fn a_port_of_the_host_alone_needs_no_forwarding() {
    let plan = publish(&host(), "8080:red:80").unwrap();
    assert_eq!(
        operations(&plan),
        [
            "add nftables table 'inet netns_tool'",
            "add 'guard br0', 'let br0 back to itself' to table 'inet netns_tool'",
            "note published port 127.0.0.1:8080/tcp in /run/netns-tool",
            "set net.ipv4.conf.br0.route_localnet to 1 on the host",
            "add 'forward 127.0.0.1:8080/tcp to 10.0.0.2:80 by br0' to table 'inet netns_tool'",
        ]
    );
    assert_eq!(plan.expected.sysctl(&Place::Host, &Sysctl::IpForward), Some(0));
}

#[test]
fn a_port_for_everyone_has_the_switch_of_its_bridge_on() {
    let own = Sysctl::LinkForwarding(Family::Ipv4, name("br0"));
    let mut state = host();
    state.project(&Operation::SetSysctl(Place::Host, Sysctl::IpForward, 1)).unwrap();
    state.project(&Operation::SetSysctl(Place::Host, own.clone(), 0)).unwrap();
    state.stacks.get_mut(&Place::Host).unwrap().links.get_mut(&name("br0")).unwrap().ours = true;
    for (address, wanted) in [("127.0.0.1", 0), ("0.0.0.0", 1)] {
        let after = after(publish(&state, &format!("{address}:8080:red:80")));
        assert_eq!(after.sysctl(&Place::Host, &own), Some(wanted), "{address}");
    }
}

#[test]
fn a_port_for_everyone_is_guarded_before_forwarding_and_open_last() {
    let plan = publish(&host(), "0.0.0.0:8080:red:80").unwrap();
    let place = |wanted: &dyn Fn(&Operation) -> bool| {
        plan.steps.iter().position(|step| wanted(&step.operation)).expect("the step is there")
    };
    let entry = |wanted: fn(&TableEntry) -> bool| {
        place(
            &move |operation| matches!(operation, Operation::AddEntries(entries) if entries.iter().any(wanted)),
        )
    };
    let guard = entry(|entry| matches!(entry, TableEntry::Guard { .. }));
    let forward = entry(|entry| matches!(entry, TableEntry::Forward(_)));
    let forwarding = place(&|operation| matches!(operation, Operation::SetSysctl(_, Sysctl::IpForward, 1)));
    assert!(guard < forwarding && forwarding < forward, "{:?}", operations(&plan));
    assert_eq!(forward, plan.steps.len() - 1);
    let port = plan.expected.link(&LinkAt::on_host(name("veth-red"))).unwrap();
    assert!(port.hairpin, "the netns can call itself");
}

const PORTS: [&str; 5] = [
    "8080:red:80",
    "0.0.0.0:8080:red:80",
    "198.51.100.2:8080:red:80/udp",
    "[::]:8080:red:80",
    "[2001:db8::2]:8080:red:80/udp",
];

#[test]
fn publishing_twice_changes_nothing() {
    for port in PORTS {
        let state = after(publish(&host(), port));
        assert_eq!(operations(&publish(&state, port).unwrap()), [""; 0], "{port}");
    }
}

#[test]
fn unpublishing_gives_the_first_state_back() {
    let mut dropping = host();
    dropping.firewall.iptables.as_mut().unwrap().forward_drops = [Family::Ipv4, Family::Ipv6].into();
    for first in [host(), dropping] {
        for port in PORTS {
            let state = after(publish(&first, port));
            assert_ne!(state, first);
            assert_eq!(after(unpublish(&state, port)), first, "{port}");
        }
    }
}

#[test]
fn ports_that_share_settings_may_go_in_any_order() {
    let mut first = host();
    first.firewall.iptables.as_mut().unwrap().forward_drops = [Family::Ipv4].into();
    let ports = ["8080:red:80", "0.0.0.0:8081:red:80", "198.51.100.2:8082:red:80", "0.0.0.0:8083:blue:80"];
    for start in 0..ports.len() {
        let mut state = first.clone();
        for port in ports {
            state = after(publish(&state, port));
        }
        for port in ports.iter().cycle().skip(start).take(ports.len()) {
            state = after(unpublish(&state, port));
        }
        assert_eq!(state, first, "starting with {}", ports[start]);
    }
}

#[test]
fn what_others_still_use_stays_when_a_port_goes() {
    let state = after(publish(&after(publish(&host(), "8080:red:80")), "0.0.0.0:8081:red:80"));
    let state = after(unpublish(&state, "8080"));
    assert_eq!(state.sysctl(&Place::Host, &Sysctl::RouteLocalnet(name("br0"))), Some(1));
    assert_eq!(state.sysctl(&Place::Host, &Sysctl::IpForward), Some(1));
    assert!(state.firewall.table.unwrap().contains(&TableEntry::Guard { bridge: name("br0") }));
}

#[test]
fn nat_and_ports_share_the_guard_in_any_order() {
    let nat = nat(Driver::Nftables);
    let nat_gone = NatRemoved { bridge: name("br0"), uplink: None };
    let guard = TableEntry::Guard { bridge: name("br0") };
    for port in PORTS {
        let nat_first = after(publish(&after(nat.plan(&host())), port));
        let port_first = after(nat.plan(&after(publish(&host(), port))));
        for state in [nat_first, port_first] {
            let port_left = after(nat_gone.plan(&state));
            assert!(port_left.firewall.table.as_ref().unwrap().contains(&guard), "{port}");
            assert_eq!(after(unpublish(&port_left, port)), host(), "{port}");
            let nat_left = after(unpublish(&state, port));
            assert!(nat_left.firewall.table.as_ref().unwrap().contains(&guard), "{port}");
            assert_eq!(after(nat_gone.plan(&nat_left)), host(), "{port}");
        }
    }
}

#[test]
fn the_undo_of_every_step_leads_back() {
    for port in PORTS {
        let published = publish(&host(), port).unwrap();
        let taken_back = unpublish(&published.expected, port).unwrap();
        for (start, plan) in [(host(), &published), (published.expected.clone(), &taken_back)] {
            for end in 0..=plan.steps.len() {
                let mut state = start.clone();
                for step in &plan.steps[..end] {
                    state.project(&step.operation).unwrap();
                }
                for undo in plan.steps[..end].iter().rev().flat_map(|step| &step.undo) {
                    state.project(undo).unwrap();
                }
                assert_eq!(state, start, "{port} after {end} steps");
            }
        }
    }
}

#[test]
fn iptables_rules_are_narrow_and_only_where_something_drops() {
    let mut observed = host();
    let plain = after(publish(&observed, "0.0.0.0:8080:red:80"));
    assert_eq!(plain.firewall.iptables.unwrap().rules, []);
    observed.firewall.iptables.as_mut().unwrap().forward_drops = [Family::Ipv4].into();
    let state = after(publish(&observed, "0.0.0.0:8080:red:80"));
    let rules: Vec<_> =
        state.firewall.iptables.unwrap().rules.into_iter().map(|rule| rule.arguments).collect();
    assert_eq!(
        rules,
        [
            "-d 10.0.0.2/32 -o br0 -p tcp -m tcp --dport 80 -m conntrack --ctstate DNAT -j ACCEPT",
            "-s 10.0.0.2/32 -i br0 -p tcp -m tcp --sport 80 -m conntrack --ctstate DNAT -j ACCEPT",
        ]
    );
}

#[test]
fn a_port_leads_to_one_place() {
    let state = after(publish(&host(), "8080:red:80"));
    for other in ["8080:blue:80", "8080:red:81", "0.0.0.0:8080:blue:80"] {
        assert!(matches!(publish(&state, other), Err(Conflict::AlreadyPublished { .. })), "{other}");
    }
    for fine in ["8081:blue:80", "8080:blue:80/udp", "198.51.100.2:8080:blue:80", "[::]:8080:blue:80"] {
        assert!(publish(&state, fine).is_ok(), "{fine}");
    }
    let wrong = unpublish(&state, "8080:blue:80").unwrap_err();
    assert_eq!(wrong.to_string(), "port 127.0.0.1:8080/tcp is already published to red:80");
}

#[test]
fn a_listening_program_is_named() {
    let mut observed = host();
    observed.listeners = BTreeSet::from([Listener {
        transport: Transport::Tcp,
        address: "0.0.0.0:8080".parse().unwrap(),
        program: Some((17, "nginx".to_owned())),
    }]);
    let taken = publish(&observed, "8080:red:80").unwrap_err();
    assert_eq!(taken.to_string(), "port 127.0.0.1:8080/tcp is taken: nginx (pid 17) listens on it");
    assert!(publish(&observed, "8080:red:80/udp").is_ok());
    assert!(publish(&observed, "[::]:8080:red:80").is_ok());
}

#[test]
fn what_cannot_be_published_is_refused() {
    let refused = |port: &str| publish(&host(), port).unwrap_err();
    assert!(matches!(refused("[::1]:8080:red:80"), Conflict::OnIpv6Loopback(_)));
    assert!(matches!(refused("203.0.113.8:8080:red:80"), Conflict::NotAHostsAddress(_)));
    assert_eq!(refused("8080:green:80"), Conflict::NoNetns(netns("green")));
    let mut cut_off = host();
    cut_off.stacks.get_mut(&Place::Host).unwrap().links.get_mut(&name("br0")).unwrap().addresses.clear();
    assert_eq!(publish(&cut_off, "8080:red:80"), Err(Conflict::Unreachable(netns("red"))));
    let mut old_kernel = host();
    old_kernel.firewall.nftables = false;
    assert!(matches!(publish(&old_kernel, "8080:red:80"), Err(Conflict::Missing { .. })));
    assert!(matches!(unpublish(&host(), "8080"), Err(Conflict::NotPublished(_))));
}

#[test]
fn a_port_of_a_netns_that_is_gone_can_be_taken_back() {
    let mut state = after(publish(&host(), "0.0.0.0:8080:red:80"));
    state.project(&Operation::DeleteNetns(netns("red"))).unwrap();
    let state = after(unpublish(&state, "0.0.0.0:8080"));
    assert_eq!(state.firewall.table, None);
    assert_eq!(state.records.get(&RecordKey::Forwarding(Family::Ipv4)), None);
    assert_eq!(state.sysctl(&Place::Host, &Sysctl::IpForward), Some(0));
}

#[test]
fn a_cable_without_a_bridge_is_a_way_too() {
    let mut observed = host();
    let host_stack = observed.stacks.get_mut(&Place::Host).unwrap();
    let end = host_stack.links.get_mut(&name("veth-red")).unwrap();
    end.master = None;
    end.addresses.insert("10.0.0.1/24".parse().unwrap());
    host_stack.sysctls.insert(Sysctl::RouteLocalnet(name("veth-red")), 0);
    let state = after(publish(&observed, "0.0.0.0:8080:red:80"));
    assert!(state.firewall.table.as_ref().unwrap().contains(&TableEntry::Guard { bridge: name("veth-red") }));
    assert_eq!(after(unpublish(&state, "0.0.0.0:8080")), observed);
}

fn publish_many(first: &Observed, count: u16) -> Plan {
    let wanted = (1..=count).map(|port| Wanted {
        forward: PortForward {
            published: Published { address: [0, 0, 0, 0].into(), port, transport: Transport::Tcp },
            target: ([10, 0, 0, 2], port).into(),
            bridge: name("br0"),
        },
        netns: netns("red"),
        port: Some(name("veth-red")),
    });
    let mut draft = Draft::from(first);
    super::publish(&mut draft, &wanted.collect::<Vec<_>>()).unwrap();
    draft.finish()
}

fn take_all_back(state: &Observed) -> Plan {
    let mut draft = Draft::from(state);
    take_back_ports_of(&mut draft, &netns("red"));
    draft.finish()
}

/// Each has a note of its own; everything else is one step for all of them.
#[test]
fn many_ports_come_and_go_as_one_does() {
    let steps = [1, 1000, 2000].map(|count| {
        let published = publish_many(&host(), count);
        let gone = take_all_back(&published.expected);
        assert_eq!(gone.expected, host());
        [published, gone].map(|plan| {
            let notes = plan.steps.iter().filter(|step| step.operation.is_bookkeeping()).count();
            (plan.steps.len() - notes, notes)
        })
    });
    let [[(publish, first_notes), (take_back, last_notes)], ..] = steps;
    for ([there, back], more) in steps.into_iter().zip([0, 999, 1999]) {
        assert_eq!(there, (publish, first_notes + more));
        assert_eq!(back, (take_back, last_notes + more));
    }
}

/// The program sends all it is given in one message, and an ordinary user's may not be large.
#[test]
fn rules_come_and_go_in_portions() {
    let mut first = host();
    first.firewall.iptables.as_mut().unwrap().forward_drops = [Family::Ipv4].into();
    let published = publish_many(&first, 120);
    let gone = take_all_back(&published.expected);
    for plan in [&published, &gone] {
        let portions = plan.steps.iter().filter_map(|step| match &step.operation {
            Operation::Iptables(changes) => Some(changes.len()),
            _ => None,
        });
        assert_eq!(portions.collect::<Vec<_>>(), [100, 100, 40]);
    }
    let mut state = gone.expected.clone();
    assert_eq!(state, first);
    for undo in gone.steps.iter().rev().flat_map(|step| &step.undo) {
        state.project(undo).unwrap();
    }
    assert_eq!(state, published.expected);
}

#[test]
fn who_stays_inherits_from_all_who_go() {
    let mut first = host();
    first.firewall.iptables.as_mut().unwrap().forward_drops = [Family::Ipv4].into();
    let stays = "0.0.0.0:8083:blue:80";
    let go = ["8080:red:80", "0.0.0.0:8081:red:80", "0.0.0.0:8082:red:81"];
    let state = go.iter().chain([&stays]).fold(first.clone(), |state, port| after(publish(&state, port)));
    let left = take_all_back(&state).expected;
    let alone = after(publish(&first, stays));
    assert_eq!(left.firewall, alone.firewall);
    assert_eq!(left.stacks, alone.stacks);
    assert_eq!(after(unpublish(&left, "0.0.0.0:8083")), first);
}
