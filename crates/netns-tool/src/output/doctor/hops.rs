//! The hops of a path, a line each.

use anstyle::Style;
use netns_engine::diagnose::{
    case::Followed,
    journey::{Leg, Role, WireEnd},
    scene::Scene,
};
use serde_json::{Value, json};

const LABEL: Style = Style::new().dimmed();

/// The way there, stack by stack.
pub(super) fn in_words(scene: &Scene, followed: &Followed) -> Vec<String> {
    let hops = followed.journey.there().map(|leg| hop(scene, leg));
    hops.zip(1..).map(|(words, number)| format!("  {LABEL}{number}{LABEL:#} {words}")).collect()
}

fn hop(scene: &Scene, leg: &Leg) -> String {
    let stack = leg.stack_in(scene);
    let mut words = vec![format!("{}:", stack.entrance)];
    if let Some(port) = leg.arrival_port.and_then(|port| stack.link(port)) {
        words.push(format!("port {}", port.name));
    }
    if let Some(link) = leg.arrival_in(scene) {
        words.push(format!("in by {}", link.name));
    }
    if leg.routed.destination != leg.packet.destination {
        words.push(format!("forwarded to {}", leg.routed.destination));
    }
    match leg.departure_in(scene) {
        Some(link) => words.push(format!("out by {}", link.name)),
        None => words.push(format!("has {}", leg.routed.destination)),
    }
    if leg.sent.source != leg.routed.source {
        words.push(format!("as {}", leg.sent.source));
    }
    words.extend(
        leg.departure
            .as_ref()
            .filter(|departure| departure.next != leg.routed.destination)
            .map(|departure| format!("via {}", departure.next)),
    );
    words.extend(over_bridge(scene, leg));
    if leg.departure.as_ref().is_some_and(|departure| departure.wire.end == WireEnd::World) {
        words.push(format!("towards {}", leg.routed.destination));
    }
    words.join(" ")
}

fn over_bridge(scene: &Scene, leg: &Leg) -> Option<String> {
    let touches = &leg.departure.as_ref()?.wire.touches;
    let bridge = touches.iter().find(|touch| touch.role == Role::Bridge)?;
    let link = scene.stack(bridge.stack).link(bridge.link)?;
    Some(format!("over bridge {} {}", link.name, scene.stack(bridge.stack).location()))
}

/// The same for programs.
pub(super) fn json(scene: &Scene, followed: &Followed) -> Value {
    let hop = |leg: &Leg| {
        json!({
            "stack": leg.stack_in(scene).entrance.to_string(),
            "in": leg.arrival_in(scene).map(|link| link.name.as_str()),
            "out": leg.departure_in(scene).map(|link| link.name.as_str()),
            "source": leg.sent.source,
            "destination": leg.routed.destination,
            "next": leg.departure.as_ref().map(|departure| departure.next),
            "guessed": leg.departure.as_ref().is_some_and(|departure| departure.guessed),
        })
    };
    followed.journey.there().map(hop).collect()
}
