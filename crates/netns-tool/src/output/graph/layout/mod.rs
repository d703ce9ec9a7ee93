//! Where everything of a picture goes: boxes and lines in pixels, without a word of any format.

mod face;
mod router;
mod seats;
mod strokes;
mod tags;
mod unit_shape;
mod units;
mod wires;

pub(super) use face::{Detail, Face, HEADER, LINE_HEIGHT, LineKind, PADDING, ROUTER_BADGE};
pub(super) use strokes::{Bend, Label, Side, Stroke, StrokeKind};

use super::picture::Picture;

/// A picture, arranged.
#[derive(Debug)]
pub(super) struct Scene {
    /// All of it.
    pub(super) view: Rect,
    /// The host.
    pub(super) frame: Rect,
    pub(super) cloud: Option<Rect>,
    /// One a node, in the picture's order.
    pub(super) cards: Vec<Rect>,
    pub(super) faces: Vec<Face>,
    /// One a network.
    pub(super) bars: Vec<Rect>,
    pub(super) chips: Vec<Chip>,
    pub(super) tags: Vec<EdgeTag>,
    pub(super) strokes: Vec<Stroke>,
}

/// A link of the host, on its upper edge or just inside.
#[derive(Debug)]
pub(super) struct Chip {
    pub(super) rect: Rect,
    pub(super) kind: ChipKind,
    pub(super) text: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum ChipKind {
    Uplink,
    Shared,
    /// The host's end of a cable.
    HostEnd,
}

/// Something that leads in or out at the host's right edge.
#[derive(Debug)]
pub(super) struct EdgeTag {
    pub(super) rect: Rect,
    pub(super) kind: TagKind,
    pub(super) text: String,
    pub(super) title: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum TagKind {
    Port,
    PortOfThisHost,
    Tunnel,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
}

pub(super) fn at(x: f64, y: f64) -> Point {
    Point { x, y }
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Rect {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Rect {
    pub(super) fn right(&self) -> f64 {
        self.x + self.width
    }

    pub(super) fn bottom(&self) -> f64 {
        self.y + self.height
    }

    pub(super) fn center(&self) -> Point {
        at(self.x + self.width / 2.0, self.y + self.height / 2.0)
    }

    fn moved(self, x: f64, y: f64) -> Self {
        Self { x: self.x + x, y: self.y + y, ..self }
    }

    /// Whether they are nearer to each other than `margin`.
    pub(super) fn is_near(&self, other: &Self, margin: f64) -> bool {
        self.x < other.right() + margin
            && other.x < self.right() + margin
            && self.y < other.bottom() + margin
            && other.y < self.bottom() + margin
    }
}

/// A count as a number of pixels.
pub(super) fn pixels(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Arranges a picture.
pub(super) fn arrange(picture: &Picture) -> Scene {
    let faces = face::faces(picture, Detail::for_nodes(picture.nodes.len()));
    let seating = seats::seat(picture, &faces);
    strokes::connect(picture, faces, seating)
}
