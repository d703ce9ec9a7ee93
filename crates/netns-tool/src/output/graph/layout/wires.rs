//! The ways of cables.

use super::{
    Point, Rect, at,
    router::Router,
    seats::{RowKind, Seat},
    strokes::{Bend, Label, Side, Stroke, StrokeKind},
    units::Shape,
};
use crate::output::graph::{
    escape::shortened,
    picture::{Picture, Spot, Wire, WireEnd},
};

/// A way and how it bends.
type Way = (Vec<Point>, Bend);

/// From left to right, so that those of one node do not cross each other; those to the host first.
pub(super) fn wires(picture: &Picture, router: &mut Router<'_>) -> Vec<Stroke> {
    let mut host_end = picture.host_links.len();
    let mut order: Vec<(f64, usize)> = Vec::new();
    for (index, wire) in picture.cables.iter().enumerate() {
        let ends = wire.ends.iter().map(|end| far_end(&end.at, router));
        let farthest = ends.fold((0, f64::MIN), |one, other| if other.0 >= one.0 { other } else { one });
        order.push((farthest.1, index));
    }
    order.sort_by(|one, other| one.0.total_cmp(&other.0));
    order.iter().filter_map(|(_, index)| cable(&picture.cables[*index], router, &mut host_end)).collect()
}

/// Level and middle of what a cable leads to.
fn far_end(spot: &Spot, router: &Router<'_>) -> (usize, f64) {
    match spot {
        Spot::Network(bar) => (router.level_of_bar(bar.index), router.seating.bars[bar.index].center().x),
        Spot::Node(card) => (router.level_of_card(card.index), router.seat(card.index).rect.center().x),
        Spot::Host | Spot::HostLink(_) => (usize::MAX, f64::MIN),
    }
}

fn cable(wire: &Wire, router: &mut Router<'_>, host_end: &mut usize) -> Option<Stroke> {
    let [one, other] = &wire.ends;
    let ((points, bend), labels) = match (&one.at, &other.at) {
        (Spot::Network(bar), Spot::Node(card)) => on_bar(router, bar.index, card.index, one),
        (Spot::Node(card), Spot::Network(bar)) => on_bar(router, bar.index, card.index, other),
        (Spot::Node(card), Spot::Node(peer)) => between(router, (card.index, one), (peer.index, other)),
        (Spot::Host, Spot::Node(card)) | (Spot::Node(card), Spot::Host) => {
            *host_end += 1;
            ((router.card_to_chip(card.index, *host_end - 1), Bend::Corners), Vec::new())
        }
        (Spot::Network(bar), Spot::Network(other)) => {
            ((router.bar_to_bar(bar.index, other.index), Bend::Corners), Vec::new())
        }
        _ => return None,
    };
    let is_limited = wire.ends.iter().any(|end| end.shaping.is_some());
    let kind = if is_limited { StrokeKind::LimitedCable } else { StrokeKind::Cable };
    Some(Stroke { kind, points, bend, title: wire.words(), labels })
}

pub(super) fn macvlans(picture: &Picture, router: &mut Router<'_>) -> Vec<Stroke> {
    let mut strokes = Vec::new();
    for (index, card) in picture.nodes.iter().enumerate() {
        for link in &card.links {
            if let Spot::HostLink(parent) = &link.to {
                strokes.push(Stroke {
                    kind: StrokeKind::Macvlan,
                    points: router.card_to_chip(index, parent.index),
                    bend: Bend::Corners,
                    title: format!("{}:{} is a macvlan link on {}", card.name, link.name, parent.name),
                    labels: Vec::new(),
                });
            }
        }
    }
    strokes
}

fn name(at: Point, text: &str, side: Side) -> Label {
    Label { at, text: shortened(text, 15), side }
}

/// Where a line from `from` ends, on the side that it does not come from.
fn beside(end: Point, from: Point, text: &str) -> Label {
    if from.x > end.x + 10.0 {
        name(at(end.x - 6.0, end.y - 7.0), text, Side::Left)
    } else {
        name(at(end.x + 6.0, end.y - 7.0), text, Side::Right)
    }
}

/// Between a bridge and a node.
fn on_bar(router: &mut Router<'_>, bar: usize, card: usize, end: &WireEnd) -> (Way, Vec<Label>) {
    let seat = router.seat(card);
    let rect = router.seating.bars[bar];
    if router.seating.units[seat.unit].bar == Some(bar) {
        return at_home(router, rect, card, end);
    }
    let mut points = router.descend(card);
    let from = points.last().copied().unwrap_or_else(|| at(seat.rect.x, seat.rect.bottom()));
    if router.level_of_bar(bar) > router.level_of_card(card) {
        let x = from.x.clamp(rect.x + 24.0, rect.right() - 24.0);
        let bend = Bend::CurveAfter(points.len() - 1);
        points.push(at(x, rect.y));
        return ((points, bend), vec![beside(at(x, rect.y), from, &end.link)]);
    }
    let lane = router.level_lane(seat.unit);
    let x = rect.x - 16.0;
    let y = rect.center().y;
    points.extend([at(from.x, lane), at(x, lane), at(x, y), at(rect.x, y)]);
    ((points, Bend::Corners), Vec::new())
}

/// Between a bridge and a node below it: straight, or by the gutter where there are several rows.
fn at_home(router: &mut Router<'_>, bar: Rect, card: usize, end: &WireEnd) -> (Way, Vec<Label>) {
    let Seat { rect, gutter, row, .. } = *router.seat(card);
    let tap = router.next_tap(card);
    if row == RowKind::Only {
        let x = (rect.center().x + tap * 24.0).min(rect.right() - 8.0);
        let isolated = if end.isolated { " (isolated)" } else { "" };
        let text = format!("{}{isolated}", end.link);
        let label = Label { at: at(x + 6.0, bar.bottom() + 17.0 + tap * 12.0), text, side: Side::Right };
        return ((vec![at(x, bar.bottom()), at(x, rect.y)], Bend::Corners), vec![label]);
    }
    let y = (rect.y + 16.0 + tap * 9.0).min(rect.bottom() - 4.0);
    ((vec![at(gutter, bar.bottom()), at(gutter, y), at(rect.x, y)], Bend::Corners), Vec::new())
}

/// Between two nodes.
fn between(router: &mut Router<'_>, one: (usize, &WireEnd), other: (usize, &WireEnd)) -> (Way, Vec<Label>) {
    let (upper, lower) = if router.level_of_card(one.0) <= router.level_of_card(other.0) {
        (one, other)
    } else {
        (other, one)
    };
    let (from, to) = (*router.seat(upper.0), *router.seat(lower.0));
    if from.unit == to.unit {
        let shape = router.seating.units[from.unit].shape;
        if shape == Shape::Circle {
            return ((across(&from.rect, &to.rect), Bend::Corners), Vec::new());
        }
        if let Some(found) = side_by_side(&from.rect, &to.rect, (upper.1, lower.1), shape) {
            return found;
        }
    }
    if router.level_of_card(upper.0) < router.level_of_card(lower.0) {
        return from_above(router, upper, lower);
    }
    let mut points = router.descend(upper.0);
    let end = router.descend(lower.0);
    let lane = router.level_lane(from.unit);
    for point in [points.last().copied(), end.last().copied()].into_iter().flatten() {
        points.push(at(point.x, lane));
    }
    points.extend(end.into_iter().rev());
    ((points, Bend::Corners), Vec::new())
}

/// A straight line from edge to edge.
fn across(one: &Rect, other: &Rect) -> Vec<Point> {
    vec![edge_towards(one, other.center()), edge_towards(other, one.center())]
}

fn edge_towards(rect: &Rect, to: Point) -> Point {
    let center = rect.center();
    let (x, y) = (to.x - center.x, to.y - center.y);
    let share = |half: f64, way: f64| if way == 0.0 { f64::MAX } else { half / way.abs() };
    let part = share(rect.width / 2.0, x).min(share(rect.height / 2.0, y)).min(1.0);
    at(center.x + x * part, center.y + y * part)
}

/// Straight between neighbours of one row, or of one column in a chain.
fn side_by_side(
    one: &Rect,
    other: &Rect,
    ends: (&WireEnd, &WireEnd),
    shape: Shape,
) -> Option<(Way, Vec<Label>)> {
    let (left, right, ends) =
        if one.x <= other.x { (one, other, ends) } else { (other, one, (ends.1, ends.0)) };
    let gap = right.x - left.right();
    if (left.y - right.y).abs() < 0.5 && gap > 0.0 && gap < 100.0 {
        let y = left.y + 16.0;
        let labels = if shape == Shape::Chain {
            let short = |text: &str| shortened(text, 6);
            vec![
                name(at(left.right() + 5.0, y - 6.0), &short(&ends.0.link), Side::Right),
                name(at(right.x - 5.0, y - 6.0), &short(&ends.1.link), Side::Left),
            ]
        } else {
            Vec::new()
        };
        return Some(((vec![at(left.right(), y), at(right.x, y)], Bend::Corners), labels));
    }
    let (upper, lower) = if one.y < other.y { (one, other) } else { (other, one) };
    let x = one.center().x;
    (shape == Shape::Chain && (one.x - other.x).abs() < 0.5)
        .then(|| ((vec![at(x, upper.bottom()), at(x, lower.y)], Bend::Corners), Vec::new()))
}

/// From a node to one of the level below.
fn from_above(
    router: &mut Router<'_>,
    upper: (usize, &WireEnd),
    lower: (usize, &WireEnd),
) -> (Way, Vec<Label>) {
    let mut points = router.descend(upper.0);
    let bend = Bend::CurveAfter(points.len() - 1);
    let seat = *router.seat(lower.0);
    let own_bar = router.seating.units[seat.unit].bar.map(|bar| router.seating.bars[bar]);
    match (own_bar, seat.row) {
        // Past the bar, and in from below.
        (Some(bar), _) => {
            let x = bar.x - 16.0;
            let mut up = router.descend(lower.0);
            let lane = router.level_lane(seat.unit);
            let turn = up.last().map_or(x, |point| point.x);
            points.extend([at(x, bar.y), at(x, lane), at(turn, lane)]);
            up.reverse();
            points.extend(up);
        }
        (None, RowKind::Only) => {
            let offset = router.next_tap(lower.0) * 18.0;
            points.push(at((seat.rect.center().x + offset).min(seat.rect.right() - 8.0), seat.rect.y));
        }
        (None, _) => {
            let top = router.seating.level_bottoms[router.seat(upper.0).unit] + 50.0;
            points.extend([
                at(seat.gutter, top),
                at(seat.gutter, seat.rect.y + 16.0),
                at(seat.rect.x, seat.rect.y + 16.0),
            ]);
        }
    }
    let labels = if seat.row == RowKind::Only && own_bar.is_none() {
        let end = points.last().copied().unwrap_or_else(|| seat.rect.center());
        vec![beside(end, router.seat(upper.0).rect.center(), &lower.1.link)]
    } else {
        Vec::new()
    };
    ((points, bend), labels)
}
