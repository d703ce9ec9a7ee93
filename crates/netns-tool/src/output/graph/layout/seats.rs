//! A place for every card and bar: units on levels, levels in blocks, blocks on shelves.

use super::{
    Face, Rect, at, pixels,
    unit_shape::{Local, local},
    units::{Graph, Shape, Unit, units},
};
use crate::output::graph::picture::{Picture, Spot};

/// Where a card sits, and how cables get away from it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seat {
    pub(super) rect: Rect,
    /// Left of the column of cards, free from the bar down to the end of the level.
    pub(super) gutter: f64,
    /// Below the row of cards, where free lanes begin.
    pub(super) lanes: f64,
    /// The first lane for this card.
    pub(super) first_lane: usize,
    pub(super) row: RowKind,
    pub(super) unit: usize,
}

/// How a row of cards is reached from the bar above.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum RowKind {
    /// Straight from above; nothing is below it.
    #[default]
    Only,
    /// From the gutter; more rows follow.
    Upper,
    /// From the gutter; nothing is below it.
    Last,
}

/// Units that hang together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    pub(super) rect: Rect,
    /// Whether something stands between it and the host's upper edge.
    pub(super) shelf: usize,
    pub(super) is_last_of_shelf: Last,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Last {
    Yes,
    No,
}

/// Everything seated.
#[derive(Debug)]
pub(super) struct Seating {
    pub(super) units: Vec<Unit>,
    pub(super) seats: Vec<Seat>,
    pub(super) bars: Vec<Rect>,
    pub(super) unit_of_bar: Vec<usize>,
    pub(super) blocks: Vec<Block>,
    /// By unit: where its level ends.
    pub(super) level_bottoms: Vec<f64>,
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) gutters: Gutters,
    /// By card: how many lanes it needs to the sides.
    exits: Vec<usize>,
}

/// Room for lines that go around things.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gutters {
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) shelf: f64,
    pub(super) top: f64,
}

pub(super) const LANE: f64 = 8.0;
const UNIT_GAP: f64 = 44.0;
const LEVEL_GAP: f64 = 64.0;
const SHELF_WIDTH: f64 = 1240.0;
const HOST_MARGIN: f64 = 18.0;

pub(super) fn seat(picture: &Picture, faces: &[Face]) -> Seating {
    let units = units(picture);
    let exits = exits(picture);
    let locals: Vec<Local> = units.iter().map(|unit| local(picture, unit, faces, &exits)).collect();
    let gutters = gutters(picture);
    let mut seating = Seating {
        seats: vec![Seat::default(); picture.nodes.len()],
        bars: vec![Rect::default(); picture.networks.len()],
        unit_of_bar: vec![0; picture.networks.len()],
        blocks: Vec::new(),
        level_bottoms: vec![0.0; units.len()],
        width: 0.0,
        height: 0.0,
        gutters,
        units,
        exits,
    };
    let graph = Graph::of(picture);
    let parts = seating.units.last().map_or(0, |unit| unit.part + 1);
    for part in 0..parts {
        let size = seating.level_out(part, &locals, &graph);
        seating.blocks.push(Block {
            rect: Rect { x: 0.0, y: 0.0, width: size.0 + gutters.left + gutters.right, height: size.1 },
            shelf: 0,
            is_last_of_shelf: Last::No,
        });
    }
    seating.put_on_shelves();
    seating
}

/// How many lanes each card needs below its row.
fn exits(picture: &Picture) -> Vec<usize> {
    let mut exits = vec![0; picture.nodes.len()];
    if super::strokes::shows_each_port(picture) {
        picture.ports.iter().for_each(|tag| exits[tag.node.index] += 1);
    }
    for (index, card) in picture.nodes.iter().enumerate() {
        let outside = |spot: &Spot| matches!(spot, Spot::Host | Spot::HostLink(_));
        exits[index] += card.links.iter().filter(|link| outside(&link.to)).count();
    }
    exits
}

fn gutters(picture: &Picture) -> Gutters {
    let host_ends = picture.cables.iter().filter(|cable| cable.ends[0].at == Spot::Host).count();
    let tunnels: usize = picture.networks.iter().map(|network| network.tunnels.len()).sum();
    let ports = if super::strokes::shows_each_port(picture) { picture.ports.len() } else { 0 };
    let left = pixels((picture.host_links.len() + host_ends).min(12));
    let right = pixels((ports + tunnels).min(24));
    Gutters {
        left: 24.0 + LANE * left,
        right: 24.0 + LANE * right,
        shelf: 36.0 + LANE * (left + right),
        top: 56.0 + LANE * left,
    }
}

impl Seating {
    /// Puts one part's units on their levels, from the origin; returns its size.
    fn level_out(&mut self, part: usize, locals: &[Local], graph: &Graph) -> (f64, f64) {
        let members: Vec<usize> =
            (0..self.units.len()).filter(|unit| self.units[*unit].part == part).collect();
        let levels = members.iter().map(|unit| self.units[*unit].level).max().unwrap_or_default();
        let (mut y, mut left, mut right, mut bottom) = (0.0, f64::MAX, f64::MIN, 0.0);
        for level in 0..=levels {
            let mut row: Vec<usize> =
                members.iter().copied().filter(|unit| self.units[*unit].level == level).collect();
            let wishes: Vec<Option<f64>> = (0..self.units.len())
                .map(|unit| row.contains(&unit).then(|| self.wish(unit, graph)).flatten())
                .collect();
            row.sort_by(|one, other| {
                let key = |unit: &usize| wishes[*unit].unwrap_or(0.0);
                key(one).total_cmp(&key(other))
            });
            let height = row.iter().map(|unit| locals[*unit].size.1).fold(0.0, f64::max);
            for (unit, x) in side_by_side(&row, &wishes, locals) {
                self.put(unit, &locals[unit], x, y);
                self.level_bottoms[unit] = y + height;
                left = left.min(x);
                right = right.max(x + locals[unit].size.0);
            }
            let lanes = self.lanes_below(&row, graph);
            bottom = y + height + LANE * lanes;
            y += height + LEVEL_GAP + LANE * lanes;
        }
        self.shift(&members, self.gutters.left - left, 0.0);
        (right - left, bottom + 14.0)
    }

    /// The middle of what it is connected with one level higher.
    fn wish(&self, unit: usize, graph: &Graph) -> Option<f64> {
        let Unit { bar, cards, level, .. } = &self.units[unit];
        let own = bar.iter().copied().chain(cards.iter().map(|card| graph.card(*card)));
        let above = own.flat_map(|place| graph.neighbours(place)).filter_map(|next| {
            let card = graph.as_card(*next)?;
            let seat = &self.seats[card];
            let is_above = seat.rect.width > 0.0 && self.units[seat.unit].level + 1 == *level;
            is_above.then(|| seat.rect.center().x)
        });
        let above: Vec<f64> = above.collect();
        (!above.is_empty()).then(|| above.iter().sum::<f64>() / pixels(above.len()))
    }

    /// How many lanes are needed below a level.
    fn lanes_below(&self, row: &[usize], graph: &Graph) -> f64 {
        let in_grids = row.iter().filter(|unit| self.units[**unit].shape == Shape::Grid);
        let cards = in_grids.flat_map(|unit| &self.units[*unit].cards);
        let lanes = cards.map(|card| {
            let unit = self.seats[*card].unit;
            let neighbours = graph.neighbours(graph.card(*card)).iter();
            let level = neighbours.filter(|next| self.is_level_with(unit, **next, graph)).count();
            level + if row.len() > 1 { self.exits[*card] } else { 0 }
        });
        pixels(lanes.sum::<usize>().min(40))
    }

    /// Whether a bridge or node is drawn on the level of `unit`, but not as its bar.
    fn is_level_with(&self, unit: usize, place: usize, graph: &Graph) -> bool {
        let other = match graph.as_card(place) {
            Some(card) if self.seats[card].rect.width > 0.0 => self.seats[card].unit,
            None if self.bars[place].width > 0.0 => self.unit_of_bar[place],
            _ => return false,
        };
        let is_own_bar = graph.as_card(place).is_none() && other == unit;
        let level = |unit: usize| (self.units[unit].part, self.units[unit].level);
        !is_own_bar && level(other) == level(unit)
    }

    fn put(&mut self, unit: usize, local: &Local, x: f64, y: f64) {
        if let (Some(bar), Some(rect)) = (self.units[unit].bar, local.bar) {
            self.bars[bar] = rect.moved(x, y);
            self.unit_of_bar[bar] = unit;
        }
        for (card, seat) in self.units[unit].cards.iter().zip(&local.seats) {
            self.seats[*card] = Seat { unit, ..moved(*seat, x, y) };
        }
    }

    fn shift(&mut self, units: &[usize], x: f64, y: f64) {
        for unit in units {
            self.level_bottoms[*unit] += y;
            if let Some(bar) = self.units[*unit].bar {
                self.bars[bar] = self.bars[bar].moved(x, y);
            }
            for card in &self.units[*unit].cards {
                self.seats[*card] = moved(self.seats[*card], x, y);
            }
        }
    }

    /// Blocks side by side until a shelf is full, then on the next.
    fn put_on_shelves(&mut self) {
        let widest = self.blocks.iter().map(|block| block.rect.width).fold(0.0, f64::max);
        let area: f64 = self.blocks.iter().map(|block| block.rect.width * block.rect.height).sum();
        let limit = widest.max(SHELF_WIDTH).max((area * 1.8).sqrt());
        let mut corner = at(HOST_MARGIN, self.gutters.top);
        let (mut number, mut tallest) = (0, 0.0_f64);
        for index in 0..self.blocks.len() {
            let Rect { width, height, .. } = self.blocks[index].rect;
            if corner.x > HOST_MARGIN && corner.x + width > limit {
                self.blocks[index - 1].is_last_of_shelf = Last::Yes;
                corner = at(HOST_MARGIN, corner.y + tallest + self.gutters.shelf);
                (number, tallest) = (number + 1, 0.0);
            }
            self.blocks[index].rect = Rect { x: corner.x, y: corner.y, width, height };
            self.blocks[index].shelf = number;
            let members: Vec<usize> =
                (0..self.units.len()).filter(|unit| self.units[*unit].part == index).collect();
            self.shift(&members, corner.x, corner.y);
            corner.x += width;
            tallest = tallest.max(height);
            self.width = self.width.max(corner.x);
        }
        if let Some(last) = self.blocks.last_mut() {
            last.is_last_of_shelf = Last::Yes;
        }
        self.width = (self.width + HOST_MARGIN).max(420.0);
        self.height = corner.y + tallest + HOST_MARGIN;
    }
}

fn moved(seat: Seat, x: f64, y: f64) -> Seat {
    Seat { rect: seat.rect.moved(x, y), gutter: seat.gutter + x, lanes: seat.lanes + y, ..seat }
}

/// Each as near to its wish as those left of it allow, then all together as near as possible.
fn side_by_side(row: &[usize], wishes: &[Option<f64>], locals: &[Local]) -> Vec<(usize, f64)> {
    let mut placed: Vec<(usize, f64)> = Vec::new();
    let mut next = f64::MIN;
    for unit in row {
        let width = locals[*unit].size.0;
        let wish = wishes[*unit].map_or(if placed.is_empty() { 0.0 } else { next }, |x| x - width / 2.0);
        let x = wish.max(next);
        placed.push((*unit, x));
        next = x + width + UNIT_GAP;
    }
    let surplus = |(unit, x): &(usize, f64)| wishes[*unit].map(|wish| x + locals[*unit].size.0 / 2.0 - wish);
    let surpluses: Vec<f64> = placed.iter().filter_map(surplus).collect();
    if !surpluses.is_empty() {
        let mean = surpluses.iter().sum::<f64>() / pixels(surpluses.len());
        for (_, x) in &mut placed {
            *x -= mean;
        }
    }
    placed
}
