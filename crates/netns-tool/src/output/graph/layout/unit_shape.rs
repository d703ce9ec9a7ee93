//! The inside of a unit: cards in rows under a bar, in a chain, or around a circle.

use super::{
    Face, Rect, pixels,
    seats::{LANE, RowKind, Seat},
    units::{Shape, Unit},
};
use crate::output::graph::{
    picture::{Bar, Picture},
    width,
};

/// A unit, as if it stood alone.
#[derive(Debug)]
pub(super) struct Local {
    pub(super) size: (f64, f64),
    pub(super) bar: Option<Rect>,
    /// In the order of the unit's cards.
    pub(super) seats: Vec<Seat>,
}

pub(in super::super) const BAR_HEIGHT: f64 = 46.0;
/// Between a bar and its cards.
const DROP: f64 = 44.0;
const COLUMN_GAP: f64 = 30.0;
const CHAIN_GAP: f64 = 84.0;
const CHAIN_COLUMNS: usize = 5;
const ROW_GAP: f64 = 28.0;

pub(super) fn local(picture: &Picture, unit: &Unit, faces: &[Face], exits: &[usize]) -> Local {
    let sizes: Vec<(f64, f64)> = unit.cards.iter().map(|card| faces[*card].size).collect();
    let exits: Vec<usize> = unit.cards.iter().map(|card| exits[*card]).collect();
    let bar = unit.bar.map(|bar| &picture.networks[bar]);
    match unit.shape {
        Shape::Grid => grid(bar, &sizes, &exits, columns(&sizes)),
        Shape::Chain => chain(&sizes, &exits),
        Shape::Circle => circle(&sizes, &exits),
    }
}

/// What a bar's two lines of text need.
pub(in super::super) fn bar_width(bar: &Bar) -> f64 {
    let upper = width::proportional(&bar.name, 14.0) * 1.08 + width::proportional(&bar.way_out.words(), 11.0);
    let lower = width::monospaced(&bar.addresses(), 11.0);
    (upper + 78.0).max(lower + 36.0).ceil()
}

/// As few columns as make it wider than high; few cards stand in one row.
fn columns(sizes: &[(f64, f64)]) -> usize {
    let (width, height) = largest(sizes);
    let is_wide = |columns: &usize| {
        let rows = sizes.len().div_ceil(*columns);
        pixels(*columns) * (width + COLUMN_GAP) >= 1.7 * pixels(rows) * (height + ROW_GAP)
    };
    match sizes.len() {
        0..=4 => sizes.len().max(1),
        number => (1..=number).find(is_wide).unwrap_or(number),
    }
}

fn largest(sizes: &[(f64, f64)]) -> (f64, f64) {
    sizes.iter().fold((0.0, 0.0), |(width, height), size| (size.0.max(width), size.1.max(height)))
}

fn grid(bar: Option<&Bar>, sizes: &[(f64, f64)], exits: &[usize], columns: usize) -> Local {
    let column = largest(sizes).0;
    let rows = sizes.len().div_ceil(columns);
    let cards_width = pixels(columns) * (column + COLUMN_GAP) + if rows > 1 { 0.0 } else { -COLUMN_GAP };
    let width = bar.map_or(0.0, bar_width).max(if sizes.is_empty() { 0.0 } else { cards_width });
    let left = (width - cards_width) / 2.0 + if rows > 1 { COLUMN_GAP } else { 0.0 };
    let mut y = match (bar, rows > 1) {
        (Some(_), _) => BAR_HEIGHT + if sizes.is_empty() { 0.0 } else { DROP },
        (None, true) => 18.0,
        (None, false) => 0.0,
    };
    let mut seats = Vec::new();
    for (row, cards) in sizes.chunks(columns).enumerate() {
        let height = largest(cards).1;
        let mut lane = 0;
        for (place, size) in cards.iter().enumerate() {
            let x = left + pixels(place) * (column + COLUMN_GAP);
            seats.push(Seat {
                rect: Rect { x, y, width: column, height: size.1 },
                gutter: x - COLUMN_GAP / 2.0,
                lanes: y + height + 12.0,
                first_lane: lane,
                row: row_kind(row, rows),
                unit: 0,
            });
            lane += exits[row * columns + place];
        }
        let lanes = if lane > 0 { 10.0 + LANE * pixels(lane) } else { 0.0 };
        y += height + lanes + if row + 1 == rows { 0.0 } else { ROW_GAP };
    }
    Local { size: (width, y), bar: bar.map(|_| Rect { x: 0.0, y: 0.0, width, height: BAR_HEIGHT }), seats }
}

fn row_kind(row: usize, rows: usize) -> RowKind {
    match row + 1 {
        _ if rows == 1 => RowKind::Only,
        number if number == rows => RowKind::Last,
        _ => RowKind::Upper,
    }
}

/// To and fro, like the lines of an ox at the plough.
fn chain(sizes: &[(f64, f64)], exits: &[usize]) -> Local {
    let column = largest(sizes).0;
    let columns = sizes.len().min(CHAIN_COLUMNS);
    let mut seats = Vec::new();
    let mut y = 0.0;
    for (row, cards) in sizes.chunks(CHAIN_COLUMNS).enumerate() {
        let height = largest(cards).1;
        let mut lane = 0;
        for (place, size) in cards.iter().enumerate() {
            let place_in_row = if row % 2 == 0 { place } else { columns - 1 - place };
            let x = pixels(place_in_row) * (column + CHAIN_GAP);
            seats.push(Seat {
                rect: Rect { x, y, width: column, height: size.1 },
                gutter: x - CHAIN_GAP / 2.0,
                lanes: y + height + 12.0,
                first_lane: lane,
                row: RowKind::Only,
                unit: 0,
            });
            lane += exits[row * CHAIN_COLUMNS + place];
        }
        y += height + LANE * pixels(lane) + 2.0 * ROW_GAP;
    }
    let width = pixels(columns) * (column + CHAIN_GAP) - CHAIN_GAP;
    Local { size: (width, y - 2.0 * ROW_GAP), bar: None, seats }
}

/// On an ellipse that grows until no card is in the way of another or of a cable.
fn circle(sizes: &[(f64, f64)], exits: &[usize]) -> Local {
    let (column, row) = largest(sizes);
    let mut radius = (column * 1.1, row * 1.2);
    let mut rects = on_ellipse(sizes, radius);
    for _ in 0..40 {
        if !is_crowded(&rects) {
            break;
        }
        radius = (radius.0 * 1.08, radius.1 * 1.08);
        rects = on_ellipse(sizes, radius);
    }
    let left = rects.iter().map(|rect| rect.x).fold(f64::MAX, f64::min);
    let top = rects.iter().map(|rect| rect.y).fold(f64::MAX, f64::min);
    let rects: Vec<Rect> = rects.iter().map(|rect| rect.moved(-left, -top)).collect();
    let width = rects.iter().map(Rect::right).fold(0.0, f64::max);
    let height = rects.iter().map(Rect::bottom).fold(0.0, f64::max);
    let mut lane = 0;
    let seats = rects.into_iter().zip(exits).map(|(rect, exits)| {
        let seat = Seat {
            rect,
            gutter: rect.x - 12.0,
            lanes: rect.bottom() + 12.0,
            first_lane: lane,
            row: RowKind::Only,
            unit: 0,
        };
        lane += exits;
        seat
    });
    let seats = seats.collect();
    Local { size: (width, height + LANE * pixels(lane)), bar: None, seats }
}

fn on_ellipse(sizes: &[(f64, f64)], radius: (f64, f64)) -> Vec<Rect> {
    let step = std::f64::consts::TAU / pixels(sizes.len());
    let start = if sizes.len().is_multiple_of(2) { step / 2.0 } else { 0.0 };
    let place = |(index, (width, height)): (usize, &(f64, f64))| {
        let (sine, cosine) = (start + step * pixels(index)).sin_cos();
        Rect {
            x: radius.0 * sine - width / 2.0,
            y: -radius.1 * cosine - height / 2.0,
            width: *width,
            height: *height,
        }
    };
    sizes.iter().enumerate().map(place).collect()
}

fn is_crowded(rects: &[Rect]) -> bool {
    let pairs = || (0..rects.len()).flat_map(|one| (0..one).map(move |other| (one, other)));
    pairs().any(|(one, other)| rects[one].is_near(&rects[other], 30.0))
        || pairs().any(|(one, other)| {
            let others = (0..rects.len()).filter(|index| *index != one && *index != other);
            others.into_iter().any(|index| hides(&rects[index], &rects[one], &rects[other]))
        })
}

/// Whether a card covers part of the straight line between two others.
fn hides(card: &Rect, one: &Rect, other: &Rect) -> bool {
    let (from, to) = (one.center(), other.center());
    (1..40_u32).any(|step| {
        let share = f64::from(step) / 40.0;
        let x = from.x + (to.x - from.x) * share;
        let y = from.y + (to.y - from.y) * share;
        card.is_near(&Rect { x, y, width: 0.0, height: 0.0 }, 8.0)
    })
}
