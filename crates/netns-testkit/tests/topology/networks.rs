//! Small networks of every shape.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use netns_engine::{
    address::MacAddress,
    firewall::{PortForward, Published, Transport},
    name::{LinkName, NetnsName},
    place::LinkAt,
    resolver::ResolvConf,
    route::Route,
    sysctl::{NamedSetting, Sysctl},
    topology::{
        Cable, CableEnd, Forwarding, HostEntry, Isolation, KnownHosts, Network, Node, Reach, Shaping,
        Topology, Tunnel,
    },
};
use proptest::{collection::vec, prelude::*, sample::select};

const NODES: [&str; 3] = ["a", "b", "c"];
const NETWORKS: [&str; 2] = ["net0", "net1"];

/// What a network is made from.
#[derive(Clone, Debug)]
struct Recipe {
    networks: Vec<Option<(Reach, Family)>>,
    nodes: Vec<Option<NodeRecipe>>,
    /// Cables between the first and the second, and the second and the third node.
    cables: Vec<bool>,
}

#[derive(Clone, Copy, Debug)]
enum Family {
    Ipv4,
    Both,
    /// IPv4, with the host at the end of the subnet.
    HostLast,
}

#[derive(Clone, Debug)]
struct NodeRecipe {
    /// Whether it hangs on each of the networks.
    plugged: Vec<bool>,
    shift: u8,
    forwarding: Forwarding,
    published: bool,
    extras: Extras,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Extras {
    None,
    Names,
    Resolver,
    Isolated,
    SmallPackets,
    Setting,
    SettingOfLink,
    Limited,
}

/// Any network of up to two bridges and three nodes.
pub(crate) fn any() -> impl Strategy<Value = Topology> {
    let reach = select(vec![Reach::Internal, Reach::Host, Reach::Internet { uplink: None }]);
    let family = select(vec![Family::Ipv4, Family::Both, Family::HostLast]);
    let networks = vec(proptest::option::weighted(0.8, (reach, family)), NETWORKS.len());
    let nodes = vec(proptest::option::weighted(0.8, node()), NODES.len());
    let cables = vec(any_bool(0.5), NODES.len() - 1);
    (networks, nodes, cables)
        .prop_map(|(networks, nodes, cables)| Recipe { networks, nodes, cables }.topology())
}

fn any_bool(probability: f64) -> impl Strategy<Value = bool> {
    proptest::bool::weighted(probability)
}

fn node() -> impl Strategy<Value = NodeRecipe> {
    let extras = [
        Extras::None,
        Extras::Names,
        Extras::Resolver,
        Extras::Isolated,
        Extras::SmallPackets,
        Extras::Setting,
        Extras::SettingOfLink,
        Extras::Limited,
    ];
    let forwarding = select(vec![Forwarding::Off, Forwarding::On]);
    (vec(any_bool(0.7), NETWORKS.len()), 0..3_u8, forwarding, any_bool(0.4), select(extras.to_vec()))
        .prop_map(|(plugged, shift, forwarding, published, extras)| NodeRecipe {
            plugged,
            shift,
            forwarding,
            published,
            extras,
        })
}

impl Recipe {
    fn topology(&self) -> Topology {
        let mut topology = Topology::new(netns("lab"));
        for (number, (reach, family)) in present(&self.networks) {
            topology.networks.push(network(number, reach, *family));
        }
        for (number, recipe) in present(&self.nodes) {
            let mut node = bare_node(NODES[number]);
            node.forwarding = recipe.forwarding;
            for (network, (reach, family)) in present(&self.networks) {
                if recipe.plugged[network] {
                    topology.cables.push(plug((number, recipe), (network, *family)));
                    if node.routes.is_empty() && *reach != Reach::Internal {
                        node.routes.push(default_route(network, *family));
                        node.ports.extend(recipe.published.then(|| port(number, network, recipe)));
                    }
                }
            }
            recipe.add_extras(&mut node, &mut topology);
            topology.nodes.push(node);
        }
        for (number, _) in self.cables.iter().enumerate().filter(|(_, laid)| **laid) {
            if self.nodes[number].is_some() && self.nodes[number + 1].is_some() {
                topology.cables.push(direct(number));
            }
        }
        topology
    }
}

fn present<T>(all: &[Option<T>]) -> impl Iterator<Item = (usize, &T)> {
    all.iter().enumerate().filter_map(|(number, one)| Some((number, one.as_ref()?)))
}

impl NodeRecipe {
    fn add_extras(&self, node: &mut Node, topology: &mut Topology) {
        match self.extras {
            Extras::None | Extras::Isolated | Extras::SmallPackets | Extras::Limited => {}
            Extras::Names => {
                node.hosts = KnownHosts::OfTopology;
                let address = IpAddr::from([10, 0, 0, 9 + self.shift]);
                topology.hosts = vec![HostEntry { address, names: vec!["somebody".to_owned()] }];
            }
            Extras::Resolver => {
                node.resolver = Some(ResolvConf::of_servers(vec![IpAddr::from([203, 0, 113, 8])]));
            }
            Extras::Setting => {
                let setting = NamedSetting::new("net.ipv4.conf.all.rp_filter").unwrap();
                node.settings.push((Sysctl::Named(setting), 2));
            }
            Extras::SettingOfLink => {
                let ends = topology.cables.iter().flat_map(|cable| &cable.ends);
                let own = ends.filter(|end| end.at.place.netns() == Some(&node.name));
                node.settings.extend(own.map(|end| {
                    let name = format!("net.ipv4.conf.{}.rp_filter", end.at.name);
                    (Sysctl::Named(NamedSetting::new(name).unwrap()), 2)
                }));
            }
        }
    }
}

fn netns(name: &str) -> NetnsName {
    name.parse().unwrap()
}

fn link(name: &str) -> LinkName {
    name.parse().unwrap()
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn host_on(network: usize, family: Family) -> String {
    format!("10.{network}.0.{}", if matches!(family, Family::HostLast) { 254 } else { 1 })
}

fn network(number: usize, reach: &Reach, family: Family) -> Network {
    let mut addresses = vec![net(&format!("{}/24", host_on(number, family)))];
    if matches!(family, Family::Both) {
        addresses.push(net(&format!("fd00:{number}::1/64")));
    }
    Network {
        name: NETWORKS[number].to_owned(),
        bridge: link(NETWORKS[number]),
        mac: MacAddress::derived_from(NETWORKS[number]),
        mtu_bytes: None,
        addresses,
        reach: reach.clone(),
        tunnel: None,
    }
}

/// A node that is nothing but a netns.
pub(crate) fn bare_node(name: &str) -> Node {
    Node {
        name: netns(name),
        addresses: Vec::new(),
        routes: Vec::new(),
        forwarding: Forwarding::Off,
        settings: Vec::new(),
        resolver: None,
        hosts: KnownHosts::OfHost,
        ports: Vec::new(),
        macvlans: Vec::new(),
        programs: Vec::new(),
    }
}

fn address_on(node: usize, network: usize, recipe: &NodeRecipe) -> String {
    format!("10.{network}.0.{}", 10 + 10 * node + usize::from(recipe.shift))
}

fn plug((node, recipe): (usize, &NodeRecipe), (network, family): (usize, Family)) -> Cable {
    let mut addresses = vec![net(&format!("{}/24", address_on(node, network, recipe)))];
    if matches!(family, Family::Both) {
        addresses.push(net(&format!("fd00:{network}::{}/64", 10 + node)));
    }
    let outer = LinkAt::on_host(link(&format!("v{}{network}", NODES[node])));
    let inner = LinkAt::inside(netns(NODES[node]), link(&format!("eth{network}")));
    let shaping = (recipe.extras == Extras::Limited)
        .then(|| Shaping { rate_bits: Some(10_000_000), ..Shaping::default() });
    let isolation = if recipe.extras == Extras::Isolated { Isolation::On } else { Isolation::Off };
    Cable {
        ends: [
            CableEnd {
                bridge: Some(link(NETWORKS[network])),
                isolation,
                shaping: shaping.clone(),
                ..end(outer)
            },
            CableEnd { addresses, shaping, ..end(inner) },
        ],
        mtu_bytes: (recipe.extras == Extras::SmallPackets).then_some(1400),
    }
}

fn direct(first: usize) -> Cable {
    let inner = |node: usize, side: &str, address: &str| CableEnd {
        addresses: vec![net(address)],
        ..end(LinkAt::inside(netns(NODES[node]), link(side)))
    };
    let ends = [
        inner(first, "right", &format!("10.9.{first}.1/30")),
        inner(first + 1, "left", &format!("10.9.{first}.2/30")),
    ];
    Cable { ends, mtu_bytes: None }
}

fn end(at: LinkAt) -> CableEnd {
    CableEnd {
        mac: MacAddress::derived_from(&at.to_string()),
        at,
        bridge: None,
        isolation: Isolation::Off,
        addresses: Vec::new(),
        shaping: None,
    }
}

fn default_route(network: usize, family: Family) -> Route {
    Route::default_via(host_on(network, family).parse().unwrap()).on(link(&format!("eth{network}")))
}

fn port(node: usize, network: usize, recipe: &NodeRecipe) -> PortForward {
    let target: IpAddr = address_on(node, network, recipe).parse().unwrap();
    let address = if recipe.shift == 0 { [127, 0, 0, 1] } else { [0, 0, 0, 0] };
    PortForward {
        published: Published {
            address: address.into(),
            port: 8000 + u16::try_from(node).unwrap(),
            transport: Transport::Tcp,
        },
        target: SocketAddr::new(target, 80),
        bridge: link(NETWORKS[network]),
    }
}

/// Everything at once: for faults at every step.
pub(crate) fn everything() -> Topology {
    let node = |extras, published, shift| {
        Some(NodeRecipe { plugged: vec![true, true], shift, forwarding: Forwarding::On, published, extras })
    };
    let networks =
        vec![Some((Reach::Internet { uplink: None }, Family::Both)), Some((Reach::Host, Family::Ipv4))];
    let nodes =
        vec![node(Extras::Names, true, 1), node(Extras::Resolver, true, 0), node(Extras::Isolated, false, 0)];
    let mut topology = Recipe { networks, nodes, cables: vec![true, true] }.topology();
    topology.networks[0].tunnel = Some(tunnel());
    topology.nodes[0].settings = without_ipv6(0);
    topology
}

/// IPv6 off on all links, or not, but on `lo`.
fn without_ipv6(of_all: i32) -> Vec<(Sysctl, i32)> {
    let setting =
        |link: &str| NamedSetting::new(format!("net.ipv6.conf.{link}.disable_ipv6")).unwrap().into();
    vec![(setting("lo"), 0), (setting("all"), of_all)]
}

fn tunnel() -> Tunnel {
    let (link, mac) = (link("vx1-net0"), MacAddress::derived_from("vx1-net0"));
    Tunnel { remotes: vec![[192, 0, 2, 77].into()], vni: 7, port: 4789, link, mac }
}

/// What [`everything`] may be edited to: something of each kind goes, changes and comes.
pub(crate) fn something_else() -> Topology {
    let node = |extras, published, shift| {
        Some(NodeRecipe { plugged: vec![true, false], shift, forwarding: Forwarding::Off, published, extras })
    };
    let networks = vec![Some((Reach::Host, Family::Ipv4)), None];
    let nodes = vec![node(Extras::SmallPackets, true, 0), None, node(Extras::Names, false, 2)];
    let mut topology = Recipe { networks, nodes, cables: vec![true, true] }.topology();
    topology.networks[0].mtu_bytes = Some(1400);
    topology.networks[0].tunnel = Some(tunnel());
    topology.nodes[0].settings = without_ipv6(1);
    topology.cables[0].ends[1].shaping = Some(Shaping { rate_bits: Some(10_000_000), ..Shaping::default() });
    topology
}

/// A network that leads to the internet, with a published port, and one that does not.
pub(crate) fn open_and_closed() -> Topology {
    two_networks([true, false])
}

/// The same, with a published port behind either.
pub(crate) fn with_ports_behind_both() -> Topology {
    two_networks([true, true])
}

/// The same topology, from which networks went, and the nodes that hang on them.
pub(crate) fn without_networks(topology: &Topology, gone: &[&str]) -> Topology {
    let mut topology = topology.clone();
    topology.networks.retain(|network| !gone.contains(&network.name.as_str()));
    let is_gone = |end: &CableEnd| end.bridge.as_ref().is_some_and(|bridge| gone.contains(&bridge.as_str()));
    let (lost, kept) = topology.cables.into_iter().partition(|cable| cable.ends.iter().any(is_gone));
    let lost: Vec<Cable> = lost;
    topology.cables = kept;
    let ends = lost.iter().flat_map(|cable| &cable.ends);
    let nodes: Vec<_> = ends.filter_map(|end| end.at.place.netns()).collect();
    topology.nodes.retain(|node| !nodes.contains(&&node.name));
    topology
}

fn two_networks(published: [bool; 2]) -> Topology {
    let node = |plugged: [bool; 2], published| {
        Some(NodeRecipe {
            plugged: plugged.to_vec(),
            shift: 0,
            forwarding: Forwarding::Off,
            published,
            extras: Extras::None,
        })
    };
    let networks =
        vec![Some((Reach::Internet { uplink: None }, Family::Ipv4)), Some((Reach::Host, Family::Ipv4))];
    let nodes = vec![node([true, false], published[0]), node([false, true], published[1]), None];
    let mut topology = Recipe { networks, nodes, cables: vec![false, false] }.topology();
    for forward in topology.nodes.iter_mut().flat_map(|node| &mut node.ports) {
        forward.published.address = [0, 0, 0, 0].into();
    }
    topology
}
