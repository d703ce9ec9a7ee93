//! The system calls by which a run of the tool changes something, as `strace` saw them.

use std::collections::{BTreeMap, BTreeSet};

use netns_testkit::{Missing, Program, Sandbox, program_exists};

/// Calls through which anything outside a program's own memory may change.
const CALLS: &str = "sendto,sendmsg,openat,write,unlink,unlinkat,rename,renameat,renameat2,mkdir,mkdirat,rmdir,\
    symlink,symlinkat,link,linkat,fchmod,ftruncate,mount,umount2,unshare,execve";

/// What may be opened for writing: the locks, and what goes nowhere.
const HARMLESS: [&str; 4] = ["/run/netns-tool/lock", "/run/xtables.lock", "/dev/null", "/dev/tty"];

/// Programs that only read.
const READERS: [&str; 3] = ["netns-tool\"", "iptables-save\"", "ip6tables-save\""];

const TRACE: &str = "/run/trace";

pub(crate) fn require_strace() -> Result<(), Missing> {
    if program_exists("strace") { Ok(()) } else { Err(Missing("the program strace".to_owned())) }
}

/// Follows the tool's own processes only, as a program that it starts may run for long.
pub(crate) const WITHOUT_PROGRAMS: &str = "-f --detach-on=execve";

/// Runs the tool and returns all that such calls did, a line each.
pub(crate) fn trace(host: &Sandbox, command: &str) -> String {
    let tool = host.tool().path().display().to_string();
    let traced = Program::new("strace").words(WITHOUT_PROGRAMS).words("-qq -s 32 -o").arg(TRACE).arg("-e");
    drop(traced.arg(&format!("trace={CALLS}")).arg(&tool).words(command).run().succeeds());
    let trace = std::fs::read_to_string(TRACE).unwrap();
    std::fs::remove_file(TRACE).unwrap();
    assert!(trace.contains("RTM_GET"), "strace saw nothing:\n{trace}");
    trace
}

/// Where the tool can be killed so that something is half-done: names of calls, and which of them. Each is
/// killed as it begins: what the call before has done is there, and what it would do is not. A file that is opened
/// is written next; and how many are opened depends on how many processes there are to look at. Who becomes another
/// program is the tool no more. What the kernel has begun anew, however often, is one call: so it does with a setting
/// that is written while somebody else changes the network.
pub(crate) fn points(trace: &str) -> BTreeSet<(String, usize)> {
    let mut made: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut points = BTreeSet::new();
    for line in trace.lines() {
        if let Some(nth) = resumed(line).and_then(|call| made.get_mut(&call)) {
            *nth -= usize::from(will_be_restarted(line));
        }
        let Some((thread, call, _)) = parsed(line) else { continue };
        if will_be_restarted(line) {
            continue;
        }
        let nth = made.entry((thread, call)).or_default();
        *nth += 1;
        if !["openat", "execve"].contains(&call) && changes_something(line) {
            points.insert((call.to_owned(), *nth));
        }
    }
    points
}

/// Whether a line of a trace is about a call that changed something, or a word to the caller.
pub(crate) fn changes_something(line: &str) -> bool {
    let Some((_, call, rest)) = parsed(line) else { return false };
    // What failed changed nothing.
    if line.contains(" = -1 E") {
        return false;
    }
    match call {
        "sendto" | "sendmsg" => rest.contains("nlmsg_type=") && !only_asks(rest),
        "openat" => ["O_WRONLY", "O_RDWR"].iter().any(|mode| rest.contains(mode)) && !is_harmless(rest),
        "write" => !rest.starts_with("1,") && !rest.starts_with("2,"),
        "execve" => !READERS.iter().any(|program| rest.contains(program)),
        _ => true,
    }
}

/// Thread, call and arguments; nothing for signals and for the second half of an interrupted line.
fn parsed(line: &str) -> Option<(&str, &str, &str)> {
    let (head, arguments) = line.split_once('(')?;
    let (thread, call) = head.split_once(' ')?;
    let call = call.trim_start();
    call.chars().all(|letter| letter.is_ascii_alphanumeric()).then_some((thread, call, arguments))
}

/// Thread and call of the second half of an interrupted line.
fn resumed(line: &str) -> Option<(&str, &str)> {
    let (thread, rest) = line.split_once(" <... ")?;
    Some((thread, rest.split_once(" resumed>")?.0))
}

fn will_be_restarted(line: &str) -> bool {
    line.contains(" = ? ERESTART")
}

/// Whether every message of a call is a question. In a netns other than its own, `strace` does not know
/// which protocol a socket speaks and gives bare numbers; there every fourth is a question, as
/// `linux/rtnetlink.h` orders them: new, delete, get, set.
fn only_asks(call: &str) -> bool {
    let kinds = call.split("nlmsg_type=").skip(1);
    kinds.map(|kind| kind.split([',', ' ']).next().unwrap_or_default()).all(|kind| {
        let number = kind.strip_prefix("0x").and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let asks_by_number = number.is_some_and(|number| (16..256).contains(&number) && number % 4 == 2);
        asks_by_number || kind.contains("_GET") || kind.starts_with("SOCK_DIAG")
    })
}

fn is_harmless(arguments: &str) -> bool {
    HARMLESS.iter().any(|path| arguments.contains(&format!("\"{path}\"")))
}
