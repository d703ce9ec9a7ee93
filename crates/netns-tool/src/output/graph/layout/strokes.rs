//! The lines of a picture, and what they lead to on the host's edges.

use super::{
    Chip, ChipKind, EdgeTag, Face, Point, Rect, Scene, at, pixels, router::Router, seats::Seating,
    tags::tags, wires,
};
use crate::output::graph::{
    picture::{Picture, Purpose, Spot, WayOut},
    width,
};

/// A line.
#[derive(Clone, Debug)]
pub(in super::super) struct Stroke {
    pub(in super::super) kind: StrokeKind,
    pub(in super::super) points: Vec<Point>,
    pub(in super::super) bend: Bend,
    /// All about it.
    pub(in super::super) title: String,
    pub(in super::super) labels: Vec<Label>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in super::super) enum StrokeKind {
    Cable,
    /// With a limit of rate, delay or loss.
    LimitedCable,
    Macvlan,
    Nat,
    /// Ends in an arrow.
    Port,
    Tunnel,
    /// From the host's edge to the internet.
    Uplink,
}

/// How a line goes on at its points.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in super::super) enum Bend {
    /// Round corners.
    Corners,
    /// Round corners; from this point to the next, a curve that begins and ends downwards.
    CurveAfter(usize),
}

/// A word at a line.
#[derive(Clone, Debug)]
pub(in super::super) struct Label {
    pub(in super::super) at: Point,
    pub(in super::super) text: String,
    pub(in super::super) side: Side,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in super::super) enum Side {
    /// Begins there.
    Right,
    /// Ends there.
    Left,
    /// In a box around there.
    Pill,
}

const CLOUD: (f64, f64) = (150.0, 62.0);
const MARGIN: f64 = 24.0;
const MOST_TAGS: usize = 24;

/// Whether published ports are drawn one by one.
pub(super) fn shows_each_port(picture: &Picture) -> bool {
    picture.nodes.len() <= 60 && picture.ports.len() <= MOST_TAGS
}

pub(super) fn connect(picture: &Picture, faces: Vec<Face>, seating: Seating) -> Scene {
    let (chips, width) = chips(picture, seating.width);
    let frame = Rect { x: 0.0, y: 0.0, width, height: seating.height };
    // What leaves a card side by side must know how much there is of it.
    let mut rehearsal = Router::new(&seating, &chips, frame);
    inside(picture, &mut rehearsal);
    let (tags, mut strokes) = inside(picture, &mut rehearsal.rehearsed());
    let cloud = cloud(&chips);
    strokes.extend(cloud.iter().flat_map(|cloud| uplinks(&chips, cloud)));
    let top = if cloud.is_some() { CLOUD.1 + 74.0 } else { 40.0 };
    let right = tags.iter().map(|tag| tag.rect.right()).fold(frame.width, f64::max);
    let bottom = tags.iter().map(|tag: &EdgeTag| tag.rect.bottom()).fold(frame.height, f64::max);
    Scene {
        view: Rect { x: -MARGIN, y: -top, width: right + 2.0 * MARGIN, height: bottom + top + MARGIN },
        frame: Rect { height: bottom.max(frame.height), ..frame },
        cloud,
        cards: seating.seats.iter().map(|seat| seat.rect).collect(),
        faces,
        bars: seating.bars,
        chips,
        tags,
        strokes,
    }
}

/// All lines within the host, those that go to the left first.
fn inside(picture: &Picture, router: &mut Router<'_>) -> (Vec<EdgeTag>, Vec<Stroke>) {
    let mut strokes = nat(picture, router);
    strokes.extend(wires::macvlans(picture, router));
    strokes.extend(wires::wires(picture, router));
    let (tags, lines) = tags(picture, router);
    strokes.extend(lines);
    (tags, strokes)
}

/// The host's own links, side by side in the middle; returns also how wide the host must be for them.
fn chips(picture: &Picture, least: f64) -> (Vec<Chip>, f64) {
    let outside = picture.host_links.iter().map(|link| match link.purpose {
        Purpose::Uplink => (ChipKind::Uplink, link.name.clone()),
        Purpose::Shared => (ChipKind::Shared, link.name.clone()),
    });
    let ends = picture.cables.iter().flat_map(|cable| &cable.ends).filter(|end| end.at == Spot::Host);
    let inside = ends.map(|end| {
        let addresses = end.addresses.iter().map(|address| format!(" {address}"));
        (ChipKind::HostEnd, std::iter::once(end.link.clone()).chain(addresses).collect())
    });
    let all: Vec<(ChipKind, String)> = outside.chain(inside).collect();
    let width_of = |text: &str| (width::monospaced(text, 11.0) + 24.0).ceil();
    let total: f64 = all.iter().map(|(_, text)| width_of(text) + 20.0).sum();
    let width = least.max(total + 260.0);
    let mut x = 10.0 + (width - total) / 2.0;
    let chips = all.into_iter().map(|(kind, text)| {
        let y = if kind == ChipKind::HostEnd { 18.0 } else { -13.0 };
        let rect = Rect { x, y, width: width_of(&text), height: 26.0 };
        x += rect.width + 20.0;
        Chip { rect, kind, text }
    });
    (chips.collect(), width)
}

/// Above the uplinks, where there are any.
fn cloud(chips: &[Chip]) -> Option<Rect> {
    let uplinks = || chips.iter().filter(|chip| chip.kind == ChipKind::Uplink);
    let number = uplinks().count();
    let middle = uplinks().map(|chip| chip.rect.center().x).sum::<f64>() / pixels(number.max(1));
    (number > 0).then_some(Rect {
        x: middle - CLOUD.0 / 2.0,
        y: -CLOUD.1 - 52.0,
        width: CLOUD.0,
        height: CLOUD.1,
    })
}

fn uplinks(chips: &[Chip], cloud: &Rect) -> Vec<Stroke> {
    let uplinks = chips.iter().filter(|chip| chip.kind == ChipKind::Uplink);
    let stroke = |chip: &Chip| {
        let from = at(chip.rect.center().x, chip.rect.y);
        let x = from.x.clamp(cloud.x + 40.0, cloud.right() - 40.0);
        Stroke {
            kind: StrokeKind::Uplink,
            points: vec![at(x, cloud.bottom() - 6.0), from],
            bend: Bend::CurveAfter(0),
            title: format!("{} leads to the internet", chip.text),
            labels: Vec::new(),
        }
    };
    uplinks.map(stroke).collect()
}

/// From each network that gets out to its uplink.
fn nat(picture: &Picture, router: &mut Router<'_>) -> Vec<Stroke> {
    let mut strokes = Vec::new();
    for (index, network) in picture.networks.iter().enumerate() {
        if let WayOut::Nat(uplink) = &network.way_out {
            let points = router.bar_to_chip(index, uplink.index);
            let label = at(points[0].x, points[0].y - 15.0);
            strokes.push(Stroke {
                kind: StrokeKind::Nat,
                bend: Bend::Corners,
                title: format!("{} reaches the internet behind the address of {}", network.name, uplink.name),
                labels: vec![Label { at: label, text: "NAT".to_owned(), side: Side::Pill }],
                points,
            });
        }
    }
    strokes
}

#[cfg(test)]
impl Stroke {
    /// Whether its straight parts lead through the inside of a box.
    pub(in super::super) fn runs_through(&self, rect: &Rect) -> bool {
        let inner = Rect {
            x: rect.x + 3.0,
            y: rect.y + 3.0,
            width: (rect.width - 6.0).max(0.0),
            height: (rect.height - 6.0).max(0.0),
        };
        let parts = self.points.windows(2).enumerate();
        let straight = parts.filter(|(place, _)| self.bend != Bend::CurveAfter(*place));
        straight.into_iter().any(|(_, ends)| {
            (0..=60_u32).any(|step| {
                let share = f64::from(step) / 60.0;
                let x = ends[0].x + (ends[1].x - ends[0].x) * share;
                let y = ends[0].y + (ends[1].y - ends[0].y) * share;
                inner.is_near(&Rect { x, y, width: 0.0, height: 0.0 }, 0.0)
            })
        })
    }
}
