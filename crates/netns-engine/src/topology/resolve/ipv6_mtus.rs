//! MTUs that leave no room for IPv6: the kernel would refuse its addresses in the middle of the work.

use std::iter::zip;

use ipnet::IpNet;

use super::{Found, Settled, networks::Site};
use crate::{
    address::LEAST_IPV6_MTU_BYTES,
    topology::{Macvlan, Mistake, file::Located, mistake::Flaw},
};

/// Refuses a link that is to have IPv6 and smaller packets than that takes. A bridge is one, too: without an MTU
/// of its own it has that of its narrowest port.
pub(super) fn refuse_too_small(settled: &Settled<'_>, macvlans: &[Vec<Macvlan>]) -> Found<()> {
    for site in &settled.sites {
        refuse(site.mtu, of_network(site))?;
    }
    for (wire, cable) in zip(&settled.wires, &settled.cables) {
        let of_ends = cable.ends.iter().flat_map(|end| end.addresses.iter().copied());
        let networks = wire.ends.iter().filter_map(|end| end.bridge);
        refuse(wire.mtu, of_ends.chain(networks.flat_map(|network| of_network(&settled.sites[network]))))?;
    }
    for ((_, body), macvlans) in zip(&settled.file.nodes.0, macvlans) {
        refuse(body.mtu, macvlans.iter().flat_map(|macvlan| macvlan.addresses.iter().copied()))?;
    }
    Ok(())
}

fn of_network(site: &Site) -> impl Iterator<Item = IpNet> {
    site.subnets.iter().map(|(subnet, _)| subnet.net)
}

fn refuse(mtu: Option<Located<u32>>, mut nets: impl Iterator<Item = IpNet>) -> Found<()> {
    let Some(mtu) = mtu.filter(|mtu| mtu.value < LEAST_IPV6_MTU_BYTES) else { return Ok(()) };
    match nets.find(|net| matches!(net, IpNet::V6(_))) {
        Some(net) => {
            let mistake =
                Mistake::SmallForIpv6 { mtu_bytes: mtu.value, net, least_bytes: LEAST_IPV6_MTU_BYTES };
            Err(Flaw::new(mtu.at, mistake)
                .or_rather(format!("write 'mtu: {LEAST_IPV6_MTU_BYTES}', or leave {net} out")))
        }
        None => Ok(()),
    }
}
