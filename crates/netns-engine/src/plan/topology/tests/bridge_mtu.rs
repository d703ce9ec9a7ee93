//! Bridges that follow their ports.

use super::*;

fn mtu(state: &Observed) -> u32 {
    state.link(&LinkAt::on_host(link("br0"))).unwrap().mtu_bytes
}

fn is_resized(plan: &Plan) -> bool {
    let resizes = |step: &Step| matches!(&step.operation, Operation::SetLink(at, LinkChange::Mtu(_)) if at.name == link("br0"));
    plan.steps.iter().any(resizes)
}

fn pair_with(edit: Change) -> Topology {
    let mut topology = pair();
    edit(&mut topology);
    topology
}

#[test]
fn a_bridge_without_an_mtu_has_that_of_its_smallest_port() {
    let cases: [(Change, u32); 5] = [
        (|_| {}, 1500),
        (|t| t.cables[0].mtu_bytes = Some(1400), 1400),
        (|t| t.cables[..2].iter_mut().for_each(|cable| cable.mtu_bytes = Some(9000)), 9000),
        (|t| *t = Topology { networks: t.networks.clone(), ..Topology::new(t.name.clone()) }, 1500),
        (|t| t.networks[0].mtu_bytes = Some(1300), 1300),
    ];
    for (edit, wanted) in cases {
        let edited = pair_with(edit);
        let plan = up(&edited).plan(&host()).unwrap();
        assert_eq!(is_resized(&plan), wanted == 1300, "the kernel does it by itself, unless asked");
        let fresh = carried_out(&host(), &plan);
        assert_eq!(mtu(&fresh), wanted);
        let plan = up(&pair()).plan(&fresh).unwrap();
        assert_eq!(mtu(&carried_out(&fresh, &plan)), 1500, "from {wanted}");
        assert_undone(&fresh, &plan);
        let mut by_hand = fresh.clone();
        let bridge = LinkAt::on_host(link("br0"));
        by_hand.project(&Operation::SetLink(bridge.clone(), LinkChange::Mtu(1280))).unwrap();
        let plan = up(&edited).plan(&by_hand).unwrap();
        let operations: Vec<_> = plan.steps.iter().map(|step| &step.operation).collect();
        assert_eq!(operations, [&Operation::SetLink(bridge, LinkChange::Mtu(wanted))]);
    }
}

#[test]
fn a_port_of_somebody_elses_counts_and_one_seen_from_outside_too() {
    let edited = pair_with(|t| {
        t.cables.pop();
        t.cables[1].mtu_bytes = Some(1400);
    });
    let mut seen = seen_from_outside(&edited, &["web", "router"]);
    let host = seen.stacks.get_mut(&Place::Host).unwrap();
    host.links.remove(&link("v-router"));
    assert!(!is_resized(&up(&edited).plan(&seen).unwrap()));
    let host = seen.stacks.get_mut(&Place::Host).unwrap();
    let port = Link { mtu_bytes: 1300, master: Some(link("br0")), ..Link::new(LinkKind::Veth) };
    host.links.insert(link("other"), port);
    assert_eq!(mtu(&up(&edited).plan(&seen).unwrap().expected), 1300);
}

#[test]
fn the_mtu_of_a_network_with_a_tunnel_is_the_kernels_choice() {
    let edited = pair_with(|t| {
        t.networks[0].tunnel = Some(Tunnel {
            link: link("vx0"),
            vni: 7,
            remotes: vec![[192, 0, 2, 9].into()],
            port: 4789,
            mac: MacAddress::derived_from("vx0"),
        });
    });
    let mut state = up(&edited).plan(&host()).unwrap().expected;
    state.project(&Operation::SetLink(LinkAt::on_host(link("br0")), LinkChange::Mtu(1450))).unwrap();
    assert!(up(&edited).plan(&state).unwrap().is_empty());
}
