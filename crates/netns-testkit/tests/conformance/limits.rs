//! Limits of links, and settings by name.

use netns_engine::{
    place::{LinkAt, Place},
    plan::{LinkChange, LinkLimits, Operation},
    sysctl::{NamedSetting, Sysctl},
    topology::Shaping,
};

use crate::operations::{link_name, netns_name, veth};

/// A setting that no variant has a name of its own for.
pub(crate) fn setting() -> Sysctl {
    Sysctl::Named(NamedSetting::new("net.ipv4.tcp_syncookies").unwrap())
}

/// Sequences told by hand, by what they show.
pub(crate) fn told() -> Vec<(&'static str, Vec<Operation>)> {
    let red = || Place::Netns(netns_name("red"));
    let (va, vb) = (|| LinkAt::on_host(link_name("va")), || red().link(&link_name("vb")));
    let set = |value| Operation::SetSysctl(Place::Host, setting(), value);
    let cable = || veth(&Place::Host, &red());
    let create = || Operation::CreateNetns(netns_name("red"));
    vec![
        (
            "a_limit_takes_the_place_of_another",
            vec![
                create(),
                limit(va(), 10_000_000),
                Operation::ClearShaping(va()),
                cable(),
                Operation::ClearShaping(va()),
                limit(va(), 10_000_000),
                limit(va(), 10_000_000),
                limit(va(), 64_000),
                Operation::ClearShaping(va()),
                Operation::ClearShaping(va()),
            ],
        ),
        (
            "a_limit_stays_while_its_link_does",
            vec![
                create(),
                cable(),
                limit(vb(), 1_000_000),
                Operation::SetLink(vb(), LinkChange::Up),
                Operation::SetLink(vb(), LinkChange::Down),
                limit(va(), 2_000_000),
                Operation::DeleteLink(va()),
                cable(),
            ],
        ),
        (
            "a_limit_has_no_bounds",
            vec![
                create(),
                cable(),
                limit(va(), 8),
                limit(va(), 12_345_678),
                limit(va(), 34_359_738_360),
                limit(va(), 34_359_738_368),
                limit(va(), 1 << 62),
                limit(va(), 7),
                Operation::SetShaping(va(), LinkLimits { shaping: Shaping::default(), mtu_bytes: 1500 }),
            ],
        ),
        ("any_setting_can_be_written_by_name", vec![set(0), set(2), set(2), set(1)]),
    ]
}

pub(crate) fn limit(at: LinkAt, rate_bits: u64) -> Operation {
    let shaping = Shaping { rate_bits: Some(rate_bits), ..Shaping::default() };
    Operation::SetShaping(at, LinkLimits { shaping, mtu_bytes: 1500 })
}
