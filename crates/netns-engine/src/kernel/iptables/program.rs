//! Finds and runs the programs of the iptables family.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use rustix::io::Errno;

use super::super::refusal::Refusal;
use crate::address::Family;

/// Where distributions put the programs; the last one is NixOS.
const FOLDERS: [&str; 6] =
    ["/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/bin", "/bin", "/run/current-system/sw/bin"];

/// How long to wait for another program's change to end, in seconds.
const LOCK_PATIENCE_SECONDS: &str = "10";

/// `iptables-save` and `iptables-restore` of one kind and family.
#[derive(Clone, Debug)]
pub(super) struct Program {
    save: PathBuf,
    restore: PathBuf,
}

/// Returns the default kind; also the legacy kind, where it is another program and has tables.
///
/// # Errors
///
/// Refuses with `ENOENT` where the program is not installed.
pub(super) fn of(family: Family) -> Result<Vec<Program>, Refusal> {
    let name = name_of(family);
    let default = Program::find(name).ok_or_else(|| {
        Refusal::new(Errno::NOENT).with_message(format!("{name}-save and {name}-restore are not installed"))
    })?;
    let mut programs = vec![default];
    // Asking the legacy program for a table would create it, so ask it only where it has some.
    if has_legacy_tables(family) {
        let legacy = Program::find(&format!("{name}-legacy"));
        programs.extend(legacy.filter(|legacy| !legacy.is_same_as(&programs[0])));
    }
    Ok(programs)
}

/// Which of the two programs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Variant {
    /// It keeps its rules in nftables.
    Nft,
    /// It has tables of its own.
    Legacy,
}

/// Prints the rules of some tables, which must be there already: the old program would make them. The one that
/// keeps its rules in nftables prints all it finds there, and makes none.
///
/// # Errors
///
/// Refuses with `ENOENT` where the program is not installed.
pub(crate) fn save(family: Family, variant: Variant, tables: &[&str]) -> Result<String, Refusal> {
    let name = name_of(family);
    let kind = match variant {
        Variant::Nft => "nft",
        Variant::Legacy => "legacy",
    };
    let program = find(&format!("{name}-{kind}-save"))
        .or_else(|| find(&format!("{name}-save")).filter(|program| variant.is_of(program)));
    let Some(program) = program else {
        let words = format!("{name}-{kind}-save is not installed");
        return Err(Refusal::new(Errno::NOENT).with_message(words));
    };
    let print = |arguments: &[&str]| {
        let output = command(&program).args(arguments).stdin(Stdio::null()).output()?;
        let output = successful(&program, output)?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    match variant {
        Variant::Nft => print(&[]),
        Variant::Legacy => tables.iter().map(|table| print(&["-t", table])).collect(),
    }
}

impl Variant {
    /// A program without the kind in its name tells it with its version.
    fn is_of(self, program: &Path) -> bool {
        let output = command(program).arg("--version").stdin(Stdio::null()).output();
        let is_nft = output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("nf_tables"));
        is_nft == (self == Self::Nft)
    }
}

fn find(program: &str) -> Option<PathBuf> {
    FOLDERS.map(|folder| Path::new(folder).join(program)).into_iter().find(|path| path.is_file())
}

fn name_of(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "iptables",
        Family::Ipv6 => "ip6tables",
    }
}

/// Returns whether the legacy kind has registered tables in this thread's netns that we write to.
pub(super) fn has_legacy_tables(family: Family) -> bool {
    legacy_tables(family).iter().any(|name| matches!(name.as_str(), "nat" | "filter"))
}

/// Returns the names of the tables that the legacy kind registered in this thread's netns.
pub(super) fn legacy_tables(family: Family) -> Vec<String> {
    let file = match family {
        Family::Ipv4 => "/proc/thread-self/net/ip_tables_names",
        Family::Ipv6 => "/proc/thread-self/net/ip6_tables_names",
    };
    let names = fs::read_to_string(file).unwrap_or_default();
    names.lines().map(str::to_owned).collect()
}

impl Program {
    fn find(name: &str) -> Option<Self> {
        Some(Self { save: find(&format!("{name}-save"))?, restore: find(&format!("{name}-restore"))? })
    }

    /// Both names may lead to the same multi-call program; its name tells the kind.
    fn is_same_as(&self, other: &Self) -> bool {
        let real = |path: &Path| fs::canonicalize(path).ok();
        real(&self.save) == real(&other.save)
    }

    /// Returns all tables that exist, as text.
    pub(super) fn save(&self) -> Result<String, Refusal> {
        let output = command(&self.save).stdin(Stdio::null()).output()?;
        let output = successful(&self.save, output)?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Returns the legacy kind.
    ///
    /// # Errors
    ///
    /// Refuses with `ENOENT` where it is not installed.
    pub(super) fn legacy(family: Family) -> Result<Self, Refusal> {
        let name = format!("{}-legacy", name_of(family));
        let missing = || Refusal::new(Errno::NOENT).with_message(format!("{name}-save is not installed"));
        Self::find(&name).ok_or_else(missing)
    }

    /// Returns one table with its counters, as text. It must be there: asking makes it.
    pub(super) fn save_counters(&self, table: &str) -> Result<String, Refusal> {
        let output = command(&self.save).args(["-c", "-t", table]).stdin(Stdio::null()).output()?;
        let output = successful(&self.save, output)?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Changes what `text` says and leaves the rest.
    pub(super) fn restore(&self, text: &str) -> Result<(), Refusal> {
        let mut child = command(&self.restore)
            .args(["--noflush", "-w", LOCK_PATIENCE_SECONDS])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let written = child.stdin.take().map_or(Ok(()), |mut input| input.write_all(text.as_bytes()));
        let output = child.wait_with_output()?;
        // A program that failed early closes its input; its own words say more than EPIPE.
        successful(&self.restore, output)?;
        written.map_err(Refusal::from)
    }
}

/// The environment is ours: the programs read variables that name plugins to load.
fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", FOLDERS.join(":"));
    command
}

fn successful(program: &Path, output: Output) -> Result<Output, Refusal> {
    if output.status.success() {
        return Ok(output);
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let errno = if words.contains("must be root") || words.contains("ermission denied") {
        Errno::PERM
    } else if words.contains("xtables lock") {
        Errno::BUSY
    } else {
        Errno::INVAL
    };
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    Err(Refusal::new(errno).with_message(message(&name, &words)))
}

/// The program's words, without advice on how to call it.
fn message(name: &str, words: &str) -> String {
    let is_advice = |line: &&str| line.is_empty() || line.starts_with('#') || line.starts_with("Try `");
    let lines: Vec<_> = words.lines().map(str::trim).filter(|line| !is_advice(line)).collect();
    if lines.is_empty() { format!("{name} failed without a word") } else { lines.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_words_are_kept_without_its_advice() {
        let words = "iptables-restore v1.8.9 (legacy): unknown option \"--x\"\n\
                     Error occurred at line: 2\nTry `iptables-restore -h' for more information.\n";
        let wanted = "iptables-restore v1.8.9 (legacy): unknown option \"--x\"; Error occurred at line: 2";
        assert_eq!(message("iptables-restore", words), wanted);
        assert_eq!(message("iptables-save", ""), "iptables-save failed without a word");
    }
}
