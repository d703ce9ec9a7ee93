//! Ways around cards: down from a card to where its level ends, along a lane, up a gutter.

use std::collections::HashMap;

use super::{
    Chip, Point, Rect, at, pixels,
    seats::{Block, LANE, Last, RowKind, Seat, Seating},
};

/// Hands out lanes, each once.
pub(super) struct Router<'a> {
    pub(super) seating: &'a Seating,
    pub(super) chips: &'a [Chip],
    pub(super) frame: Rect,
    /// Cables that have left each card at its lower edge.
    below: Vec<usize>,
    /// All that will have left there.
    feet: Vec<usize>,
    /// Cables between each card and its bar.
    taps: Vec<usize>,
    lanes_in_row: Vec<usize>,
    lanes_of_level: HashMap<(usize, usize), usize>,
    units_of_level: HashMap<(usize, usize), usize>,
    right: usize,
    /// Bars with a lane above them, on which they reach others.
    lanes_above: Vec<usize>,
}

impl<'a> Router<'a> {
    pub(super) fn new(seating: &'a Seating, chips: &'a [Chip], frame: Rect) -> Self {
        let mut units_of_level = HashMap::new();
        for unit in &seating.units {
            *units_of_level.entry((unit.part, unit.level)).or_default() += 1;
        }
        Self {
            seating,
            chips,
            frame,
            below: vec![0; seating.seats.len()],
            feet: vec![0; seating.seats.len()],
            taps: vec![0; seating.seats.len()],
            lanes_in_row: vec![0; seating.seats.len()],
            lanes_of_level: HashMap::new(),
            units_of_level,
            right: 0,
            lanes_above: Vec::new(),
        }
    }

    pub(super) fn seat(&self, card: usize) -> &'a Seat {
        &self.seating.seats[card]
    }

    pub(super) fn level_of_card(&self, card: usize) -> usize {
        self.seating.units[self.seat(card).unit].level
    }

    pub(super) fn level_of_bar(&self, bar: usize) -> usize {
        self.seating.units[self.seating.unit_of_bar[bar]].level
    }

    fn block_of_unit(&self, unit: usize) -> &'a Block {
        &self.seating.blocks[self.seating.units[unit].part]
    }

    /// How many cables of this card have come before, counted for each card.
    pub(super) fn next_tap(&mut self, card: usize) -> f64 {
        self.taps[card] += 1;
        pixels(self.taps[card] - 1)
    }

    /// The next place at the lower edge of a card, from left to right around its middle.
    pub(super) fn foot(&mut self, card: usize) -> Point {
        let rect = &self.seat(card).rect;
        let before = pixels(self.below[card]);
        self.below[card] += 1;
        let half = pixels(self.feet[card].saturating_sub(1)) / 2.0;
        let step = 14.0_f64.min((rect.width - 20.0) / (2.0 * half.max(0.5)));
        at(rect.center().x + (before - half) * step, rect.bottom())
    }

    /// Starts again, knowing how many cables leave each card at its lower edge.
    pub(super) fn rehearsed(self) -> Self {
        Self { feet: self.below, ..Self::new(self.seating, self.chips, self.frame) }
    }

    /// From the lower edge of a card to where its level ends, past the rows below it.
    pub(super) fn descend(&mut self, card: usize) -> Vec<Point> {
        let foot = self.foot(card);
        let seat = self.seat(card);
        let bottom = self.seating.level_bottoms[seat.unit];
        match seat.row {
            RowKind::Upper => {
                let y = self.row_lane(card);
                vec![foot, at(foot.x, y), at(seat.gutter + 5.0, y), at(seat.gutter + 5.0, bottom)]
            }
            RowKind::Only | RowKind::Last => vec![foot, at(foot.x, bottom)],
        }
    }

    fn row_lane(&mut self, card: usize) -> f64 {
        let seat = self.seat(card);
        let lane = seat.first_lane + self.lanes_in_row[card];
        self.lanes_in_row[card] += 1;
        seat.lanes + LANE * pixels(lane)
    }

    /// A free height below the level of this unit.
    pub(super) fn level_lane(&mut self, unit: usize) -> f64 {
        let of = &self.seating.units[unit];
        let lane = self.lanes_of_level.entry((of.part, of.level)).or_default();
        *lane += 1;
        self.seating.level_bottoms[unit] + 8.0 + LANE * pixels((*lane - 1).min(40))
    }

    /// From the lower edge of a card to a height from which both sides of its block can be reached.
    fn leave(&mut self, card: usize) -> Vec<Point> {
        let unit = self.seat(card).unit;
        let of = &self.seating.units[unit];
        if self.units_of_level[&(of.part, of.level)] == 1 {
            let foot = self.foot(card);
            return vec![foot, at(foot.x, self.row_lane(card))];
        }
        let mut points = self.descend(card);
        let lane = self.level_lane(unit);
        if let Some(last) = points.last_mut() {
            last.y = lane;
        }
        points
    }

    pub(super) fn card_to_chip(&mut self, card: usize, chip: usize) -> Vec<Point> {
        let points = self.leave(card);
        self.climb(self.seat(card).unit, points, chip)
    }

    pub(super) fn bar_to_chip(&mut self, bar: usize, chip: usize) -> Vec<Point> {
        let rect = self.seating.bars[bar];
        let unit = self.seating.unit_of_bar[bar];
        let to = &self.chips[chip].rect;
        let block = self.block_of_unit(unit);
        let is_on_top = self.seating.units[unit].level == 0 && block.shelf == 0;
        if !is_on_top {
            let x = rect.x + 30.0;
            return self.climb(unit, vec![at(x, rect.y), at(x, rect.y - 26.0)], chip);
        }
        let range = (rect.x + 20.0, rect.right() - 20.0);
        let center = to.center().x;
        let x = if center >= range.0 && center <= range.1 { center } else { rect.center().x };
        let lane = self.chip_lane(chip);
        vec![at(x, rect.y), at(x, lane), at(center, lane), at(center, to.bottom())]
    }

    /// Between two bars: straight where nothing is between them, else by a lane that all cables of the first
    /// one share.
    pub(super) fn bar_to_bar(&mut self, bar: usize, other: usize) -> Vec<Point> {
        const MOST_LANES: usize = 4;
        let (from, to) = (self.seating.bars[bar], self.seating.bars[other]);
        let (left, right) = if from.x <= to.x { (from, to) } else { (to, from) };
        let is_between = |one: &Rect| {
            let same_height = (one.y - left.y).abs() < 0.5;
            same_height && one.x > left.x && one.x < right.x
        };
        if (left.y - right.y).abs() < 0.5 && !self.seating.bars.iter().any(is_between) {
            let y = left.center().y;
            return vec![at(left.right(), y), at(right.x, y)];
        }
        let known = self.lanes_above.iter().position(|known| *known == bar);
        let lane = known.unwrap_or_else(|| {
            self.lanes_above.push(bar);
            self.lanes_above.len() - 1
        });
        let y = from.y.min(to.y) - 10.0 - LANE * pixels(lane % MOST_LANES);
        let x = |rect: &Rect| rect.x + 14.0;
        vec![at(x(&from), from.y), at(x(&from), y), at(x(&to), y), at(x(&to), to.y)]
    }

    fn chip_lane(&self, chip: usize) -> f64 {
        52.0 + LANE * pixels(chip.min(12)) - if self.chips.len() == 1 { 24.0 } else { 0.0 }
    }

    /// On along the block's left gutter, past the shelves above it, to a link of the host.
    fn climb(&self, unit: usize, mut points: Vec<Point>, chip: usize) -> Vec<Point> {
        let block = self.block_of_unit(unit);
        let lane = LANE * pixels(chip.min(12));
        let mut x = block.rect.x + 10.0 + lane;
        let from = points.last().map_or(0.0, |point| point.y);
        points.push(at(x, from));
        if block.shelf > 0 {
            let y = block.rect.y - 10.0 - lane;
            points.push(at(x, y));
            x = 5.0 + 3.0 * pixels(chip.min(4));
            points.push(at(x, y));
        }
        let to = &self.chips[chip].rect;
        let y = self.chip_lane(chip);
        points.extend([at(x, y), at(to.center().x, y), at(to.center().x, to.bottom())]);
        points
    }

    /// From the lower edge of a card towards the host's right edge.
    pub(super) fn card_to_the_right(&mut self, card: usize) -> Vec<Point> {
        let points = self.leave(card);
        self.go_right(self.seat(card).unit, points)
    }

    /// From the upper edge of a bar towards the host's right edge.
    pub(super) fn bar_to_the_right(&mut self, bar: usize) -> Vec<Point> {
        let rect = self.seating.bars[bar];
        let x = rect.right() - 24.0;
        self.go_right(self.seating.unit_of_bar[bar], vec![at(x, rect.y), at(x, rect.y - 12.0)])
    }

    fn go_right(&mut self, unit: usize, mut points: Vec<Point>) -> Vec<Point> {
        let block = self.block_of_unit(unit);
        let lane = LANE * pixels(self.right.min(24));
        self.right += 1;
        let x = block.rect.right() - 8.0 - lane;
        let from = points.last().map_or(0.0, |point| point.y);
        points.push(at(x, from));
        if block.is_last_of_shelf == Last::No {
            let y = block.rect.y - 12.0 - lane;
            points.extend([at(x, y), at(self.frame.right() - 8.0, y)]);
        }
        points
    }
}
