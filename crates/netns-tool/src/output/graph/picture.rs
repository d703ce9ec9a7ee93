//! What a picture of a topology shows, in words: every format draws this, and `--json` prints it.

use serde::{Serialize, Serializer};

/// A topology, reduced to what there is to see.
#[derive(Debug, Serialize)]
pub(crate) struct Picture {
    /// The topology's name.
    pub(crate) name: String,
    /// Bridges of the host.
    pub(crate) networks: Vec<Bar>,
    /// Netns.
    pub(crate) nodes: Vec<Card>,
    /// Veth pairs.
    pub(crate) cables: Vec<Wire>,
    /// Links of the host that lead outside: uplinks and what macvlan links share, each once.
    pub(crate) host_links: Vec<HostLink>,
    /// Published ports.
    pub(crate) ports: Vec<Tag>,
    /// What should work, as the file says it.
    pub(crate) checks: Vec<String>,
}

/// A network: one bridge.
#[derive(Debug, Serialize)]
pub(crate) struct Bar {
    pub(crate) name: String,
    pub(crate) bridge: String,
    /// The host's addresses on it, with their prefix lengths.
    pub(crate) gateways: Vec<String>,
    /// Of the host's addresses, or else of the nodes'.
    pub(crate) subnets: Vec<String>,
    pub(crate) way_out: WayOut,
    pub(crate) tunnels: Vec<TunnelTag>,
}

impl Bar {
    /// Its gateways, or the subnets of its nodes where the host has no address on it.
    pub(crate) fn addresses(&self) -> String {
        match (self.gateways.as_slice(), self.subnets.as_slice()) {
            ([], []) => "no addresses".to_owned(),
            ([], [first]) => first.clone(),
            ([], [first, rest @ ..]) => format!("{first} and {} more", rest.len()),
            (gateways, _) => gateways.join(" · "),
        }
    }
}

/// How far the nodes of a network get.
#[derive(Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WayOut {
    Internal,
    Host,
    /// Through this one of [`Picture::host_links`], behind its address.
    Nat(Named),
}

impl WayOut {
    /// In a word or two.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Internal => "internal, no way out".to_owned(),
            Self::Host => "reaches the host only".to_owned(),
            Self::Nat(uplink) => format!("NAT behind {}", uplink.name),
        }
    }
}

/// A tunnel to the same network on another host.
#[derive(Debug, Serialize)]
pub(crate) struct TunnelTag {
    pub(crate) link: String,
    pub(crate) vni: u32,
    pub(crate) remote: String,
}

impl TunnelTag {
    /// `vx0: VXLAN 42 to 198.51.100.7`.
    pub(crate) fn words(&self) -> String {
        format!("{}: VXLAN {} to {}", self.link, self.vni, self.remote)
    }
}

/// A netns.
#[derive(Debug, Serialize)]
pub(crate) struct Card {
    pub(crate) name: String,
    pub(crate) role: Role,
    /// Addresses of its loopback link.
    pub(crate) loopback: Vec<String>,
    pub(crate) links: Vec<LinkRow>,
    /// Where its default routes lead.
    pub(crate) gateways: Vec<String>,
    /// Its other routes.
    pub(crate) routes: Vec<String>,
    /// Command lines.
    pub(crate) programs: Vec<String>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    Node,
    /// It forwards.
    Router,
}

/// A link of a node.
#[derive(Debug, Serialize)]
pub(crate) struct LinkRow {
    pub(crate) name: String,
    pub(crate) addresses: Vec<String>,
    /// What it is connected to.
    pub(crate) to: Spot,
    /// What holds up packets that leave the node through it.
    pub(crate) outwards: Option<String>,
    /// What holds up packets that come to the node through it, where the other end is not in a node.
    pub(crate) inwards: Option<String>,
}

/// Something a link leads to.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Spot {
    Network(Named),
    Node(Named),
    Host,
    /// By macvlan, one of [`Picture::host_links`].
    HostLink(Named),
}

impl Spot {
    /// As it stands behind an arrow.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Network(named) | Self::Node(named) | Self::HostLink(named) => &named.name,
            Self::Host => "host",
        }
    }
}

/// A place in one of the picture's lists; JSON shows the name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Named {
    pub(crate) index: usize,
    pub(crate) name: String,
}

impl Serialize for Named {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name)
    }
}

/// A veth pair.
#[derive(Debug, Serialize)]
pub(crate) struct Wire {
    pub(crate) ends: [WireEnd; 2],
}

impl Wire {
    /// The networks at both ends, each with the port there, if it connects two.
    pub(crate) fn between_networks(&self) -> Option<[(&Named, &str); 2]> {
        match &self.ends {
            [
                WireEnd { at: Spot::Network(one), link, .. },
                WireEnd { at: Spot::Network(other), link: other_link, .. },
            ] => Some([(one, link), (other, other_link)]),
            _ => None,
        }
    }

    /// All that is known of it, in a line.
    pub(crate) fn words(&self) -> String {
        let end = |end: &WireEnd| {
            let mut words = vec![format!("{}:{}", end.at.name(), end.link)];
            words.extend(end.addresses.iter().cloned());
            words.extend(end.shaping.iter().map(|limits| format!("({limits})")));
            words.extend(end.isolated.then(|| "isolated".to_owned()));
            words.join(" ")
        };
        format!("{} ↔ {}", end(&self.ends[0]), end(&self.ends[1]))
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct WireEnd {
    pub(crate) at: Spot,
    pub(crate) link: String,
    pub(crate) addresses: Vec<String>,
    pub(crate) shaping: Option<String>,
    /// Whether it is a port that does not reach other isolated ports.
    pub(crate) isolated: bool,
}

/// A link of the host that leads outside.
#[derive(Debug, Serialize)]
pub(crate) struct HostLink {
    pub(crate) name: String,
    pub(crate) purpose: Purpose,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Purpose {
    /// Networks get to the internet through it.
    Uplink,
    /// Macvlan links share it.
    Shared,
}

/// A published port.
#[derive(Debug, Serialize)]
pub(crate) struct Tag {
    /// Where the host listens: `8080/tcp`, or `127.0.0.1:8080/tcp`.
    pub(crate) published: String,
    pub(crate) audience: Audience,
    pub(crate) node: Named,
    /// Address and port in the node.
    pub(crate) target: String,
    pub(crate) target_port: u16,
}

impl Tag {
    /// `8080/tcp → web:80`.
    pub(crate) fn words(&self) -> String {
        format!("{} → {}:{}", self.published, self.node.name, self.target_port)
    }
}

/// Who reaches a published port.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Audience {
    Everybody,
    ThisHost,
}

impl Picture {
    /// What there is of what: `2 networks, 5 nodes, 6 cables, 1 published port`.
    pub(crate) fn in_a_sentence(&self) -> String {
        let counts = [
            (self.networks.len(), "network", "networks"),
            (self.nodes.len(), "node", "nodes"),
            (self.cables.len(), "cable", "cables"),
            (self.ports.len(), "published port", "published ports"),
        ];
        let words = counts
            .iter()
            .filter(|(number, ..)| *number > 0)
            .map(|(number, one, many)| format!("{number} {}", if *number == 1 { one } else { many }));
        words.collect::<Vec<_>>().join(", ")
    }
}

impl Card {
    /// All that is known of it, in a few lines.
    pub(crate) fn words(&self) -> String {
        let role = if self.role == Role::Router { " (router)" } else { "" };
        let mut lines = vec![format!("{}{role}", self.name)];
        lines.extend(self.loopback.iter().map(|address| format!("lo {address}")));
        lines.extend(self.links.iter().map(LinkRow::words));
        lines.extend(self.gateways.iter().map(|gateway| format!("default via {gateway}")));
        lines.extend(self.routes.iter().cloned());
        lines.extend(self.programs.iter().map(|program| format!("runs {program}")));
        lines.join("\n")
    }
}

impl LinkRow {
    /// `eth0 10.0.0.2/24 → lan ↑ 10 Mbit/s`.
    pub(crate) fn words(&self) -> String {
        let mut words = vec![self.name.clone()];
        words.extend(self.addresses.iter().cloned());
        words.push(match &self.to {
            Spot::HostLink(parent) => format!("→ {} (macvlan)", parent.name),
            to => format!("→ {}", to.name()),
        });
        words.extend(self.outwards.iter().map(|limits| format!("↑ {limits}")));
        words.extend(self.inwards.iter().map(|limits| format!("↓ {limits}")));
        words.join(" ")
    }
}
