//! What the program says, word for word: each file in `cli/` is a terminal session.
//!
//! Lines after `$` are typed; all but the last prepare the host. Behind the last one stands what
//! it says, and its exit code if that is not 0. Whatever it is, it changes nothing on the host.
//! `SNAPSHOTS=overwrite` writes what it says now into the files, to be reviewed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use netns_testkit::{Program, Sandbox, Snapshot, online};
use snapbox::Data;

fn main() -> ExitCode {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli");
    let trials = sessions(&folder).into_iter().map(|file| {
        let name = file.strip_prefix(&folder).unwrap().with_extension("").display().to_string();
        online(&name, move |host: &Sandbox| replay(host, &file))
    });
    netns_testkit::main(trials.collect())
}

fn replay(host: &Sandbox, file: &Path) {
    let session = fs::read_to_string(file).unwrap();
    let typed: Vec<_> = session.lines().filter_map(|line| line.strip_prefix("$ ")).collect();
    let (last, preparations) = typed.split_last().unwrap();
    for line in preparations {
        shell(host, line).run().succeeds();
    }
    let before = Snapshot::take();
    let ended = shell(host, last).run();
    before.assert_same(&Snapshot::take(), "nothing was changed");
    let mut said = String::new();
    for line in typed {
        writeln!(said, "$ {line}").unwrap();
    }
    said.push_str(ended.stdout());
    said.push_str(ended.stderr());
    if ended.code() != Some(0) {
        writeln!(said, "? {}", ended.code().unwrap()).unwrap();
    }
    snapbox::assert_data_eq!(said, Data::read_from(file, None).raw());
}

/// A line as it is typed, where `netns-tool` is installed.
fn shell(host: &Sandbox, line: &str) -> Program {
    let tool = host.tool();
    let folder = tool.path().parent().unwrap().display();
    Program::new("/bin/sh").arg("-c").arg(&format!("PATH={folder}:$PATH; {line}")).env("COLUMNS", "100")
}

fn sessions(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(sessions(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}
