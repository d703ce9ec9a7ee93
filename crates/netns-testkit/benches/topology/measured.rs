//! Times, and the tables they are printed in.

use std::{
    fmt::{self, Display},
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{rivals::Rival, times_longer};

/// What all rounds of one size took.
pub(crate) struct Row {
    size: usize,
    pub(crate) up: Vec<Duration>,
    pub(crate) again: Vec<Duration>,
    pub(crate) one_more: Vec<Duration>,
    /// The same on a network without nodes, in the same rounds.
    pub(crate) one_on_none: Vec<Duration>,
    pub(crate) down: Vec<Duration>,
    pub(crate) floor_up: Vec<Duration>,
    pub(crate) floor_down: Vec<Duration>,
    pub(crate) rivals: Vec<RivalTimes>,
    pub(crate) peak_mib: f64,
}

impl Row {
    pub(crate) const HEAD: &str = "\
| N | `up` | floor | ratio | again | one more | one on none | ratio | `down` | floor | ratio | peak memory |
|---|---|---|---|---|---|---|---|---|---|---|---|";

    pub(crate) fn new(size: usize) -> Self {
        Self {
            size,
            up: Vec::new(),
            again: Vec::new(),
            one_more: Vec::new(),
            one_on_none: Vec::new(),
            down: Vec::new(),
            floor_up: Vec::new(),
            floor_down: Vec::new(),
            rivals: Vec::new(),
            peak_mib: 0.0,
        }
    }
}

impl Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = median_ms;
        write!(f, "| {} | {:.1} | {:.1} ", self.size, ms(&self.up), ms(&self.floor_up))?;
        write!(f, "| {:.2} | {:.1} ", times_longer(&self.up, &self.floor_up), ms(&self.again))?;
        write!(f, "| {:.1} | {:.1} ", ms(&self.one_more), ms(&self.one_on_none))?;
        write!(f, "| {:.1} ", times_longer(&self.one_more, &self.one_on_none))?;
        write!(f, "| {:.1} | {:.1} ", ms(&self.down), ms(&self.floor_down))?;
        write!(f, "| {:.2} | {:.0} MiB |", times_longer(&self.down, &self.floor_down), self.peak_mib)
    }
}

/// What a rival took, or why it did not take part.
pub(crate) struct RivalTimes {
    pub(crate) rival: &'static Rival,
    pub(crate) up: Vec<Duration>,
    pub(crate) down: Vec<Duration>,
    pub(crate) not_run: Option<String>,
}

impl RivalTimes {
    pub(crate) const HEAD: &str = "\
| N | | up | longer than `up` | down | longer than `down` |
|---|---|---|---|---|---|";

    /// How much longer it takes than what is in `row`.
    pub(crate) fn in_words(&self, row: &Row) -> String {
        let (size, name) = (row.size, self.rival.name);
        match &self.not_run {
            Some(why) => format!("| {size} | {name} | not run: {why} | | | |"),
            None => format!(
                "| {size} | {name} | {:.0} | {:.1}× | {:.0} | {:.1}× |",
                median_ms(&self.up),
                times_longer(&self.up, &row.up),
                median_ms(&self.down),
                times_longer(&self.down, &row.down)
            ),
        }
    }
}

/// How long `work` takes on a machine that has come to rest.
pub(crate) fn timed(work: impl FnOnce()) -> Duration {
    rest();
    let start = Instant::now();
    work();
    start.elapsed()
}

/// Waits until the processors have little to do, but not forever.
///
/// The kernel takes deleted netns apart in the background, a thousand in more than a second: whoever happens to
/// come next should not be the slower for it.
fn rest() {
    /// Long enough to tell, in a clock that ticks a hundred times a second.
    const WINDOW: Duration = Duration::from_millis(60);
    const PATIENCE: u32 = 60;
    for _ in 0..PATIENCE {
        let before = busy_ticks();
        #[expect(clippy::disallowed_methods, reason = "nothing tells when the kernel is done")]
        thread::sleep(WINDOW);
        if busy_ticks() <= before + 1 {
            return;
        }
    }
}

/// The time that processors were neither idle nor waiting, in hundredths of a second (`proc_stat(5)`).
fn busy_ticks() -> u64 {
    /// `idle`, `iowait`, and what other machines took or were given.
    const IDLE: [usize; 5] = [3, 4, 7, 8, 9];
    let text = fs::read_to_string("/proc/stat").expect("/proc is mounted");
    let all = text.lines().next().expect("the first line tells of all processors");
    let ticks = all.split_whitespace().skip(1).map(|ticks| ticks.parse::<u64>().expect("a number"));
    ticks.enumerate().filter(|(place, _)| !IDLE.contains(place)).map(|(_, ticks)| ticks).sum()
}

/// The median, in milliseconds.
pub(crate) fn median_ms(times: &[Duration]) -> f64 {
    let mut times = times.to_vec();
    times.sort_unstable();
    times.get(times.len() / 2).map_or(f64::NAN, |median| median.as_secs_f64() * 1000.0)
}

/// Copies a program as its installation would. As the linker leaves it, a file lies about in memory in small
/// pieces, and to start it takes a tenth longer.
pub(crate) fn as_installed(program: &Path) -> PathBuf {
    let copy = program.with_extension("installed");
    fs::copy(program, &copy).expect("it may");
    copy
}

/// Starts a program, whose output nobody reads.
pub(crate) fn started(command: &mut Command) -> Child {
    command.stdout(Stdio::null()).spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// Runs a program from its start to its end, and insists that it did all it should.
pub(crate) fn program(command: &mut Command) {
    let ended = started(command.stdin(Stdio::null())).wait().expect("it ends");
    assert!(ended.success(), "{command:?} failed");
}
