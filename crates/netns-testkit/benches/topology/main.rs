//! How long whole topologies take, beside the floor: N nodes on one bridge with NAT, brought up, asked for again,
//! grown by one node, taken down; beside the lessons' shell script and `ip -batch` with `nft -f`.
//!
//! `cargo bench -p netns-testkit --bench topology` prints medians and their ratios, all from one run on one
//! throw-away host. Numbers as arguments are the sizes to measure.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its table")]
#![expect(clippy::expect_used, reason = "a benchmark that cannot go on should stop")]

mod floor;
mod rivals;

use std::{
    fs,
    process::ExitCode,
    time::{Duration, Instant},
};

use netns_engine::{
    address::MacAddress,
    change,
    desired::{OnHolders, TopologyRemoved, TopologyUp},
    kernel::LinuxKernel,
    name::{LinkName, NetnsName},
    place::LinkAt,
    plan::Desired,
    route::{Route, RouteProtocol},
    topology::{Cable, CableEnd, Forwarding, Isolation, KnownHosts, Network, Node, Reach, Topology},
};
use netns_testkit::{Uplink, on_fresh_host};

fn main() -> ExitCode {
    let sizes: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let sizes = if sizes.is_empty() { vec![1, 10, 100, 1000] } else { sizes };
    if let Err(error) = netns_engine::kernel::playground::become_root() {
        eprintln!("cannot run here: {error}");
        return ExitCode::FAILURE;
    }
    println!("milliseconds    up  floor      x   again  one more   down  floor      x   peak MiB");
    let measured = on_fresh_host(Uplink::PretendInternet, |_| sizes.iter().for_each(|size| measure(*size)));
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// What one round took.
#[derive(Default)]
struct Times {
    up: Vec<Duration>,
    again: Vec<Duration>,
    one_more: Vec<Duration>,
    down: Vec<Duration>,
    floor_up: Vec<Duration>,
    floor_down: Vec<Duration>,
}

fn measure(size: usize) {
    let mut times = Times::default();
    // The bridge takes 1,023 ports.
    let (asked, grown) = (topology(size), topology(size + 1));
    for _ in 0..rounds(size) {
        times.up.push(timed(|| make(&up(&asked))));
        times.again.push(timed(|| make(&up(&asked))));
        times.one_more.push(timed(|| make(&up(&grown))));
        make(&up(&asked));
        times.down.push(timed(|| make(&down(&asked))));
        times.floor_up.push(timed(|| floor::build("floor", size)));
        times.floor_down.push(timed(|| floor::tear_down("floor", size)));
    }
    let ms = |times: &[Duration]| median(times).as_secs_f64() * 1000.0;
    let (up, floor_up, down, floor_down) =
        (ms(&times.up), ms(&times.floor_up), ms(&times.down), ms(&times.floor_down));
    println!(
        "{size:>8} {up:>9.1} {floor_up:>6.1} {:>6.2} {:>7.1} {:>9.1} {down:>6.1} {floor_down:>6.1} {:>6.2} {:>10.1}",
        up / floor_up,
        ms(&times.again),
        ms(&times.one_more),
        down / floor_down,
        peak_memory_mib(),
    );
    compare(size, up, down);
}

/// Up to here the rivals take part: what they take for more is known, and long.
const WITH_RIVALS: usize = 100;

/// How many times longer the others take than `up` and `down` here.
fn compare(size: usize, up: f64, down: f64) {
    for rival in rivals::RIVALS.iter().filter(|_| size <= WITH_RIVALS) {
        let (mut builds, mut tear_downs) = (Vec::new(), Vec::new());
        for _ in 0..rounds(size).min(5) {
            builds.push(timed(|| rivals::run(&(rival.build)(size))));
            tear_downs.push(timed(|| rivals::run(&(rival.tear_down)(size))));
        }
        let ms = |times: &[Duration]| median(times).as_secs_f64() * 1000.0;
        let (build, tear_down) = (ms(&builds), ms(&tear_downs));
        println!(
            "{:>8} {build:>9.1} {:>6.1}x {:>33} {tear_down:>6.1} {:>6.1}x",
            rival.name,
            build / up,
            "",
            tear_down / down
        );
    }
}

/// Fewer for what takes long.
fn rounds(size: usize) -> usize {
    (200 / size.max(1)).clamp(3, 15)
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    times[times.len() / 2]
}

/// A kernel of its own each time, as a run of the program has.
fn make(desired: &dyn Desired) {
    if let Err(error) = change::make(desired, &mut LinuxKernel::default()) {
        let causes = std::iter::successors(std::error::Error::source(&error), |cause| cause.source());
        panic!("{}", causes.fold(error.to_string(), |words, cause| format!("{words}: {cause}")));
    }
}

fn up(topology: &Topology) -> TopologyUp {
    TopologyUp { topology: topology.clone(), lifetime: None, on_holders: OnHolders::Refuse }
}

fn down(topology: &Topology) -> TopologyRemoved {
    TopologyRemoved { name: topology.name.clone(), on_holders: OnHolders::Refuse }
}

fn topology(size: usize) -> Topology {
    let bridge = LinkName::new("br0").expect("a name");
    Topology {
        networks: vec![Network {
            name: "lan".to_owned(),
            bridge: bridge.clone(),
            mac: MacAddress::derived_from("br0"),
            mtu_bytes: None,
            addresses: vec!["10.0.0.1/16".parse().expect("an address")],
            reach: Reach::Internet { uplink: None },
            tunnels: Vec::new(),
        }],
        nodes: (1..=size).map(node).collect(),
        cables: (1..=size).map(|number| cable(number, &bridge)).collect(),
        ..Topology::new(NetnsName::new("bench").expect("a name"))
    }
}

fn name(number: usize) -> NetnsName {
    NetnsName::new(format!("node{number}")).expect("a name")
}

fn node(number: usize) -> Node {
    Node {
        name: name(number),
        forwarding: Forwarding::Off,
        addresses: Vec::new(),
        macvlans: Vec::new(),
        routes: vec![Route {
            destination: "0.0.0.0/0".parse().expect("a network"),
            gateway: Some([10, 0, 0, 1].into()),
            link: None,
            metric: 0,
            protocol: RouteProtocol::Ours,
        }],
        settings: Vec::new(),
        resolver: None,
        hosts: KnownHosts::OfHost,
        programs: Vec::new(),
        ports: Vec::new(),
    }
}

fn cable(number: usize, bridge: &LinkName) -> Cable {
    let end = |at: LinkAt| CableEnd {
        mac: MacAddress::derived_from(&at.to_string()),
        at,
        bridge: None,
        addresses: Vec::new(),
        shaping: None,
        isolation: Isolation::Off,
    };
    let port = LinkAt::on_host(LinkName::new(format!("br0-{number}")).expect("a name"));
    let inside = LinkAt::inside(name(number), LinkName::new("eth0").expect("a name"));
    let [high, low] = u16::try_from(number + 1).expect("a /16 holds them").to_be_bytes();
    let address = format!("10.0.{high}.{low}/16").parse().expect("an address");
    Cable {
        ends: [
            CableEnd { bridge: Some(bridge.clone()), ..end(port) },
            CableEnd { addresses: vec![address], ..end(inside) },
        ],
        mtu_bytes: None,
    }
}

/// The most this process ever used, the floor included.
fn peak_memory_mib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").expect("/proc is mounted");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("it is there");
    let kib: f64 = line.trim_end_matches("kB").trim().parse().expect("a number");
    kib / 1024.0
}
