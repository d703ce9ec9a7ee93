//! The book can be typed: each chapter's commands, in order, on a host of their own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{fs, path::Path, process::ExitCode};

use netns_testkit::{Program, Sandbox, online};

fn main() -> ExitCode {
    let chapters = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src");
    let mut trials = Vec::new();
    for entry in fs::read_dir(chapters).unwrap() {
        let file = entry.unwrap().path();
        if file.is_dir() {
            continue;
        }
        let commands = commands_of(&fs::read_to_string(&file).unwrap());
        if !commands.is_empty() {
            let name = file.file_stem().unwrap().to_string_lossy().into_owned();
            trials.push(online(&name, move |host: &Sandbox| type_in(host, &commands)));
        }
    }
    netns_testkit::main(trials)
}

/// What stands behind the prompt in blocks of console text.
fn commands_of(chapter: &str) -> Vec<String> {
    let blocks = chapter.split("```console\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.flat_map(str::lines).filter_map(|line| line.strip_prefix("$ ")).map(str::to_owned).collect()
}

fn type_in(host: &Sandbox, commands: &[String]) {
    let tool = host.tool();
    let folder = tool.path().parent().unwrap().display();
    for command in commands {
        Program::new("/bin/sh").arg("-c").arg(&format!("PATH={folder}:$PATH; {command}")).run().succeeds();
    }
}
