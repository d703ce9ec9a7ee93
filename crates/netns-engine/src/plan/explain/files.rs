//! Files and programs in the words of the shell.

use crate::{
    boot::{BootFile, BootPart},
    name::NetnsName,
    resolver::ResolvConf,
    topology::{HostEntry, Program, ProgramKey, TopologyName},
};

/// Where the names that the nodes of a topology share are kept.
pub(super) fn hosts_of(topology: &TopologyName) -> String {
    format!("/run/netns-tool/hosts/{topology}")
}

pub(super) fn write_resolver(netns: &NetnsName, file: &ResolvConf) -> Vec<String> {
    let text = file.to_string();
    vec![
        format!("mkdir -p /etc/netns/{netns}"),
        print_lines(text.lines(), &format!("/etc/netns/{netns}/resolv.conf")),
    ]
}

pub(super) fn write_hosts(topology: &TopologyName, entries: &[HostEntry]) -> Vec<String> {
    let lines: Vec<_> = entries.iter().map(HostEntry::to_string).collect();
    let lines = ["127.0.0.1 localhost", "::1 localhost"].into_iter().chain(lines.iter().map(String::as_str));
    vec!["mkdir -p /run/netns-tool/hosts".to_owned(), print_lines(lines, &hosts_of(topology))]
}

/// A file's folder is part of every system, but for our own and the one of links.
pub(super) fn write_boot_file(file: &BootFile, text: &str) -> Vec<String> {
    let path = file.path();
    let folder = path.rsplit_once('/').map_or("/", |(folder, _)| folder);
    let write = match file.part {
        BootPart::Wanted => format!("ln -sfn {text} {path}"),
        _ => print_lines(text.lines(), &path),
    };
    vec![format!("mkdir -p {folder}"), write]
}

/// The environment marks the program, and what it starts, as the topology's.
pub(super) fn start_program(key: &ProgramKey, program: &Program) -> String {
    let words: Vec<_> = program.command.iter().map(|word| quoted(word)).collect();
    format!(
        "ip netns exec {} env NETNS_TOOL_PROGRAM={} setsid {} >/dev/null 2>&1 </dev/null &",
        key.netns,
        key.mark(),
        words.join(" ")
    )
}

pub(super) fn stop_program(key: &ProgramKey) -> String {
    format!(
        "for pid in $(ip netns pids {}); do grep -qz '^NETNS_TOOL_PROGRAM={}$' /proc/$pid/environ && kill $pid; done",
        key.netns,
        key.mark()
    )
}

/// Whoever is left of it anywhere: what is inside has been ended by then, or is to be.
pub(super) fn stop_strays(key: &ProgramKey) -> String {
    format!(
        "grep -lsz '^NETNS_TOOL_PROGRAM={}$' /proc/[0-9]*/environ | cut -d/ -f3 | xargs -r kill",
        key.mark()
    )
}

fn print_lines<'a>(lines: impl Iterator<Item = &'a str>, path: &str) -> String {
    let lines: Vec<_> = lines.map(quoted).collect();
    format!("printf '%s\\n' {} > {path}", lines.join(" "))
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
