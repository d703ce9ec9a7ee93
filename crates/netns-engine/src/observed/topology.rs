//! What must be read to bring a topology up, to change it, or to take it down.

use super::{Asked, Scope, Selection, TableSelection};
use crate::{
    address::Family,
    name::LinkName,
    place::Place,
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
        self.noted.insert(RecordKey::Topology(topology.name.clone()));
        self.noted.extend([Family::Ipv4, Family::Ipv6].map(RecordKey::Forwarding));
        self.sysctls.insert((Place::Host, Sysctl::DisableIpv6(LinkName::from_kernel("default".to_owned()))));
        self.table = match self.table {
            TableSelection::All => TableSelection::All,
            _ => TableSelection::WithoutForwards,
        };
        self.iptables = Asked::Yes;
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
        if matches!(network.reach, Reach::Internet { .. }) {
            self.forwarding_wanted.extend(network.addresses.iter().map(Family::of_net));
        }
        self
    }

    fn with_node(mut self, node: &Node) -> Self {
        let place = Place::Netns(node.name.clone());
        self.netns.insert(node.name.clone());
        self.stacks.insert(place.clone(), Selection::All);
        if node.forwarding == Forwarding::On {
            let switches =
                [Family::Ipv4, Family::Ipv6].map(|family| (place.clone(), Sysctl::forwarding(family)));
            self.sysctls.extend(switches);
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
            if !published.is_for_this_host_only() {
                self.forwarding_wanted.insert(Family::of(published.address));
            }
            self.published.insert(published.clone());
        }
        self
    }

    /// Also reads what `former` consists of, and of what this scope has not, all that taking it away
    /// touches.
    pub(super) fn with_former(self, former: &Topology) -> Self {
        let gone = former.nodes.iter().filter(|node| !self.netns.contains(&node.name));
        let gone: Vec<_> = gone.map(|node| node.name.clone()).collect();
        let loses_nat = former.networks.iter().any(|network| {
            matches!(network.reach, Reach::Internet { .. })
                && !self.noted.contains(&RecordKey::Nat(network.bridge.clone()))
        });
        let loses_port = former
            .nodes
            .iter()
            .flat_map(|node| &node.ports)
            .any(|forward| !self.published.contains(&forward.published));
        let mut scope = self.with_topology(former);
        scope.holders.extend(gone);
        if loses_nat || loses_port {
            scope.link_forwarding.extend([Family::Ipv4, Family::Ipv6]);
            scope.table = TableSelection::All;
            scope = scope.with_records();
        }
        scope
    }
}
