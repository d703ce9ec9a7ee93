//! The operations that the model is compared by.

use crate::{limits::limit, special_links::vxlan};
use ipnet::IpNet;
use netns_engine::{
    address::{Family, MacAddress},
    firewall::{PortForward, Published, TableEntry, Translation, Transport},
    name::{LinkName, NetnsName},
    place::{LinkAt, Place},
    plan::{LinkChange, LinkLocal, NewBridge, NewVeth, NewVethEnd, Operation},
    route::Route,
    sysctl::Sysctl,
};
use proptest::{collection::vec, prelude::*, sample::select};

pub(crate) const NETNS: [&str; 2] = ["red", "blue"];
pub(crate) const LINKS: [&str; 4] = ["br0", "va", "vb", "vx"];
const ADDRESSES: [&str; 4] = ["10.0.0.1/24", "10.0.0.2/24", "10.1.0.1/16", "fd00::1/64"];
const DESTINATIONS: [&str; 4] = ["0.0.0.0/0", "10.9.0.0/16", "192.0.2.7/32", "fd09::/32"];
const GATEWAYS: [&str; 3] = ["10.0.0.9", "10.1.0.9", "fd00::9"];

pub(crate) fn netns_name(name: &str) -> NetnsName {
    name.parse().unwrap()
}

pub(crate) fn link_name(name: &str) -> LinkName {
    name.parse().unwrap()
}

pub(crate) fn places() -> Vec<Place> {
    let netns = NETNS.iter().map(|name| Place::Netns(netns_name(name)));
    std::iter::once(Place::Host).chain(netns).collect()
}

/// Any operation on two netns, a bridge and a pair of links.
pub(crate) fn any() -> impl Strategy<Value = Operation> {
    let netns = || select(&NETNS[..]).prop_map(netns_name);
    let link =
        || (select(places()), select(&LINKS[..])).prop_map(|(place, name)| place.link(&link_name(name)));
    let address = || select(&ADDRESSES[..]).prop_map(|text| text.parse::<IpNet>().unwrap());
    prop_oneof![
        3 => netns().prop_map(Operation::CreateNetns),
        1 => netns().prop_map(Operation::DeleteNetns),
        3 => select(places()).prop_map(bridge),
        4 => (select(places()), select(places())).prop_map(|(main, peer)| veth(&main, &peer)),
        1 => link().prop_map(Operation::DeleteLink),
        1 => (select(places()), prop::option::of(Just(link_name("br0")))).prop_map(|(place, bridge)| vxlan(place, bridge)),
        2 => (link(), select(&[64_000, 10_000_000][..])).prop_map(|(link, rate)| limit(link, rate)),
        1 => link().prop_map(Operation::ClearShaping),
        6 => (link(), change()).prop_map(|(link, change)| Operation::SetLink(link, change)),
        6 => (link(), address()).prop_map(|(link, address)| Operation::AddAddress(link, address)),
        2 => (link(), address()).prop_map(|(link, address)| Operation::DeleteAddress(link, address)),
        2 => (link(), address()).prop_map(|(link, address)| Operation::DeleteRoute(link.place, Route::connected(address.trunc(), link.name))),
        2 => (link(), address()).prop_map(|(link, address)| Operation::RestoreRoute(link, address)),
        4 => (select(places()), route()).prop_map(|(place, route)| Operation::AddRoute(place, route)),
        2 => (select(places()), route()).prop_map(|(place, route)| Operation::DeleteRoute(place, route)),
        1 => (link(), 0..2_i32).prop_map(|(link, value)| Operation::SetSysctl(link.place, Sysctl::RouteLocalnet(link.name), value)),
        2 => Just(Operation::AddTable),
        1 => Just(Operation::DeleteTable),
        4 => vec(select(entries()), 1..3).prop_map(Operation::AddEntries),
        2 => vec(select(entries()), 1..3).prop_map(Operation::DeleteEntries),
        1 => (select(places()), 0..2_i32).prop_map(|(place, value)| Operation::SetSysctl(place, Sysctl::IpForward, value)),
    ]
}

fn change() -> impl Strategy<Value = LinkChange> {
    prop_oneof![
        4 => Just(LinkChange::Up),
        1 => Just(LinkChange::Down),
        2 => Just(LinkChange::Master(link_name("br0"))),
        1 => Just(LinkChange::NoMaster),
        1 => Just(LinkChange::HairpinOn),
        1 => Just(LinkChange::HairpinOff),
        1 => Just(LinkChange::IsolatedOn),
        1 => Just(LinkChange::IsolatedOff),
    ]
}

/// Entries of every kind, some of them in each other's way.
fn entries() -> Vec<TableEntry> {
    let (bridge, uplink) = (link_name("br0"), link_name("va"));
    let subnet: IpNet = "10.0.0.0/24".parse().unwrap();
    let translate = |translation| TableEntry::Translate { subnet, uplink: uplink.clone(), translation };
    let snat = |source: &str| translate(Translation::Snat(source.parse().unwrap()));
    let forward = |address: &str, target: &str| {
        let published = Published { address: address.parse().unwrap(), port: 80, transport: Transport::Tcp };
        let target = target.parse().unwrap();
        TableEntry::Forward(PortForward { published, target, bridge: bridge.clone() })
    };
    vec![
        TableEntry::Guard { bridge: bridge.clone() },
        TableEntry::Confine { bridge: bridge.clone() },
        TableEntry::Egress { bridge: bridge.clone(), uplink: uplink.clone() },
        translate(Translation::Masquerade),
        snat("10.1.0.1"),
        snat("10.1.0.2"),
        forward("127.0.0.1", "10.0.0.2:80"),
        forward("127.0.0.1", "10.0.0.3:80"),
        forward("::", "[fd00::2]:80"),
        TableEntry::Hairpin { bridge: bridge.clone() },
    ]
}

fn route() -> impl Strategy<Value = Route> {
    let same_family =
        |(destination, gateway): &(&str, &str)| destination.contains(':') == gateway.contains(':');
    let via = (select(&DESTINATIONS[..]), select(&GATEWAYS[..])).prop_filter("one family", same_family);
    via.prop_map(|(destination, gateway)| Route::via(destination.parse().unwrap(), gateway.parse().unwrap()))
}

pub(crate) fn bridge(place: Place) -> Operation {
    let mac = MacAddress::derived_from("br0");
    Operation::AddBridge(NewBridge { at: LinkAt { place, name: link_name("br0") }, mac })
}

pub(crate) fn veth(main: &Place, peer: &Place) -> Operation {
    let end = |place: &Place, name| NewVethEnd {
        link_local: LinkLocal::None,
        ..NewVethEnd::new(place.link(&link_name(name)))
    };
    Operation::AddVeth(NewVeth { main: end(main, "va"), peer: end(peer, "vb") })
}

/// Sequences told by hand, by what they show.
pub(crate) fn told() -> Vec<(&'static str, Vec<Operation>)> {
    told_of_links().into_iter().chain(told_of_entries()).collect()
}

/// A link with addresses and routes of both families whose MTU becomes too small for IPv6, and large again.
fn narrowed() -> Vec<Operation> {
    let va = || LinkAt::on_host(link_name("va"));
    let mtu = |bytes| Operation::SetLink(va(), LinkChange::Mtu(bytes));
    let address = |text: &str| Operation::AddAddress(va(), text.parse().unwrap());
    let route =
        |gateway: &str| Operation::AddRoute(Place::Host, Route::default_via(gateway.parse().unwrap()));
    let mut told = vec![veth(&Place::Host, &Place::Host)];
    told.extend(
        ["va", "vb"].map(|name| Operation::SetLink(LinkAt::on_host(link_name(name)), LinkChange::Up)),
    );
    told.extend(["10.0.0.1/24", "fd00::1/64"].map(address));
    told.extend(["10.0.0.9", "fd00::9"].map(route));
    told.extend([mtu(1280), mtu(1279), address("fd00::1/64"), mtu(1280), address("fd00::1/64")]);
    told
}

fn told_of_links() -> Vec<(&'static str, Vec<Operation>)> {
    use Operation::{AddAddress, AddRoute, CreateNetns, DeleteLink, DeleteNetns, SetLink};
    let red = || Place::Netns(netns_name("red"));
    let (va, vb) = (|| LinkAt::on_host(link_name("va")), || red().link(&link_name("vb")));
    let create = || CreateNetns(netns_name("red"));
    let cable = || veth(&Place::Host, &red());
    let with_address = |at: LinkAt| AddAddress(at, "10.0.0.1/24".parse().unwrap());
    let default = || Route::default_via("10.0.0.9".parse().unwrap());
    let up = |at: LinkAt| SetLink(at, LinkChange::Up);
    vec![
        ("a_name_is_taken_once", vec![create(), create()]),
        ("what_is_not_there_cannot_go", vec![DeleteNetns(netns_name("red")), DeleteLink(va())]),
        ("a_veth_needs_its_netns", vec![cable()]),
        ("a_veth_is_refused_where_a_name_is_taken", vec![create(), cable(), cable()]),
        ("one_end_takes_the_other_along", vec![create(), cable(), DeleteLink(vb())]),
        (
            "a_bridge_frees_its_ports",
            vec![
                create(),
                bridge(Place::Host),
                cable(),
                SetLink(va(), LinkChange::Master(link_name("br0"))),
                DeleteLink(LinkAt::on_host(link_name("br0"))),
            ],
        ),
        (
            "only_a_bridge_has_ports",
            vec![create(), cable(), SetLink(va(), LinkChange::Master(link_name("va")))],
        ),
        ("an_address_is_added_once", vec![create(), cable(), with_address(va()), with_address(va())]),
        (
            "a_route_needs_its_link_up",
            vec![
                create(),
                cable(),
                with_address(vb()),
                AddRoute(red(), default()),
                up(vb()),
                up(va()),
                AddRoute(red(), default()),
                AddRoute(red(), default()),
            ],
        ),
        ("a_narrow_link_has_no_ipv6", narrowed()),
        (
            "a_link_that_goes_down_loses_its_routes",
            vec![
                create(),
                cable(),
                with_address(vb()),
                up(vb()),
                AddRoute(red(), default()),
                SetLink(vb(), LinkChange::Down),
            ],
        ),
        ("loopback_stays", vec![create(), DeleteLink(red().link(&link_name("lo")))]),
        (
            "everything_is_forwarded_or_nothing",
            vec![create(), Operation::SetSysctl(red(), Sysctl::forwarding(Family::Ipv4), 1)],
        ),
    ]
}

fn told_of_entries() -> Vec<(&'static str, Vec<Operation>)> {
    use Operation::{AddEntries, AddTable, DeleteEntries, DeleteTable, RestoreRules};
    let add_entry = |place: usize| AddEntries(vec![entries()[place].clone()]);
    let delete_entry = |place: usize| DeleteEntries(vec![entries()[place].clone()]);
    vec![
        ("a_table_is_made_once", vec![AddTable, AddTable, DeleteTable, DeleteTable]),
        (
            "rules_are_restored_in_a_table_only",
            vec![RestoreRules, AddTable, add_entry(0), RestoreRules, delete_entry(0), DeleteTable],
        ),
        ("entries_need_the_table", vec![AddEntries(entries()), DeleteEntries(entries())]),
        ("an_entry_is_added_once", vec![AddTable, add_entry(0), add_entry(0)]),
        ("an_entry_is_deleted_once", vec![AddTable, add_entry(0), delete_entry(0), delete_entry(0)]),
        ("a_port_leads_to_one_target", vec![AddTable, add_entry(6), add_entry(7), add_entry(6)]),
        ("a_network_gets_one_source", vec![AddTable, add_entry(4), add_entry(5), delete_entry(5)]),
        (
            "a_transaction_is_all_or_nothing",
            vec![AddTable, AddEntries(entries()[..2].to_vec()), AddEntries(entries()[1..4].to_vec())],
        ),
    ]
}

/// Tables with entries of every kind, by what is done with them.
pub(crate) fn tables() -> Vec<(&'static str, Vec<Operation>)> {
    use Operation::{AddEntries, AddTable, DeleteEntries, DeleteTable, RestoreRules};
    let mut compatible = entries();
    compatible.remove(7);
    compatible.remove(5);
    compatible.push(TableEntry::Translate {
        subnet: "fd00::/64".parse().unwrap(),
        uplink: link_name("va"),
        translation: Translation::Snat("2001:db8::1".parse().unwrap()),
    });
    compatible.push(TableEntry::Translate {
        subnet: "10.1.0.7/32".parse().unwrap(),
        uplink: link_name("exactly15bytes_"),
        translation: Translation::Masquerade,
    });
    let full = || vec![AddTable, AddEntries(compatible.clone())];
    vec![
        ("empty", vec![AddTable]),
        ("full", full()),
        ("restored", [full(), vec![RestoreRules]].concat()),
        ("emptied", [full(), vec![DeleteEntries(compatible.clone())]].concat()),
        ("half_emptied", [full(), vec![DeleteEntries(compatible[3..6].to_vec())]].concat()),
        ("gone", [full(), vec![DeleteTable]].concat()),
    ]
}
