//! No step of `up` or `down`, done or undone, lets anybody in who is kept out before and afterwards.

use std::{
    collections::BTreeSet,
    io::ErrorKind,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    thread,
    time::Duration,
};

use libtest_mimic::Trial;
use netns_engine::{
    apply::{ApplyError, apply},
    kernel::{Kernel, LinuxKernel, Refusal},
    observed::{Observed, Scope},
    plan::{Operation, Plan},
};
use netns_testkit::{Fault, Refusing, Sandbox, eventually, online, sh};

use crate::{down, faults::Unwatched, make, networks, planned, up};

/// How long a packet on one machine may take; who is kept out gets no answer at all.
const LIMIT: Duration = Duration::from_millis(150);

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        online("nobody_gets_in_while_a_topology_comes_up_or_goes_down", at_no_step),
        online("nobody_gets_in_while_a_router_gains_or_loses_a_topology", at_no_step_on_a_router),
        online("nobody_gets_in_while_networks_go_by_an_edit", at_no_step_of_an_edit),
        online("nobody_gets_in_while_networks_of_a_router_go_by_an_edit", at_no_step_of_an_edit_on_a_router),
        online("nobody_gets_in_while_a_refused_change_is_undone", at_no_undone_step),
    ]
}

/// Who tries.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Prober {
    /// Another machine on the uplink, which routes the nodes' networks to the host.
    Neighbour,
    Host,
    Node(&'static str),
}

type Attempt = (Prober, (Ipv4Addr, u16));

/// Addresses of the nodes of [`networks::open_and_closed`].
const OPEN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 10);
const CLOSED: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 20);
const INTERNET: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 8);
/// A port that is published, and one that is not. Nobody listens: that is answered, too.
const PUBLISHED: u16 = 80;
const PRIVATE: u16 = 81;

/// What must never be answered. The host itself reaches everybody, and the open node the internet.
fn forbidden() -> Vec<Attempt> {
    use Prober::{Neighbour, Node};
    vec![
        (Neighbour, (OPEN, PUBLISHED)),
        (Neighbour, (OPEN, PRIVATE)),
        (Neighbour, (CLOSED, PRIVATE)),
        (Node("a"), (CLOSED, PRIVATE)),
        (Node("b"), (OPEN, PUBLISHED)),
        (Node("b"), (OPEN, PRIVATE)),
        (Node("b"), (INTERNET, PRIVATE)),
    ]
}

fn allowed() -> Vec<Attempt> {
    use Prober::{Host, Node};
    vec![(Host, (OPEN, PUBLISHED)), (Host, (CLOSED, PRIVATE)), (Node("a"), (INTERNET, PRIVATE))]
}

fn at_no_step(host: &Sandbox) {
    neighbour_knows_the_way(host);
    let mut kernel = Watched { inner: LinuxKernel::default(), host, looked: 0 };
    let plan = planned(&up(&networks::open_and_closed()), &mut LinuxKernel::default());
    apply(&plan, &mut kernel, &mut Unwatched).unwrap();
    eventually("all that is allowed is answered", || reached(host, &allowed()).len() == allowed().len());
    let plan = planned(&down(), &mut LinuxKernel::default());
    apply(&plan, &mut kernel, &mut Unwatched).unwrap();
    assert!(kernel.looked > plan.steps.len(), "every step was looked at");
}

/// Where forwarding is somebody else's and stays on, only the guards keep the neighbour out.
fn at_no_step_on_a_router(host: &Sandbox) {
    sh("sysctl -qw net.ipv4.ip_forward=1");
    at_no_step(host);
}

/// One network after the other goes, and both at once, with what is published behind them.
fn at_no_step_of_an_edit(host: &Sandbox) {
    neighbour_knows_the_way(host);
    let whole = networks::with_ports_behind_both();
    for gone in [&["net0"][..], &["net1"], &["net0", "net1"]] {
        make(&up(&whole));
        let plan = planned(&up(&networks::without_networks(&whole, gone)), &mut LinuxKernel::default());
        if gone.len() > 1 {
            refuse_last_step(&plan, host);
        }
        let mut kernel = Watched { inner: LinuxKernel::default(), host, looked: 0 };
        apply(&plan, &mut kernel, &mut Unwatched).unwrap();
        make(&down());
    }
}

/// Where somebody else forwards, and the table's last user goes.
fn at_no_step_of_an_edit_on_a_router(host: &Sandbox) {
    sh("sysctl -qw net.ipv4.ip_forward=1");
    at_no_step_of_an_edit(host);
}

fn at_no_undone_step(host: &Sandbox) {
    neighbour_knows_the_way(host);
    refuse_last_step(&planned(&up(&networks::open_and_closed()), &mut LinuxKernel::default()), host);
}

fn refuse_last_step(plan: &Plan, host: &Sandbox) {
    let watched = Watched { inner: LinuxKernel::default(), host, looked: 0 };
    let mut refusing = Refusing::new(watched, Fault::after(plan.steps.len() - 1));
    let refused = apply(plan, &mut refusing, &mut Unwatched);
    assert!(matches!(refused, Err(ApplyError::Refused { undone, .. }) if undone.left_behind.is_empty()));
}

fn neighbour_knows_the_way(host: &Sandbox) {
    host.beyond_uplink(|| {
        sh("ip route add 10.0.0.0/24 via 198.51.100.2; ip route add 10.1.0.0/24 via 198.51.100.2");
    });
}

/// A kernel beside which somebody tries everything that is forbidden, after each change.
struct Watched<'a> {
    inner: LinuxKernel,
    host: &'a Sandbox,
    looked: usize,
}

impl Kernel for Watched<'_> {
    fn observe(&mut self, scope: &Scope) -> Result<Observed, Refusal> {
        self.inner.observe(scope)
    }

    fn perform(&mut self, operation: &Operation) -> Result<(), Refusal> {
        self.inner.perform(operation)?;
        let reached = reached(self.host, &forbidden());
        assert!(reached.is_empty(), "after '{operation}', answered: {reached:?}");
        self.looked += 1;
        Ok(())
    }
}

/// Returns the attempts that were answered, be it by a refusal.
fn reached(host: &Sandbox, attempts: &[Attempt]) -> BTreeSet<Attempt> {
    thread::scope(|scope| {
        let attempts: Vec<_> = attempts
            .iter()
            .map(|attempt| (attempt, scope.spawn(move || is_answered(host, *attempt))))
            .collect();
        attempts
            .into_iter()
            .filter_map(|(attempt, answered)| answered.join().unwrap().then_some(*attempt))
            .collect()
    })
}

fn is_answered(host: &Sandbox, (prober, (address, port)): Attempt) -> bool {
    let knock = || match TcpStream::connect_timeout(&SocketAddr::from((address, port)), LIMIT) {
        Ok(_) => true,
        Err(error) => error.kind() == ErrorKind::ConnectionRefused,
    };
    match prober {
        Prober::Neighbour => host.beyond_uplink(knock),
        Prober::Host => knock(),
        Prober::Node(name) => host.inside_if_there(name, knock).unwrap_or(false),
    }
}
