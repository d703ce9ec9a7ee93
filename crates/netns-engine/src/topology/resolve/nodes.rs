//! The nodes: netns with what is in them.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Found, Settled, ports, programs, routes, words::malformed};
use crate::{
    resolver::ResolvConf,
    topology::{
        Forwarding, KnownHosts, Macvlan, Mistake, Node,
        file::{Hosts, Nameservers, NodeBody, Text, Truth},
        mistake::Flaw,
    },
};

/// Settles all nodes.
pub(super) fn nodes(
    settled: &Settled<'_>,
    on_loopback: Vec<Vec<IpNet>>,
    macvlans: Vec<Vec<Macvlan>>,
) -> Found<Vec<Node>> {
    let bodies = settled.file.nodes.0.iter().map(|(_, body)| body).enumerate();
    let all = bodies.zip(on_loopback).zip(macvlans).map(|(((node, body), addresses), macvlans)| {
        Ok(Node {
            name: settled.names.node_name(node).clone(),
            addresses,
            routes: routes::of_node(settled, node, &macvlans)?,
            forwarding: if body.forwarding == Some(true) { Forwarding::On } else { Forwarding::Off },
            settings: super::settings::of_node(body)?,
            resolver: body.nameservers.as_ref().map(resolver).transpose()?,
            hosts: known_hosts(settled, body),
            ports: ports::of_node(settled, node)?,
            macvlans,
            programs: programs::programs(body.run.as_ref())?,
        })
    });
    all.collect()
}

fn resolver(nameservers: &Nameservers) -> Found<ResolvConf> {
    let server = |text: &Text| {
        text.value.parse::<IpAddr>().map_err(|_| malformed(text, "the address of a name server"))
    };
    let servers = nameservers.addresses.iter().map(server).collect::<Found<Vec<_>>>()?;
    if let Some(beyond) = nameservers.addresses.get(ResolvConf::MOST_SERVERS) {
        let mistake = Mistake::TooMany { things: "name servers", most: ResolvConf::MOST_SERVERS };
        return Err(Flaw::new(beyond.at, mistake));
    }
    let mut file = ResolvConf::of_servers(servers);
    for domain in &nameservers.search {
        if !super::hosts::is_host_name(&domain.value) {
            return Err(malformed(domain, "a domain, such as lab.example"));
        }
    }
    if !nameservers.search.is_empty() {
        let domains: Vec<_> = nameservers.search.iter().map(|domain| domain.value.as_str()).collect();
        file.others.push(format!("search {}", domains.join(" ")));
    }
    Ok(file)
}

fn known_hosts(settled: &Settled<'_>, body: &NodeBody) -> KnownHosts {
    let by_default = matches!(&settled.file.hosts, Some(Hosts::Flag(Truth::True) | Hosts::Further(_)));
    if body.hosts.unwrap_or(by_default) { KnownHosts::OfTopology } else { KnownHosts::OfHost }
}
