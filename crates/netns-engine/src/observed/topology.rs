//! What must be read to bring a topology up, to change it, or to take it down.

use std::collections::BTreeSet;

use super::{Asked, Scope, Selection, TableSelection};
use crate::{
    address::Family,
    firewall::PortForward,
    name::LinkName,
    place::{LinkAt, Place},
    record::RecordKey,
    sysctl::Sysctl,
    topology::{Forwarding, KnownHosts, Network, Node, Reach, Topology},
};

impl Scope {
    /// Also reads all that `topology` consists of, as far as it is there.
    #[must_use]
    pub fn with_topology(mut self, topology: &Topology) -> Self {
        // All links and routes of the host, for what overlaps with them.
        self.stacks.insert(Place::Host, Selection::All);
        self.other_routes = Asked::Yes;
        self.noted.insert(RecordKey::Topology(topology.name.clone()));
        self.noted.extend([Family::Ipv4, Family::Ipv6].map(RecordKey::Forwarding));
        for setting in [Sysctl::DisableIpv6, Sysctl::AcceptRa, Sysctl::Autoconf] {
            self.sysctls.insert((Place::Host, setting(LinkName::from_kernel("default"))));
        }
        self.table = match self.table {
            TableSelection::All => TableSelection::All,
            _ => TableSelection::WithoutForwards,
        };
        if self.iptables == Asked::No {
            self.iptables = Asked::IfInUse;
        }
        self.forwarding_wanted.extend(topology.forwarded_families());
        if topology.cables.iter().flat_map(|cable| &cable.ends).any(|end| end.shaping.is_some()) {
            self.shaping = Asked::Yes;
        }
        let scope = topology.networks.iter().fold(self, Self::with_network);
        let mut scope = topology.nodes.iter().fold(scope, Self::with_node);
        if topology.nodes.iter().any(|node| node.hosts == KnownHosts::OfTopology) {
            scope.hosts.insert(topology.name.clone());
        }
        scope
    }

    fn with_network(mut self, network: &Network) -> Self {
        self.noted.insert(RecordKey::Nat(network.bridge.clone()));
        for setting in [Sysctl::DisableIpv6, Sysctl::AcceptRa, Sysctl::Autoconf, Sysctl::RouteLocalnet] {
            self.sysctls.insert((Place::Host, setting(network.bridge.clone())));
        }
        self
    }

    fn with_node(mut self, node: &Node) -> Self {
        let place = Place::Netns(node.name.clone());
        self.netns.insert(node.name.clone());
        self.stacks.insert(place.clone(), Selection::All);
        if node.forwarding == Forwarding::On {
            self.forwarding_in.insert(node.name.clone());
        }
        self.sysctls.extend(node.settings.iter().map(|(setting, _)| (place.clone(), setting.clone())));
        if node.resolver.is_some() {
            self.resolvers.insert(node.name.clone());
        }
        if node.hosts == KnownHosts::OfTopology {
            self.shared_hosts.insert(node.name.clone());
        }
        if !node.programs.is_empty() {
            self.programs.insert(node.name.clone());
        }
        for forward in &node.ports {
            let published = &forward.published;
            self.listeners.insert(published.port);
            self.published.insert(published.clone());
        }
        self
    }

    /// Also reads what `former` consists of and, where `wanted` needs less, all that decides what goes.
    pub(super) fn with_former(self, former: &Topology, wanted: &Topology) -> Self {
        let nodes: BTreeSet<_> = wanted.nodes.iter().map(|node| &node.name).collect();
        let gone = former.nodes.iter().map(|node| &node.name).filter(|name| !nodes.contains(name));
        let gone: BTreeSet<_> = gone.cloned().collect();
        let mut scope = self.with_topology(former);
        scope.sysctls.extend(links_with_siblings(former));
        scope.stale_marks.extend(gone.iter().cloned());
        scope.holders.extend(gone);
        if needs_less(former, wanted) {
            scope.link_forwarding.extend([Family::Ipv4, Family::Ipv6]);
            scope.table = TableSelection::All;
            scope = scope.with_records();
        }
        scope
    }
}

/// What decides whether the addresses that links share a subnet by can go one by one.
fn links_with_siblings(topology: &Topology) -> impl Iterator<Item = (Place, Sysctl)> {
    let of_cables =
        topology.cables.iter().flat_map(|cable| &cable.ends).map(|end| (end.at.clone(), &end.addresses));
    let of_networks =
        topology.networks.iter().map(|network| (LinkAt::on_host(network.bridge.clone()), &network.addresses));
    let of_nodes = topology
        .nodes
        .iter()
        .map(|node| (LinkAt::inside(node.name.clone(), LinkName::from_kernel("lo")), &node.addresses));
    let several = of_cables.chain(of_networks).chain(of_nodes).filter(|(_, addresses)| addresses.len() > 1);
    several.map(|(at, _)| (at.place, Sysctl::PromoteSecondaries(at.name)))
}

/// Whether a way out or a published port goes.
fn needs_less(former: &Topology, wanted: &Topology) -> bool {
    let ways_out = |topology: &Topology| -> BTreeSet<LinkName> {
        let leads_out = |network: &&Network| matches!(network.reach, Reach::Internet { .. });
        topology.networks.iter().filter(leads_out).map(|network| network.bridge.clone()).collect()
    };
    let ports = |topology: &Topology| -> BTreeSet<PortForward> {
        topology.nodes.iter().flat_map(|node| node.ports.iter().cloned()).collect()
    };
    !ways_out(former).is_subset(&ways_out(wanted))
        || !ports(former).is_subset(&ports(wanted))
        || !former.forwarded_families().is_subset(&wanted.forwarded_families())
}
