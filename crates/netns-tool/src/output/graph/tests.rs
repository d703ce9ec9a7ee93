//! Pictures of topologies that are built here, in words of the engine.

use netns_engine::{
    address::MacAddress,
    firewall::{PortForward, Published, Transport},
    name::{LinkName, NetnsName},
    place::LinkAt,
    route::Route,
    topology::{
        Cable, CableEnd, Check, Expectation, Forwarding, Isolation, KnownHosts, Macvlan, MacvlanMode,
        Network, Node, Prober, Program, Reach, Shaping, Target, Topology, Tunnel,
    },
};
use snapbox::{Assert, file};

use super::{
    Drawing, draw,
    layout::{self, Rect},
    picture,
};

fn netns(name: &str) -> NetnsName {
    name.parse().unwrap()
}

fn link(name: &str) -> LinkName {
    LinkName::new(name).unwrap()
}

fn mac() -> MacAddress {
    MacAddress::derived_from("a picture shows none")
}

fn empty(name: &str) -> Topology {
    let (networks, nodes, cables) = (vec![], vec![], vec![]);
    Topology { name: netns(name), networks, nodes, cables, hosts: vec![], checks: vec![] }
}

fn network(name: &str, addresses: &[&str], reach: Reach) -> Network {
    Network {
        name: name.to_owned(),
        bridge: link(name),
        mac: mac(),
        mtu_bytes: None,
        addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
        reach,
        tunnel: None,
    }
}

fn node(name: &str, gateways: &[&str]) -> Node {
    Node {
        name: netns(name),
        addresses: vec![],
        routes: gateways.iter().map(|gateway| Route::default_via(gateway.parse().unwrap())).collect(),
        forwarding: Forwarding::Off,
        settings: vec![],
        resolver: None,
        hosts: KnownHosts::OfHost,
        ports: vec![],
        macvlans: vec![],
        programs: vec![],
    }
}

fn end(at: LinkAt, addresses: &[&str]) -> CableEnd {
    let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
    CableEnd { at, mac: mac(), bridge: None, isolation: Isolation::Off, addresses, shaping: None }
}

/// `node` on `bridge`, by its link `inside`.
fn plug(name: &str, inside: &str, bridge: &str, address: &str) -> Cable {
    let port = format!("p{}{name}", inside.trim_start_matches("eth"));
    let outer = CableEnd { bridge: Some(link(bridge)), ..end(LinkAt::on_host(link(&port)), &[]) };
    Cable { ends: [outer, end(LinkAt::inside(netns(name), link(inside)), &[address])], mtu_bytes: None }
}

fn wire(one: (&str, &str, &str), other: (&str, &str, &str)) -> Cable {
    let end =
        |(node, name, address): (&str, &str, &str)| end(LinkAt::inside(netns(node), link(name)), &[address]);
    Cable { ends: [end(one), end(other)], mtu_bytes: None }
}

fn forward(address: &str, port: u16, target: &str, bridge: &str) -> PortForward {
    let published = Published { address: address.parse().unwrap(), port, transport: Transport::Tcp };
    PortForward { published, target: target.parse().unwrap(), bridge: link(bridge) }
}

fn internet() -> Reach {
    Reach::Internet { uplink: None }
}

/// A network with NAT, a router, a network behind it, and free text that means mischief.
fn small() -> Topology {
    let mut web = node("web", &["10.0.0.1"]);
    web.ports =
        vec![forward("0.0.0.0", 8080, "10.0.0.2:80", "lan"), forward("127.0.0.1", 53, "10.0.0.2:53", "lan")];
    web.programs = vec![Program { command: vec!["sh".to_owned(), "-c".to_owned(), MISCHIEF.to_owned()] }];
    let mut router = node("router", &["10.0.0.1"]);
    router.forwarding = Forwarding::On;
    let mut behind = network("behind", &[], Reach::Internal);
    behind.name = MISCHIEF.to_owned();
    behind.tunnel = Some(Tunnel {
        link: link("vx0"),
        mac: MacAddress::derived_from("vx0"),
        vni: 42,
        remotes: vec!["198.51.100.7".parse().unwrap()],
        port: 4789,
    });
    let mut guest = node("guest", &[]);
    guest.macvlans = vec![Macvlan {
        link: link("mv0"),
        parent: link("enp3s0"),
        mode: MacvlanMode::Bridge,
        mac: mac(),
        mtu_bytes: None,
        addresses: vec!["192.0.2.9/24".parse().unwrap()],
    }];
    let mut slow = plug("db", "eth0", "behind", "10.1.0.3/24");
    slow.ends[1].shaping = Some(Shaping { rate_bits: Some(10_000_000), ..Shaping::default() });
    slow.ends[0].isolation = Isolation::On;
    let host_end = end(LinkAt::on_host(link("to-guest")), &["10.9.0.1/30"]);
    let guest_end = end(LinkAt::inside(netns("guest"), link("eth0")), &["10.9.0.2/30"]);
    Topology {
        networks: vec![network("lan", &["10.0.0.1/24", "fd00::1/64"], internet()), behind],
        nodes: vec![web, router, node("db", &["10.1.0.1"]), guest],
        cables: vec![
            plug("web", "eth0", "lan", "10.0.0.2/24"),
            plug("router", "eth0", "lan", "10.0.0.3/24"),
            plug("router", "eth1", "behind", "10.1.0.1/24"),
            slow,
            wire(("web", "side0", "10.8.0.1/30"), ("db", "side0", "10.8.0.2/30")),
            Cable { ends: [host_end, guest_end], mtu_bytes: None },
        ],
        checks: vec![Check {
            text: "web reaches db".to_owned(),
            from: Prober::Node(netns("web")),
            target: Target::Name("db".to_owned()),
            port: None,
            expectation: Expectation::Reached,
        }],
        ..empty("small")
    }
}

const MISCHIEF: &str = "</title><script>\"'&\\N; ]]>\u{1b}[31m --> #quot;";

/// The picture in the book.
fn lab() -> Topology {
    let mut web = node("web", &["10.0.0.1"]);
    web.ports = vec![forward("0.0.0.0", 8080, "10.0.0.2:80", "lan")];
    web.programs =
        vec![Program { command: ["python3", "-m", "http.server", "80"].map(str::to_owned).into() }];
    let mut router = node("router", &["10.0.0.1"]);
    router.forwarding = Forwarding::On;
    let mut slow = plug("backup", "eth0", "back", "10.1.0.4/24");
    slow.ends[1].shaping = Some(Shaping { rate_bits: Some(10_000_000), ..Shaping::default() });
    Topology {
        networks: vec![
            network("lan", &["10.0.0.1/24", "fd00::1/64"], internet()),
            network("back", &[], Reach::Internal),
        ],
        nodes: vec![
            web,
            node("client", &["10.0.0.1"]),
            router,
            node("db", &["10.1.0.1"]),
            node("backup", &[]),
        ],
        cables: vec![
            plug("web", "eth0", "lan", "10.0.0.2/24"),
            plug("client", "eth0", "lan", "10.0.0.3/24"),
            plug("router", "eth0", "lan", "10.0.0.4/24"),
            plug("router", "eth1", "back", "10.1.0.1/24"),
            plug("db", "eth0", "back", "10.1.0.3/24"),
            slow,
            wire(("db", "copy0", "10.8.0.1/30"), ("backup", "copy0", "10.8.0.2/30")),
        ],
        ..empty("lab")
    }
}

/// `number` nodes on one bridge.
fn star(number: u8) -> Topology {
    let mut topology = empty("star");
    topology.networks.push(network("lan", &["10.0.0.1/16"], internet()));
    for place in 0..number {
        let name = format!("n{place}");
        topology.cables.push(plug(&name, "eth0", "lan", &format!("10.0.1.{place}/16")));
        let mut member = node(&name, &["10.0.0.1"]);
        if place < 20 {
            member.ports.push(forward(
                "0.0.0.0",
                8000 + u16::from(place),
                &format!("10.0.1.{place}:80"),
                "lan",
            ));
        }
        topology.nodes.push(member);
    }
    topology
}

/// Each node connected with every other that `are_connected` says.
fn wired(number: u8, are_connected: fn(u8, u8) -> bool) -> Topology {
    let mut topology = empty("wired");
    let name = |place: u8| format!("n{place}");
    topology.nodes = (0..number).map(|place| node(&name(place), &[])).collect();
    for one in 0..number {
        for other in (one + 1..number).filter(|other| are_connected(one, *other)) {
            topology.cables.push(wire(
                (&name(one), &format!("to{other}"), "fd12:3456:789a:bcde:1234:5678:9abc:def0/64"),
                (&name(other), &format!("to{one}"), "10.0.0.2/30"),
            ));
        }
    }
    topology
}

/// Every shape that the layout treats on its own, by name.
fn zoo() -> Vec<(&'static str, Topology)> {
    let mut islands = star(3);
    for place in 0..9 {
        islands.networks.push(network(&format!("i{place}"), &[], Reach::Host));
    }
    vec![
        ("nothing", empty("nothing")),
        ("small", small()),
        ("lab", lab()),
        ("star of 20", star(20)),
        ("star of 200", star(200)),
        ("chain", wired(12, |one, other| other == one + 1)),
        ("ring", wired(7, |one, other| other == one + 1 || (one == 0 && other == 6))),
        ("mesh", wired(6, |_, _| true)),
        ("dense", wired(20, |_, _| true)),
        ("tree", wired(15, |one, other| other == 2 * one + 1 || other == 2 * one + 2)),
        ("fan", wired(30, |one, _| one == 0)),
        ("alone", wired(9, |_, _| false)),
        ("islands", islands),
    ]
}

fn plain(topology: &Topology, drawing: Drawing) -> String {
    anstream::adapter::strip_str(&draw(&picture(topology), drawing)).to_string()
}

#[test]
fn the_pictures_are_as_reviewed() {
    let assert = Assert::new().action_env("SNAPSHOTS");
    assert.eq(plain(&small(), Drawing::Text), file!["samples/small.txt"].raw());
    assert.eq(plain(&small(), Drawing::Dot), file!["samples/small.dot"].raw());
    assert.eq(plain(&small(), Drawing::Mermaid), file!["samples/small.mmd"].raw());
    assert.eq(plain(&lab(), Drawing::Svg), file!["../../../../../docs/src/pictures/lab.svg"].raw());
}

#[test]
fn svg_and_html_are_well_formed_and_hold_no_foreign_markup() {
    for (name, topology) in zoo() {
        let svg = plain(&topology, Drawing::Svg);
        let html = plain(&topology, Drawing::Html);
        let document = roxmltree::Document::parse(&svg).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!document.descendants().any(|element| element.has_tag_name("script")), "{name}");
        let page = html.strip_prefix("<!DOCTYPE html>\n").unwrap();
        let page = roxmltree::Document::parse(page).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!page.descendants().any(|element| element.has_tag_name("script")), "{name}");
        let needs_others = |word: &str| html.contains(word);
        assert!(!["src=", "href=", "@import", "url(http"].into_iter().any(needs_others), "{name}");
    }
}

#[test]
fn escape_sequences_do_not_get_through() {
    for drawing in [Drawing::Dot, Drawing::Mermaid, Drawing::Svg, Drawing::Html] {
        assert!(!draw(&picture(&small()), drawing).contains('\u{1b}'), "{drawing:?}");
    }
    assert!(draw(&picture(&small()), Drawing::Text).contains("\\u{1b}[31m"));
}

#[test]
fn the_same_topology_gives_the_same_picture() {
    for (name, topology) in zoo() {
        for drawing in [Drawing::Text, Drawing::Dot, Drawing::Mermaid, Drawing::Svg, Drawing::Html] {
            assert_eq!(plain(&topology, drawing), plain(&topology, drawing), "{name} as {drawing:?}");
        }
    }
}

#[test]
fn no_two_boxes_overlap_and_all_are_within_the_host() {
    for (name, topology) in zoo() {
        let scene = layout::arrange(&picture(&topology));
        let boxes: Vec<Rect> = scene.cards.iter().chain(&scene.bars).copied().collect();
        for (place, one) in boxes.iter().enumerate() {
            assert!(one.x >= scene.frame.x && one.right() <= scene.frame.right(), "{name}: {one:?}");
            assert!(one.y >= scene.frame.y && one.bottom() <= scene.frame.bottom(), "{name}: {one:?}");
            let near = boxes[..place].iter().find(|other| one.is_near(other, 6.0));
            assert_eq!(near, None, "{name}: too near to {one:?}");
        }
        for (place, tag) in scene.tags.iter().enumerate() {
            assert!(
                !scene.tags[..place].iter().any(|other| tag.rect.is_near(&other.rect, 2.0)),
                "{name}: {tag:?}"
            );
        }
    }
}

#[test]
fn no_line_runs_through_a_card_it_does_not_belong_to() {
    for (name, topology) in zoo().into_iter().filter(|(name, _)| *name != "dense") {
        let scene = layout::arrange(&picture(&topology));
        for stroke in &scene.strokes {
            let through = scene.cards.iter().filter(|card| stroke.runs_through(card)).count();
            assert_eq!(through, 0, "{name}: {} {:?}", stroke.title, stroke.points);
        }
    }
}

#[test]
fn everything_is_in_the_picture() {
    let topology = small();
    let scene = layout::arrange(&picture(&topology));
    assert_eq!((scene.cards.len(), scene.bars.len(), scene.tags.len(), scene.chips.len()), (4, 2, 3, 3));
    // Six cables, NAT, macvlan, two ports, a tunnel, and the uplink to the internet.
    assert_eq!(scene.strokes.len(), 12);
    for drawing in [Drawing::Text, Drawing::Dot, Drawing::Mermaid, Drawing::Svg, Drawing::Html] {
        let drawn = plain(&topology, drawing);
        let words = [
            "web",
            "router",
            "db",
            "guest",
            "lan",
            "10.0.0.1/24",
            "fd00::1/64",
            "10.8.0.2/30",
            "8080/tcp",
            "10 Mbit/s",
            "NAT",
            "198.51.100.7",
            "enp3s0",
            "internal",
            "side0",
            "mv0",
        ];
        for word in words {
            assert!(drawn.contains(word), "{word} is missing as {drawing:?}");
        }
    }
}

#[test]
fn cables_between_networks_run_past_the_others() {
    let file = "name: lab\ngenerate: { tree: { depth: 2, fanout: 3 }, linear: 4 }\n";
    let topology = netns_engine::topology::read(file).unwrap().0;
    let scene = layout::arrange(&picture(&topology));
    assert_eq!(scene.strokes.len(), topology.cables.len());
    for stroke in &scene.strokes {
        let through = scene.bars.iter().filter(|bar| stroke.runs_through(bar)).count();
        assert_eq!(through, 0, "{} {:?}", stroke.title, stroke.points);
    }
    let text = plain(&topology, Drawing::Text);
    assert!(text.contains("├─ s1-s2  → s2\n") && text.contains("├─ s2-s1  → s1\n"), "{text}");
}

#[test]
fn text_and_mermaid_summarise_what_is_too_much() {
    assert!(plain(&star(200), Drawing::Text).contains("… and 150 more"));
    let mermaid = plain(&star(200), Drawing::Mermaid);
    assert!(mermaid.contains("… and 50 more") && mermaid.len() < 50_000);
}

#[test]
fn json_names_what_is_connected() {
    let json = serde_json::to_value(picture(&small())).unwrap();
    assert_eq!(json["cables"][4]["ends"][1]["at"]["node"], "db");
    assert_eq!(json["networks"][0]["way_out"]["nat"], "uplink");
}
