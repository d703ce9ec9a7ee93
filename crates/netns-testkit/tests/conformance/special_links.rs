//! Tunnels, links that share another one, and ports that do not talk to each other.

use netns_engine::{
    address::MacAddress,
    name::LinkName,
    place::{LinkAt, Place},
    plan::{LinkChange, LinkLocal, NewLink, NewLinkKind, Operation},
    topology::MacvlanMode,
};

use crate::limits::limit;
use crate::operations::{bridge, link_name, netns_name, veth};

/// Sequences told by hand, by what they show.
pub(crate) fn told() -> Vec<(&'static str, Vec<Operation>)> {
    let of_ports = told_of_ports().into_iter().chain([told_of_sizes()]);
    told_of_tunnels().into_iter().chain(told_of_shared_links()).chain(of_ports).collect()
}

fn told_of_tunnels() -> Vec<(&'static str, Vec<Operation>)> {
    let on_bridge = || vxlan(Place::Host, Some(link_name("br0")));
    let at = || LinkAt::on_host(link_name("vx"));
    vec![
        (
            "a_tunnel_is_a_port_from_its_birth",
            vec![
                bridge(Place::Host),
                on_bridge(),
                on_bridge(),
                Operation::SetLink(at(), LinkChange::Up),
                Operation::SetLink(at(), LinkChange::NoMaster),
                Operation::DeleteLink(at()),
                Operation::DeleteLink(at()),
            ],
        ),
        (
            "a_tunnel_needs_its_bridge",
            vec![
                on_bridge(),
                vxlan(Place::Host, Some(link_name("va"))),
                veth(&Place::Host, &Place::Host),
                vxlan(Place::Host, Some(link_name("va"))),
                vxlan(red(), None),
            ],
        ),
        (
            "a_tunnel_goes_with_its_netns",
            vec![create(), bridge(red()), vxlan(red(), Some(link_name("br0"))), delete()],
        ),
        ("links_of_all_kinds_are_deleted_together", {
            let links = ["br0", "va", "vx"].map(link_name).to_vec();
            let cable = veth(&Place::Host, &Place::Host);
            vec![bridge(Place::Host), cable, on_bridge(), Operation::DeleteLinks(links)]
        }),
        ("links_are_deleted_together_or_not_at_all", {
            let delete =
                |names: &[&str]| Operation::DeleteLinks(names.iter().map(|name| link_name(name)).collect());
            let cable = veth(&Place::Host, &Place::Host);
            let refused = [delete(&["br0", "va", "gone"]), delete(&["va", "lo", "br0"])];
            let done = [delete(&["br0", "va", "vb"]), delete(&[])];
            [bridge(Place::Host), cable].into_iter().chain(refused).chain(done).collect()
        }),
    ]
}

fn told_of_shared_links() -> Vec<(&'static str, Vec<Operation>)> {
    let inner = || red().link(&link_name("mv"));
    let cable = || veth(&Place::Host, &Place::Host);
    let shared = || macvlan(red(), "va", None);
    let to_bridge =
        |link| Operation::SetLink(LinkAt::on_host(link_name(link)), LinkChange::Master(link_name("br0")));
    vec![
        (
            "a_shared_link_is_born_in_its_netns",
            vec![
                create(),
                cable(),
                shared(),
                shared(),
                Operation::SetLink(inner(), LinkChange::Up),
                Operation::AddAddress(inner(), "10.0.0.2/24".parse().unwrap()),
                Operation::DeleteLink(inner()),
                shared(),
                delete(),
            ],
        ),
        (
            "a_shared_link_needs_its_parent_and_its_netns",
            vec![shared(), create(), shared(), macvlan(red(), "lo", None), macvlan(Place::Host, "vb", None)],
        ),
        (
            "a_shared_link_takes_no_more_than_its_parent",
            vec![
                cable(),
                macvlan(Place::Host, "va", Some(1501)),
                macvlan(Place::Host, "va", Some(1400)),
                macvlan(Place::Host, "va", Some(1501)),
            ],
        ),
        ("a_port_of_a_bridge_cannot_be_shared", {
            vec![
                create(),
                cable(),
                bridge(Place::Host),
                to_bridge("va"),
                shared(),
                macvlan(red(), "br0", None),
                macvlan(Place::Host, "vb", None),
                to_bridge("mv"),
            ]
        }),
    ]
}

fn told_of_ports() -> Vec<(&'static str, Vec<Operation>)> {
    let va = |change| Operation::SetLink(LinkAt::on_host(link_name("va")), change);
    let plugged = || va(LinkChange::Master(link_name("br0")));
    vec![(
        "isolation_is_a_matter_of_ports",
        vec![
            veth(&Place::Host, &Place::Host),
            va(LinkChange::IsolatedOn),
            bridge(Place::Host),
            plugged(),
            va(LinkChange::IsolatedOn),
            va(LinkChange::HairpinOn),
            va(LinkChange::IsolatedOn),
            va(LinkChange::IsolatedOff),
            va(LinkChange::IsolatedOn),
            va(LinkChange::NoMaster),
            plugged(),
            va(LinkChange::IsolatedOff),
        ],
    )]
}

fn told_of_sizes() -> (&'static str, Vec<Operation>) {
    let on_host = |name| LinkAt::on_host(link_name(name));
    let of = |name, bytes| Operation::SetLink(on_host(name), LinkChange::Mtu(bytes));
    let plugged = |name| Operation::SetLink(on_host(name), LinkChange::Master(link_name("br0")));
    let out = |name| Operation::SetLink(on_host(name), LinkChange::NoMaster);
    let large =
        vec![create(), veth(&Place::Host, &red()), of("va", 9000), bridge(Place::Host), plugged("va")];
    let smaller = vec![vxlan(Place::Host, Some(link_name("br0"))), of("va", 1400), of("va", 9000)];
    let fewer =
        vec![Operation::DeleteLink(on_host("vx")), of("va", 1300), out("va"), plugged("va"), delete()];
    let by_hand = vec![of("br0", 1280), create(), veth(&Place::Host, &red()), plugged("va"), out("va")];
    ("a_bridge_follows_its_smallest_port", [large, smaller, fewer, by_hand].concat())
}

/// What messages and scripts make the same of, by what it is.
pub(crate) fn scripts() -> Vec<(&'static str, Vec<Operation>)> {
    let at = |name| LinkAt::on_host(link_name(name));
    let cable = || veth(&Place::Host, &Place::Host);
    let port = |change| Operation::SetLink(at("va"), change);
    let isolated = vec![
        bridge(Place::Host),
        cable(),
        port(LinkChange::Master(link_name("br0"))),
        port(LinkChange::IsolatedOn),
    ];
    vec![
        ("tunnel", vec![bridge(Place::Host), vxlan(Place::Host, Some(link_name("br0")))]),
        ("tunnel_in_netns", vec![create(), vxlan(red(), None)]),
        (
            "tunnel_to_several",
            vec![
                bridge(Place::Host),
                vxlan_to(Place::Host, Some(link_name("br0")), &["192.0.2.7", "192.0.2.8", "192.0.2.9"]),
            ],
        ),
        ("shared_link", vec![create(), cable(), macvlan(red(), "va", Some(1400))]),
        ("shared_link_of_host", vec![cable(), macvlan(Place::Host, "va", None)]),
        ("isolated_port", isolated.clone()),
        ("isolated_no_more", [isolated, vec![port(LinkChange::IsolatedOff)]].concat()),
        ("limit", vec![cable(), limit(at("va"), 10_000_000)]),
        ("limit_beyond_32_bits", vec![cable(), limit(at("va"), 40_000_000_000)]),
        ("limit_below_a_packet", vec![cable(), limit(at("va"), 8_000)]),
        (
            "limit_in_netns",
            vec![create(), veth(&Place::Host, &red()), limit(red().link(&link_name("vb")), 64_000)],
        ),
        ("limit_replaced", vec![cable(), limit(at("va"), 10_000_000), limit(at("va"), 20_000_000)]),
        ("limit_taken_away", vec![cable(), limit(at("va"), 10_000_000), Operation::ClearShaping(at("va"))]),
    ]
}

pub(crate) fn vxlan(place: Place, master: Option<LinkName>) -> Operation {
    vxlan_to(place, master, &["192.0.2.7"])
}

fn vxlan_to(place: Place, master: Option<LinkName>, remotes: &[&str]) -> Operation {
    let remotes = remotes.iter().map(|remote| remote.parse().unwrap()).collect();
    let kind = NewLinkKind::Vxlan { vni: 42, remotes, port: 4789 };
    let mac = MacAddress::derived_from("vx");
    Operation::AddLink(NewLink {
        at: LinkAt { place, name: link_name("vx") },
        kind,
        mac,
        mtu_bytes: None,
        master,
        link_local: LinkLocal::None,
    })
}

fn macvlan(place: Place, parent: &str, mtu_bytes: Option<u32>) -> Operation {
    let kind = NewLinkKind::Macvlan { parent: link_name(parent), mode: MacvlanMode::Bridge };
    let mac = MacAddress::derived_from("mv");
    Operation::AddLink(NewLink {
        at: LinkAt { place, name: link_name("mv") },
        kind,
        mac,
        mtu_bytes,
        master: None,
        link_local: LinkLocal::None,
    })
}

fn red() -> Place {
    Place::Netns(netns_name("red"))
}

fn create() -> Operation {
    Operation::CreateNetns(netns_name("red"))
}

fn delete() -> Operation {
    Operation::DeleteNetns(netns_name("red"))
}
