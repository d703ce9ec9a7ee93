//! Which stacks are looked at for a path.

use std::{net::IpAddr, path::PathBuf};

use libtest_mimic::Trial;
use netns_engine::{
    diagnose::{
        question::Destination,
        scene::{Peer, Scene, StackId},
    },
    kernel::examine::examine,
    place::Entrance,
};
use netns_testkit::{Sandbox, Sleeper, sh, trials};

use crate::{TWO_ON_A_BRIDGE, look, named, path};

pub(crate) fn trials() -> Vec<Trial> {
    trials!(bare:
        peers_are_found_at_both_ends,
        routers_between_are_found,
        an_owner_behind_a_bridge_is_found_among_many,
        a_netns_without_a_name_is_found,
        the_host_has_one_number_by_whatever_way,
        a_name_that_is_no_netns_is_refused,
        a_name_that_is_not_there_is_refused,
    )
}

fn entrances(scene: &Scene) -> Vec<String> {
    scene.stacks.iter().map(|stack| stack.entrance.to_string()).collect()
}

fn peer(scene: &Scene, stack: StackId, link: &str) -> Peer {
    scene.stack(stack).link_named(&link.parse().unwrap()).unwrap().peer.unwrap()
}

fn peers_are_found_at_both_ends(_: &Sandbox) {
    sh(TWO_ON_A_BRIDGE);
    sh("ip link add here0 type veth peer name here1");
    let scene = look(named("red"), Destination::Internet);
    let red = scene.find(&named("red")).unwrap();
    let inside = peer(&scene, red, "eth0");
    assert_eq!(inside.stack, Some(StackId::HOST));
    assert_eq!(scene.host().link(inside.index).unwrap().name.as_str(), "v-red");
    let outside = peer(&scene, StackId::HOST, "v-red");
    assert_eq!(outside.stack, Some(red));
    assert_eq!(scene.stack(red).link(outside.index).unwrap().name.as_str(), "eth0");
    assert_eq!(peer(&scene, StackId::HOST, "here0").stack, Some(StackId::HOST));
    // The bridge has few ports, so all that is behind it was looked at.
    assert_eq!(entrances(&scene), ["the host", "netns 'red'", "netns 'blue'"]);
}

fn routers_between_are_found(_: &Sandbox) {
    sh("for n in a r s b; do ip netns add $n; done
        ip -n a link add x0 type veth peer name x1 netns r
        ip -n r link add y0 type veth peer name y1 netns s
        ip -n s link add z0 type veth peer name z1 netns b
        ip -n b addr add 10.3.0.2/24 dev z1");
    for to in [Destination::Stack(named("b")), Destination::Address("10.3.0.2".parse().unwrap())] {
        let mut found = entrances(&look(named("a"), to));
        found.sort();
        assert_eq!(found, ["netns 'a'", "netns 'b'", "netns 'r'", "netns 's'", "the host"]);
    }
}

/// The kernel takes 1,023 ports to a bridge; what matters shows with a few dozen, too.
fn an_owner_behind_a_bridge_is_found_among_many(_: &Sandbox) {
    sh("ip link add br0 type bridge
        ip addr add 10.0.0.1/16 dev br0
        ip link set br0 up
        for i in $(seq 2 61); do
            ip netns add n$i
            ip link add v$i type veth peer name eth0 netns n$i
            ip link set v$i master br0 up
            ip -n n$i link set eth0 up
            ip -n n$i addr add 10.0.0.$i/16 dev eth0
        done
        ip -n n2 route add default via 10.0.0.7
        ip -n n9 addr add 10.0.0.2/16 dev eth0");
    let address: IpAddr = "10.0.0.50".parse().unwrap();
    let mut found = entrances(&examine(&path(named("n2"), Destination::Address(address))).unwrap());
    found.sort();
    // The start, the destination, the gateway, and who has the start's address, too.
    assert_eq!(found, ["netns 'n2'", "netns 'n50'", "netns 'n7'", "netns 'n9'", "the host"]);
    sh("mkdir -p /etc/netns/n2
        printf '10.0.0.60 web\\n' > /etc/netns/n2/hosts
        printf 'nameserver 10.0.0.55\\n' > /etc/netns/n2/resolv.conf");
    let mut found = entrances(&examine(&path(named("n2"), Destination::Name("web".to_owned()))).unwrap());
    found.sort();
    let expected = ["netns 'n2'", "netns 'n55'", "netns 'n60'", "netns 'n7'", "netns 'n9'", "the host"];
    assert_eq!(found, expected, "who has the name, and the name server");
}

fn a_netns_without_a_name_is_found(_: &Sandbox) {
    sh(TWO_ON_A_BRIDGE);
    let sleeper = Sleeper::inside("blue");
    sh("ip netns delete blue");
    let scene = look(named("red"), Destination::Address("10.0.0.3".parse().unwrap()));
    let (id, link) = scene.owners("10.0.0.3".parse().unwrap()).next().expect("it is found");
    assert_eq!(link.name.as_str(), "eth0");
    let entrance = Entrance::File(PathBuf::from(format!("/proc/{}/ns/net", sleeper.pid())));
    assert_eq!(scene.stack(id).entrance, entrance);
}

fn the_host_has_one_number_by_whatever_way(_: &Sandbox) {
    sh("ip netns attach self $$");
    let own = Entrance::File("/proc/thread-self/ns/net".into());
    let scene = look(own.clone(), Destination::Stack(named("self")));
    assert_eq!(entrances(&scene), ["the host"]);
    for entrance in [Entrance::Host, own, named("self")] {
        assert_eq!(scene.find(&entrance), Some(StackId::HOST), "{entrance}");
    }
}

fn a_name_that_is_no_netns_is_told_instead_of_followed(_: &Sandbox) {
    sh("ip netns add red; touch /run/netns/half");
    let scene = examine(&path(named("red"), Destination::Stack(named("half")))).unwrap();
    assert_eq!(scene.host.half_made, ["half"]);
    assert_eq!(entrances(&scene), ["the host"]);
}

fn a_name_that_is_not_there_is_refused(_: &Sandbox) {
    let error = examine(&path(named("red"), Destination::Internet)).unwrap_err();
    assert!(error.to_string().contains("red"), "{error}");
}
