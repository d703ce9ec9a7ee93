//! What somebody changed by hand, and what an edit changes on what stays.

use super::*;

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
