//! The links, addresses and routes of a fresh host and its internet.

use std::{
    net::IpAddr,
    os::fd::{AsFd, BorrowedFd},
};

use ipnet::IpNet;

use super::{GATEWAY_V4, GATEWAY_V6, SERVER_V4, SERVER_V6, UPLINK, UPLINK_V4, UPLINK_V6};
use crate::{
    kernel::{
        Refusal, RefusalKind,
        rtnetlink::{Rtnetlink, VethEnd},
    },
    name::LinkName,
    place::LinkAt,
    plan::{LinkChange, NewVethEnd},
    route::{Route, RouteProtocol},
};

/// The internet's end of the uplink.
const FAR_END: &str = "up0";

/// Switches the calling thread's `lo` on.
pub(super) fn bring_loopback_up() -> Result<(), Refusal> {
    Rtnetlink::open()?.set_link(&name("lo"), &LinkChange::Up)
}

/// Lays the uplink from the calling thread's netns to `internet`, and routes everything through it.
///
/// It is laid like any network card: without the mark of this tool.
pub(super) fn connect(internet: &mut Rtnetlink, netns: BorrowedFd<'_>) -> Result<(), Refusal> {
    let mut host = Rtnetlink::open()?;
    let end = |link: &str| NewVethEnd::new(LinkAt::on_host(name(link)));
    let far_end = end(FAR_END);
    host.add_veth(&end(UPLINK), VethEnd { wanted: &far_end, netns: Some(netns.as_fd()) })?;
    let loopback = name("lo");
    set_up(internet, &loopback, [address(SERVER_V4.into(), 32), address(SERVER_V6.into(), 128)])?;
    set_up(internet, &name(FAR_END), [address(GATEWAY_V4.into(), 24), address(GATEWAY_V6.into(), 64)])?;
    set_up(&mut host, &name(UPLINK), [address(UPLINK_V4.into(), 24), address(UPLINK_V6.into(), 64)])?;
    for gateway in [IpAddr::V4(GATEWAY_V4), IpAddr::V6(GATEWAY_V6)] {
        // What a host has before this tool comes is not this tool's.
        let route = Route { protocol: RouteProtocol::Boot, ..Route::default_via(gateway).on(name(UPLINK)) };
        unless_without_ipv6(gateway, host.add_route(&route))?;
    }
    Ok(())
}

fn set_up(talk: &mut Rtnetlink, link: &LinkName, addresses: [IpNet; 2]) -> Result<(), Refusal> {
    for address in addresses {
        unless_without_ipv6(address.addr(), talk.add_address(link, address))?;
    }
    talk.set_link(link, &LinkChange::Up)
}

/// A kernel without IPv6 still makes a playground, with IPv4 alone.
fn unless_without_ipv6(address: IpAddr, answer: Result<(), Refusal>) -> Result<(), Refusal> {
    match answer {
        Err(refusal) if address.is_ipv6() && refusal.kind() != RefusalKind::Other => Ok(()),
        answer => answer,
    }
}

fn address(ip: IpAddr, prefix_len: u8) -> IpNet {
    IpNet::new(ip, prefix_len).unwrap_or_else(|_| ip.into())
}

fn name(text: &str) -> LinkName {
    LinkName::from_kernel(text)
}
