//! The picture as a Mermaid flowchart, which GitHub, GitLab and many wikis draw from the text.

use super::{
    escape::mermaid as escape,
    picture::{Card, Picture, Purpose, Role, Spot, WayOut, Wire},
};

/// Mermaid refuses more than 500 edges and 50,000 characters (`maxEdges`, `maxTextSize`).
const MOST_NODES: usize = 150;
const MOST_EDGES: usize = 200;

const CLASSES: &str = "  classDef network fill:#e4edff,stroke:#4f7fe0,color:#1f2937
  classDef router fill:#fff8eb,stroke:#c2811b,color:#1f2937
  classDef port fill:#e3f6ec,stroke:#1f8a5b,color:#1f2937";

pub(super) fn draw(picture: &Picture) -> String {
    let mut lines = vec!["flowchart TB".to_owned()];
    if picture.host_links.iter().any(|link| link.purpose == Purpose::Uplink) {
        lines.push("  internet((internet))".to_owned());
    }
    lines.push("  subgraph host".to_owned());
    lines.extend(inside(picture).into_iter().map(|line| format!("    {line}")));
    lines.push("  end".to_owned());
    let edges = edges(picture);
    let further = edges.len().saturating_sub(MOST_EDGES);
    lines.extend(edges.into_iter().take(MOST_EDGES).map(|line| format!("  {line}")));
    if further > 0 {
        lines.push(format!("  %% and {further} more connections"));
    }
    lines.push(format!("{CLASSES}\n"));
    lines.join("\n")
}

fn inside(picture: &Picture) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for (index, link) in picture.host_links.iter().enumerate() {
        lines.push(format!("link{index}([\"{}\"])", escape(&link.name)));
    }
    if picture.cables.iter().flat_map(|cable| &cable.ends).any(|end| end.at == Spot::Host) {
        lines.push("stack([\"host\"])".to_owned());
    }
    for (index, bar) in picture.networks.iter().enumerate() {
        let rows = [bar.name.clone(), bar.addresses(), bar.way_out.words()];
        lines.push(format!("network{index}[[\"{}\"]]:::network", label(rows.into_iter())));
    }
    lines.extend(picture.nodes.iter().enumerate().take(MOST_NODES).map(|(index, card)| node(index, card)));
    if picture.nodes.len() > MOST_NODES {
        lines.push(format!("more[\"… and {} more\"]", picture.nodes.len() - MOST_NODES));
    }
    lines
}

fn label(rows: impl Iterator<Item = String>) -> String {
    rows.map(|row| escape(&row)).collect::<Vec<_>>().join("<br/>")
}

fn node(index: usize, card: &Card) -> String {
    let class = if card.role == Role::Router { ":::router" } else { "" };
    format!("node{index}(\"{}\"){class}", label(card.words().lines().map(str::to_owned)))
}

fn edges(picture: &Picture) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for (index, link) in picture.host_links.iter().enumerate() {
        if link.purpose == Purpose::Uplink {
            lines.push(format!("internet --- link{index}"));
        }
    }
    for (index, bar) in picture.networks.iter().enumerate() {
        if let WayOut::Nat(uplink) = &bar.way_out {
            lines.push(format!("link{} ---|NAT| network{index}", uplink.index));
        }
        for (place, tunnel) in bar.tunnels.iter().enumerate() {
            let (vni, remote) = (tunnel.vni, escape(&tunnel.remote));
            lines.push(format!("network{index} ---|\"VXLAN {vni}\"| remote{index}_{place}((\"{remote}\"))"));
        }
    }
    lines.extend(picture.cables.iter().filter_map(cable));
    for (index, card) in picture.nodes.iter().enumerate().take(MOST_NODES) {
        let macvlans = card.links.iter().filter_map(|link| match &link.to {
            Spot::HostLink(parent) => Some(format!("link{} -.-|macvlan| node{index}", parent.index)),
            _ => None,
        });
        lines.extend(macvlans);
    }
    let shown = picture.ports.iter().enumerate().filter(|(_, tag)| tag.node.index < MOST_NODES);
    lines.extend(shown.map(|(index, tag)| {
        let (published, node) = (escape(&tag.published), tag.node.index);
        format!("port{index}>\"{published}\"]:::port -->|\"port {}\"| node{node}", tag.target_port)
    }));
    lines
}

/// None for a cable of a node that is not drawn.
fn cable(cable: &Wire) -> Option<String> {
    let [one, other] = &cable.ends;
    let mut words = vec![format!("{} – {}", one.link, other.link)];
    words.extend(cable.ends.iter().filter_map(|end| end.shaping.clone()));
    Some(format!("{} ---|\"{}\"| {}", id(&one.at)?, label(words.into_iter()), id(&other.at)?))
}

fn id(spot: &Spot) -> Option<String> {
    match spot {
        Spot::Network(named) => Some(format!("network{}", named.index)),
        Spot::Node(named) => (named.index < MOST_NODES).then(|| format!("node{}", named.index)),
        Spot::HostLink(named) => Some(format!("link{}", named.index)),
        Spot::Host => Some("stack".to_owned()),
    }
}
