//! The invariants of ARCHITECTURE.md that no compiler checks.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::tests_outside_test_module, reason = "all of this file is tests")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A source file of the library or the program, without its unit tests.
struct Source {
    /// From the folder `crates/`.
    path: String,
    text: String,
    lines: usize,
}

#[test]
fn decisions_do_not_touch_the_kernel() {
    let deciding = ["desired/", "plan/", "observed/", "topology/", "diagnose/"]
        .map(|folder| format!("netns-engine/src/{folder}"));
    for source in
        sources().iter().filter(|source| deciding.iter().any(|folder| source.path.starts_with(folder)))
    {
        for line in source.text.lines() {
            let reaches =
                ["libc::", "std::fs", "std::process", "std::env", "std::net::TcpStream", "rustix::"]
                    .iter()
                    .any(|forbidden| line.contains(forbidden));
            let is_error_number = line.contains("rustix::io::Errno");
            assert!(!reaches || is_error_number, "{}: {line}", source.path);
            let knows_the_kernel = line.contains("kernel::") && !line.trim_start().starts_with("//");
            assert!(!knows_the_kernel || line.contains("Refusal"), "{}: {line}", source.path);
        }
    }
}

#[test]
fn only_the_kernel_folder_is_unsafe() {
    nobody_else_says(&["unsafe {", "unsafe fn", "unsafe impl", "unsafe_code"], &["netns-engine/src/kernel/"]);
}

#[test]
fn only_output_prints() {
    let words = ["println!", "print!(", "stdout()", "stderr()", "stdout().lock", "stderr().lock"];
    nobody_else_says(&words, &["netns-tool/src/output/", "netns-engine/src/kernel/"]);
}

#[test]
fn programs_are_started_for_iptables_and_the_user_only() {
    let starters = [
        "netns-engine/src/kernel/iptables",
        "netns-engine/src/kernel/exec",
        "netns-engine/src/kernel/playground",
        "netns-engine/src/kernel/background",
        "netns-engine/src/kernel/programs",
        "netns-tool/src/commands/topology/watch",
        "netns-tool/src/commands/exec",
        "netns-tool/src/commands/playground",
        "netns-tool/src/commands/demo",
    ];
    nobody_else_says(&["process::Command", "Command::new("], &starters);
}

#[test]
fn the_engine_knows_no_command_line_and_no_environment() {
    for source in sources().iter().filter(|source| source.path.starts_with("netns-engine/")) {
        for word in ["env::var", "env::args", "clap::", "anyhow::"] {
            assert!(!source.text.contains(word), "{} says '{word}'", source.path);
        }
    }
}

#[test]
fn files_are_short_and_named_after_what_they_hold() {
    let nameless = ["core", "common", "utils", "util", "helpers", "types", "misc"];
    for source in sources() {
        assert!(source.lines <= 400, "{} has {} lines", source.path, source.lines);
        let stem = Path::new(&source.path).file_stem().and_then(|stem| stem.to_str()).unwrap();
        assert!(!nameless.contains(&stem), "{} says nothing", source.path);
    }
}

#[track_caller]
fn nobody_else_says(words: &[&str], allowed: &[&str]) {
    for source in sources() {
        if allowed.iter().any(|place| source.path.starts_with(place)) {
            continue;
        }
        for line in source.text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            assert!(!words.iter().any(|word| line.contains(word)), "{}: {line}", source.path);
        }
    }
}

fn sources() -> Vec<Source> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut files = Vec::new();
    for package in ["netns-engine/src", "netns-tool/src"] {
        collect(&crates.join(package), &mut files);
    }
    assert!(files.len() > 20, "the sources were found");
    files.into_iter().map(|file| read(crates, &file)).collect()
}

fn read(crates: &Path, file: &Path) -> Source {
    let whole = fs::read_to_string(file).unwrap();
    let text = whole.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned();
    let path = file.strip_prefix(crates).unwrap().to_str().unwrap().to_owned();
    Source { path, text, lines: whole.lines().count() }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
