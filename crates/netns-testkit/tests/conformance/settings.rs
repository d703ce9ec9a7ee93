//! Settings of all links, some of which the kernel copies to each.

use netns_engine::{
    observed::{Scope, Selection},
    place::Place,
    plan::{LinkChange, Operation},
    sysctl::{NamedSetting, Sysctl},
};

use crate::operations::{link_name, netns_name, veth};

const COPIED: [&str; 3] = ["disable_ipv6", "addr_gen_mode", "ignore_routes_with_linkdown"];
const KEPT_APART: &str = "proxy_ndp";

fn red() -> Place {
    Place::Netns(netns_name("red"))
}

fn setting(link: &str, key: &str) -> Sysctl {
    NamedSetting::new(format!("net.ipv6.conf.{link}.{key}")).unwrap().into()
}

/// All that these operations can reach.
pub(crate) fn everything() -> Scope {
    let mut scope = Scope::default().with_netns(&netns_name("red"));
    scope.stacks.insert(Place::Host, Selection::All);
    for key in COPIED.into_iter().chain([KEPT_APART]) {
        for link in ["all", "default", "lo", "vb"] {
            scope = scope.with_sysctl(&red(), setting(link, key));
        }
    }
    scope
}

pub(crate) fn told() -> Vec<(&'static str, Vec<Operation>)> {
    let create = || Operation::CreateNetns(netns_name("red"));
    let cable = || veth(&Place::Host, &red());
    let vb = || red().link(&link_name("vb"));
    let set = |link: &str, key: &str, value| Operation::SetSysctl(red(), setting(link, key), value);
    let address = |text: &str| Operation::AddAddress(vb(), text.parse().unwrap());
    let off = |link: &str, value| set(link, "disable_ipv6", value);
    let copied = COPIED.into_iter().flat_map(|key| {
        [
            set("all", key, 1),
            set("lo", key, 0),
            set("default", key, 0),
            set("all", key, 1),
            set("all", key, 0),
        ]
    });
    let kept_apart = [set("all", KEPT_APART, 1), set("lo", KEPT_APART, 1), set("all", KEPT_APART, 0)];
    vec![
        ("settings_of_all_links_are_copied", [create(), cable()].into_iter().chain(copied).collect()),
        ("others_are_kept_apart", [create(), cable()].into_iter().chain(kept_apart).collect()),
        (
            "a_link_that_ipv6_is_off_on_has_none_of_its_addresses",
            vec![
                create(),
                cable(),
                Operation::SetLink(vb(), LinkChange::Up),
                address("fd00::1/64"),
                address("10.0.0.1/24"),
                off("all", 1),
                off("vb", 0),
                address("fd00::1/64"),
                off("vb", 1),
                off("all", 0),
                address("fd00::1/64"),
            ],
        ),
        ("a_new_link_does_without_ipv6_too", vec![create(), off("all", 1), cable(), off("vb", 0)]),
        ("what_is_said_of_new_links_leaves_others_alone", vec![create(), cable(), off("default", 1)]),
    ]
}
