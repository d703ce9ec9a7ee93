//! Everything there is to see of a stack, counters and all; plans read less, see the other files.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;
use netlink_packet_core::Parseable;
use netlink_packet_route::{
    AddressFamily,
    address::{AddressAttribute, AddressMessage},
    link::{LinkAttribute, LinkFlags, LinkMessage, Stats64},
    neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState},
    route::{RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteType},
};

use super::{Rtnetlink, link, message, raw_link, request};
use crate::{
    kernel::refusal::Refusal,
    observed::LinkKind,
    route::RouteProtocol as Maker,
    view::{Counters, LinkView, NeighbourView, RouteView},
};

/// A link to be shown, and where its other end is: index, and id of its netns.
pub(crate) type SurveyedLink = (LinkView, Option<(u32, Option<i32>)>);

/// Names of links by index.
pub(crate) type LinkNames = BTreeMap<u32, String>;

impl Rtnetlink {
    /// Returns every link with its addresses and counters, in the order of their indices.
    pub(crate) fn survey_links(&mut self) -> Result<Vec<SurveyedLink>, Refusal> {
        let mut links = self.survey(message::GET_LINK, &LinkMessage::default(), parse_link)?;
        let mut addresses: BTreeMap<u32, Vec<IpNet>> = BTreeMap::new();
        for (index, address) in self
            .survey(message::GET_ADDRESS, &AddressMessage::default(), parse_address)?
            .into_iter()
            .flatten()
        {
            addresses.entry(index).or_default().push(address);
        }
        let names: LinkNames = links.iter().map(|(raw, ..)| (raw.index, raw.name.to_string())).collect();
        for (raw, view) in &mut links {
            view.addresses = addresses.remove(&raw.index).unwrap_or_default();
            view.master = raw.master.and_then(|index| names.get(&index).cloned());
        }
        links.sort_by_key(|(raw, _)| raw.index);
        let other_end = |raw: &raw_link::RawLink| raw.peer.map(|index| (index, raw.peer_netns));
        Ok(links.into_iter().map(|(raw, view)| (view, other_end(&raw))).collect())
    }

    /// Returns the routes of all tables, but for those that come with every address.
    pub(crate) fn survey_routes(&mut self, names: &LinkNames) -> Result<Vec<RouteView>, Refusal> {
        let mut routes = Vec::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let mut question = RouteMessage::default();
            question.header.address_family = family;
            let found = self.survey(message::GET_ROUTE, &question, |payload| {
                RouteMessage::parse(payload).map_err(link::unreadable).map(|route| route_view(&route, names))
            })?;
            routes.extend(found.into_iter().flatten());
        }
        // A stable sort: within a table, the kernel's order.
        routes.sort_by_key(|route| (route.table != "main", route.table.clone()));
        Ok(routes)
    }

    /// Returns the neighbours that somebody tried to reach.
    pub(crate) fn survey_neighbours(&mut self, names: &LinkNames) -> Result<Vec<NeighbourView>, Refusal> {
        let mut neighbours = Vec::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let mut question = NeighbourMessage::default();
            question.header.family = family;
            let found = self.survey(message::GET_NEIGHBOUR, &question, |payload| {
                NeighbourMessage::parse(payload).map_err(link::unreadable)
            })?;
            neighbours.extend(found.into_iter().filter_map(|message| neighbour_view(message, names)));
        }
        neighbours.sort();
        Ok(neighbours)
    }

    fn survey<T>(
        &mut self,
        kind: u16,
        question: &impl netlink_packet_core::Emitable,
        parse: impl Fn(&[u8]) -> Result<T, Refusal>,
    ) -> Result<Vec<T>, Refusal> {
        let mut found = Vec::new();
        self.socket.dump(&request(kind, 0, question), |payload| match payload {
            None => found.clear(),
            Some(payload) => found.push(parse(payload)),
        })?;
        found.into_iter().collect()
    }
}

fn parse_link(payload: &[u8]) -> Result<(raw_link::RawLink, LinkView), Refusal> {
    let raw = raw_link::parse(payload)?;
    let message = LinkMessage::parse(payload).map_err(link::unreadable)?;
    let mut view = LinkView {
        index: raw.index,
        name: raw.name.to_string(),
        kind: kind_in_words(&raw.kind).to_owned(),
        up: raw.up,
        carrier: message.header.flags.contains(LinkFlags::LowerUp),
        mac: raw.mac.map(|mac| mac.to_string()),
        mtu_bytes: raw.mtu_bytes,
        ours: raw.ours,
        ..LinkView::default()
    };
    for attribute in message.attributes {
        if let LinkAttribute::Stats64(counters) = attribute {
            (view.received, view.sent) = (received(&counters), sent(&counters));
        }
    }
    Ok((raw, view))
}

fn kind_in_words(kind: &LinkKind) -> &str {
    match kind {
        LinkKind::Loopback => "loopback",
        LinkKind::Bridge => "bridge",
        LinkKind::Veth => "veth",
        LinkKind::Other(kind) => kind,
    }
}

fn received(counters: &Stats64) -> Counters {
    Counters {
        bytes: counters.rx_bytes,
        packets: counters.rx_packets,
        errors: counters.rx_errors,
        dropped: counters.rx_dropped,
    }
}

fn sent(counters: &Stats64) -> Counters {
    Counters {
        bytes: counters.tx_bytes,
        packets: counters.tx_packets,
        errors: counters.tx_errors,
        dropped: counters.tx_dropped,
    }
}

fn parse_address(payload: &[u8]) -> Result<Option<(u32, IpNet)>, Refusal> {
    let message = AddressMessage::parse(payload).map_err(link::unreadable)?;
    let (mut local, mut address) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(ip) => local = Some(*ip),
            AddressAttribute::Address(ip) => address = Some(*ip),
            _ => {}
        }
    }
    let net = local.or(address).and_then(|ip| IpNet::new(ip, message.header.prefix_len).ok());
    Ok(net.map(|net| (message.header.index, net)))
}

/// Shows a route; none if it is one of those that every stack has.
fn route_view(message: &RouteMessage, names: &LinkNames) -> Option<RouteView> {
    /// `RT_TABLE_LOCAL` of `linux/rtnetlink.h`.
    const LOCAL: u32 = 255;
    let kind = kind_of_route(message.header.kind)?;
    let mut table = u32::from(message.header.table);
    let prefix = message.header.destination_prefix_length;
    let mut view = RouteView {
        destination: "default".to_owned(),
        kind: kind.to_owned(),
        protocol: maker(message.header.protocol),
        ..RouteView::default()
    };
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(address) => {
                view.destination = network(address, prefix)?;
            }
            RouteAttribute::Gateway(address) => view.gateway = ip(address),
            RouteAttribute::PrefSource(address) => view.source = ip(address),
            RouteAttribute::Oif(index) => view.link = names.get(index).cloned(),
            RouteAttribute::Priority(metric) => view.metric = Some(*metric),
            RouteAttribute::Table(number) => table = *number,
            _ => {}
        }
    }
    view.table = match table {
        LOCAL => return None,
        number if number == u32::from(RouteHeader::RT_TABLE_MAIN) => "main".to_owned(),
        number => number.to_string(),
    };
    Some(view)
}

/// The words of `ip-route(8)`; none for what the kernel keeps for its own addresses.
fn kind_of_route(kind: RouteType) -> Option<&'static str> {
    match kind {
        RouteType::Unicast => Some("unicast"),
        RouteType::BlackHole => Some("blackhole"),
        RouteType::Unreachable => Some("unreachable"),
        RouteType::Prohibit => Some("prohibit"),
        RouteType::Throw => Some("throw"),
        RouteType::Nat => Some("nat"),
        _ => None,
    }
}

pub(super) fn maker(protocol: RouteProtocol) -> String {
    match protocol {
        RouteProtocol::Other(Maker::OURS) => "netns-tool".to_owned(),
        other => other.to_string().to_lowercase(),
    }
}

fn network(address: &RouteAddress, prefix: u8) -> Option<String> {
    let net = IpNet::new(ip(address)?, prefix).ok()?;
    Some(if net.prefix_len() == net.max_prefix_len() { net.addr().to_string() } else { net.to_string() })
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(address) => Some(IpAddr::V4(*address)),
        RouteAddress::Inet6(address) => Some(IpAddr::V6(*address)),
        _ => None,
    }
}

/// Shows a neighbour; none for multicast and broadcast, which need no asking (`NUD_NOARP`).
fn neighbour_view(message: NeighbourMessage, names: &LinkNames) -> Option<NeighbourView> {
    if matches!(message.header.state, NeighbourState::Noarp | NeighbourState::None) {
        return None;
    }
    let mut view = NeighbourView {
        link: names.get(&message.header.ifindex).cloned().unwrap_or_default(),
        state: format!("{:?}", message.header.state).to_lowercase(),
        ..NeighbourView::default()
    };
    for attribute in message.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(ip)) => view.address = Some(ip.into()),
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(ip)) => view.address = Some(ip.into()),
            NeighbourAttribute::LinkLayerAddress(octets) => {
                let octets: Option<[u8; 6]> = octets.try_into().ok();
                view.mac = octets.map(|octets| crate::address::MacAddress::from_octets(octets).to_string());
            }
            _ => {}
        }
    }
    Some(view)
}
