//! The picture for Graphviz.

use super::{
    escape::dot as escape,
    picture::{Audience, Card, Picture, Role, Spot, WayOut, Wire},
};

const PREAMBLE: &str = "  graph [compound=true, rankdir=TB, fontname=\"Helvetica,Arial,sans-serif\", nodesep=0.4, ranksep=0.7];
  node [fontname=\"Helvetica,Arial,sans-serif\", fontsize=11, style=\"filled,rounded\", shape=box, color=\"#94a3b8\", fillcolor=\"#fbfcfe\"];
  edge [fontname=\"Helvetica,Arial,sans-serif\", fontsize=9, color=\"#64748b\", dir=none];";

pub(super) fn draw(picture: &Picture) -> String {
    let mut lines = vec![format!("digraph \"{}\" {{", escape(&picture.name)), PREAMBLE.to_owned()];
    if picture.networks.iter().any(|network| matches!(network.way_out, WayOut::Nat(_))) {
        lines.push(
            "  internet [label=\"internet\", shape=ellipse, color=\"#6aa9d8\", fillcolor=\"#eaf6ff\"];"
                .to_owned(),
        );
    }
    lines.push("  subgraph cluster_host {\n    label=\"host\"; style=rounded; color=\"#cbd5e1\";".to_owned());
    lines.extend(inside(picture).into_iter().map(|line| format!("    {line}")));
    lines.push("  }".to_owned());
    lines.extend(edges(picture).into_iter().map(|line| format!("  {line}")));
    lines.push("}\n".to_owned());
    lines.join("\n")
}

fn inside(picture: &Picture) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for (index, link) in picture.host_links.iter().enumerate() {
        lines.push(format!("link{index} [label=\"{}\", shape=cds, color=\"#4f7fe0\"];", escape(&link.name)));
    }
    if picture.cables.iter().flat_map(|cable| &cable.ends).any(|end| end.at == Spot::Host) {
        lines.push("host [label=\"host\", shape=house];".to_owned());
    }
    for (index, bar) in picture.networks.iter().enumerate() {
        let label = centered([bar.name.clone(), bar.addresses(), bar.way_out.words()].into_iter());
        lines.push(format!(
            "network{index} [label=\"{label}\", style=filled, color=\"#4f7fe0\", fillcolor=\"#e4edff\"];"
        ));
    }
    lines.extend(picture.nodes.iter().enumerate().map(|(index, card)| node(index, card)));
    lines
}

fn centered(rows: impl Iterator<Item = String>) -> String {
    rows.map(|row| escape(&row)).collect::<Vec<_>>().join("\\n")
}

fn node(index: usize, card: &Card) -> String {
    // `\l` ends a line that begins at the left.
    let rows: Vec<String> = card.words().lines().map(|row| format!("{}\\l", escape(row))).collect();
    let label = rows.concat();
    let colors = match card.role {
        Role::Router => ", color=\"#c2811b\", fillcolor=\"#fff8eb\"",
        Role::Node => "",
    };
    format!("node{index} [label=\"{label}\"{colors}];")
}

fn edges(picture: &Picture) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for (index, link) in picture.host_links.iter().enumerate() {
        if link.purpose == super::picture::Purpose::Uplink {
            lines.push(format!("internet -> link{index} [color=\"#6aa9d8\", penwidth=2];"));
        }
    }
    for (index, bar) in picture.networks.iter().enumerate() {
        if let WayOut::Nat(uplink) = &bar.way_out {
            lines.push(format!("link{} -> network{index} [label=\"NAT\", color=\"#4f7fe0\"];", uplink.index));
        }
        for (place, tunnel) in bar.tunnels.iter().enumerate() {
            let remote = format!("remote{index}_{place}");
            lines.push(format!(
                "{remote} [label=\"{}\", shape=ellipse, color=\"#7c4dbd\"];",
                escape(&tunnel.remote)
            ));
            let label = format!("{} VXLAN {}", tunnel.link, tunnel.vni);
            lines.push(format!(
                "network{index} -> {remote} [label=\"{}\", color=\"#7c4dbd\"];",
                escape(&label)
            ));
        }
    }
    lines.extend(picture.cables.iter().map(cable));
    lines.extend(picture.nodes.iter().enumerate().flat_map(|(index, card)| macvlans(index, card)));
    lines.extend(picture.ports.iter().enumerate().flat_map(|(index, tag)| {
        let style = if tag.audience == Audience::ThisHost { "\"filled,dashed\"" } else { "filled" };
        let label = escape(&tag.published);
        [
            format!("port{index} [label=\"{label}\", shape=cds, style={style}, color=\"#1f8a5b\", fillcolor=\"#e3f6ec\"];"),
            format!(
                "port{index} -> node{} [label=\"to port {}\", dir=forward, color=\"#1f8a5b\", constraint=false];",
                tag.node.index, tag.target_port
            ),
        ]
    }));
    lines
}

fn cable(cable: &Wire) -> String {
    let [one, other] = &cable.ends;
    let limits: Vec<String> = cable.ends.iter().filter_map(|end| end.shaping.clone()).collect();
    let attributes = format!("taillabel=\"{}\", headlabel=\"{}\"", escape(&one.link), escape(&other.link));
    let limited = match limits.as_slice() {
        [] => String::new(),
        _ => format!(", label=\"{}\", style=dashed, color=\"#c2811b\"", centered(limits.into_iter())),
    };
    format!("{} -> {} [{attributes}{limited}];", id(&one.at), id(&other.at))
}

fn macvlans(index: usize, card: &Card) -> Vec<String> {
    let lines = card.links.iter().filter(|link| matches!(link.to, Spot::HostLink(_))).map(|link| {
        let label = escape(&link.name);
        format!(
            "{} -> node{index} [label=\"macvlan\", headlabel=\"{label}\", style=dotted, color=\"#7c4dbd\"];",
            id(&link.to)
        )
    });
    lines.collect()
}

fn id(spot: &Spot) -> String {
    match spot {
        Spot::Network(named) => format!("network{}", named.index),
        Spot::Node(named) => format!("node{}", named.index),
        Spot::HostLink(named) => format!("link{}", named.index),
        Spot::Host => "host".to_owned(),
    }
}
