//! Lines with round corners, and the words at them.

use super::{
    escape::xml,
    layout::{self, Bend, Point, Rect, Side, Stroke, StrokeKind},
    svg::{centered, ended, number, text},
};

const RADIUS: f64 = 9.0;

pub(super) fn line(stroke: &Stroke) -> String {
    let class = match stroke.kind {
        StrokeKind::Cable => "line",
        StrokeKind::LimitedCable => "line limited",
        StrokeKind::Macvlan => "line macvlan",
        StrokeKind::Nat => "line nat",
        StrokeKind::Port => "line port",
        StrokeKind::Tunnel => "line tunnel",
        StrokeKind::Uplink => "line uplink",
    };
    let arrow = if stroke.kind == StrokeKind::Port { " marker-end=\"url(#arrow)\"" } else { "" };
    let path = path(&stroke.points, stroke.bend);
    format!(
        "<g class=\"wire\"><title>{}</title><path class=\"{class}\" d=\"{path}\"{arrow}/></g>\n",
        xml(&stroke.title)
    )
}

/// Above all lines, so that none crosses a word.
pub(super) fn labels(stroke: &Stroke) -> String {
    let label = |label: &layout::Label| match label.side {
        Side::Right => text(label.at, "m dim small halo", &label.text),
        Side::Left => ended(label.at, "m dim small halo", &label.text),
        Side::Pill => pill(label.at, &label.text),
    };
    stroke.labels.iter().map(label).collect()
}

fn pill(at: Point, words: &str) -> String {
    let Rect { x, y, width, height } = Rect { x: at.x - 17.0, y: at.y - 8.0, width: 34.0, height: 16.0 };
    let shape = format!(
        "<rect class=\"pill\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"8\"/>\n",
        number(x),
        number(y),
        number(width),
        number(height)
    );
    shape + &centered(layout::at(at.x, at.y + 3.3), "pill-text", words)
}

fn path(points: &[Point], bend: Bend) -> String {
    match bend {
        Bend::Corners => format!("M{}{}", pair(points[0]), corners(points)),
        Bend::CurveAfter(place) => {
            let (from, to) = (points[place], points[place + 1]);
            let middle = number(from.y.midpoint(to.y));
            format!(
                "M{}{}C{} {middle} {} {middle} {}{}",
                pair(points[0]),
                corners(&points[..=place]),
                number(from.x),
                number(to.x),
                pair(to),
                corners(&points[place + 1..]),
            )
        }
    }
}

/// From the first point on.
fn corners(points: &[Point]) -> String {
    let mut points = points.to_vec();
    points.dedup();
    let turns = points.windows(3).map(|three| {
        let (before, corner, after) = (three[0], three[1], three[2]);
        let (begin, end) = (towards(corner, before), towards(corner, after));
        format!("L{}Q{} {}", pair(begin), pair(corner), pair(end))
    });
    let turns: String = turns.collect();
    match points.as_slice() {
        [] | [_] => String::new(),
        [.., last] => format!("{turns}L{}", pair(*last)),
    }
}

/// A little way from `from` to `to`, at most half of it.
fn towards(from: Point, to: Point) -> Point {
    let (x, y) = (to.x - from.x, to.y - from.y);
    let length = x.hypot(y).max(0.1);
    let share = (RADIUS / length).min(0.5);
    layout::at(from.x + x * share, from.y + y * share)
}

fn pair(point: Point) -> String {
    format!("{} {}", number(point.x), number(point.y))
}
