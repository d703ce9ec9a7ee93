//! What to type, in the words of whoever manages the filter.

use super::{Profile, Stop};
use crate::diagnose::{
    finding::Remedy,
    firewall::{ChainFamily, Hook, Origin},
    scene::Stack,
};

/// Returns what lets through all of these, which one chain stops.
pub(super) fn remedies(profile: Profile, stack: &Stack, stops: &[Stop]) -> Vec<Remedy> {
    match profile {
        Profile::Docker => vec![
            accepts(stack, stops, Some("DOCKER-USER"))
                .because("the chain that Docker leaves to you and asks first"),
        ],
        Profile::Ufw => vec![Remedy::commands(in_each(stops, ufw))],
        Profile::Firewalld => firewalld(stack, stops),
        Profile::BridgeNetfilter => vec![accepts(stack, &stops[..1], None)],
        Profile::Own => vec![Remedy::note(
            "publish the port ('netns-tool publish'), put both into one network, or lay a cable between them ('netns-tool link')",
        )],
        Profile::Libvirt
        | Profile::Iptables
        | Profile::IptablesLegacy
        | Profile::Nftables
        | Profile::OfNetns => {
            vec![accepts(stack, stops, None)]
        }
    }
}

/// One command for each stop, none twice.
fn in_each(stops: &[Stop], command: impl Fn(&Stop) -> Option<String>) -> Vec<String> {
    let mut commands = Vec::new();
    for command in stops.iter().filter_map(command) {
        if !commands.contains(&command) {
            commands.push(command);
        }
    }
    commands
}

fn accepts(stack: &Stack, stops: &[Stop], chain: Option<&str>) -> Remedy {
    Remedy::commands(in_each(stops, |stop| {
        Some(stack.run(&match stop.culprit.origin {
            Origin::Nftables => nft(stop),
            Origin::Iptables | Origin::IptablesLegacy => iptables(stop, chain),
        }))
    }))
}

/// In front of the first rule of the base chain, whatever that leads to.
fn iptables(stop: &Stop, chain: Option<&str>) -> String {
    let table = &stop.culprit.table;
    let table = if table == "filter" { String::new() } else { format!("-t {table} ") };
    let chain = chain.filter(|_| stop.hook == Hook::Forward).unwrap_or(&stop.culprit.base_chain);
    let mut words = format!("{} {table}-I {chain}", stop.culprit.program());
    for (option, link) in [("-i", &stop.incoming), ("-o", &stop.outgoing)] {
        if let Some(link) = link {
            words.extend([" ", option, " ", link.as_str()]);
        }
    }
    if stop.is_answer() && stop.is_tracked() {
        words += " -m conntrack --ctstate RELATED,ESTABLISHED";
    } else {
        words += &service(stop, |protocol, port| format!(" -p {protocol} --dport {port}"));
    }
    words + " -j ACCEPT"
}

fn nft(stop: &Stop) -> String {
    let culprit = &stop.culprit;
    let mut words = format!("nft insert rule {} {} {}", culprit.family, culprit.table, culprit.base_chain);
    if culprit.family != ChainFamily::Netdev {
        for (selector, link) in [("iifname", &stop.incoming), ("oifname", &stop.outgoing)] {
            if let Some(link) = link {
                words.extend([" ", selector, " ", link.as_str()]);
            }
        }
    }
    if stop.is_answer() && stop.is_tracked() {
        words += " ct state established,related";
    } else {
        words += &service(stop, |protocol, port| format!(" {protocol} dport {port}"));
    }
    words + " accept"
}

/// What comes in to a stack is let in by its port alone: no wider than asked.
fn service(stop: &Stop, words: impl Fn(&str, u16) -> String) -> String {
    let packet = &stop.packet;
    let into_stack = stop.for_this_stack || packet.redirected;
    match (into_stack && !stop.is_answer(), packet.protocol.transport(), packet.destination_port) {
        (true, Some(transport), Some(port)) => words(&transport.to_string(), port),
        _ => String::new(),
    }
}

/// ufw lets answers through by itself.
fn ufw(stop: &Stop) -> Option<String> {
    if stop.is_answer() {
        return None;
    }
    let service = match (stop.packet.protocol.transport(), stop.packet.destination_port) {
        (Some(transport), Some(port)) => format!(" to any port {port} proto {transport}"),
        _ => String::new(),
    };
    match (&stop.incoming, &stop.outgoing) {
        (Some(incoming), Some(outgoing)) if stop.packet.redirected => {
            Some(format!("ufw route allow in on {incoming} out on {outgoing}{service}"))
        }
        (Some(incoming), Some(outgoing)) => {
            Some(format!("ufw route allow in on {incoming} out on {outgoing}"))
        }
        (Some(incoming), None) => Some(format!("ufw allow in on {incoming}{service}")),
        (None, Some(outgoing)) => Some(format!("ufw allow out on {outgoing}{service}")),
        (None, None) => None,
    }
}

fn firewalld(stack: &Stack, stops: &[Stop]) -> Vec<Remedy> {
    let subnets = in_each(stops, |stop| {
        let links = [&stop.incoming, &stop.outgoing].into_iter().flatten();
        let inner = links.filter_map(|name| stack.link_named(name)).flat_map(|link| &link.addresses).find(
            |address| {
                address.net.contains(&stop.packet.source) || address.net.contains(&stop.packet.destination)
            },
        )?;
        Some(inner.net.trunc().to_string())
    });
    let now = subnets.iter().map(|subnet| format!("firewall-cmd --zone=trusted --add-source={subnet}"));
    let kept =
        subnets.iter().map(|subnet| format!("firewall-cmd --permanent --zone=trusted --add-source={subnet}"));
    vec![Remedy::commands(now.chain(kept)).because("now, and for later starts of firewalld")]
}
