//! Looking changes nothing: neither on a healthy host nor on a broken one.

use libtest_mimic::Trial;
use netns_testkit::{Sandbox, Snapshot, online, sh};

use crate::{
    breakage::{Breakage, Effect},
    breakages,
    lab::{self, Lab},
};

/// Every form of the question, and those of `--fix` and `--trace` that only look.
const FORMS: [&str; 12] = [
    "doctor",
    "doctor --json",
    "doctor red",
    "doctor red 203.0.113.8:80",
    "doctor red 203.0.113.8:7/udp",
    "doctor red example.test",
    "doctor red blue",
    "doctor red blue:80/udp",
    "doctor 8080",
    "doctor red --trace",
    "doctor red --fix --dry-run",
    "doctor /run/netns/red",
];

pub(crate) fn trials() -> Vec<Trial> {
    let labs = [Lab::ByIptables, Lab::ByNft, Lab::ByTool, Lab::ByToolWithNft, Lab::ByTopology];
    let healthy = labs.into_iter().map(|lab| {
        online(&format!("doctor_leaves_a_healthy_host_as_it_was_{lab:?}"), move |host| {
            let _servers = lab.build(host);
            every_form_changes_nothing(host);
        })
    });
    let broken = BROKEN.into_iter().map(|name| {
        let breakage = breakages::all().into_iter().find(|breakage| breakage.name == name);
        let breakage = breakage.unwrap_or_else(|| panic!("no breakage is called {name}"));
        online(&format!("doctor_leaves_a_host_with_{name}_as_it_was"), move |host| broken(host, &breakage))
    });
    healthy.chain(broken).collect()
}

/// Each with something that looking the wrong way would change.
const BROKEN: [&str; 8] = [
    "a_missing_default_route",
    "a_legacy_policy_that_drops",
    "an_nft_policy_that_drops",
    "a_legacy_filter_of_the_netns",
    "forwarding_that_is_off",
    "own_rules_that_were_flushed",
    "a_file_that_is_no_netns",
    "a_flow_that_still_goes_to_the_old_netns",
];

fn broken(host: &Sandbox, breakage: &Breakage) {
    let servers = breakage.lab.build(host);
    let _servers = breakage.break_it(host, servers);
    assert_ne!(breakage.effect, Effect::Spares);
    every_form_changes_nothing(host);
}

fn every_form_changes_nothing(host: &Sandbox) {
    lab::settle();
    let before = (Snapshot::take(), beside_the_snapshot());
    before.0.assert_same(&Snapshot::take(), "it changes by itself");
    assert_eq!(before.1, beside_the_snapshot(), "it changes by itself");
    for form in FORMS {
        let ended = host.netns_tool(&format!("{form} --timeout 0.3"));
        assert!(matches!(ended.code(), Some(0 | 2 | 5 | 9)), "'{form}' ended oddly: {ended:?}");
        before.0.assert_same(&Snapshot::take(), &format!("'{form}' changed something"));
        assert_eq!(before.1, beside_the_snapshot(), "'{form}' changed something");
    }
}

/// What a snapshot leaves out: which tables of legacy iptables are there, rules as `nft` shows them,
/// kernel modules, and tracked flows of published ports.
fn beside_the_snapshot() -> String {
    sh("look='cat /proc/thread-self/net/ip_tables_names /proc/thread-self/net/ip6_tables_names
              nft -s list ruleset'
        sh -c \"$look\" 2>&1
        for netns in $(ls /run/netns); do echo $netns; ip netns exec $netns sh -c \"$look\" 2>&1 || true; done
        cut -d' ' -f1 /proc/modules | sort
        find /run /etc/netns -xdev -not -path '/run/real-etc*' | sort
        conntrack -L -p udp --orig-port-src 5000 2>/dev/null | grep -o 'src=.*' || true")
}
