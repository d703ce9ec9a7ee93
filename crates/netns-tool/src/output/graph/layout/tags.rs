//! The host's right edge: published ports and tunnels.

use super::{
    EdgeTag, Point, Rect, TagKind, at,
    router::Router,
    strokes::{Bend, Stroke, StrokeKind, shows_each_port},
};
use crate::output::graph::{
    picture::{Audience, Picture},
    width,
};

const HEIGHT: f64 = 24.0;

/// A tag before its height is settled, and the line from inside to it.
struct Draft {
    kind: TagKind,
    text: String,
    title: String,
    line: Vec<Point>,
}

pub(super) fn tags(picture: &Picture, router: &mut Router<'_>) -> (Vec<EdgeTag>, Vec<Stroke>) {
    let mut drafts = tunnels(picture, router);
    drafts.extend(ports(picture, router));
    drafts.sort_by(|one, other| wish(one).total_cmp(&wish(other)));
    let edge = router.frame.right();
    let mut free = 14.0_f64;
    let mut tags = Vec::new();
    let mut strokes = Vec::new();
    for draft in drafts {
        let y = (wish(&draft) - HEIGHT / 2.0).max(free);
        free = y + HEIGHT + 6.0;
        let width = (width::monospaced(&draft.text, 11.0) + 22.0).ceil();
        let rect = Rect { x: edge - 14.0, y, width, height: HEIGHT };
        strokes.extend(stroke(&draft, &rect));
        tags.push(EdgeTag { rect, kind: draft.kind, text: draft.text, title: draft.title });
    }
    (tags, strokes)
}

/// Level with where its line comes from.
fn wish(draft: &Draft) -> f64 {
    draft.line.last().map_or(0.0, |point| point.y)
}

fn tunnels(picture: &Picture, router: &mut Router<'_>) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for (index, network) in picture.networks.iter().enumerate() {
        for tunnel in &network.tunnels {
            drafts.push(Draft {
                kind: TagKind::Tunnel,
                text: format!("VXLAN {} ⇄ {}", tunnel.vni, tunnel.remote),
                title: format!("{}: {}", network.name, tunnel.words()),
                line: router.bar_to_the_right(index),
            });
        }
    }
    drafts
}

fn ports(picture: &Picture, router: &mut Router<'_>) -> Vec<Draft> {
    if !shows_each_port(picture) && !picture.ports.is_empty() {
        let number = picture.ports.len();
        let text = if number == 1 { picture.ports[0].words() } else { format!("{number} published ports") };
        let all = Draft { kind: TagKind::Port, title: text.clone(), text, line: Vec::new() };
        return vec![all];
    }
    let draft = |tag: &crate::output::graph::picture::Tag| Draft {
        kind: match tag.audience {
            Audience::Everybody => TagKind::Port,
            Audience::ThisHost => TagKind::PortOfThisHost,
        },
        text: tag.words(),
        title: format!("port {} of the host leads to {} ({})", tag.published, tag.node.name, tag.target),
        line: router.card_to_the_right(tag.node.index),
    };
    picture.ports.iter().map(draft).collect()
}

/// From the tag to its card or bar.
fn stroke(draft: &Draft, tag: &Rect) -> Option<Stroke> {
    let y = tag.center().y;
    let turn = draft.line.last()?;
    let mut points = vec![at(tag.x, y), at(turn.x, y)];
    points.extend(draft.line.iter().rev());
    let kind = if draft.kind == TagKind::Tunnel { StrokeKind::Tunnel } else { StrokeKind::Port };
    Some(Stroke { kind, points, bend: Bend::Corners, title: draft.title.clone(), labels: Vec::new() })
}
