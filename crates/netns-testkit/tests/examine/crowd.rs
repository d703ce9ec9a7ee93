//! A host with a thousand netns on one bridge.

use ipnet::IpNet;
use libtest_mimic::Trial;
use netns_engine::{
    address::MacAddress,
    diagnose::{
        question::{Destination, Question},
        scene::StackId,
    },
    kernel::{Kernel, LinuxKernel, examine::examine},
    name::{LinkName, NetnsName},
    place::{LinkAt, Place},
    plan::{LinkChange, LinkLocal, NewBridge, NewVeth, NewVethEnd, Operation},
};
use netns_testkit::{Sandbox, trials};

use crate::{named, path};

/// The kernel takes 1,023 ports to a bridge.
const MANY: u32 = 1000;

pub(crate) fn trials() -> Vec<Trial> {
    trials!(bare: among_a_thousand_ports_few_stacks_are_entered)
}

fn among_a_thousand_ports_few_stacks_are_entered(_: &Sandbox) {
    build();
    let to = Destination::Stack(named("n777"));
    let scene = examine(&path(named("n2"), to)).unwrap();
    assert_eq!(scene.stacks.len(), 3, "the host and both ends");
    assert_eq!(scene.host().links.len(), usize::try_from(MANY).unwrap() + 2);
    let scene = examine(&Question::Host).unwrap();
    assert_eq!(scene.stacks.len(), usize::try_from(MANY).unwrap() + 1);
    let peers = scene.host().links.iter().filter_map(|link| link.peer);
    assert_eq!(peers.filter(|peer| peer.stack.is_some()).count(), usize::try_from(MANY).unwrap());
    let (_, some) = scene.numbered().nth(500).unwrap();
    let inside = some.links.iter().find(|link| link.kind == "veth").unwrap();
    assert_eq!(inside.peer.unwrap().stack, Some(StackId::HOST));
    assert!(!inside.addresses.is_empty() && some.routes.iter().any(|route| route.table == 254));
}

fn build() {
    let bridge: LinkName = "br0".parse().unwrap();
    let mut kernel = LinuxKernel::default();
    let mut perform = |operation: Operation| kernel.perform(&operation).unwrap();
    let at = LinkAt::on_host(bridge.clone());
    perform(Operation::AddBridge(NewBridge { at: at.clone(), mac: MacAddress::derived_from("br0") }));
    perform(Operation::SetLink(at, LinkChange::Up));
    for number in 0..MANY {
        let netns: NetnsName = format!("n{number}").parse().unwrap();
        let port = LinkAt::on_host(format!("v{number}").parse().unwrap());
        let inside = Place::Netns(netns.clone()).link(&"eth0".parse().unwrap());
        let address: IpNet = format!("10.0.{}.{}/16", number / 250, number % 250 + 1).parse().unwrap();
        let end = |at: &LinkAt| NewVethEnd { link_local: LinkLocal::None, ..NewVethEnd::new(at.clone()) };
        let main = NewVethEnd { master: Some(bridge.clone()), ..end(&port) };
        perform(Operation::CreateNetns(netns));
        perform(Operation::AddVeth(NewVeth { main, peer: end(&inside) }));
        perform(Operation::SetLink(port, LinkChange::Up));
        perform(Operation::SetLink(inside.clone(), LinkChange::Up));
        perform(Operation::AddAddress(inside, address));
    }
}
