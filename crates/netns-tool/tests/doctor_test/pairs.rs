//! Two breakages at once, drawn by a generator of fixed seed: both are named.

use libtest_mimic::Trial;
use netns_testkit::Sandbox;

use crate::{
    breakage::{Breakage, Effect, Part},
    breakages,
    diagnosis::doctor,
};

/// How many pairs are drawn.
const PAIRS: usize = 40;
const SEED: u64 = 0x6e65_746e_732d_746f;

/// Pairs of which one hides the other: what never leaves a stack meets nothing behind it, and not every kernel knows VLANs.
const HIDING: [(&str, &str); 3] = [
    ("a_drop_before_routing", "an_uplink_without_an_address"),
    ("a_port_in_another_vlan", "a_drop_among_bridged_packets"),
    ("an_input_filter_that_drops_the_answers", "a_bridge_without_an_address"),
];

pub(crate) fn trials() -> Vec<Trial> {
    let open =
        drawn(possible()).into_iter().filter(|pair| !HIDING.contains(&(pair.near.name, pair.far.name)));
    open.map(Pair::trial).collect()
}

/// Two breakages of one path, of which neither hides the other.
#[derive(Clone, Copy)]
struct Pair {
    /// What a packet meets first.
    near: Breakage,
    far: Breakage,
}

impl Pair {
    fn trial(self) -> Trial {
        let name = format!("doctor_names_both_{}_and_{}", self.near.name, self.far.name);
        netns_testkit::online(&name, move |host| self.are_both_named(host))
    }

    fn are_both_named(self, host: &Sandbox) {
        let Self { near, far } = self;
        let servers = near.lab.build(host);
        near.exchange.must_work(host, "before");
        // The far one first: what is near may take along what it is made with.
        let servers = far.break_it(host, servers);
        let _servers = near.break_it(host, servers);
        near.exchange.must_fail(host, "though it is broken twice");
        // One may be about any destination, the other about this one.
        let question = if near.asks.len() > far.asks.len() { near.asks } else { far.asks };
        let diagnosis = doctor(host, question);
        diagnosis.is_ill();
        diagnosis.names(near.code);
        diagnosis.names(far.code);
    }
}

/// Every pair in the order of the table.
fn possible() -> Vec<Pair> {
    let all = breakages::all();
    let with = |near: Breakage| all.clone().into_iter().map(move |far| Pair { near, far });
    all.clone().into_iter().flat_map(with).filter(is_possible).collect()
}

fn is_possible(pair: &Pair) -> bool {
    let Pair { near, far } = pair;
    let is_fit = |breakage: &Breakage| breakage.effect == Effect::Stops && breakage.pairs;
    let same_path = near.lab == far.lab && near.exchange == far.exchange;
    // Two filters have no order: either may come first.
    let is_new = near.part != far.part || near.name < far.name;
    is_new && same_path && is_fit(near) && is_fit(far) && near.code != far.code && !hides(near.part, far.part)
}

/// Whether what is wrong with `far` cannot be seen, or cannot be made, while `near` is broken; also if they
/// are in the wrong order.
fn hides(near: Part, far: Part) -> bool {
    let hidden: &[Part] = match near {
        Part::Link => &[Part::Address, Part::Route, Part::Neighbour, Part::Cable],
        Part::Address => &[Part::Route, Part::Neighbour],
        Part::Route => &[Part::Neighbour],
        Part::Cable => &[Part::Bridge],
        Part::HostRoute | Part::Translation => &[Part::Uplink],
        _ => &[],
    };
    near > far || (near == far && near != Part::Filter) || hidden.contains(&far)
}

/// Draws without putting back.
fn drawn(mut pairs: Vec<Pair>) -> Vec<Pair> {
    let mut state = SEED;
    let mut drawn = Vec::new();
    while drawn.len() < PAIRS && !pairs.is_empty() {
        let place = usize::try_from(next(&mut state) >> 33).expect("31 bits fit") % pairs.len();
        drawn.push(pairs.swap_remove(place));
    }
    assert_eq!(drawn.len(), PAIRS, "the table is large enough");
    drawn
}

/// A linear congruential generator (Knuth's constants): the high bits are random enough.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state
}
