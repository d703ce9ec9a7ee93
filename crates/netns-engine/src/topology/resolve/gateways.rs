//! Gateways that are not the first address of their subnet.

use std::{collections::HashMap, net::IpAddr};

use ipnet::IpNet;

use super::{Found, addresses::in_subnets, subnet::Subnet};
use crate::topology::{
    Mistake, Position,
    file::{NetworkBody, Text},
    mistake::Flaw,
};

/// Puts the gateways that are asked for into their subnets.
pub(super) fn place(name: &Text, body: &NetworkBody, subnets: &mut [(Subnet, Position)]) -> Found<()> {
    let Some(asked) = body.gateway.0.first() else { return Ok(()) };
    if body.internal == Some(true) {
        return Err(Flaw::new(asked.at, Mistake::KeysContradict { key: "gateway", other: "internal" }));
    }
    if subnets.is_empty() {
        return Err(Flaw::new(asked.at, Mistake::KeyNeedsKey { key: "gateway", other: "subnet" }));
    }
    let mut seen: HashMap<IpNet, Position> = HashMap::new();
    for text in &body.gateway.0 {
        let gateway: IpAddr = in_subnets(&name.value, subnets, text)?.addr();
        let holding = subnets.iter_mut().map(|(subnet, _)| subnet).find(|net| net.net.contains(&gateway));
        let Some(subnet) = holding else { continue };
        if let Some(first) = seen.insert(subnet.net, text.at) {
            let name = subnet.net.to_string();
            return Err(Flaw::new(text.at, Mistake::Twice { thing: "gateway of", name, first: Some(first) }));
        }
        *subnet = subnet.clone().with_gateway(gateway);
    }
    Ok(())
}
