//! From an entry, in the words of the plan, to elements of sets, in the words of nftables.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use ipnet::IpNet;

use super::Set;
use crate::{
    address::Family,
    firewall::{PortForward, Published, TableEntry, Translation, Transport},
    name::LinkName,
};

/// One element of one set.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Element {
    /// Where it goes.
    pub(crate) set: Set,
    /// What is looked up.
    pub(crate) key: Vec<Cell>,
    /// What is found; nothing in a set that is no map.
    pub(crate) value: Vec<Cell>,
    /// A comment, which is also how the link of a port forward is remembered.
    pub(crate) comment: Option<LinkName>,
}

/// One value of a [`Column`](super::Column).
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Cell {
    /// One address.
    Address(IpAddr),
    /// All addresses of a network.
    Network(IpNet),
    /// The name of a link.
    Link(LinkName),
    /// A transport protocol.
    Protocol(Transport),
    /// A port.
    Port(u16),
}

impl Element {
    /// Returns the element that is `entry`.
    ///
    /// One and no more: of several, some might be there and some not, and adding them all would be refused.
    pub(crate) fn of(entry: &TableEntry) -> Self {
        match entry {
            TableEntry::Translate { subnet, uplink, translation } => {
                translate(subnet.trunc(), uplink, *translation)
            }
            TableEntry::Egress { bridge, uplink } => links(Set::Egress, &[bridge, uplink]),
            TableEntry::Guard { bridge } => links(Set::Guards, &[bridge]),
            TableEntry::Hairpin { bridge } => links(Set::Hairpins, &[bridge, bridge]),
            TableEntry::Confine { bridge } => links(Set::Confined, &[bridge]),
            TableEntry::Forward(forward) => port_forward(forward),
        }
    }

    /// Returns the elements that would be in the way of a port forward from `published`.
    pub(crate) fn of_published(published: &Published) -> Self {
        let port = [Cell::Protocol(published.transport), Cell::Port(published.port)];
        let family = Family::of(published.address);
        let (set, key) = if published.address.is_unspecified() {
            (Set::WildcardForwards(family), port.to_vec())
        } else {
            let address = [Cell::Address(published.address)];
            (Set::Forwards(family), address.into_iter().chain(port).collect())
        };
        Self { set, key, value: Vec::new(), comment: None }
    }

    /// Returns the entry that this is; none for what is not ours.
    pub(crate) fn entry(&self) -> Option<TableEntry> {
        match (self.set, self.key.as_slice(), self.value.as_slice()) {
            (Set::Masquerade(_), [Cell::Network(subnet), Cell::Link(uplink)], _) => {
                Some(translation_of(*subnet, uplink, Translation::Masquerade))
            }
            (Set::Snat(_), [Cell::Network(subnet), Cell::Link(uplink)], [Cell::Address(source)]) => {
                Some(translation_of(*subnet, uplink, Translation::Snat(*source)))
            }
            (Set::Egress, [Cell::Link(bridge), Cell::Link(uplink)], _) => {
                Some(TableEntry::Egress { bridge: bridge.clone(), uplink: uplink.clone() })
            }
            (Set::Guards, [Cell::Link(bridge)], _) => Some(TableEntry::Guard { bridge: bridge.clone() }),
            (Set::Hairpins, [Cell::Link(bridge), Cell::Link(same)], _) if bridge == same => {
                Some(TableEntry::Hairpin { bridge: bridge.clone() })
            }
            (Set::Confined, [Cell::Link(bridge)], _) => Some(TableEntry::Confine { bridge: bridge.clone() }),
            (Set::Forwards(_) | Set::WildcardForwards(_), key, value) => {
                let forward = forward_of(self.set, key, value, self.comment.clone()?)?;
                Some(TableEntry::Forward(forward))
            }
            _ => None,
        }
    }
}

impl TableEntry {
    /// Returns whether both are looked up by the same key, whatever is found there.
    pub(crate) fn has_key_of(&self, other: &Self) -> bool {
        let (one, other) = (Element::of(self), Element::of(other));
        (one.set, one.key) == (other.set, other.key)
    }

    /// Returns the entry of `table` that has the key of this one. Port forwards, of which there may be
    /// thousands, are sorted by their keys, and behind everything else.
    pub(crate) fn with_same_key<'a>(&self, table: &'a BTreeSet<Self>) -> Option<&'a Self> {
        let Self::Forward(forward) = self else {
            let others = table.iter().take_while(|known| !matches!(known, Self::Forward(_)));
            return others.into_iter().find(|known| known.has_key_of(self));
        };
        let from = Self::forward_from(&forward.published, table)?;
        table.get(&Self::Forward(from.clone()))
    }

    /// Returns the port forward in `table` from exactly this port.
    pub(crate) fn forward_from<'a>(
        published: &Published,
        table: &'a BTreeSet<Self>,
    ) -> Option<&'a PortForward> {
        let nowhere = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        let first =
            PortForward { published: published.clone(), target: nowhere, bridge: LinkName::from_kernel("") };
        match table.range(Self::Forward(first)..).next() {
            Some(Self::Forward(forward)) if forward.published == *published => Some(forward),
            _ => None,
        }
    }
}

fn links(set: Set, names: &[&LinkName]) -> Element {
    let key = names.iter().map(|name| Cell::Link((*name).clone())).collect();
    Element { set, key, value: Vec::new(), comment: None }
}

fn translate(subnet: IpNet, uplink: &LinkName, translation: Translation) -> Element {
    let family = Family::of_net(&subnet);
    let (set, value) = match translation {
        Translation::Masquerade => (Set::Masquerade(family), Vec::new()),
        Translation::Snat(source) => (Set::Snat(family), vec![Cell::Address(source)]),
    };
    Element { set, key: vec![Cell::Network(subnet), Cell::Link(uplink.clone())], value, comment: None }
}

fn translation_of(subnet: IpNet, uplink: &LinkName, translation: Translation) -> TableEntry {
    TableEntry::Translate { subnet, uplink: uplink.clone(), translation }
}

fn port_forward(forward: &PortForward) -> Element {
    let value = vec![Cell::Address(forward.target.ip()), Cell::Port(forward.target.port())];
    Element { value, comment: Some(forward.bridge.clone()), ..Element::of_published(&forward.published) }
}

fn forward_of(set: Set, key: &[Cell], value: &[Cell], bridge: LinkName) -> Option<PortForward> {
    let (address, transport, port) = match (set, key) {
        (Set::Forwards(_), [Cell::Address(address), Cell::Protocol(transport), Cell::Port(port)]) => {
            (*address, *transport, *port)
        }
        (Set::WildcardForwards(family), [Cell::Protocol(transport), Cell::Port(port)]) => {
            (unspecified(family), *transport, *port)
        }
        _ => return None,
    };
    let [Cell::Address(target), Cell::Port(target_port)] = value else { return None };
    let target = SocketAddr::new(*target, *target_port);
    Some(PortForward { published: Published { address, port, transport }, target, bridge })
}

fn unspecified(family: Family) -> IpAddr {
    match family {
        Family::Ipv4 => Ipv4Addr::UNSPECIFIED.into(),
        Family::Ipv6 => Ipv6Addr::UNSPECIFIED.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(name: &str) -> LinkName {
        LinkName::new(name).unwrap()
    }

    fn forward(address: &str, target: &str) -> TableEntry {
        TableEntry::Forward(PortForward {
            published: Published { address: address.parse().unwrap(), port: 8080, transport: Transport::Udp },
            target: target.parse().unwrap(),
            bridge: link("br0"),
        })
    }

    #[test]
    fn every_entry_is_read_back_from_its_element() {
        let translate = |subnet: &str, translation| TableEntry::Translate {
            subnet: subnet.parse().unwrap(),
            uplink: link("eth0"),
            translation,
        };
        let entries = [
            translate("10.0.0.0/24", Translation::Masquerade),
            translate("fd00::/64", Translation::Snat("2001:db8::1".parse().unwrap())),
            TableEntry::Egress { bridge: link("br0"), uplink: link("eth0") },
            TableEntry::Guard { bridge: link("br0") },
            TableEntry::Hairpin { bridge: link("br0") },
            TableEntry::Confine { bridge: link("br0") },
            forward("127.0.0.1", "10.0.0.2:80"),
            forward("0.0.0.0", "10.0.0.2:80"),
            forward("::", "[fd00::2]:80"),
        ];
        for entry in entries {
            assert_eq!(Element::of(&entry).entry(), Some(entry));
        }
    }

    #[test]
    fn the_elements_of_a_set_have_its_columns() {
        let element = Element::of(&forward("0.0.0.0", "10.0.0.2:80"));
        assert_eq!(element.key.len(), element.set.key().len());
        assert_eq!(element.value.len(), element.set.value().len());
    }
}
