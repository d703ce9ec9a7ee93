//! Tunnels, shared links, isolated ports and limits do on the real kernel what their names say.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod limits;

use std::{fs, process::ExitCode};

use netns_engine::{
    address::{Family, MacAddress},
    kernel::{Kernel, LinuxKernel},
    name::{LinkName, NetnsName},
    observed::{Scope, Selection},
    place::{LinkAt, Place},
    plan::{LinkChange, LinkLocal, NewBridge, NewLink, NewLinkKind, NewVeth, NewVethEnd, Operation},
    sysctl::{NamedSetting, Sysctl},
    topology::MacvlanMode,
};
use netns_testkit::{Sandbox, sh, trials};
use serde_json::Value;

fn main() -> ExitCode {
    let mut trials = trials!(bare:
        a_tunnel_is_as_asked,
        a_tunnel_by_ipv6_is_as_asked,
        a_tunnel_carries_packets,
        a_tunnel_leads_to_several_hosts,
        shared_links_talk_by_their_mode,
        the_parent_of_a_shared_link_is_not_its_peer,
        isolated_ports_reach_only_others,
        a_setting_that_does_not_exist_is_named,
        a_setting_that_is_no_number_is_named,
        a_setting_that_is_rounded_is_refused,
        settings_that_links_tell_are_those_of_the_files,
    );
    trials.extend(limits::trials());
    netns_testkit::main(trials)
}

/// Forwarding is read with all that it drags along, most of it without a look at the files.
fn settings_that_links_tell_are_those_of_the_files(_: &Sandbox) {
    sh("ip link add va type veth peer name vb; ip link add small mtu 1000 type veth peer name large");
    sh("cd /proc/sys/net; echo 1 > ipv4/conf/va/forwarding; echo 1 > ipv6/conf/vb/forwarding");
    sh("cd /proc/sys/net; echo 2 > ipv6/conf/va/accept_ra; echo 0 > ipv6/conf/vb/accept_ra");
    let mut scope = Scope::default();
    scope.stacks.insert(Place::Host, Selection::All);
    scope.link_forwarding.extend([Family::Ipv4, Family::Ipv6]);
    let observed = LinuxKernel::default().observe(&scope).unwrap();
    let mut asked = 0;
    for name in ["lo", "va", "vb", "small", "large", "default"].map(link) {
        for setting in Sysctl::of_link(&name).into_iter().take(3) {
            let file = fs::read_to_string(format!("/proc/sys/{}", setting.path())).ok();
            let is = observed.sysctl(&Place::Host, &setting).map(|value| value.to_string());
            let should = file.map(|text| text.trim().to_owned());
            if name.as_str() != "default" || !matches!(setting, Sysctl::AcceptRa(_)) {
                assert_eq!(is, should, "{setting}");
                asked += 1;
            }
        }
    }
    assert_eq!(asked, 17);
}

fn a_tunnel_is_as_asked(_: &Sandbox) {
    perform(&[bridge(), vxlan(Place::Host, "192.0.2.7", Some("br0"))]);
    let link = details("ip -j -d link show dev vx0");
    let tunnel = &link["linkinfo"]["info_data"];
    assert_eq!((&tunnel["id"], &tunnel["port"]), (&42.into(), &4790.into()));
    assert_eq!((&tunnel["remote"], &tunnel["learning"]), (&"192.0.2.7".into(), &true.into()));
    assert_eq!((&link["master"], &link["ifalias"]), (&"br0".into(), &"netns-tool".into()));
    assert_eq!((&link["mtu"], &link["address"]), (&1400.into(), &"02:00:00:00:00:07".into()));
}

fn a_tunnel_by_ipv6_is_as_asked(_: &Sandbox) {
    perform(&[vxlan(Place::Host, "2001:db8::7", None)]);
    let link = details("ip -j -d link show dev vx0");
    assert_eq!(link["linkinfo"]["info_data"]["remote6"], "2001:db8::7");
}

/// Two netns on one cable, and a tunnel along it.
fn a_tunnel_carries_packets(_: &Sandbox) {
    perform(&[create("red"), create("blue"), cable(&netns("red"), &netns("blue"))]);
    for (netns_name, end, own, other) in
        [("red", "va", "10.0.0.1", "10.0.0.2"), ("blue", "vb", "10.0.0.2", "10.0.0.1")]
    {
        let place = netns(netns_name);
        let inside = own.replace("10.0.0", "10.9.0");
        perform(&[
            address(place.link(&link(end)), &format!("{own}/24")),
            up(place.link(&link(end))),
            vxlan_from(&place, other, u8::from(own.ends_with('1'))),
            address(place.link(&link("vx0")), &format!("{inside}/24")),
            up(place.link(&link("vx0"))),
        ]);
    }
    sh("ip netns exec red ping -c 1 -W 5 10.9.0.2");
}

/// Three hosts on one wire, each with a tunnel to both others.
fn a_tunnel_leads_to_several_hosts(_: &Sandbox) {
    perform(&[bridge(), up(host("br0"))]);
    let hosts = [("red", 1), ("blue", 2), ("green", 3)];
    for (name, last) in hosts {
        let (outer, inner) = (host(&format!("v-{name}")), netns(name).link(&link("eth0")));
        let others: Vec<_> = hosts.iter().filter(|(other, _)| *other != name).collect();
        let others: Vec<_> = others.iter().map(|(_, other)| format!("10.0.0.{other}")).collect();
        perform(&[
            create(name),
            veth(outer.clone(), inner.clone()),
            Operation::SetLink(outer.clone(), LinkChange::Master(link("br0"))),
            address(inner.clone(), &format!("10.0.0.{last}/24")),
            up(outer),
            up(inner),
            vxlan_from(&netns(name), &others.join(" "), last),
            address(netns(name).link(&link("vx0")), &format!("10.9.0.{last}/24")),
            up(netns(name).link(&link("vx0"))),
        ]);
    }
    let shown = sh("bridge -n red fdb show dev vx0 | grep ^00:00:00:00:00:00 | grep -o 'dst [^ ]*' | sort");
    assert_eq!(shown, "dst 10.0.0.2\ndst 10.0.0.3\n");
    sh("ip netns exec red ping -c 1 -W 5 10.9.0.2; ip netns exec red ping -c 1 -W 5 10.9.0.3");
    sh("ip netns exec green ping -c 1 -W 5 10.9.0.2");
}

fn shared_links_talk_by_their_mode(_: &Sandbox) {
    perform(&[create("red"), create("blue"), cable(&Place::Host, &Place::Host)]);
    perform(&[up(host("va")), up(host("vb"))]);
    for (mode, verdict) in [(MacvlanMode::Private, "! "), (MacvlanMode::Bridge, "")] {
        for (name, last) in [("red", 1), ("blue", 2)] {
            let at = netns(name).link(&link("mv0"));
            perform(&[
                macvlan(&at, mode, last),
                address(at.clone(), &format!("10.0.0.{last}/24")),
                up(at.clone()),
            ]);
            let shown = details(&format!("ip -n {name} -j -d link show dev mv0"));
            assert_eq!(shown["linkinfo"]["info_data"]["mode"], mode.word());
            assert_eq!(shown["ifalias"], "netns-tool");
            // Nobody asked for IPv6.
            assert_eq!(sh(&format!("ip -n {name} -6 -o address show dev mv0")), "");
        }
        sh(&format!("{verdict}ip netns exec red ping -c 1 -W 1 10.0.0.2"));
        perform(&["red", "blue"].map(|name| Operation::DeleteLink(netns(name).link(&link("mv0")))));
    }
}

fn the_parent_of_a_shared_link_is_not_its_peer(_: &Sandbox) {
    let at = netns("red").link(&link("mv0"));
    perform(&[create("red"), cable(&Place::Host, &Place::Host), macvlan(&at, MacvlanMode::Bridge, 1)]);
    let seen = LinuxKernel::default().observe(&Scope::default().with_link(&at)).unwrap();
    assert_eq!(seen.link(&at).expect("it is there").peer, None);
}

fn isolated_ports_reach_only_others(_: &Sandbox) {
    perform(&[bridge(), up(host("br0"))]);
    for (name, last) in [("red", 1), ("blue", 2), ("green", 3)] {
        let (outer, inner) = (host(&format!("v-{name}")), netns(name).link(&link("eth0")));
        perform(&[
            create(name),
            veth(outer.clone(), inner.clone()),
            Operation::SetLink(outer.clone(), LinkChange::Master(link("br0"))),
            address(inner.clone(), &format!("10.0.0.{last}/24")),
            up(outer.clone()),
            up(inner),
        ]);
        if name != "green" {
            perform(&[Operation::SetLink(outer, LinkChange::IsolatedOn)]);
        }
    }
    sh("ip netns exec red ping -c 1 -W 5 10.0.0.3");
    sh("ip netns exec blue ping -c 1 -W 5 10.0.0.3");
    sh("! ip netns exec red ping -c 1 -W 1 10.0.0.2");
}

fn a_setting_that_does_not_exist_is_named(_: &Sandbox) {
    perform(&[create("red")]);
    let setting = Sysctl::Named(NamedSetting::new("net.ipv4.no_such_thing").unwrap());
    let refusal =
        LinuxKernel::default().perform(&Operation::SetSysctl(netns("red"), setting, 1)).unwrap_err();
    assert_eq!(refusal.to_string(), "no setting 'net.ipv4.no_such_thing' here (ENOENT)");
}

fn a_setting_that_is_no_number_is_named(_: &Sandbox) {
    let setting = Sysctl::Named(NamedSetting::new("net.ipv4.tcp_rmem").unwrap());
    let scope = Scope::default().with_sysctl(&Place::Host, setting);
    let refusal = LinuxKernel::default().observe(&scope).unwrap_err();
    assert_eq!(refusal.to_string(), "'net.ipv4.tcp_rmem' is not one number (EBADMSG)");
}

/// Where the kernel counts in ticks of 4 ms, 7 become 8; where it counts otherwise, there may be nothing to round.
fn a_setting_that_is_rounded_is_refused(_: &Sandbox) {
    perform(&[create("red"), cable(&netns("red"), &Place::Host)]);
    let read = || sh("ip netns exec red cat /proc/sys/net/ipv4/neigh/va/retrans_time_ms").trim().to_owned();
    let setting = |name: &str| Sysctl::Named(NamedSetting::new(name).unwrap());
    let write = |name: &str, value| {
        LinuxKernel::default().perform(&Operation::SetSysctl(netns("red"), setting(name), value))
    };
    let before = read();
    match write("net.ipv4.neigh.va.retrans_time_ms", 7) {
        Err(refusal) => {
            assert_eq!(refusal.to_string(), "the kernel makes 8 of 7 (EINVAL)");
            assert_eq!(read(), before, "as it was");
        }
        Ok(()) => assert_eq!(read(), "7"),
    }
    let refused = |name| write(name, 1).unwrap_err().to_string();
    assert_eq!(refused("net.ipv4.tcp_rmem"), "'net.ipv4.tcp_rmem' is not one number (EBADMSG)");
    assert_eq!(refused("net.ipv4.route.flush"), "'net.ipv4.route.flush' cannot be read (EBADMSG)");
}

#[track_caller]
fn perform(operations: &[Operation]) {
    let mut kernel = LinuxKernel::default();
    for operation in operations {
        kernel.perform(operation).unwrap_or_else(|refusal| panic!("cannot {operation}: {refusal}"));
    }
}

/// The one object that a program lists as JSON.
fn details(command: &str) -> Value {
    let listed: Value = serde_json::from_str(&sh(command)).unwrap();
    listed[0].clone()
}

fn bridge() -> Operation {
    Operation::AddBridge(NewBridge { at: host("br0"), mac: MacAddress::derived_from("br0") })
}

fn cable(main: &Place, peer: &Place) -> Operation {
    veth(main.link(&link("va")), peer.link(&link("vb")))
}

fn veth(main: LinkAt, peer: LinkAt) -> Operation {
    let end = |at| NewVethEnd { link_local: LinkLocal::None, ..NewVethEnd::new(at) };
    Operation::AddVeth(NewVeth { main: end(main), peer: end(peer) })
}

fn vxlan(place: Place, remotes: &str, master: Option<&str>) -> Operation {
    Operation::AddLink(NewLink {
        at: LinkAt { place, name: link("vx0") },
        kind: NewLinkKind::Vxlan {
            vni: 42,
            remotes: remotes.split(' ').map(|remote| remote.parse().unwrap()).collect(),
            port: 4790,
        },
        mac: mac(7),
        mtu_bytes: Some(1400),
        master: master.map(link),
        link_local: LinkLocal::Generated,
    })
}

/// Both ends of a tunnel need an address of their own.
fn vxlan_from(place: &Place, remote: &str, last: u8) -> Operation {
    match vxlan(place.clone(), remote, None) {
        Operation::AddLink(new) => Operation::AddLink(NewLink { mac: mac(last), ..new }),
        other => other,
    }
}

fn macvlan(at: &LinkAt, mode: MacvlanMode, last: u8) -> Operation {
    let kind = NewLinkKind::Macvlan { parent: link("va"), mode };
    Operation::AddLink(NewLink {
        at: at.clone(),
        kind,
        mac: mac(last),
        mtu_bytes: None,
        master: None,
        link_local: LinkLocal::None,
    })
}

fn mac(last: u8) -> MacAddress {
    MacAddress::from_octets([2, 0, 0, 0, 0, last])
}

fn create(name: &str) -> Operation {
    Operation::CreateNetns(name.parse::<NetnsName>().unwrap())
}

fn address(at: LinkAt, text: &str) -> Operation {
    Operation::AddAddress(at, text.parse().unwrap())
}

fn up(at: LinkAt) -> Operation {
    Operation::SetLink(at, LinkChange::Up)
}

fn host(name: &str) -> LinkAt {
    LinkAt::on_host(link(name))
}

fn netns(name: &str) -> Place {
    Place::Netns(name.parse().unwrap())
}

fn link(name: &str) -> LinkName {
    name.parse().unwrap()
}
