//! The questions that a diagnosis asks of a path: one file each.
//!
//! A check is a file with its codes (each with its page of the manual) and a function from what was
//! observed to findings, and one line in [`CHECKS`].

mod addressing;
mod bridge;
mod bridge_ports;
mod cable;
mod connections;
mod crossing;
mod filters;
mod forwarding;
mod identity;
mod idle_rules;
mod leftovers;
mod localhost;
mod loopback;
mod managers;
mod mtu;
mod names;
mod neighbours;
mod own_rules;
mod ports;
mod redirected;
mod resolution;
mod reverse_path;
mod rights;
mod routes;
mod sockets;
mod translation;
mod unexplained;
mod uplink;

use super::{
    case::{Case, Followed},
    finding::{Code, Finding},
    scene::Scene,
};

/// A question that is asked of every case.
#[derive(Debug)]
pub struct Check {
    /// The question, for people.
    pub question: &'static str,
    /// What it may find.
    pub codes: &'static [&'static Code],
    /// How it looks.
    pub look: Look,
}

/// How a check looks.
#[derive(Clone, Copy, Debug)]
pub enum Look {
    /// Along one way.
    Along(fn(&Scene, &Followed) -> Vec<Finding>),
    /// At everything.
    Around(fn(&Case<'_>) -> Vec<Finding>),
    /// At everything, knowing what the others found.
    Afterwards(fn(&Case<'_>, &[Finding]) -> Vec<Finding>),
}

/// All checks. Among findings of the same hop, the order is that of the steps a packet takes.
#[rustfmt::skip]
pub static CHECKS: &[&Check] = &[
    &loopback::CHECK,
    &cable::CHECK,
    &addressing::CHECK,
    &addressing::DESTINATION_CHECK,
    &identity::CHECK,
    &bridge::CHECK,
    &bridge_ports::CHECK,
    &neighbours::CHECK,
    &resolution::CHECK,
    &routes::CHECK,
    &uplink::CHECK,
    &reverse_path::CHECK,
    &forwarding::CHECK,
    &filters::CHECK,
    &ports::CHECK,
    &redirected::CHECK,
    &localhost::CHECK,
    &translation::CHECK,
    &connections::CHECK,
    &mtu::CHECK,
    &sockets::CHECK,
    &own_rules::CHECK,
    &idle_rules::CHECK,
    &managers::CHECK,
    &leftovers::CHECK,
    &rights::CHECK,
    &names::CHECK,
    &unexplained::CHECK,
];

/// What follows from something else in the same stack, and is not told as well: cause, consequence.
pub(super) static CONSEQUENCES: [(&str, &str); 3] = [
    ("port-not-published", "nothing-listens"),
    ("own-rules-gone", "port-not-published"),
    ("own-rules-gone", "nothing-listens"),
];

/// Returns every code there is, in the order of the checks.
pub fn codes() -> impl Iterator<Item = &'static Code> {
    CHECKS.iter().flat_map(|check| check.codes.iter().copied())
}
