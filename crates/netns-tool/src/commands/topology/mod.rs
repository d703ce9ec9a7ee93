//! `up`, `down`, `plan`, `status`: whole networks from a file.

mod boot;
mod down;
mod plan;
mod source;
mod status;
mod up;
mod watch;

pub(crate) use boot::{Disable, Enable};
pub(crate) use down::Down;
pub(crate) use plan::PlanFile;
pub(crate) use source::Source;
pub(crate) use status::Status;
pub(crate) use up::Up;
pub(crate) use watch::Watch;

use netns_engine::topology::Topology;

/// What there is in a topology: "2 nodes on 1 network".
fn size(topology: &Topology) -> String {
    let count = |number: usize, noun: &str| match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    };
    let mut words = vec![count(topology.nodes.len(), "node")];
    if !topology.networks.is_empty() {
        words.push(count(topology.networks.len(), "network"));
    }
    words.push(count(topology.cables.len(), "cable"));
    words.join(", ")
}
