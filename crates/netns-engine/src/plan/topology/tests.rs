mod bridge_mtu;
mod connected;
mod mended;

use std::{collections::HashSet, net::SocketAddr, sync::Arc};

use super::*;
use crate::{
    address::MacAddress,
    desired::{OnHolders, TopologyRemoved},
    firewall::{PortForward, Published, Transport},
    name::NetnsName,
    observed::{Edit, Iptables, Link, LinkKind, Stack},
    plan::{LinkChange, Step},
    record::Lifetime,
    route::{Route, RouteProtocol},
    sysctl::Sysctl,
    topology::{
        Cable, CableEnd, Forwarding, HostEntry, Isolation, KnownHosts, Network, Node, Program, Reach,
        Shaping, Tunnel,
    },
};

type Change = fn(&mut Topology);

fn link(name: &str) -> LinkName {
    LinkName::new(name).unwrap()
}

fn netns(name: &str) -> NetnsName {
    NetnsName::new(name).unwrap()
}

/// A host with an uplink, and nothing else.
fn host() -> Observed {
    let up = |kind| Link { up: true, ..Link::new(kind) };
    let mut uplink = up(LinkKind::Other("physical".to_owned()));
    uplink.addresses.insert("192.0.2.2/24".parse().unwrap());
    let default = Route {
        protocol: RouteProtocol::Boot,
        ..Route::default_via("192.0.2.1".parse().unwrap()).on(link("eth0"))
    };
    let stack = Stack {
        links: [(link("lo"), up(LinkKind::Loopback)), (link("eth0"), uplink)].into(),
        routes: [default].into(),
        sysctls: [
            (Sysctl::IpForward, 0),
            (Sysctl::Ipv6Forwarding, 0),
            (Sysctl::AcceptRedirects, 1),
            (Sysctl::DisableIpv6(link("default")), 0),
        ]
        .into(),
    };
    let mut observed = Observed { stacks: [(Place::Host, stack)].into(), ..Observed::default() };
    observed.firewall.nftables = true;
    observed.firewall.iptables = Some(Iptables::default());
    observed
}

fn end(at: LinkAt, addresses: &[&str]) -> CableEnd {
    CableEnd {
        mac: MacAddress::derived_from(&at.to_string()),
        at,
        bridge: None,
        isolation: Isolation::Off,
        addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
        shaping: None,
    }
}

fn node(name: &str, routes: Vec<Route>) -> Node {
    Node {
        name: netns(name),
        addresses: Vec::new(),
        routes,
        forwarding: Forwarding::Off,
        settings: Vec::new(),
        resolver: None,
        hosts: KnownHosts::OfHost,
        ports: Vec::new(),
        macvlans: Vec::new(),
        programs: Vec::new(),
    }
}

fn plug(node: &str, bridge: &str, address: &str) -> Cable {
    let outer =
        CableEnd { bridge: Some(link(bridge)), ..end(LinkAt::on_host(link(&format!("v-{node}"))), &[]) };
    Cable { ends: [outer, end(LinkAt::inside(netns(node), link("eth0")), &[address])], mtu_bytes: None }
}

fn between(first: (&str, &str), second: (&str, &str)) -> Cable {
    let inner = |(node, address): (&str, &str)| end(LinkAt::inside(netns(node), link("lan0")), &[address]);
    Cable { ends: [inner(first), inner(second)], mtu_bytes: None }
}

/// Two nodes behind a bridge with NAT, one published port, and a cable between them.
fn pair() -> Topology {
    let default = || vec![Route::default_via("10.0.0.1".parse().unwrap()).on(link("eth0"))];
    let mut web = node("web", default());
    web.ports.push(PortForward {
        published: Published { address: [0, 0, 0, 0].into(), port: 8080, transport: Transport::Tcp },
        target: SocketAddr::from(([10, 0, 0, 2], 80)),
        bridge: link("br0"),
    });
    web.hosts = KnownHosts::OfTopology;
    web.programs.push(Program { command: vec!["httpd".to_owned()] });
    let mut router = node("router", default());
    router.forwarding = Forwarding::On;
    Topology {
        networks: vec![Network {
            name: "br0".to_owned(),
            bridge: link("br0"),
            mac: MacAddress::derived_from("br0"),
            mtu_bytes: None,
            addresses: vec!["10.0.0.1/24".parse().unwrap()],
            reach: Reach::Internet { uplink: None },
            tunnel: None,
        }],
        nodes: vec![web, router],
        cables: vec![
            plug("web", "br0", "10.0.0.2/24"),
            plug("router", "br0", "10.0.0.3/24"),
            between(("web", "10.9.0.1/30"), ("router", "10.9.0.2/30")),
        ],
        hosts: vec![HostEntry { address: [10, 0, 0, 2].into(), names: vec!["web".to_owned()] }],
        ..Topology::new(netns("pair"))
    }
}

fn up(topology: &Topology) -> TopologyUp {
    TopologyUp {
        topology: topology.clone().into(),
        lifetime: None,
        on_holders: OnHolders::Refuse,
        untouched: Look::FromOutside,
    }
}

/// Carries a plan out on the model, which must accept every step.
fn carried_out(observed: &Observed, plan: &Plan) -> Observed {
    let mut state = observed.clone();
    for Step { operation, .. } in &plan.steps {
        state.project(operation).unwrap_or_else(|refusal| panic!("{operation}: {refusal}"));
    }
    assert_eq!(state, plan.expected);
    state
}

/// Takes a plan back from every step on, and compares with the start.
fn assert_undone(observed: &Observed, plan: &Plan) {
    for done in 1..=plan.steps.len() {
        let mut state = observed.clone();
        for step in &plan.steps[..done] {
            state.project(&step.operation).unwrap();
        }
        for step in plan.steps[..done].iter().rev() {
            for undo in &step.undo {
                if let Err(refusal) = state.project(undo) {
                    assert!(undo.is_moot_after(refusal.errno()), "{undo}: {refusal}");
                }
            }
        }
        assert_same(&state, observed, &plan.steps[done - 1]);
    }
}

/// What an undo leaves in the model beside the state: settings of links that were told explicitly.
fn assert_same(state: &Observed, first: &Observed, step: &Step) {
    let plain = |state: &Observed| {
        let mut state = state.clone();
        for stack in state.stacks.values_mut() {
            stack.sysctls.retain(|setting, value| setting.link().is_none() && *value != 0);
        }
        state.programs.clear();
        state
    };
    assert_eq!(plain(state), plain(first), "after taking back: {}", step.operation);
}

/// The state without settings that say no more than what every netns starts with.
fn known(state: &Observed) -> Observed {
    let mut state = state.clone();
    for stack in state.stacks.values_mut() {
        stack.sysctls.retain(|setting, value| *setting != Sysctl::Ipv6Forwarding || *value != 0);
    }
    state
}

fn assert_up_and_down(topology: &Topology) {
    let first = host();
    let plan = up(topology).plan(&first).unwrap();
    let second = carried_out(&first, &plan);
    assert_undone(&first, &plan);
    assert!(up(topology).plan(&second).unwrap().is_empty(), "twice is a no-op");
    let removed = TopologyRemoved { name: topology.name.clone(), on_holders: OnHolders::Refuse };
    let plan = removed.plan(&second).unwrap();
    let last = carried_out(&second, &plan);
    assert_undone(&second, &plan);
    assert_eq!(last, first);
}

#[test]
fn up_twice_is_a_no_op_and_down_leaves_the_first_state() {
    assert_up_and_down(&pair());
}

/// What `down` does to the host's network, in order.
fn order_of_going(state: &Observed) -> Vec<String> {
    let removed = TopologyRemoved { name: netns("pair"), on_holders: OnHolders::Refuse };
    let plan = removed.plan(state).unwrap();
    assert_undone(state, &plan);
    let of_interest = |operation: &&Operation| match operation {
        Operation::SetLink(_, LinkChange::Down) => true,
        other => matches!(other, Operation::DeleteTable | Operation::DeleteLinks(_)),
    };
    plan.steps.iter().map(|step| &step.operation).filter(of_interest).map(ToString::to_string).collect()
}

#[test]
fn a_bridge_is_off_before_its_guard_goes() {
    let mut up = up(&pair()).plan(&host()).unwrap().expected;
    let (guards, links) = ("delete nftables table 'inet netns_tool'", "delete 3 links of the host together");
    assert_eq!(order_of_going(&up), ["set link 'br0' down", guards, links]);
    let bridge = up.stacks.get_mut(&Place::Host).unwrap().links.get_mut(&link("br0")).unwrap();
    bridge.up = false;
    assert_eq!(order_of_going(&up), [guards, links], "somebody switched it off");
    let bridge = up.stacks.get_mut(&Place::Host).unwrap().links.get_mut(&link("br0")).unwrap();
    (bridge.up, bridge.ours) = (true, false);
    let links = "delete 2 links of the host together";
    assert_eq!(
        order_of_going(&up),
        [links, guards],
        "somebody's own stays on, and guarded while nodes hang on it"
    );
}

#[test]
fn an_edit_changes_only_the_difference() {
    let first = host();
    let before = up(&pair()).plan(&first).unwrap().expected;
    let mut edited = pair();
    edited.nodes.push(node("db", Vec::new()));
    edited.cables.push(plug("db", "br0", "10.0.0.4/24"));
    let plan = up(&edited).plan(&before).unwrap();
    let touched: Vec<_> = plan.steps.iter().map(|step| step.operation.to_string()).collect();
    assert!(touched.iter().all(|step| !step.contains("web") && !step.contains("router")), "{touched:#?}");
    let after = carried_out(&before, &plan);
    assert_undone(&before, &plan);
    // And back again.
    let plan = up(&pair()).plan(&after).unwrap();
    assert_eq!(carried_out(&after, &plan), before);
    assert_undone(&after, &plan);
}

/// A host where the topology is up, and these nodes were seen from outside only.
fn seen_from_outside(topology: &Topology, names: &[&str]) -> Observed {
    let mut observed = up(topology).plan(&host()).unwrap().expected;
    for name in names {
        observed.stacks.remove(&Place::Netns(netns(name)));
        Arc::make_mut(&mut observed.outside).insert(netns(name));
    }
    observed
}

#[test]
fn what_is_in_a_node_seen_from_outside_is_taken_as_asked() {
    let mut edited = pair();
    edited.cables.pop();
    let before = edited.clone();
    edited.nodes.push(node("db", Vec::new()));
    edited.cables.push(plug("db", "br0", "10.0.0.4/24"));
    let mut observed = seen_from_outside(&before, &["web", "router"]);
    let plan = up(&edited).plan(&observed).unwrap();
    let touched: Vec<_> = plan.steps.iter().map(|step| step.operation.to_string()).collect();
    assert!(touched.iter().all(|step| !step.contains("web") && !step.contains("router")), "{touched:#?}");
    let port = before.cables[0].ends[0].at.clone();
    let host = observed.stacks.get_mut(&Place::Host).unwrap();
    host.links.get_mut(&port.name).unwrap().master = None;
    let plan = up(&edited).plan(&observed).unwrap();
    let plugged = Operation::SetLink(port, LinkChange::Master(link("br0")));
    assert!(plan.steps.iter().any(|step| step.operation == plugged), "the host's end is mended");
}

#[test]
fn only_nodes_that_the_host_sees_whole_are_seen_from_outside() {
    let outside = |edit: Change| {
        let (mut former, mut wanted) = (pair(), pair());
        for topology in [&mut former, &mut wanted] {
            topology.nodes.push(node("db", Vec::new()));
            topology.cables.push(plug("db", "br0", "10.0.0.4/24"));
        }
        edit(&mut wanted);
        let untouched = Edit { former: Some(&former), wanted: &wanted }.untouched();
        untouched.iter().map(|untouched| untouched.node.name.to_string()).collect::<Vec<_>>()
    };
    assert!(outside(|_| {}).is_empty(), "asked for unchanged, everything is looked into");
    // The others have a cable between them, which the host does not see.
    assert_eq!(outside(|t| t.nodes.push(node("new", Vec::new()))), ["db"]);
    assert!(outside(|t| t.networks[0].mtu_bytes = Some(1400)).is_empty(), "its network changed");
    assert!(outside(|t| t.cables[3].mtu_bytes = Some(1400)).is_empty(), "its cable changed");
    assert!(outside(|t| t.nodes[2].forwarding = Forwarding::On).is_empty(), "the node changed");
}

#[test]
fn a_node_seen_from_outside_is_read_as_far_as_it_is_on_the_host() {
    let mut former = pair();
    former.nodes.push(node("db", Vec::new()));
    former.cables.push(plug("db", "br0", "10.0.0.4/24"));
    let mut wanted = former.clone();
    wanted.nodes.push(node("new", Vec::new()));
    wanted.cables.push(plug("new", "br0", "10.0.0.5/24"));
    let record = TopologyRecord { topology: Arc::new(former).into(), lifetime: Lifetime::default() };
    let records = [(RecordKey::Topology(wanted.name.clone()), Record::Topology(record))].into();
    let scope = up(&wanted).scope();
    let names = |scope: &Scope| scope.netns.iter().map(ToString::to_string).collect::<Vec<_>>();
    let whole = scope.widened_by(&records, &HashSet::new());
    assert_eq!(names(&whole), ["db", "new", "router", "web"]);
    assert!(whole.outside.is_empty());
    // One has a published port, the other is nothing but a netns on a cable.
    let scope = scope.widened_by(&records, &["web", "db"].map(netns).into());
    assert_eq!(names(&scope), ["new", "router", "web"]);
    assert_eq!(scope.outside.keys().collect::<Vec<_>>(), [&netns("web")]);
}

#[test]
fn every_kind_of_edit_leads_where_a_fresh_start_would() {
    let edits: [(&str, Change); 14] = [
        ("no nat", |t| t.networks[0].reach = Reach::Host),
        ("no cable between nodes", |t| drop(t.cables.pop())),
        ("no router", |t| {
            t.nodes.pop();
            t.cables.truncate(1);
        }),
        ("another address", |t| t.cables[1].ends[1].addresses = vec!["10.0.0.9/24".parse().unwrap()]),
        ("no port", |t| t.nodes[0].ports.clear()),
        ("another port", |t| t.nodes[0].ports[0].published.port = 9090),
        ("no default route", |t| t.nodes[0].routes.clear()),
        ("no forwarding", |t| t.nodes[1].forwarding = Forwarding::Off),
        ("no names", |t| t.nodes[0].hosts = KnownHosts::OfHost),
        ("no program", |t| t.nodes[0].programs.clear()),
        ("a limit", |t| {
            t.cables[2].ends[0].shaping = Some(Shaping { rate_bits: Some(1_000_000), ..Shaping::default() });
        }),
        ("isolated", |t| t.cables[0].ends[0].isolation = Isolation::On),
        ("another MTU", |t| t.cables[0].mtu_bytes = Some(1400)),
        ("nothing", |t| *t = Topology::new(t.name.clone())),
    ];
    for (name, edit) in edits {
        let mut edited = pair();
        edit(&mut edited);
        assert_up_and_down(&edited);
        let (before, fresh) =
            (up(&pair()).plan(&host()).unwrap().expected, up(&edited).plan(&host()).unwrap().expected);
        let plan = up(&edited).plan(&before).unwrap();
        assert!(!plan.is_empty(), "{name}");
        assert_eq!(known(&carried_out(&before, &plan)), known(&fresh), "{name}");
        assert_undone(&before, &plan);
        let plan = up(&pair()).plan(&fresh).unwrap();
        assert_eq!(known(&carried_out(&fresh, &plan)), known(&before), "{name}, taken back");
        assert_undone(&fresh, &plan);
    }
}

#[test]
fn what_was_there_before_is_refused() {
    let mut taken = host();
    taken.stacks.get_mut(&Place::Host).unwrap().links.insert(link("br0"), Link::new(LinkKind::Bridge));
    let conflict = up(&pair()).plan(&taken).unwrap_err();
    assert_eq!(conflict.to_string(), "link 'br0' already exists: it was not made by netns-tool");
    let mut taken = host();
    taken.project(&Operation::CreateNetns(netns("web"))).unwrap();
    let conflict = up(&pair()).plan(&taken).unwrap_err();
    assert_eq!(conflict.to_string(), "netns 'web' already exists, and is not part of topology 'pair'");
}

#[test]
fn a_program_that_runs_elsewhere_is_ended_unless_it_also_runs_as_asked() {
    let mut observed = up(&pair()).plan(&host()).unwrap().expected;
    let key = observed.programs.first().unwrap().clone();
    observed.strays.insert(key.clone());
    assert!(up(&pair()).plan(&observed).unwrap().is_empty(), "it sent something elsewhere");
    observed.programs.clear();
    let plan = up(&pair()).plan(&observed).unwrap();
    assert_eq!(plan.steps[0].operation, Operation::StopStrays(vec![key]), "before it starts again");
    assert_eq!(carried_out(&observed, &plan).strays, BTreeSet::new());
}
