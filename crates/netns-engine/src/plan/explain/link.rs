//! Links, addresses and routes in the words of `ip(8)`.

use ipnet::IpNet;

use super::{ip, of_iproute2};
use crate::{
    address::Family,
    place::{LinkAt, Place},
    plan::{LinkChange, LinkLimits, LinkLocal, NewBridge, NewLink, NewLinkKind, NewVeth, NewVethEnd},
    route::Route,
    topology::Shaping,
};

pub(super) fn add_bridge(bridge: &NewBridge) -> Vec<String> {
    let (ip, name) = (ip(&bridge.at.place), &bridge.at.name);
    vec![format!("{ip} link add name {name} address {} type bridge", bridge.mac), mark(&bridge.at)]
}

pub(super) fn add_veth(veth: &NewVeth) -> Vec<String> {
    let (main, peer) = (&veth.main, &veth.peer);
    let netns = match &peer.at.place {
        place if *place == main.at.place => String::new(),
        // The netns of process 1 is the host's, unless the host is itself a container.
        Place::Host => " netns 1".to_owned(),
        Place::Netns(name) => format!(" netns {name}"),
    };
    let mut commands = vec![format!(
        "{} link add name {}{} type veth peer name {}{}{netns}",
        ip(&main.at.place),
        main.at.name,
        birth_words(main),
        peer.at.name,
        birth_words(peer),
    )];
    for end in [main, peer] {
        if let Some(bridge) = &end.master {
            commands.push(set(&end.at, &LinkChange::Master(bridge.clone())));
        }
        commands.extend(without_link_local(&end.at, end.link_local));
        commands.push(mark(&end.at));
    }
    commands
}

fn birth_words(end: &NewVethEnd) -> String {
    let mtu = end.mtu_bytes.map(|bytes| format!(" mtu {bytes}"));
    let mac = end.mac.map(|mac| format!(" address {mac}"));
    [mtu, mac].into_iter().flatten().collect()
}

fn without_link_local(at: &LinkAt, link_local: LinkLocal) -> Option<String> {
    let is_none = link_local == LinkLocal::None;
    is_none.then(|| format!("{} link set dev {} addrgenmode none", ip(&at.place), at.name))
}

/// The mark by which `gc` knows what is ours.
fn mark(at: &LinkAt) -> String {
    format!("{} link set dev {} alias netns-tool", ip(&at.place), at.name)
}

pub(super) fn set(at: &LinkAt, change: &LinkChange) -> String {
    let change = match change {
        LinkChange::Up => "up".to_owned(),
        LinkChange::Down => "down".to_owned(),
        LinkChange::Master(bridge) => format!("master {bridge}"),
        LinkChange::NoMaster => "nomaster".to_owned(),
        LinkChange::Mtu(bytes) => format!("mtu {bytes}"),
        LinkChange::Mac(mac) => format!("address {mac}"),
        LinkChange::HairpinOn => "type bridge_slave hairpin on".to_owned(),
        LinkChange::HairpinOff => "type bridge_slave hairpin off".to_owned(),
        LinkChange::IsolatedOn => "type bridge_slave isolated on".to_owned(),
        LinkChange::IsolatedOff => "type bridge_slave isolated off".to_owned(),
        LinkChange::DefaultGroup => "group default".to_owned(),
    };
    format!("{} link set dev {} {change}", ip(&at.place), at.name)
}

pub(super) fn add_link(link: &NewLink) -> Vec<String> {
    let (name, mac) = (&link.at.name, link.mac);
    let mtu = link.mtu_bytes.map(|bytes| format!(" mtu {bytes}")).unwrap_or_default();
    let mut commands = match &link.kind {
        NewLinkKind::Vxlan { vni, remotes, port } => {
            let first = remotes.first().map(|remote| format!(" remote {remote}")).unwrap_or_default();
            let birth = format!(
                "{} link add name {name} address {mac}{mtu} type vxlan id {vni}{first} dstport {port}",
                ip(&link.at.place)
            );
            let bridge = of_iproute2("bridge", &link.at.place);
            let further = remotes.iter().skip(1);
            let further = further
                .map(|remote| format!("{bridge} fdb append 00:00:00:00:00:00 dev {name} dst {remote}"));
            [birth].into_iter().chain(further).collect()
        }
        NewLinkKind::Macvlan { parent, mode } => {
            let netns = link.at.place.netns().map(|netns| format!(" netns {netns}")).unwrap_or_default();
            vec![format!(
                "ip link add name {name} link {parent} address {mac}{mtu}{netns} type macvlan mode {}",
                mode.word()
            )]
        }
    };
    commands.extend(link.master.iter().map(|bridge| set(&link.at, &LinkChange::Master(bridge.clone()))));
    commands.extend(without_link_local(&link.at, link.link_local));
    commands.push(mark(&link.at));
    commands
}

pub(super) fn shape(at: &LinkAt, limits: &LinkLimits) -> Vec<String> {
    let shaping = &limits.shaping.as_kept();
    let tc = format!("{} qdisc replace dev {}", tc(&at.place), at.name);
    let tbf = shaping.rate_bits.map(|rate| {
        let burst = shaping.burst_bytes(limits.mtu_bytes).unwrap_or_default();
        format!("tbf rate {rate}bit burst {burst} latency 50ms")
    });
    match (shaping.delays_or_loses(), tbf) {
        (false, Some(tbf)) => vec![format!("{tc} root handle 1: {tbf}")],
        (false, None) => Vec::new(),
        (true, None) => vec![format!("{tc} root handle 2: {}", netem(shaping))],
        (true, Some(tbf)) => vec![
            format!("{tc} root handle 3: {}", netem(shaping)),
            format!("{tc} parent 3:1 handle 4: {tbf}"),
        ],
    }
}

fn netem(shaping: &Shaping) -> String {
    let mut words = vec!["netem".to_owned()];
    if shaping.delay.is_some() || shaping.jitter.is_some() {
        words.push(format!("delay {}us", shaping.delay.unwrap_or_default().as_micros()));
    }
    words.extend(shaping.jitter.map(|jitter| format!("{}us", jitter.as_micros())));
    words.extend(shaping.loss.map(|loss| format!("loss {}%", f64::from(loss.per_million) / 10_000.0)));
    words.join(" ")
}

pub(super) fn unshape(at: &LinkAt) -> String {
    format!("{} qdisc delete dev {} root", tc(&at.place), at.name)
}

fn tc(place: &Place) -> String {
    of_iproute2("tc", place)
}

pub(super) fn add_address(at: &LinkAt, address: IpNet) -> String {
    let flags = if Family::of_net(&address) == Family::Ipv6 { " nodad" } else { "" };
    format!("{} address add {address} dev {}{flags}", ip(&at.place), at.name)
}

pub(super) fn route(place: &Place, verb: &str, route: &Route) -> String {
    let family = if Family::of_net(&route.destination) == Family::Ipv6 { " -6" } else { "" };
    let protocol = if verb == "add" { format!(" proto {}", route.protocol.number()) } else { String::new() };
    format!("{}{family} route {verb} {route}{protocol}", ip(place))
}

pub(super) fn restore_route(at: &LinkAt, address: IpNet) -> String {
    let by_kernel = match address {
        IpNet::V4(address) => format!("proto kernel scope link src {}", address.addr()),
        IpNet::V6(_) => format!("proto kernel metric {}", Route::metric_of_connected(&address)),
    };
    let family = if Family::of_net(&address) == Family::Ipv6 { " -6" } else { "" };
    format!("{}{family} route append {} dev {} {by_kernel}", ip(&at.place), address.trunc(), at.name)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::topology::Loss;

    #[test]
    fn delay_comes_before_the_rate_in_the_words_of_tc() {
        let at = LinkAt::on_host("va".parse().unwrap());
        let shaping = Shaping {
            rate_bits: Some(10_000_000),
            delay: Some(Duration::from_millis(5)),
            jitter: Some(Duration::from_millis(1)),
            loss: Some(Loss { per_million: 1000 }),
        };
        let script = [
            "tc qdisc replace dev va root handle 3: netem delay 5000us 1000us loss 0.1%",
            "tc qdisc replace dev va parent 3:1 handle 4: tbf rate 10000000bit burst 6250 latency 50ms",
        ];
        assert_eq!(shape(&at, &LinkLimits { shaping, mtu_bytes: 1500 }), script);
    }

    #[test]
    fn jitter_alone_varies_no_delay() {
        let at = LinkAt::inside("red".parse().unwrap(), "va".parse().unwrap());
        let shaping = Shaping { jitter: Some(Duration::from_millis(1)), ..Shaping::default() };
        let script = ["tc -n red qdisc replace dev va root handle 2: netem delay 0us 1000us"];
        assert_eq!(shape(&at, &LinkLimits { shaping, mtu_bytes: 1500 }), script);
    }
}
