//! How long whole topologies take, beside the floor and beside what others do: N nodes on one bridge with NAT,
//! brought up, asked for again, grown by one node, taken down.
//!
//! `cargo bench -p netns-testkit --bench topology` prints medians and their ratios, all from one run on one
//! throw-away host. Everybody is a program: what is measured is from its start to its end, files included.
//!
//! Numbers as arguments are the sizes to measure. `rivals=1000` lets the slow ones take part up to that size,
//! where they take minutes; `ports=0` leaves the published ports out.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its table")]
#![expect(clippy::expect_used, reason = "a benchmark that cannot go on should stop")]

mod floor;
mod floor_nat;
mod measured;
mod packing;
mod ports;
mod rivals;
mod tool;

use std::{
    env,
    path::PathBuf,
    process::{Command, ExitCode},
    sync::OnceLock,
    time::Duration,
};

use measured::{Row, as_installed, median_ms, program, timed};
use netns_testkit::{Sandbox, Uplink, on_fresh_host, sh};
use rivals::RIVALS;
use tool::Tool;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let Some(ended) = floor::as_program(&arguments) {
        return ended;
    }
    build_tool();
    if let Err(error) = netns_engine::kernel::playground::become_root() {
        eprintln!("cannot run here: {error}");
        return ExitCode::FAILURE;
    }
    let wanted = Wanted::of(&arguments);
    match on_fresh_host(Uplink::PretendInternet, |host| measure_all(host, &wanted)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// What to measure.
struct Wanted {
    sizes: Vec<usize>,
    /// The largest size at which the slow ones take part.
    with_rivals: usize,
    /// How many ports to publish.
    ports: usize,
}

impl Wanted {
    fn of(arguments: &[String]) -> Self {
        let sizes: Vec<usize> = arguments.iter().filter_map(|argument| argument.parse().ok()).collect();
        let named =
            |name: &str| arguments.iter().find_map(|argument| argument.strip_prefix(name)?.parse().ok());
        Self {
            sizes: if sizes.is_empty() { vec![1, 10, 100, 1000] } else { sizes },
            with_rivals: named("rivals=").unwrap_or(10),
            ports: named("ports=").unwrap_or(10_000),
        }
    }
}

/// Cargo builds what a package's benchmarks depend on, but not the programs of another package.
fn build_tool() {
    if let Some(cargo) = env::var_os("CARGO") {
        let built = Command::new(cargo).args(["build", "--release", "--package", "netns-tool"]).status();
        assert!(built.expect("cargo is there").success(), "netns-tool is not built");
    }
}

fn measure_all(host: &Sandbox, wanted: &Wanted) {
    let tool = Tool::beside(host);
    println!("{}", Row::HEAD);
    let mut rivals = Vec::new();
    for size in &wanted.sizes {
        let row = measure(&tool, *size, wanted.with_rivals);
        println!("{row}");
        rivals.extend(row.rivals.iter().map(|rival| rival.in_words(&row)));
    }
    println!("\n{}", measured::RivalTimes::HEAD);
    for rival in rivals {
        println!("{rival}");
    }
    if wanted.ports > 0 {
        ports::measure(host, &tool, wanted.ports);
    }
}

/// In turns, so that whatever else the machine does disturbs all of them alike.
fn measure(tool: &Tool, size: usize, with_rivals: usize) -> Row {
    let mut row = Row::new(size);
    if size <= with_rivals {
        row.rivals.extend(RIVALS.iter().map(rivals::Rival::begin));
    }
    for round in 0..rounds(size) {
        let check = |netns: &str| {
            if round == 0 {
                reaches_internet(netns);
            }
        };
        row.up.push(timed(|| tool.up(size)));
        check(&tool::netns_of(size));
        row.again.push(timed(|| tool.up(size)));
        row.one_more.push(timed(|| tool.up(size + 1)));
        tool.up(size);
        row.down.push(timed(|| tool.down()));
        row.floor_up.push(timed(|| by_floor("up", size)));
        check(&floor::netns_of(size));
        row.floor_down.push(timed(|| by_floor("down", size)));
        tool.up(0);
        row.one_on_none.push(timed(|| tool.up(1)));
        tool.down();
        for rival in row.rivals.iter_mut().filter(|_| round < rounds_of_rivals(size)) {
            rival.once(size, &check);
        }
    }
    row.peak_mib = tool.peak_of_up(size);
    tool.down();
    row
}

fn by_floor(verb: &str, nodes: usize) {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    let this = || as_installed(&env::current_exe().expect("/proc is mounted"));
    program(Command::new(INSTALLED.get_or_init(this)).args(["floor", verb, &nodes.to_string()]));
}

/// Whoever is measured must have done it: beyond the uplink, only the host's own address is answered.
fn reaches_internet(netns: &str) {
    drop(sh(&format!("ip netns exec {netns} ping -c 1 -W 5 203.0.113.8")));
}

/// Fewer for what takes long.
fn rounds(size: usize) -> usize {
    (300 / size.max(1)).clamp(7, 21)
}

/// The slow ones need not be told to the percent.
fn rounds_of_rivals(size: usize) -> usize {
    (100 / size.max(1)).clamp(1, 5)
}

/// A ratio of medians.
fn times_longer(times: &[Duration], than: &[Duration]) -> f64 {
    median_ms(times) / median_ms(than)
}
