//! What somebody changed by hand, and what an edit changes on what stays.

use super::*;
use crate::{address::Family, sysctl::NamedSetting};

#[test]
fn a_tunnel_is_mended_as_the_end_of_a_cable_is() {
    let tunnel = Tunnel {
        remotes: vec![[192, 0, 2, 77].into()],
        vni: 7,
        port: 4789,
        link: link("vx0"),
        mac: MacAddress::derived_from("vx0"),
    };
    let with_mtu = |mtu_bytes| {
        let mut topology = pair();
        topology.networks[0].mtu_bytes = mtu_bytes;
        topology.networks[0].tunnel = Some(tunnel.clone());
        topology
    };
    let at = LinkAt::on_host(link("vx0"));
    let before = up(&with_mtu(Some(1400))).plan(&host()).unwrap().expected;
    for mtu_bytes in [Some(1300), None] {
        let plan = up(&with_mtu(mtu_bytes)).plan(&before).unwrap();
        let fresh = up(&with_mtu(mtu_bytes)).plan(&host()).unwrap().expected;
        assert_eq!(carried_out(&before, &plan).link(&at), fresh.link(&at));
        assert_undone(&before, &plan);
    }
    for change in [
        LinkChange::NoMaster,
        LinkChange::Mtu(1200),
        LinkChange::Mac(MacAddress::derived_from("other")),
        LinkChange::IsolatedOn,
        LinkChange::Down,
    ] {
        let mut changed = before.clone();
        changed.project(&Operation::SetLink(at.clone(), change)).unwrap();
        let plan = up(&with_mtu(Some(1400))).plan(&changed).unwrap();
        assert_eq!(carried_out(&changed, &plan), before);
        assert_undone(&changed, &plan);
    }
}

#[test]
fn a_node_passes_on_what_it_was_asked_to() {
    let before = up(&pair()).plan(&host()).unwrap().expected;
    let of_link = |family| Sysctl::LinkForwarding(family, link("eth0"));
    for (name, settings) in [
        ("web", vec![(Sysctl::IpForward, 1)]),
        ("web", vec![(Sysctl::Ipv6Forwarding, 1), (of_link(Family::Ipv6), 0)]),
        ("web", vec![(of_link(Family::Ipv4), 1)]),
        ("router", vec![(Sysctl::IpForward, 0), (of_link(Family::Ipv4), 1)]),
        ("router", vec![(of_link(Family::Ipv4), 0)]),
    ] {
        let place = Place::Netns(netns(name));
        let mut changed = before.clone();
        changed.stacks.get_mut(&place).unwrap().sysctls.extend(settings);
        let plan = up(&pair()).plan(&changed).unwrap();
        let after = carried_out(&changed, &plan);
        let wanted = i32::from(name == "router");
        let switches = [Sysctl::IpForward, Sysctl::Ipv6Forwarding, of_link(Family::Ipv4)];
        assert!(switches.iter().all(|switch| after.sysctl(&place, switch).is_none_or(|is| is == wanted)));
        assert!(up(&pair()).plan(&after).unwrap().is_empty());
        assert_undone(&changed, &plan);
    }
    let somebody_elses = Link::new(LinkKind::Other("wireguard".to_owned()));
    let mut changed = before;
    let stack = changed.stacks.get_mut(&Place::Netns(netns("web"))).unwrap();
    stack.links.insert(link("wg0"), somebody_elses);
    stack.sysctls.insert(Sysctl::LinkForwarding(Family::Ipv4, link("wg0")), 1);
    assert!(up(&pair()).plan(&changed).unwrap().is_empty());
}

fn named(name: &str) -> Sysctl {
    NamedSetting::new(name).unwrap().into()
}

#[test]
fn settings_of_all_links_come_before_those_of_one() {
    let of = |link: &str, value| (named(&format!("net.ipv6.conf.{link}.disable_ipv6")), value);
    let with = |settings: &[(Sysctl, i32)]| {
        let mut topology = pair();
        topology.nodes[0].settings = settings.to_vec();
        topology.cables[0].ends[1].addresses.push("fd00::2/64".parse().unwrap());
        topology.nodes[0].routes.push(Route::default_via("fd00::1".parse().unwrap()).on(link("eth0")));
        topology
    };
    let others = [of("lo", 0), of("eth0", 0), of("default", 0)];
    let mut before = up(&with(&others)).plan(&host()).unwrap().expected;
    // It is read, once it is asked for.
    before.stacks.get_mut(&Place::Netns(netns("web"))).unwrap().sysctls.extend([of("all", 0)]);
    for place in 0..=others.len() {
        let mut settings = others.to_vec();
        settings.insert(place, of("all", 1));
        let edited = with(&settings);
        for first in [&before, &host()] {
            let plan = up(&edited).plan(first).unwrap();
            let after = carried_out(first, &plan);
            assert!(settings.iter().all(|(setting, value)| {
                after.sysctl(&Place::Netns(netns("web")), setting) == Some(*value)
            }));
            let cable = after.link(&edited.cables[0].ends[1].at).unwrap();
            assert!(cable.addresses.contains(&"fd00::2/64".parse().unwrap()));
            assert!(up(&edited).plan(&after).unwrap().is_empty());
            assert_undone(first, &plan);
        }
    }
}
