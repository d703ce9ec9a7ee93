//! Every change the tool can make, with what has to be there first.

use netns_engine::{
    address::MacAddress,
    desired::{
        AddressChoice, AddressOn, AddressRemoved, Attachment, Bridge, Cable, LinkState, Nat, NatRemoved,
        Netns, NetnsRemoved, OnHolders, PortPublished, PortUnpublished, Resolver, ResolverSource, RouteIn,
        RouteRemoved, Veth,
    },
    firewall::{Driver, Translation},
    name::{LinkName, NetnsName},
    observed::{Firewall, Iptables, Link, LinkKind, Observed, Stack},
    place::{LinkAt, Place},
    plan::Desired,
    route::Route,
    sysctl::Sysctl,
};

/// A wish, and what is done before it.
pub struct Change {
    pub name: &'static str,
    pub before: Vec<Wish>,
    pub desired: Wish,
}

type Wish = Box<dyn Desired + Send>;

pub fn all() -> Vec<Change> {
    vec![
        Change { name: "create", before: vec![], desired: Box::new(netns("red")) },
        Change { name: "delete", before: connected(), desired: Box::new(deletion("red")) },
        Change { name: "bridge", before: vec![], desired: Box::new(bridge()) },
        Change { name: "veth", before: vec![Box::new(netns("red"))], desired: Box::new(bare_veth()) },
        Change { name: "veth_with_everything", before: on_a_bridge(), desired: Box::new(full_veth()) },
        Change { name: "connect", before: on_a_bridge(), desired: Box::new(attachment("red")) },
        Change { name: "link", before: two_netns(), desired: Box::new(cable()) },
        Change { name: "nat", before: on_a_bridge(), desired: Box::new(nat(Driver::Iptables)) },
        Change { name: "nat_by_nftables", before: on_a_bridge(), desired: Box::new(nat(Driver::Nftables)) },
        Change { name: "nat_delete", before: online(Driver::Iptables), desired: Box::new(no_nat()) },
        Change {
            name: "nat_delete_by_nftables",
            before: online(Driver::Nftables),
            desired: Box::new(no_nat()),
        },
        Change {
            name: "address_add",
            before: connected(),
            desired: Box::new(AddressOn { link: inner(), address: net("10.7.0.1/24") }),
        },
        Change {
            name: "address_del",
            before: connected(),
            desired: Box::new(AddressRemoved { link: inner(), address: net("10.0.0.2/24") }),
        },
        Change {
            name: "route_add",
            before: connected(),
            desired: Box::new(RouteIn { place: red(), route: lab_route() }),
        },
        Change {
            name: "route_del",
            before: connected(),
            desired: Box::new(RouteRemoved { place: red(), route: Route::default_via(address("10.0.0.1")) }),
        },
        Change { name: "dns", before: one_netns(), desired: Box::new(name_server()) },
        Change { name: "nat_with_iptables", before: connected(), desired: Box::new(nat(Driver::Iptables)) },
        Change { name: "nat_with_nftables", before: connected(), desired: Box::new(nat(Driver::Nftables)) },
        Change {
            name: "nat_deleted_with_iptables",
            before: after_connected(nat(Driver::Iptables)),
            desired: Box::new(no_nat()),
        },
        Change {
            name: "nat_deleted_with_nftables",
            before: after_connected(nat(Driver::Nftables)),
            desired: Box::new(no_nat()),
        },
        Change { name: "publish", before: connected(), desired: Box::new(published("8080:red:80")) },
        Change {
            name: "publish_to_all",
            before: connected(),
            desired: Box::new(published("0.0.0.0:5353:red:53/udp")),
        },
        Change {
            name: "delete_with_a_port",
            before: after_connected(published("0.0.0.0:8080:red:80")),
            desired: Box::new(deletion("red")),
        },
        Change {
            name: "unpublish",
            before: after_connected(published("8080:red:80")),
            desired: Box::new("8080".parse::<PortUnpublished>().unwrap()),
        },
        Change {
            name: "publish_by_ipv6",
            before: connected(),
            desired: Box::new(published("[::]:8080:red:80")),
        },
        Change {
            name: "unpublish_the_last_of_all",
            before: after_connected(published("0.0.0.0:5353:red:53/udp")),
            desired: Box::new("0.0.0.0:5353/udp".parse::<PortUnpublished>().unwrap()),
        },
    ]
}

/// A host as the sandbox makes it, in memory.
pub fn host_in_memory() -> Observed {
    let uplink = link_name("eth0");
    let eth0 = Link { up: true, addresses: [net("198.51.100.2/24")].into(), ..Link::new(LinkKind::Veth) };
    let lo = Link { up: true, ..Link::new(LinkKind::Loopback) };
    let default = Route::default_via(address("198.51.100.1")).on(uplink.clone());
    let host = Stack {
        links: [(link_name("lo"), lo), (uplink, eth0)].into(),
        routes: [default].into(),
        sysctls: [(Sysctl::IpForward, 0), (Sysctl::Ipv6Forwarding, 0), (Sysctl::AcceptRedirects, 1)].into(),
    };
    let firewall = Firewall { iptables: Some(Iptables::default()), nftables: true, ..Firewall::default() };
    Observed { stacks: [(Place::Host, host)].into(), firewall, ..Observed::default() }
}

fn connected() -> Vec<Wish> {
    let mut wishes = on_a_bridge();
    wishes.push(Box::new(attachment("red")));
    wishes
}

fn after_connected(wish: impl Desired + Send + 'static) -> Vec<Wish> {
    let mut wishes = connected();
    wishes.push(Box::new(wish));
    wishes
}

fn one_netns() -> Vec<Wish> {
    vec![Box::new(netns("red"))]
}

fn on_a_bridge() -> Vec<Wish> {
    vec![Box::new(netns("red")), Box::new(bridge())]
}

fn online(driver: Driver) -> Vec<Wish> {
    let mut wishes = on_a_bridge();
    wishes.push(Box::new(nat(driver)));
    wishes
}

fn two_netns() -> Vec<Wish> {
    vec![Box::new(netns("red")), Box::new(netns("blue"))]
}

fn netns(name: &str) -> Netns {
    Netns { name: netns_name(name) }
}

fn deletion(name: &str) -> NetnsRemoved {
    NetnsRemoved { name: netns_name(name), on_holders: OnHolders::Refuse }
}

fn bridge() -> Bridge {
    Bridge { name: link_name("br0"), addresses: vec![net("10.0.0.1/24"), net("fd00::1/64")] }
}

fn bare_veth() -> Veth {
    Veth::new(link_name("veth-host"), netns_name("red"), link_name("veth-ns"))
}

fn full_veth() -> Veth {
    Veth {
        addresses: vec![net("10.0.0.9/24")],
        mac: Some(MacAddress::derived_from("red")),
        mtu_bytes: Some(1400),
        gateway: Some(address("10.0.0.1")),
        bridge: Some(link_name("br0")),
        state: LinkState::Up,
        ..bare_veth()
    }
}

fn attachment(netns: &str) -> Attachment {
    Attachment {
        netns: netns_name(netns),
        bridge: link_name("br0"),
        address: AddressChoice::Auto,
        link: link_name("eth0"),
    }
}

fn cable() -> Cable {
    let end = |netns, link| LinkAt::inside(netns_name(netns), link_name(link));
    Cable {
        ends: [end("red", "left"), end("blue", "right")],
        addresses: Some([net("10.9.0.1/30"), net("10.9.0.2/30")]),
    }
}

fn name_server() -> Resolver {
    Resolver { netns: netns_name("red"), source: ResolverSource::Servers(vec![address("203.0.113.8")]) }
}

fn nat(driver: Driver) -> Nat {
    Nat { bridge: link_name("br0"), uplink: None, translation: Translation::Masquerade, driver: Some(driver) }
}

fn no_nat() -> NatRemoved {
    NatRemoved { bridge: link_name("br0"), uplink: None }
}

fn published(forward: &str) -> PortPublished {
    forward.parse().unwrap()
}

fn lab_route() -> Route {
    Route::via(net("10.50.0.0/16"), address("10.0.0.1"))
}

fn red() -> Place {
    Place::Netns(netns_name("red"))
}

fn inner() -> LinkAt {
    LinkAt::inside(netns_name("red"), link_name("eth0"))
}

fn netns_name(name: &str) -> NetnsName {
    name.parse().unwrap()
}

fn link_name(name: &str) -> LinkName {
    name.parse().unwrap()
}

fn net(text: &str) -> ipnet::IpNet {
    text.parse().unwrap()
}

fn address(text: &str) -> std::net::IpAddr {
    text.parse().unwrap()
}
