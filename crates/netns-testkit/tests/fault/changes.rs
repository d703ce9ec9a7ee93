//! Every change the tool can make, with what has to be there first.

use netns_engine::{
    address::MacAddress,
    desired::{
        AddressChoice, AddressOn, AddressRemoved, Attachment, Bridge, BridgeRemoved, Cable, LinkState, Nat,
        NatRemoved, Netns, NetnsRemoved, NoLeftovers, OnHolders, PortPublished, PortUnpublished, Resolver,
        ResolverSource, RouteIn, RouteRemoved, Veth,
    },
    firewall::{Driver, Translation},
    name::{LinkName, NetnsName},
    observed::{Firewall, Iptables, Link, LinkKind, Observed, Scope, Selection, Stack},
    place::{LinkAt, Place},
    plan::{
        Conflict, Desired, LinkChange, LinkLimits, LinkLocal, NewBridge, NewLink, NewLinkKind, Operation,
        Plan, Step,
    },
    route::Route,
    sysctl::Sysctl,
    topology::{MacvlanMode, Shaping},
};

/// A wish, and what is done before it.
pub(crate) struct Change {
    pub(crate) name: &'static str,
    pub(crate) before: Vec<Wish>,
    pub(crate) desired: Wish,
}

type Wish = Box<dyn Desired + Send>;

pub(crate) fn all() -> Vec<Change> {
    links().into_iter().chain(traffic()).collect()
}

fn links() -> Vec<Change> {
    let new_address = AddressOn { link: inner(), address: net("10.7.0.1/24") };
    let old_address = AddressRemoved { link: inner(), address: net("10.0.0.2/24") };
    let old_route = RouteRemoved { place: red(), route: Route::default_via(address("10.0.0.1")) };
    vec![
        Change::new("create", vec![], netns("red")),
        Change::new("delete", connected(), deletion("red")),
        Change::new("delete_with_more_inside", with_more_inside(), deletion("red")),
        Change::new("delete_with_dns", with_name_server(), deletion("red")),
        Change::new("bridge", vec![], bridge()),
        Change::new("bridge_delete", connected(), BridgeRemoved { name: link_name("br0") }),
        Change::new("veth", one_netns(), bare_veth()),
        Change::new("veth_with_everything", on_a_bridge(), full_veth()),
        Change::new("connect", on_a_bridge(), attachment("red")),
        Change::new("link", two_netns(), cable()),
        Change::new("address_add", connected(), new_address),
        Change::new("address_del", connected(), old_address),
        Change::new("route_add", connected(), RouteIn { place: red(), route: lab_route() }),
        Change::new("route_del", connected(), old_route),
        Change::new("dns", one_netns(), name_server()),
        Change::new("special_links", on_a_bridge(), InOrder(special_links())),
        Change::new("limits", limited(), InOrder(other_limits())),
    ]
}

fn traffic() -> Vec<Change> {
    let unpublished: PortUnpublished = "8080".parse().unwrap();
    let last_of_all: PortUnpublished = "0.0.0.0:5353/udp".parse().unwrap();
    vec![
        Change::new("nat", on_a_bridge(), nat(Driver::Iptables)),
        Change::new("nat_by_nftables", on_a_bridge(), nat(Driver::Nftables)),
        Change::new("nat_delete", online(Driver::Iptables), no_nat()),
        Change::new("nat_delete_by_nftables", online(Driver::Nftables), no_nat()),
        Change::new("publish", connected(), published("8080:red:80")),
        Change::new("publish_to_all", connected(), published("0.0.0.0:5353:red:53/udp")),
        Change::new("publish_by_ipv6", connected(), published("[::]:8080:red:80")),
        Change::new("delete_with_a_port", after_connected(published("0.0.0.0:8080:red:80")), deletion("red")),
        Change::new(
            "unpublish_the_last_of_all",
            after_connected(published("0.0.0.0:5353:red:53/udp")),
            last_of_all,
        ),
        Change::new("unpublish", after_connected(published("8080:red:80")), unpublished),
        Change::new(
            "gc",
            left_over(),
            NoLeftovers { names: [netns_name("red")].into(), ..NoLeftovers::default() },
        ),
    ]
}

impl Change {
    fn new(name: &'static str, before: Vec<Wish>, desired: impl Desired + Send + 'static) -> Self {
        Self { name, before, desired: Box::new(desired) }
    }
}

/// What another program does, unasked.
struct DoneByOthers(Vec<Operation>);

impl Desired for DoneByOthers {
    fn scope(&self) -> Scope {
        let mut scope = Scope::covering(&self.0);
        // In the model, a setting without a value yet is known by its link.
        let places = self.0.iter().flat_map(Operation::places);
        scope.stacks.extend(places.map(|place| (place.clone(), Selection::All)));
        scope
    }

    fn plan(&self, observed: &Observed) -> Result<Plan, Conflict> {
        let mut plan = Plan { steps: Vec::new(), expected: observed.clone() };
        for operation in self.0.iter().cloned() {
            plan.expected.project(&operation).unwrap();
            plan.steps.push(Step { operation, undo: Vec::new(), why: String::new() });
        }
        Ok(plan)
    }
}

/// Operations that no command makes of its own yet.
struct InOrder(Vec<Operation>);

impl Desired for InOrder {
    fn scope(&self) -> Scope {
        let mut scope = DoneByOthers(self.0.clone()).scope();
        scope.stacks.insert(Place::Host, Selection::All);
        scope
    }

    fn plan(&self, observed: &Observed) -> Result<Plan, Conflict> {
        let mut plan = DoneByOthers(self.0.clone()).plan(observed)?;
        let mut before = observed.clone();
        for step in &mut plan.steps {
            step.undo = before.undo_of(&step.operation);
            before.project(&step.operation).unwrap();
        }
        Ok(plan)
    }
}

/// A tunnel, a link that shares the uplink, and a port that is isolated.
fn special_links() -> Vec<Operation> {
    let (tunnel, shared) = (LinkAt::on_host(link_name("vx0")), red().link(&link_name("mv0")));
    let vxlan =
        NewLinkKind::Vxlan { vni: 42, remotes: vec![address("192.0.2.7"), address("192.0.2.8")], port: 4789 };
    let macvlan = NewLinkKind::Macvlan { parent: link_name("eth0"), mode: MacvlanMode::Bridge };
    let new = |at: &LinkAt, kind, master| NewLink {
        mac: MacAddress::derived_from(at.name.as_str()),
        at: at.clone(),
        kind,
        mtu_bytes: Some(1400),
        master,
        link_local: LinkLocal::None,
    };
    vec![
        Operation::AddLink(new(&tunnel, vxlan, Some(link_name("br0")))),
        Operation::SetLink(tunnel.clone(), LinkChange::IsolatedOn),
        Operation::SetLink(tunnel, LinkChange::Up),
        Operation::AddLink(new(&shared, macvlan, None)),
        Operation::AddAddress(shared.clone(), net("10.7.0.1/24")),
        Operation::SetLink(shared, LinkChange::Up),
    ]
}

fn limited() -> Vec<Wish> {
    let mut wishes = connected();
    wishes.push(Box::new(DoneByOthers(vec![limit(inner(), 10_000_000)])));
    wishes
}

/// One in place of another, a first one, and one less.
fn other_limits() -> Vec<Operation> {
    let outer = LinkAt::on_host(link_name("veth-red"));
    vec![limit(inner(), 20_000_000), limit(outer, 64_000), Operation::ClearShaping(inner())]
}

fn limit(at: LinkAt, rate_bits: u64) -> Operation {
    let shaping = Shaping { rate_bits: Some(rate_bits), ..Shaping::default() };
    Operation::SetShaping(at, LinkLimits { shaping, mtu_bytes: 1500 })
}

/// A host as the sandbox makes it, in memory.
pub(crate) fn host_in_memory() -> Observed {
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

fn with_name_server() -> Vec<Wish> {
    let mut wishes = one_netns();
    wishes.push(Box::new(name_server()));
    wishes
}

/// A netns with a bridge, an address on `lo` and settings of its own.
fn with_more_inside() -> Vec<Wish> {
    let bridge = red().link(&link_name("br1"));
    let made = NewBridge { at: bridge.clone(), mac: MacAddress::derived_from("br1") };
    let by_others = vec![
        Operation::SetSysctl(red(), Sysctl::IpForward, 1),
        Operation::SetSysctl(red(), Sysctl::RouteLocalnet(link_name("lo")), 1),
        Operation::SetSysctl(red(), Sysctl::AcceptRa(inner().name), 2),
        Operation::SetSysctl(Place::Host, Sysctl::RouteLocalnet(link_name("veth-red")), 1),
        Operation::AddAddress(red().link(&link_name("lo")), net("10.255.0.1/32")),
        Operation::AddBridge(made),
        Operation::SetSysctl(red(), Sysctl::DisableIpv6(link_name("br1")), 1),
        Operation::AddAddress(bridge.clone(), net("10.8.0.1/24")),
        Operation::SetLink(bridge, LinkChange::Up),
        Operation::AddRoute(red(), Route::via(net("10.60.0.0/16"), address("10.8.0.9"))),
    ];
    let mut wishes = connected();
    wishes.push(Box::new(DoneByOthers(by_others)));
    wishes
}

/// A netns that others deleted: its port and its name servers stay.
fn left_over() -> Vec<Wish> {
    let mut wishes = after_connected(published("0.0.0.0:8080:red:80"));
    wishes.push(Box::new(name_server()));
    let deleted = vec![Operation::DeleteLink(inner()), Operation::DeleteNetns(netns_name("red"))];
    wishes.push(Box::new(DoneByOthers(deleted)));
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
