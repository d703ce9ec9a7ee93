//! One page that needs nothing else: the picture, its legend, and the same in words.

use super::{
    escape::xml,
    picture::{Card, LinkRow, Picture, Role},
    svg, theme,
};

pub(super) fn draw(picture: &Picture) -> String {
    let name = xml(&picture.name);
    let drawing = svg::draw(picture);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <title>{name}</title>\n<style>\n{}\n{}\n</style>\n</head>\n<body>\n\
         <header><h1>{name}</h1><p class=\"counts\">{}</p></header>\n<main>\n\
         <div class=\"picture\" tabindex=\"0\">\n{drawing}</div>\n{}{}{}</main>\n\
         <footer>Drawn by netns-tool {}</footer>\n</body>\n</html>\n",
        theme::PAGE,
        least_width(&drawing),
        xml(&picture.in_a_sentence()),
        legend(picture),
        checks(&picture.checks),
        table(picture),
        env!("CARGO_PKG_VERSION"),
    )
}

/// Narrow windows scroll the picture before its text gets too small to read.
fn least_width(drawing: &str) -> String {
    let width = drawing.split(" width=\"").nth(1).and_then(|rest| rest.split(['.', '"']).next());
    let width: u32 = width.and_then(|width| width.parse().ok()).unwrap_or(0);
    format!(".picture svg{{min-width:{}px}}", (width * 3 / 5).min(2400))
}

/// Only what the picture has.
fn legend(picture: &Picture) -> String {
    use super::layout::{StrokeKind, arrange};
    let scene = arrange(picture);
    let entries = [
        (StrokeKind::Cable, "", "cable (veth pair)"),
        (StrokeKind::LimitedCable, "limited", "cable with limits (rate, delay, loss)"),
        (StrokeKind::Nat, "nat", "NAT to the internet"),
        (StrokeKind::Port, "port", "published port"),
        (StrokeKind::Macvlan, "macvlan", "macvlan"),
        (StrokeKind::Tunnel, "tunnel", "VXLAN tunnel"),
    ];
    let shown = entries.iter().filter(|(kind, ..)| scene.strokes.iter().any(|stroke| stroke.kind == *kind));
    let items = shown.map(|(_, class, words)| {
        format!(
            "<li><svg width=\"30\" height=\"8\" aria-hidden=\"true\"><path class=\"line {class}\" d=\"M1 4H29\"/></svg>{words}</li>\n"
        )
    });
    format!("<ul class=\"legend\">\n{}</ul>\n", items.collect::<String>())
}

fn checks(checks: &[String]) -> String {
    if checks.is_empty() {
        return String::new();
    }
    let items: Vec<String> = checks.iter().map(|check| format!("<li>{}</li>\n", xml(check))).collect();
    let items = items.concat();
    format!("<section><h2>What should work</h2>\n<ul class=\"checks\">\n{items}</ul></section>\n")
}

fn table(picture: &Picture) -> String {
    let rows: String =
        picture.nodes.iter().enumerate().map(|(index, card)| row(picture, index, card)).collect();
    format!(
        "<details>\n<summary>The nodes in words</summary>\n<div class=\"scroll\"><table>\n<thead><tr><th>Node</th><th>Links</th>\
         <th>Routes</th><th>Published ports</th><th>Programs</th></tr></thead>\n<tbody>\n{rows}</tbody></table></div></details>\n"
    )
}

fn row(picture: &Picture, index: usize, card: &Card) -> String {
    let role = if card.role == Role::Router { " (router)" } else { "" };
    let links = card
        .loopback
        .iter()
        .map(|address| format!("lo {address}"))
        .chain(card.links.iter().map(LinkRow::words));
    let gateways = card.gateways.iter().map(|gateway| format!("default via {gateway}"));
    let ports = picture.ports.iter().filter(|tag| tag.node.index == index).map(super::picture::Tag::words);
    format!(
        "<tr><th scope=\"row\">{}{role}</th>{}{}{}{}</tr>\n",
        xml(&card.name),
        cell(links),
        cell(gateways.chain(card.routes.iter().cloned())),
        cell(ports),
        cell(card.programs.iter().cloned()),
    )
}

fn cell(values: impl Iterator<Item = String>) -> String {
    let values: Vec<String> = values.map(|value| format!("<div>{}</div>", xml(&value))).collect();
    format!("<td>{}</td>", values.concat())
}
