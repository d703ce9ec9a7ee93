//! A router on a link of its own, that makes itself known as IPv6 routers do.

use std::{
    fs::File,
    net::{Ipv6Addr, SocketAddrV6},
    os::fd::AsFd,
    thread,
};

use netns_testkit::sh;
use rustix::{
    net::{AddressFamily, SendFlags, SocketType, ipproto, netdevice, sendto, socket, sockopt},
    thread::{LinkNameSpaceType, move_into_link_name_space},
};

/// A router advertisement (RFC 4861, 4.2): type 134, hop limit 64, half an hour as default router.
/// The kernel fills in the checksum.
const ADVERTISEMENT: [u8; 16] = [134, 0, 0, 0, 64, 0, 0x07, 0x08, 0, 0, 0, 0, 0, 0, 0, 0];

/// All nodes on the link.
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// Connects the host's `eth1` to a router.
pub(crate) fn connect() {
    sh("ip netns add router
        ip link add eth1 type veth peer name r1 netns router
        ip -n router link set r1 addrgenmode none
        ip -n router addr add fe80::1/64 dev r1 nodad
        ip -n router link set r1 up
        ip link set eth1 up");
}

/// Has the router send one advertisement, if it can already.
pub(crate) fn advertise() {
    thread::spawn(|| {
        let netns = File::open("/run/netns/router").expect("the netns was just made");
        move_into_link_name_space(netns.as_fd(), Some(LinkNameSpaceType::Network)).expect("root may");
        send();
    })
    .join()
    .expect("the advertisement was sent");
}

/// Receivers insist on hop limit 255: it tells that no router passed it on (RFC 4861, 6.1.2).
fn send() {
    let icmp = socket(AddressFamily::INET6, SocketType::RAW, Some(ipproto::ICMPV6)).expect("root may");
    sockopt::set_ipv6_multicast_hops(&icmp, 255).expect("255 is a hop limit");
    let index = netdevice::name_to_index(&icmp, "r1").expect("r1 is in this netns");
    let everyone = SocketAddrV6::new(ALL_NODES, 0, 0, index);
    // A link that just came up may have no route yet; whoever waits for an answer asks again.
    sendto(&icmp, &ADVERTISEMENT, SendFlags::empty(), &everyone).ok();
}
