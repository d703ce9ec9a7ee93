//! The switch that others must not lose.

use super::*;

/// Somebody else begins to use forwarding, or something that looks like it.
type Arrival<'a> = dyn Fn(&mut Observed) + 'a;

#[test]
fn forwarding_goes_on_last_and_off_first() {
    let before = host(&["10.0.0.1/24"]);
    let is_switch =
        |operation: &Operation| matches!(operation, Operation::SetSysctl(_, Sysctl::IpForward, _));
    let add = nat().plan(&before).unwrap();
    assert!(is_switch(&add.steps.last().unwrap().operation));
    let remove = removed().plan(&add.expected).unwrap();
    let first_change = remove.steps.iter().find(|step| !step.operation.is_bookkeeping()).unwrap();
    assert!(is_switch(&first_change.operation));
}

#[test]
fn ipv6_keeps_the_route_the_host_learned_from_its_router() {
    let before = host(&["10.0.0.1/24", "fd00:1::1/64"]);
    let after = applied(&nat(), &before);
    assert_eq!(after.stacks[&Place::Host].routes, before.stacks[&Place::Host].routes);
    assert_eq!(after.sysctl(&Place::Host, &Sysctl::AcceptRa(name("eth0"))), Some(2));
    assert_eq!(after.sysctl(&Place::Host, &Sysctl::AcceptRa(name("eth1"))), Some(1));
    let wanted = "ip6tables -t nat -A POSTROUTING -s fd00:1::/64 -o eth0 -j MASQUERADE";
    assert!(words(&after).iter().any(|rule| rule == wanted));
    assert_eq!(applied(&removed(), &after), before);
}

#[test]
fn forwarding_stays_while_somebody_else_needs_it() {
    let docker =
        rule(Family::Ipv4, IptablesTable::Nat, "-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE");
    let foreign = |table: &str| ForeignChain {
        table: table.to_owned(),
        chain: "POSTROUTING".to_owned(),
        kind: "nat".to_owned(),
        hook: "postrouting".to_owned(),
    };
    let users: [(&Arrival, i32); 7] = [
        (&|state| add_rule(state, docker.clone()), 1),
        (&|state| state.firewall.foreign_chains.push(foreign("inet firewalld")), 1),
        (&|state| state.firewall.foreign_chains.push(foreign("ip nat")), 0),
        (&|state| state.firewall.foreign_chains.push(foreign("ip6 libvirt")), 0),
        (&|state| state.configured_forwarding.extend([Family::Ipv4]), 1),
        (&|state| remember(state, published("198.51.100.2")), 1),
        (&|state| remember(state, published("127.0.0.1")), 0),
    ];
    for (index, (arrive, wanted)) in users.iter().enumerate() {
        let mut with_user = applied(&nat(), &host(&["10.0.0.1/24"]));
        arrive(&mut with_user);
        let after = applied(&removed(), &with_user);
        assert_eq!(forwarding_of(&after, Family::Ipv4), Some(*wanted), "user {index}");
        let remembered = after.records.contains_key(&RecordKey::Forwarding(Family::Ipv4));
        assert_eq!(remembered, *wanted == 1, "whoever leaves last puts it back");
    }
}

fn add_rule(state: &mut Observed, rule: IptablesRule) {
    iptables_of(state).rules.push(rule);
    iptables_of(state).order_chains();
}

fn remember(state: &mut Observed, record: Record) {
    state.records.insert(record.key(), record);
}

fn published(address: &str) -> Record {
    let published = Published { address: address.parse().unwrap(), port: 8080, transport: Transport::Tcp };
    let forward = PortForward { published, target: "10.0.0.2:80".parse().unwrap(), bridge: name("br0") };
    let netns = "ns1".parse().unwrap();
    Record::Published(PublishedRecord {
        forward,
        netns,
        rules: Vec::new(),
        settings: Vec::new(),
        hairpin: None,
    })
}

#[test]
fn the_second_of_two_bridges_to_leave_puts_forwarding_back() {
    let mut before = host(&["10.0.0.1/24"]);
    let host = before.stacks.get_mut(&Place::Host).unwrap();
    host.links.insert(name("br1"), link(LinkKind::Bridge, &["10.1.0.1/24"]));
    let other = Nat { bridge: name("br1"), ..nat() };
    let both = applied(&other, &applied(&nat(), &before));
    let one = applied(&removed(), &both);
    assert_eq!(forwarding_of(&one, Family::Ipv4), Some(1));
    assert_eq!(applied(&NatRemoved { bridge: name("br1"), uplink: None }, &one), before);
}

#[test]
fn a_switch_thrown_back_by_hand_is_thrown_again_and_forgotten_once() {
    let mut after = applied(&nat(), &host(&["10.0.0.1/24"]));
    after.project(&Operation::SetSysctl(Place::Host, Sysctl::IpForward, 0)).unwrap();
    let again = applied(&nat(), &after);
    let record = again.records.get(&RecordKey::Forwarding(Family::Ipv4));
    let wanted = ForwardingRecord { family: Family::Ipv4, settings: Vec::new() };
    assert_eq!(record, Some(&Record::Forwarding(wanted)));
}

/// What `eth0` listens to, and what one link of two was set to, is as it was before the first of both.
#[test]
fn a_switch_thrown_back_by_hand_costs_none_of_what_was_noted() {
    for (switch, family) in [(Sysctl::IpForward, Family::Ipv4), (Sysctl::Ipv6Forwarding, Family::Ipv6)] {
        let mut before = host(&["10.0.0.1/24", "fd00:1::1/64"]);
        set(&mut before, Sysctl::LinkForwarding(family, name("eth1")), 1);
        set(&mut before, Sysctl::AcceptRedirects, 0);
        let mut after = applied(&nat(), &before);
        after.project(&Operation::SetSysctl(Place::Host, switch, 0)).unwrap();
        let new = Sysctl::LinkForwarding(family, name("default"));
        set(&mut after, new.clone(), 1);
        let again = applied(&nat(), &after);
        let Some(Record::Forwarding(noted)) = again.records.get(&RecordKey::Forwarding(family)) else {
            panic!("{family} forwarding is noted");
        };
        assert!(noted.settings.contains(&(new.clone(), 1)), "{noted:?}");
        let last = applied(&removed(), &again);
        set(&mut before, new, 1);
        assert_eq!(last, before, "{family}");
    }
}

/// IPv4 alone asks the switch of the link that a packet comes in by.
#[test]
fn a_bridge_of_ours_has_its_own_switch_on() {
    let own = |family| Sysctl::LinkForwarding(family, name("br0"));
    for ours in [true, false] {
        let mut before = host(&["10.0.0.1/24", "fd00:1::1/64"]);
        for family in [Family::Ipv4, Family::Ipv6] {
            before.project(&Operation::SetSysctl(Place::Host, Sysctl::forwarding(family), 1)).unwrap();
            set(&mut before, own(family), 0);
        }
        let links = &mut before.stacks.get_mut(&Place::Host).unwrap().links;
        links.get_mut(&name("br0")).unwrap().ours = ours;
        let after = applied(&nat(), &before);
        let switches = [Family::Ipv4, Family::Ipv6].map(|family| after.sysctl(&Place::Host, &own(family)));
        assert_eq!(switches, [Some(i32::from(ours)), Some(0)], "ours: {ours}");
    }
}
