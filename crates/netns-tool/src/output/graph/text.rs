//! The picture as a tree for the terminal.

use anstyle::{AnsiColor, Style};

use super::{
    escape::shown,
    picture::{Bar, Card, LinkRow, Picture, Role, Spot, Tag, WayOut},
};

const TITLE: Style = Style::new().bold();
const NETWORK: Style = AnsiColor::Blue.on_default().bold();
const ROUTER: Style = AnsiColor::Yellow.on_default();
const PORT: Style = AnsiColor::Green.on_default();
const LABEL: Style = Style::new().dimmed();

/// Of more nodes in one place, only so many are drawn.
const MOST: usize = 50;

/// A line with what hangs on it.
struct Branch {
    line: String,
    twigs: Vec<Branch>,
}

fn leaf(line: String) -> Branch {
    Branch { line, twigs: Vec::new() }
}

pub(super) fn draw(picture: &Picture) -> String {
    let mut root = Branch {
        line: format!("{TITLE}{}{TITLE:#}  {LABEL}{}{LABEL:#}", picture.name, picture.in_a_sentence()),
        twigs: picture.networks.iter().enumerate().map(|(index, bar)| network(picture, index, bar)).collect(),
    };
    let alone: Vec<usize> =
        (0..picture.nodes.len()).filter(|node| home(&picture.nodes[*node]).is_none()).collect();
    root.twigs.extend(some(&alone, |node| self::node(picture, *node)));
    if !picture.checks.is_empty() {
        let checks = some(&picture.checks, |check| leaf(shown(check)));
        root.twigs.push(Branch { line: format!("{LABEL}checks{LABEL:#}"), twigs: checks });
    }
    let mut lines = vec![root.line];
    grow(&root.twigs, "", &mut lines);
    lines.push(String::new());
    lines.join("\n")
}

fn grow(twigs: &[Branch], before: &str, lines: &mut Vec<String>) {
    for (place, twig) in twigs.iter().enumerate() {
        let (arm, below) = if place + 1 == twigs.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        lines.push(format!("{LABEL}{before}{arm}{LABEL:#}{}", twig.line));
        grow(&twig.twigs, &format!("{before}{below}"), lines);
    }
}

/// The first ones, and how many more there are.
fn some<T>(all: &[T], draw: impl Fn(&T) -> Branch) -> Vec<Branch> {
    let mut branches: Vec<Branch> = all.iter().take(MOST).map(draw).collect();
    if all.len() > MOST {
        branches.push(leaf(format!("{LABEL}… and {} more{LABEL:#}", all.len() - MOST)));
    }
    branches
}

/// The network that a node is shown at: its first.
fn home(card: &Card) -> Option<usize> {
    card.links.iter().find_map(|link| match &link.to {
        Spot::Network(network) => Some(network.index),
        _ => None,
    })
}

fn network(picture: &Picture, index: usize, bar: &Bar) -> Branch {
    let mut words = vec![format!("{NETWORK}{}{NETWORK:#}", shown(&bar.name))];
    words.push(bar.addresses());
    words.push(match &bar.way_out {
        WayOut::Nat(_) => format!("{PORT}{}{PORT:#}", bar.way_out.words()),
        other => format!("{LABEL}{}{LABEL:#}", other.words()),
    });
    let mut twigs: Vec<Branch> = bar.tunnels.iter().map(|tunnel| leaf(tunnel.words())).collect();
    let between = picture.cables.iter().filter_map(|cable| cable.between_networks());
    let between: Vec<_> = between.flat_map(|[one, other]| [(one, other), (other, one)]).collect();
    let on_it: Vec<_> = between.iter().filter(|((here, _), _)| here.index == index).collect();
    twigs.extend(some(&on_it, |((_, link), (there, _))| {
        leaf(format!("{link}  {LABEL}→ {}{LABEL:#}", shown(&there.name)))
    }));
    let members: Vec<usize> = (0..picture.nodes.len())
        .filter(|node| {
            let on_it = |link: &LinkRow| matches!(&link.to, Spot::Network(network) if network.index == index);
            picture.nodes[*node].links.iter().any(on_it)
        })
        .collect();
    twigs.extend(some(&members, |node| {
        let card = &picture.nodes[*node];
        if home(card) == Some(index) { self::node(picture, *node) } else { visitor(card, index) }
    }));
    Branch { line: words.join("  "), twigs }
}

/// A node that is shown in full elsewhere.
fn visitor(card: &Card, network: usize) -> Branch {
    let here = card.links.iter().find(|link| matches!(&link.to, Spot::Network(to) if to.index == network));
    let link = here.map(|link| format!("{}  {}", link.name, link.addresses.join("  "))).unwrap_or_default();
    leaf(format!("{TITLE}{}{TITLE:#}  {link}  {LABEL}(see above){LABEL:#}", card.name))
}

fn node(picture: &Picture, index: usize) -> Branch {
    let card = &picture.nodes[index];
    let role = if card.role == Role::Router { format!("  {ROUTER}router{ROUTER:#}") } else { String::new() };
    let mut twigs: Vec<Branch> = Vec::new();
    twigs.extend(card.loopback.iter().map(|address| leaf(format!("lo  {address}"))));
    twigs.extend(card.links.iter().map(link));
    twigs.extend(card.gateways.iter().map(|gateway| leaf(format!("{LABEL}default via {gateway}{LABEL:#}"))));
    twigs.extend(card.routes.iter().map(|route| leaf(format!("{LABEL}{route}{LABEL:#}"))));
    let ports = picture.ports.iter().filter(|tag| tag.node.index == index);
    twigs.extend(ports.map(port));
    twigs
        .extend(card.programs.iter().map(|program| leaf(format!("{LABEL}runs{LABEL:#} {}", shown(program)))));
    Branch { line: format!("{TITLE}{}{TITLE:#}{role}", card.name), twigs }
}

fn link(link: &LinkRow) -> Branch {
    let mut words = vec![link.name.clone()];
    words.extend(link.addresses.iter().cloned());
    let arrow = match &link.to {
        Spot::HostLink(parent) => format!("→ {} (macvlan)", parent.name),
        to => format!("→ {}", shown(to.name())),
    };
    words.push(format!("{LABEL}{arrow}{LABEL:#}"));
    words.extend(link.outwards.iter().map(|limits| format!("{ROUTER}↑ {limits}{ROUTER:#}")));
    words.extend(link.inwards.iter().map(|limits| format!("{ROUTER}↓ {limits}{ROUTER:#}")));
    leaf(words.join("  "))
}

fn port(tag: &Tag) -> Branch {
    leaf(format!("{PORT}host {} → port {}{PORT:#}", tag.published, tag.target_port))
}
