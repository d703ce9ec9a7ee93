//! The picture as SVG: readable alone, in light and in dark surroundings, and by a screen reader.

use super::{
    escape::xml,
    layout::{
        self, Chip, ChipKind, Detail, EdgeTag, Face, HEADER, LINE_HEIGHT, LineKind, PADDING, Point,
        ROUTER_BADGE, Rect, Scene, TagKind,
    },
    picture::{Bar, Card, Picture, Role, WayOut},
    svg_line, theme,
};

pub(super) fn draw(picture: &Picture) -> String {
    let scene = layout::arrange(picture);
    let Rect { x, y, width, height } = scene.view;
    let parts = [
        scene.cloud.iter().map(cloud).collect(),
        frame(picture, &scene.frame),
        scene.strokes.iter().map(svg_line::line).collect(),
        scene.bars.iter().zip(&picture.networks).map(|(rect, bar)| network(rect, bar)).collect(),
        cards(picture, &scene),
        scene.strokes.iter().map(svg_line::labels).collect(),
        scene.chips.iter().map(chip).collect(),
        scene.tags.iter().map(tag).collect::<String>(),
    ];
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"{} {} {} {}\" width=\"{}\" height=\"{}\" role=\"img\" \
         aria-labelledby=\"picture-title picture-about\">\n\
         <title id=\"picture-title\">{}</title>\n<desc id=\"picture-about\">{}</desc>\n\
         <style>\n{}\n</style>\n\
         <defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" \
         orient=\"auto-start-reverse\"><path class=\"arrow\" d=\"M0 0.5 8 4 0 7.5z\"/></marker></defs>\n\
         {}{}</svg>\n",
        number(x),
        number(y),
        number(width),
        number(height),
        number(width),
        number(height),
        xml(&picture.name),
        xml(&picture.in_a_sentence()),
        theme::PICTURE,
        rect(&scene.view, "ground", 0.0),
        parts.concat(),
    )
}

/// With a decimal only where needed, so that pictures stay small and compare well.
pub(super) fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    let text = text.strip_suffix(".0").unwrap_or(&text);
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

fn rect(rect: &Rect, class: &str, radius: f64) -> String {
    let Rect { x, y, width, height } = *rect;
    format!(
        "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"{}\"/>\n",
        number(x),
        number(y),
        number(width),
        number(height),
        number(radius),
    )
}

pub(super) fn text(at: Point, class: &str, words: &str) -> String {
    format!("<text class=\"{class}\" x=\"{}\" y=\"{}\">{}</text>\n", number(at.x), number(at.y), xml(words))
}

fn anchored(at: Point, class: &str, anchor: &str, words: &str) -> String {
    format!(
        "<text class=\"{class}\" x=\"{}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>\n",
        number(at.x),
        number(at.y),
        xml(words)
    )
}

pub(super) fn centered(at: Point, class: &str, words: &str) -> String {
    anchored(at, class, "middle", words)
}

pub(super) fn ended(at: Point, class: &str, words: &str) -> String {
    anchored(at, class, "end", words)
}

fn group(class: &str, title: &str, content: &str) -> String {
    format!("<g class=\"{class}\"><title>{}</title>\n{content}</g>\n", xml(title))
}

fn frame(picture: &Picture, frame: &Rect) -> String {
    let host = layout::at(frame.x + 18.0, frame.y + 26.0);
    let name = layout::at(frame.x + 2.0, frame.y - 12.0);
    rect(frame, "frame", 16.0) + &text(host, "dim", "host") + &text(name, "title", &picture.name)
}

fn cloud(at: &Rect) -> String {
    let path = format!(
        "<path class=\"cloud\" transform=\"translate({} {})\" d=\"M34 56a22 22 0 0 1-4-43.6A30 30 0 0 1 84 6a26 26 0 0 1 \
         36 14 18 18 0 0 1 0 36z\"/>\n",
        number(at.x),
        number(at.y)
    );
    let middle = layout::at(at.center().x, at.center().y + 8.0);
    path + &centered(middle, "cloud-text", "internet")
}

fn network(at: &Rect, bar: &Bar) -> String {
    let mut content = rect(at, "bar", 10.0);
    content += &text(layout::at(at.x + 16.0, at.y + 20.0), "name", &bar.name);
    let gateways = bar.addresses();
    content += &text(layout::at(at.x + 16.0, at.y + 36.0), "m dim", &gateways);
    let class = if matches!(bar.way_out, WayOut::Nat(_)) { "bar-nat" } else { "dim" };
    let beside_lock = if bar.way_out == WayOut::Internal { 15.0 } else { 0.0 };
    content += &ended(layout::at(at.right() - 16.0 - beside_lock, at.y + 20.0), class, &bar.way_out.words());
    if bar.way_out == WayOut::Internal {
        content += &lock(layout::at(at.right() - 25.0, at.y + 10.0));
    }
    let kind = if bar.way_out == WayOut::Internal { "network internal" } else { "network" };
    let title =
        format!("network {} (bridge {}): {}, {}", bar.name, bar.bridge, gateways, bar.way_out.words());
    group(kind, &title, &content)
}

fn lock(at: Point) -> String {
    format!(
        "<g transform=\"translate({} {})\"><path class=\"lock\" d=\"M2.5 5V3.4a2.5 2.5 0 0 1 5 0V5\"/>\
         <rect class=\"lock-body\" x=\"1\" y=\"5\" width=\"8\" height=\"6\" rx=\"1.2\"/></g>\n",
        number(at.x),
        number(at.y)
    )
}

fn cards(picture: &Picture, scene: &Scene) -> String {
    let seated = scene.cards.iter().zip(&scene.faces).zip(&picture.nodes);
    seated.map(|((rect, face), card)| node(rect, face, card)).collect()
}

fn node(at: &Rect, face: &Face, card: &Card) -> String {
    let mut content = rect(at, "card", 9.0);
    let center = at.center();
    if face.detail == Detail::Full {
        content += &text(layout::at(at.x + PADDING, at.y + 21.0), "name", &card.name);
        if card.role == Role::Router {
            content += &router_badge(at);
        }
    } else {
        content += &centered(layout::at(center.x, at.y + 21.0), "name", &card.name);
    }
    if !face.lines.is_empty() && face.detail == Detail::Full {
        let y = number(at.y + HEADER - 1.0);
        let (left, right) = (number(at.x + 1.0), number(at.right() - 1.0));
        content += &["<path class=\"rule\" d=\"M", &left, " ", &y, "H", &right, "\"/>\n"].concat();
    }
    for (number, line) in face.lines.iter().enumerate() {
        let y = at.y + HEADER + 13.0 + LINE_HEIGHT * layout::pixels(number);
        let class = match line.kind {
            LineKind::Address => "m",
            LineKind::Limit => "m limit",
            LineKind::Route => "m dim",
            LineKind::Program => "m program",
        };
        if face.detail == Detail::Brief {
            content += &centered(layout::at(center.x, y - 4.0), "m dim", &line.text);
            continue;
        }
        if !line.label.is_empty() {
            content += &text(layout::at(at.x + PADDING, y), "m dim", &line.label);
        }
        content += &text(layout::at(at.x + PADDING + face.indent, y), class, &line.text);
    }
    let class = if card.role == Role::Router { "node router" } else { "node" };
    group(class, &card.words(), &content)
}

fn router_badge(at: &Rect) -> String {
    let badge = Rect { x: at.right() - ROUTER_BADGE - 8.0, y: at.y + 8.0, width: ROUTER_BADGE, height: 18.0 };
    let middle = layout::at(badge.center().x, badge.y + 12.5);
    rect(&badge, "badge", 9.0) + &centered(middle, "badge-text", "router")
}

fn chip(chip: &Chip) -> String {
    let (class, title) = match chip.kind {
        ChipKind::Uplink => ("chip", format!("{}: the host's link to the internet", chip.text)),
        ChipKind::Shared => {
            ("chip chip-shared", format!("{}: a link of the host, shared by macvlan", chip.text))
        }
        ChipKind::HostEnd => ("chip chip-end", format!("{}: the host's end of a cable", chip.text)),
    };
    let middle = layout::at(chip.rect.center().x, chip.rect.center().y + 4.0);
    group("link", &title, &(rect(&chip.rect, class, 13.0) + &centered(middle, "m", &chip.text)))
}

fn tag(tag: &EdgeTag) -> String {
    let class = match tag.kind {
        TagKind::Port => "tag",
        TagKind::PortOfThisHost => "tag tag-host",
        TagKind::Tunnel => "tag tag-tunnel",
    };
    let words = layout::at(tag.rect.x + 11.0, tag.rect.center().y + 4.0);
    group("way-in", &tag.title, &(rect(&tag.rect, class, 6.0) + &text(words, "m", &tag.text)))
}
