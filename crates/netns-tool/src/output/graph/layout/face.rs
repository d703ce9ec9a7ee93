//! What stands on a card, and how large it must be for that.

use super::super::{
    escape::{shortened, shown},
    picture::{Card, Picture, Role},
    width,
};

/// How much a card tells; the more cards, the less.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in super::super) enum Detail {
    Full,
    /// Name and first address.
    Brief,
    /// Name.
    Name,
}

impl Detail {
    pub(super) fn for_nodes(number: usize) -> Self {
        match number {
            0..=60 => Self::Full,
            61..=320 => Self::Brief,
            _ => Self::Name,
        }
    }
}

/// One line of a card.
#[derive(Debug)]
pub(in super::super) struct Line {
    pub(in super::super) kind: LineKind,
    /// In the left column; empty where the line goes on with the one above.
    pub(in super::super) label: String,
    pub(in super::super) text: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in super::super) enum LineKind {
    Address,
    Limit,
    Route,
    Program,
}

/// A card's text and size.
#[derive(Debug)]
pub(in super::super) struct Face {
    pub(in super::super) lines: Vec<Line>,
    pub(in super::super) detail: Detail,
    /// Where the right column begins.
    pub(in super::super) indent: f64,
    pub(super) size: (f64, f64),
}

pub(in super::super) const NAME_SIZE: f64 = 14.0;
pub(in super::super) const LINE_SIZE: f64 = 11.0;
pub(in super::super) const LINE_HEIGHT: f64 = 16.0;
pub(in super::super) const HEADER: f64 = 32.0;
pub(in super::super) const PADDING: f64 = 14.0;
pub(in super::super) const ROUTER_BADGE: f64 = 54.0;
const LONGEST: usize = 48;

pub(super) fn faces(picture: &Picture, detail: Detail) -> Vec<Face> {
    picture.nodes.iter().map(|card| face(card, detail)).collect()
}

fn face(card: &Card, detail: Detail) -> Face {
    let lines = match detail {
        Detail::Full => full(card),
        Detail::Brief => brief(card),
        Detail::Name => Vec::new(),
    };
    let widest = |text: fn(&Line) -> &str| {
        lines.iter().map(|line| width::monospaced(text(line), LINE_SIZE)).fold(0.0, f64::max)
    };
    let labels = widest(|line| &line.label);
    let indent = if labels > 0.0 { labels + 10.0 } else { 0.0 };
    let badge = match (detail, card.role) {
        (Detail::Full, Role::Router) => ROUTER_BADGE + 12.0,
        _ => 0.0,
    };
    let name = width::proportional(&card.name, NAME_SIZE) * 1.08 + badge;
    let inner = name.max(indent + widest(|line| &line.text));
    let least = if detail == Detail::Full { 120.0 } else { 56.0 };
    let height = match lines.len() {
        0 => HEADER,
        number => HEADER + LINE_HEIGHT * super::pixels(number) + 8.0,
    };
    Face { lines, detail, indent, size: ((inner + 2.0 * PADDING).max(least).ceil(), height) }
}

fn brief(card: &Card) -> Vec<Line> {
    let first = card.links.iter().find_map(|link| link.addresses.first());
    first.map(|address| line(LineKind::Address, "", address)).into_iter().collect()
}

fn full(card: &Card) -> Vec<Line> {
    let mut lines = Vec::new();
    lines.extend(column(LineKind::Address, "lo", &card.loopback));
    for link in &card.links {
        if link.addresses.is_empty() {
            lines.push(line(LineKind::Address, &link.name, "no address"));
        }
        lines.extend(column(LineKind::Address, &link.name, &link.addresses));
        lines.extend(link.outwards.iter().map(|limits| line(LineKind::Limit, "", &format!("↑ {limits}"))));
        lines.extend(link.inwards.iter().map(|limits| line(LineKind::Limit, "", &format!("↓ {limits}"))));
    }
    lines.extend(column(LineKind::Route, "via", &card.gateways));
    match card.routes.len() {
        0 => {}
        1..=3 => lines.extend(card.routes.iter().map(|route| line(LineKind::Route, "route", route))),
        more => lines.push(line(LineKind::Route, "route", &format!("{more} more routes"))),
    }
    lines.extend(card.programs.iter().take(3).map(|program| line(LineKind::Program, "runs", program)));
    if card.programs.len() > 3 {
        lines.push(line(LineKind::Program, "", &format!("… and {} more", card.programs.len() - 3)));
    }
    lines
}

/// Several values under one label.
fn column(kind: LineKind, label: &str, values: &[String]) -> Vec<Line> {
    let label_of = |index| if index == 0 { label } else { "" };
    values.iter().enumerate().map(|(index, value)| line(kind, label_of(index), value)).collect()
}

fn line(kind: LineKind, label: &str, text: &str) -> Line {
    Line { kind, label: shown(label), text: shortened(&shown(text), LONGEST) }
}
