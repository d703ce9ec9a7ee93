//! A run that changes nothing, told by the system calls it makes.

use netns_testkit::{Missing, Program, Sandbox, program_exists};

/// System calls through which something outside the tool's own memory changes, or is asked for.
const CALLS: &str = "sendto,sendmsg,openat,unlink,unlinkat,rename,renameat,renameat2,mkdir,mkdirat,\
    symlink,symlinkat,link,linkat,mount,umount2,unshare,execve";

/// What may be opened for writing: the locks, and what goes nowhere.
const HARMLESS: [&str; 4] = ["/run/netns-tool/lock", "/run/xtables.lock", "/dev/null", "/dev/tty"];

const TRACE: &str = "/run/trace";

pub(crate) fn require_strace() -> Result<(), Missing> {
    if program_exists("strace") { Ok(()) } else { Err(Missing("the program strace".to_owned())) }
}

/// Runs the tool and insists that it only asked: no changing message, file, folder or mount.
pub(crate) fn assert_changes_nothing(host: &Sandbox, command: &str) {
    let tool = host.tool().path().display().to_string();
    let traced = Program::new("strace").words("-f -qq -s 32 -o").arg(TRACE).arg("-e");
    drop(traced.arg(&format!("trace={CALLS}")).arg(&tool).words(command).run().succeeds());
    let trace = std::fs::read_to_string(TRACE).unwrap();
    std::fs::remove_file(TRACE).unwrap();
    assert!(trace.contains("RTM_GETLINK"), "strace saw nothing:\n{trace}");
    let changing: Vec<_> = trace.lines().filter(|line| changes_something(line)).collect();
    assert!(changing.is_empty(), "'{command}' changes something:\n{}", changing.join("\n"));
}

fn changes_something(line: &str) -> bool {
    let Some((call, rest)) = line.split_once('(') else { return false };
    let call = call.split_whitespace().last().unwrap_or_default();
    // What failed changed nothing.
    if line.contains(") = -1 ") || line.contains("= -1 E") {
        return false;
    }
    match call {
        "sendto" | "sendmsg" => rest.contains("nlmsg_type=") && !only_asks(rest),
        "openat" => ["O_WRONLY", "O_RDWR"].iter().any(|mode| rest.contains(mode)) && !is_harmless(rest),
        "execve" => !rest.contains("netns-tool") && !rest.contains("tables-") && !rest.contains("tables\""),
        "" | "---" | "+++" => false,
        _ => true,
    }
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
