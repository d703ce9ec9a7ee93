//! The real ufw and firewalld on a throw-away host: named, with a remedy that works when typed.

mod firewalld;
mod ufw;

use std::fs;

use libtest_mimic::Trial;
use netns_testkit::{Missing, Program, program_exists, sh};

pub(crate) fn trials() -> Vec<Trial> {
    [ufw::trials(), firewalld::trials()].into_iter().flatten().collect()
}

/// Insists on programs that a profile is made with.
fn require(programs: &[&str]) -> Result<(), Missing> {
    match programs.iter().find(|program| !program_exists(program)) {
        Some(missing) => Err(Missing(format!("the program {missing}"))),
        None => Ok(()),
    }
}

/// Makes files of `/etc` this host's own, to be written to. Only root may read all of them.
fn own_copies(entries: &[&str]) -> Result<(), Missing> {
    for entry in entries {
        fs::remove_file(format!("/etc/{entry}")).expect("it is a symbolic link on a fresh host");
        let copied = Program::new("cp").words(&format!("-a /run/real-etc/{entry} /etc/{entry}")).run();
        if copied.code() != Some(0) {
            return Err(Missing(format!("the right to read all of /etc/{entry}")));
        }
    }
    // Their logs are this host's own as well.
    sh("mount -t tmpfs tmpfs /var/log");
    Ok(())
}
