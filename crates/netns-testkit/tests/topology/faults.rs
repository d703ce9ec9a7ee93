//! A refusal at any step of `up`, of an edit and of `down`, before or after its effect.

use std::collections::BTreeMap;

use libtest_mimic::Trial;
use netns_engine::{
    apply::{Progress, apply},
    kernel::{Kernel, LinuxKernel, Refusal},
    observed::{Firewall, Iptables, Link, LinkKind, Observed, Stack},
    place::Place,
    plan::{Desired, Plan},
    route::{Route, RouteProtocol},
    sysctl::Sysctl,
};
use netns_testkit::{FakeKernel, Fault, Moment, Refusing, Sandbox, Snapshot, hostless, online, sh};
use rustix::io::Errno;

use crate::{down, networks, planned, up};

/// One change, and what comes before it.
struct Case {
    name: &'static str,
    before: Vec<Box<dyn Desired + Send>>,
    change: Box<dyn Desired + Send>,
}

fn cases() -> Vec<Case> {
    let (first, second) = (networks::everything(), networks::something_else());
    vec![
        Case { name: "up", before: vec![], change: Box::new(up(&first)) },
        Case { name: "edit", before: vec![Box::new(up(&first))], change: Box::new(up(&second)) },
        Case { name: "edit_back", before: vec![Box::new(up(&second))], change: Box::new(up(&first)) },
        Case { name: "down", before: vec![Box::new(up(&first))], change: Box::new(down()) },
    ]
}

pub(crate) fn trials() -> Vec<Trial> {
    let on_the_model = cases().into_iter().map(|case| {
        hostless(&format!("refused_on_the_model::{}", case.name), move || survives_on_the_model(&case))
    });
    let on_the_kernel = cases().into_iter().map(|case| {
        online(&format!("refused_on_the_kernel::{}", case.name), move |_: &Sandbox| {
            survives_on_the_kernel(&case);
        })
    });
    let lasting = online("refused_on_the_kernel::down_where_addresses_outlast_a_link", |_: &Sandbox| {
        sh("sysctl -qw net.ipv6.conf.all.keep_addr_on_down=1");
        cases().iter().filter(|case| case.name == "down").for_each(survives_on_the_kernel);
    });
    on_the_model.chain(on_the_kernel).chain([lasting]).collect()
}

fn survives_on_the_model(case: &Case) {
    let mut kernel = FakeKernel::with(host_in_memory());
    case.before.iter().for_each(|desired| carry_out(desired.as_ref(), &mut kernel));
    let plan = planned(case.change.as_ref(), &mut kernel);
    for fault in faults(&plan) {
        let mut refusing = Refusing::new(kernel.clone(), fault);
        refuse(&plan, &mut refusing, fault);
        let changed = differing_facts(kernel.state(), refusing.into_inner().state());
        expect_nothing(&changed, &plan, fault);
    }
}

/// The kernel is slower than its model: one fault a step.
fn survives_on_the_kernel(case: &Case) {
    case.before.iter().for_each(|desired| carry_out(desired.as_ref(), &mut LinuxKernel::default()));
    let before = Snapshot::take();
    let plan = planned(case.change.as_ref(), &mut LinuxKernel::default());
    for step in 0..plan.steps.len() {
        let fault = if step % 2 == 0 { Fault::before(step) } else { Fault::after(step) };
        refuse(&plan, &mut Refusing::new(LinuxKernel::default(), fault), fault);
        expect_nothing(before.difference(&Snapshot::take()).lines(), &plan, fault);
    }
}

/// Each step: refused, done though the answer was lost, interrupted, or found done by another.
fn faults(plan: &Plan) -> Vec<Fault> {
    assert!(!plan.is_empty(), "there is something to do");
    let kinds = [
        (Moment::BeforeEffect, Errno::PERM),
        (Moment::AfterEffect, Errno::NOBUFS),
        (Moment::BeforeEffect, Errno::NOBUFS),
        (Moment::AfterEffect, Errno::INTR),
        (Moment::BeforeEffect, Errno::EXIST),
    ];
    let of_step = |step| kinds.map(|(moment, errno)| Fault { step, moment, errno });
    (0..plan.steps.len()).flat_map(of_step).collect()
}

fn carry_out(desired: &dyn Desired, kernel: &mut impl Kernel) {
    let plan = planned(desired, kernel);
    apply(&plan, kernel, &mut Unwatched).unwrap_or_else(|error| panic!("{error:?}"));
}

fn refuse<K: Kernel>(plan: &Plan, kernel: &mut Refusing<K>, fault: Fault) {
    let error = apply(plan, kernel, &mut Unwatched).unwrap_err();
    assert!(kernel.happened());
    assert!(error.undone().left_behind.is_empty(), "{fault:?}: {:?}", error.undone());
}

fn expect_nothing(changed: &[String], plan: &Plan, fault: Fault) {
    let operation = &plan.steps[fault.step].operation;
    assert!(changed.is_empty(), "{fault:?} of '{operation}'\n{}", changed.join("\n"));
}

/// A host with an uplink, and nothing else.
pub(crate) fn host_in_memory() -> Observed {
    let up = |kind| Link { up: true, ..Link::new(kind) };
    let mut uplink = up(LinkKind::Other("physical".to_owned()));
    uplink.addresses.insert("198.51.100.2/24".parse().unwrap());
    let link = |name: &str| name.parse().unwrap();
    let default = Route {
        protocol: RouteProtocol::Boot,
        ..Route::default_via("198.51.100.1".parse().unwrap()).on(link("eth0"))
    };
    let settings = [
        (Sysctl::IpForward, 0),
        (Sysctl::Ipv6Forwarding, 0),
        (Sysctl::AcceptRedirects, 1),
        (Sysctl::DisableIpv6(link("default")), 0),
    ];
    let stack = Stack {
        links: [(link("lo"), up(LinkKind::Loopback)), (link("eth0"), uplink)].into(),
        routes: [default].into(),
        sysctls: settings.into(),
    };
    let firewall = Firewall { nftables: true, iptables: Some(Iptables::default()), ..Firewall::default() };
    Observed { stacks: [(Place::Host, stack)].into(), firewall, ..Observed::default() }
}

/// What of one state the other lacks: the whole states would fill screens.
pub(crate) fn differing_facts(before: &Observed, after: &Observed) -> Vec<String> {
    let (before, after) = (facts(before), facts(after));
    let gone = before.iter().filter(|fact| !after.contains(fact)).map(|fact| format!("- {fact}"));
    let come = after.iter().filter(|fact| !before.contains(fact)).map(|fact| format!("+ {fact}"));
    gone.chain(come).collect()
}

fn facts(state: &Observed) -> Vec<String> {
    let mut facts = Vec::new();
    facts.extend(state.netns.iter().map(|entry| format!("{entry:?}")));
    facts.extend(state.records.iter().map(|record| format!("{record:?}")));
    facts.extend(state.firewall.table.iter().flatten().map(|entry| format!("{entry:?}")));
    let rest = (
        &state.resolvers,
        &state.hosts,
        &state.shared_hosts,
        &state.programs,
        state.firewall.table.is_some(),
    );
    facts.push(format!("{rest:?}"));
    for (place, stack) in &state.stacks {
        facts.push(format!("{place}"));
        facts.extend(stack.links.iter().map(|(name, link)| format!("{place}: {name} {link:?}")));
        facts.extend(stack.routes.iter().map(|route| format!("{place}: {route:?}")));
        let settings: BTreeMap<_, _> = stack
            .sysctls
            .iter()
            .filter(|(setting, value)| **value != 0 && !is_told_by_links(setting))
            .collect();
        facts.extend(settings.iter().map(|setting| format!("{place}: {setting:?}")));
    }
    facts
}

/// How link-local addresses are made is told when a link is, and shown as a setting.
fn is_told_by_links(setting: &Sysctl) -> bool {
    matches!(setting, Sysctl::AddrGenMode(_))
}

/// Nobody is killed here, so nobody needs to know how far it got.
pub(crate) struct Unwatched;

impl Progress for Unwatched {
    fn about_to(&mut self, _index: usize) -> Result<(), Refusal> {
        Ok(())
    }
}
