//! Which nodes are drawn together: those of a bridge under it, and a level lower what hangs on them.
//!
//! A search from the outside in gives every bridge and node a level such that what is connected is on the
//! same level or on neighbouring ones: no cable has to cross a level.

use std::collections::VecDeque;

use super::super::picture::{Picture, Spot, WayOut};

/// Nodes that are drawn together.
#[derive(Debug)]
pub(super) struct Unit {
    /// The bridge above them.
    pub(super) bar: Option<usize>,
    pub(super) cards: Vec<usize>,
    pub(super) level: usize,
    /// Which of the parts that are not connected.
    pub(super) part: usize,
    pub(super) shape: Shape,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Shape {
    Grid,
    /// Nodes one after the other, each connected with the next.
    Chain,
    /// Nodes around a circle, connected across it.
    Circle,
}

/// From this many on, leaves of one node are drawn together.
const FAN: usize = 9;
/// Up to here, a circle is small enough to see each cable.
const LARGEST_CIRCLE: usize = 12;

/// A bridge or a node.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Thing {
    Bar(usize),
    Card(usize),
}

pub(super) struct Graph {
    bars: usize,
    neighbours: Vec<Vec<usize>>,
}

impl Graph {
    pub(super) fn of(picture: &Picture) -> Self {
        let bars = picture.networks.len();
        let mut neighbours = vec![Vec::new(); bars + picture.nodes.len()];
        let place = |spot: &Spot| match spot {
            Spot::Network(named) => Some(named.index),
            Spot::Node(named) => Some(bars + named.index),
            Spot::Host | Spot::HostLink(_) => None,
        };
        for cable in &picture.cables {
            if let (Some(one), Some(other)) = (place(&cable.ends[0].at), place(&cable.ends[1].at)) {
                neighbours[one].push(other);
                neighbours[other].push(one);
            }
        }
        Self { bars, neighbours }
    }

    fn thing(&self, place: usize) -> Thing {
        place.checked_sub(self.bars).map_or(Thing::Bar(place), Thing::Card)
    }

    /// The place of a card.
    pub(super) fn card(&self, card: usize) -> usize {
        self.bars + card
    }

    pub(super) fn as_card(&self, place: usize) -> Option<usize> {
        place.checked_sub(self.bars)
    }

    pub(super) fn neighbours(&self, place: usize) -> &[usize] {
        &self.neighbours[place]
    }

    fn is_bar(&self, place: usize) -> bool {
        place < self.bars
    }

    /// Where the search begins: bridges on the internet, other bridges, then nodes, but leaves last.
    fn roots(&self, picture: &Picture) -> Vec<usize> {
        let on_the_internet = |bar: &usize| matches!(picture.networks[*bar].way_out, WayOut::Nat(_));
        let (mut roots, rest): (Vec<_>, Vec<_>) = (0..self.bars).partition(on_the_internet);
        roots.extend(rest);
        let mut cards: Vec<_> = (self.bars..self.neighbours.len()).collect();
        cards.sort_by_key(|card| self.neighbours[*card].len() < 2);
        roots.extend(cards);
        roots
    }
}

/// What the search found out about a bridge or node.
#[derive(Clone, Copy, Debug)]
struct Found {
    level: usize,
    part: usize,
    from: Option<usize>,
}

pub(super) fn units(picture: &Picture) -> Vec<Unit> {
    let graph = Graph::of(picture);
    let mut found: Vec<Option<Found>> = vec![None; graph.neighbours.len()];
    let mut units = Vec::new();
    let mut part = 0;
    for root in graph.roots(picture) {
        if found[root].is_none() {
            let members = search(&graph, root, part, &mut found);
            units.extend(part_units(&graph, &members, &found));
            part += 1;
        }
    }
    units
}

/// Breadth first, where from a bridge to its nodes is no step. Returns what was reached, in order.
fn search(graph: &Graph, root: usize, part: usize, found: &mut [Option<Found>]) -> Vec<usize> {
    let mut queue = VecDeque::from([(root, Found { level: 0, part, from: None })]);
    let mut reached = Vec::new();
    while let Some((place, how)) = queue.pop_front() {
        if found[place].is_some() {
            continue;
        }
        found[place] = Some(how);
        reached.push(place);
        let new = graph.neighbours[place].iter().copied().filter(|next| found[*next].is_none());
        let from = Some(place);
        if graph.is_bar(place) {
            // The last one put in front is the first one to be looked at.
            new.rev().for_each(|next| queue.push_front((next, Found { level: how.level, part, from })));
        } else {
            queue.extend(new.map(|next| (next, Found { level: how.level + 1, part, from })));
        }
    }
    reached
}

fn part_units(graph: &Graph, members: &[usize], found: &[Option<Found>]) -> Vec<Unit> {
    let lonely = members.iter().all(|place| !graph.is_bar(*place));
    if lonely && let Some(unit) = in_a_special_shape(graph, members, found) {
        return vec![unit];
    }
    let mut units: Vec<Unit> = Vec::new();
    let mut unit_of_bar = vec![usize::MAX; graph.bars];
    let mut fans: Vec<(usize, usize)> = Vec::new();
    for place in members {
        let Some(Found { level, part, from }) = found[*place] else { continue };
        let fresh = |bar, cards| Unit { bar, cards, level, part, shape: Shape::Grid };
        match (graph.thing(*place), from) {
            (Thing::Bar(bar), _) => {
                unit_of_bar[bar] = units.len();
                units.push(fresh(Some(bar), Vec::new()));
            }
            (Thing::Card(card), Some(home)) if graph.is_bar(home) => {
                units[unit_of_bar[home]].cards.push(card);
            }
            (Thing::Card(card), Some(parent)) if is_fan(graph, parent, *place) => {
                if let Some((_, unit)) = fans.iter().find(|(of, _)| *of == parent) {
                    units[*unit].cards.push(card);
                } else {
                    fans.push((parent, units.len()));
                    units.push(fresh(None, vec![card]));
                }
            }
            (Thing::Card(card), _) => units.push(fresh(None, vec![card])),
        }
    }
    for unit in &mut units {
        order(graph, unit);
    }
    units
}

/// Whether `place` is one of many that are connected with `parent` only.
fn is_fan(graph: &Graph, parent: usize, place: usize) -> bool {
    let is_leaf = |place: &usize| graph.neighbours[*place].len() == 1 && !graph.is_bar(*place);
    is_leaf(&place) && graph.neighbours[parent].iter().filter(|next| is_leaf(next)).count() >= FAN
}

/// In the order of the file, but those with further cables last, where these do not cross the others.
fn order(graph: &Graph, unit: &mut Unit) {
    unit.cards.sort_unstable();
    if unit.bar.is_some() {
        unit.cards.sort_by_key(|card| graph.neighbours[graph.bars + card].len() > 1);
    }
}

fn in_a_special_shape(graph: &Graph, members: &[usize], found: &[Option<Found>]) -> Option<Unit> {
    let part = found[members[0]]?.part;
    let degree = |place: &usize| graph.neighbours[*place].len();
    let cables = members.iter().map(degree).sum::<usize>() / 2;
    let unit = |cards: Vec<usize>, shape| Unit { bar: None, cards, level: 0, part, shape };
    let cards = |places: Vec<usize>| places.into_iter().map(|place| place - graph.bars).collect();
    if cables + 1 == members.len() && members.iter().all(|place| degree(place) <= 2) {
        let start = *members.iter().filter(|place| degree(place) <= 1).min()?;
        return Some(unit(cards(walk(graph, start)), Shape::Chain));
    }
    let is_round = cables >= members.len() && (3..=LARGEST_CIRCLE).contains(&members.len());
    is_round.then(|| {
        let mut members = cards(members.to_vec());
        members.sort_unstable();
        unit(members, Shape::Circle)
    })
}

/// From one end of a chain to the other.
fn walk(graph: &Graph, start: usize) -> Vec<usize> {
    let mut walked = vec![start];
    let mut before = None;
    let mut here = start;
    while let Some(next) = graph.neighbours[here].iter().copied().find(|next| Some(*next) != before) {
        walked.push(next);
        before = Some(here);
        here = next;
    }
    walked
}
