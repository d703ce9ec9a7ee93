//! Routes that come with addresses, taken away and put back.

use ipnet::IpNet;
use netns_engine::{
    place::{LinkAt, Place},
    plan::{LinkChange, Operation},
    route::Route,
};

use crate::operations::{bridge, link_name, netns_name, veth};

/// Sequences told by hand, by what they show.
pub(crate) fn told() -> Vec<(&'static str, Vec<Operation>)> {
    let default = || Operation::AddRoute(red(), Route::default_via("10.0.0.9".parse().unwrap()));
    let default_v6 = || Operation::AddRoute(red(), Route::default_via("fd00::9".parse().unwrap()));
    vec![
        (
            "a_route_that_came_with_an_address_is_taken_and_put_back",
            [
                up(&[V4]),
                vec![restored(V4), taken(V4), taken(V4), default(), restored(V4), default(), taken(V4)],
            ]
            .concat(),
        ),
        (
            "the_same_of_ipv6",
            [up(&[V6]), vec![restored(V6), taken(V6), default_v6(), restored(V6), default_v6(), taken(V6)]]
                .concat(),
        ),
        (
            "what_is_put_back_goes_with_the_address",
            [
                up(&[V4, V6]),
                both(taken),
                both(restored),
                both(deleted),
                both(added),
                both(taken),
                both(deleted),
            ]
            .concat(),
        ),
        (
            "a_link_that_comes_up_has_its_routes_again",
            [up(&[V4, V6]), both(taken), vec![set(LinkChange::Down), restored(V4), added(V6)]]
                .concat()
                .into_iter()
                .chain([set(LinkChange::Up), taken(V6)])
                .collect(),
        ),
        (
            "another_address_of_the_network_brings_it_with_ipv6_alone",
            [up(&[V4, V6]), both(taken), vec![added("10.0.0.2/24"), added("fd00::2/64")], both(restored)]
                .concat(),
        ),
        (
            "a_network_leads_out_of_two_links",
            [up(&[V4, V6]), vec![bridge(red()), beside("10.0.0.3/24"), beside("fd00::3/64")]]
                .concat()
                .into_iter()
                .chain([
                    Operation::SetLink(bridge_of_red(), LinkChange::Up),
                    taken(V4),
                    taken(V6),
                    restored(V4),
                    restored(V6),
                    restored(V6),
                ])
                .collect(),
        ),
    ]
}

const V4: &str = "10.0.0.1/24";
const V6: &str = "fd00::1/64";

fn both(operation: fn(&str) -> Operation) -> Vec<Operation> {
    vec![operation(V4), operation(V6)]
}

/// A cable into a netns, with these addresses inside.
fn up(addresses: &[&str]) -> Vec<Operation> {
    let outside = LinkAt::on_host(link_name("va"));
    let mut operations = vec![Operation::CreateNetns(netns_name("red")), veth(&Place::Host, &red())];
    operations.extend(addresses.iter().map(|address| added(address)));
    operations.extend([Operation::SetLink(outside, LinkChange::Up), set(LinkChange::Up)]);
    operations
}

fn red() -> Place {
    Place::Netns(netns_name("red"))
}

fn inside() -> LinkAt {
    red().link(&link_name("vb"))
}

fn bridge_of_red() -> LinkAt {
    red().link(&link_name("br0"))
}

fn set(change: LinkChange) -> Operation {
    Operation::SetLink(inside(), change)
}

fn added(address: &str) -> Operation {
    Operation::AddAddress(inside(), address.parse().unwrap())
}

fn beside(address: &str) -> Operation {
    Operation::AddAddress(bridge_of_red(), address.parse().unwrap())
}

fn deleted(address: &str) -> Operation {
    Operation::DeleteAddress(inside(), address.parse().unwrap())
}

fn taken(address: &str) -> Operation {
    let network = address.parse::<IpNet>().unwrap().trunc();
    Operation::DeleteRoute(red(), Route::connected(network, inside().name))
}

fn restored(address: &str) -> Operation {
    Operation::RestoreRoute(inside(), address.parse().unwrap())
}

/// What messages and scripts make the same of, by what it is.
pub(crate) fn scripts() -> Vec<(&'static str, Vec<Operation>)> {
    vec![("restored_routes", [up(&[V4, V6]), both(taken), both(restored)].concat())]
}
