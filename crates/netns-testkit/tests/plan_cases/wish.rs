//! Reads what is wished for.

use netns_engine::{
    desired::{
        AddressOn, AddressRemoved, Attachment, Bridge, BridgeRemoved, Cable, LinkState, Nat, NatRemoved,
        Netns, NetnsRemoved, NoLeftovers, OnHolders, PortPublished, PortUnpublished, Resolver,
        ResolverSource, RouteIn, RouteRemoved, Veth,
    },
    firewall::{Driver, Translation},
    observed::Observed,
    plan::Desired,
};

use crate::state::{link_at, parsed, route};

pub(crate) fn read(line: &str, observed: &Observed) -> Box<dyn Desired> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        ["create", name] => Box::new(Netns { name: parsed(name) }),
        ["delete", name] => Box::new(NetnsRemoved { name: parsed(name), on_holders: OnHolders::Refuse }),
        ["delete", name, "--kill"] => {
            Box::new(NetnsRemoved { name: parsed(name), on_holders: OnHolders::Kill })
        }
        ["bridge", name, "--delete"] => Box::new(BridgeRemoved { name: parsed(name) }),
        ["bridge", name, addresses @ ..] => {
            let addresses = addresses.iter().map(|address| parsed(address)).collect();
            Box::new(Bridge { name: parsed(name), addresses })
        }
        ["connect", netns, bridge, address] => Box::new(Attachment {
            netns: parsed(netns),
            bridge: parsed(bridge),
            address: parsed(address),
            link: parsed("eth0"),
        }),
        ["veth", host, netns, inner, rest @ ..] => Box::new(veth([host, netns, inner], rest)),
        ["link", first, second, rest @ ..] => Box::new(cable(first, second, rest)),
        ["address", "add", address, "dev", at] => {
            Box::new(AddressOn { link: link_at(at), address: parsed(address) })
        }
        ["address", "delete", address, "dev", at] => {
            Box::new(AddressRemoved { link: link_at(at), address: parsed(address) })
        }
        ["route", "add", rest @ ..] => {
            let (place, route) = route(rest);
            Box::new(RouteIn { place, route })
        }
        ["route", "delete", rest @ ..] => {
            let (place, route) = route(rest);
            Box::new(RouteRemoved { place, route })
        }
        ["dns", netns, servers @ ..] => {
            Box::new(Resolver { netns: parsed(netns), source: resolver_source(servers) })
        }
        ["publish", port] => Box::new(parsed::<PortPublished>(port)),
        ["unpublish", port] => Box::new(parsed::<PortUnpublished>(port)),
        ["nat", bridge, "--delete"] => Box::new(NatRemoved { bridge: parsed(bridge), uplink: None }),
        ["nat", bridge, rest @ ..] => Box::new(nat(bridge, rest)),
        ["gc"] => Box::new(NoLeftovers {
            names: observed.netns.keys().chain(observed.resolvers.keys()).cloned().collect(),
            programs: observed.strays.iter().map(|key| key.netns.clone()).collect(),
            expired: Vec::new(),
        }),
        _ => panic!("'{line}' is no wish"),
    }
}

fn veth([host, netns, inner]: [&str; 3], words: &[&str]) -> Veth {
    let mut veth = Veth::new(parsed(host), parsed(netns), parsed(inner));
    for pair in words.chunks(2) {
        match *pair {
            ["--address", address] => veth.addresses.push(parsed(address)),
            ["--host-address", address] => veth.host_addresses.push(parsed(address)),
            ["--gateway", address] => veth.gateway = Some(parsed(address)),
            ["--bridge", bridge] => veth.bridge = Some(parsed(bridge)),
            ["--mtu", bytes] => veth.mtu_bytes = Some(parsed(bytes)),
            ["--up"] => veth.state = LinkState::Up,
            _ => panic!("{pair:?} says nothing about a cable"),
        }
    }
    veth
}

fn cable(first: &str, second: &str, addresses: &[&str]) -> Cable {
    let addresses = match addresses {
        [] => None,
        ["--addresses", one, other] => Some([parsed(one), parsed(other)]),
        _ => panic!("{addresses:?} are not two addresses"),
    };
    Cable { ends: [link_at(first), link_at(second)], addresses }
}

fn nat(bridge: &str, words: &[&str]) -> Nat {
    let mut nat =
        Nat { bridge: parsed(bridge), uplink: None, translation: Translation::Masquerade, driver: None };
    for word in words {
        match *word {
            "--iptables" => nat.driver = Some(Driver::Iptables),
            "--nftables" => nat.driver = Some(Driver::Nftables),
            other => match other.strip_prefix("--to-source=") {
                Some(address) => nat.translation = Translation::Snat(parsed(address)),
                None => nat.uplink = Some(parsed(other)),
            },
        }
    }
    nat
}

fn resolver_source(servers: &[&str]) -> ResolverSource {
    match servers {
        ["--from-host"] => ResolverSource::Host,
        ["--delete"] => ResolverSource::None,
        servers => ResolverSource::Servers(servers.iter().map(|server| parsed(server)).collect()),
    }
}
