//! Running other programs, with a limit, as they were typed.

use std::{
    fs::File,
    io::{Read, Seek},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    fs::{MemfdFlags, memfd_create},
    process::{Pid, PidfdFlags, pidfd_open},
};

/// No program here takes a second; a hanging one must not hang the whole run.
const LIMIT: Duration = Duration::from_secs(60);

/// Where the judges live, also for a user whose `PATH` lacks the `sbin` folders.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A program about to be run.
#[derive(Debug)]
pub struct Program {
    command: Command,
    line: String,
}

impl Program {
    /// Names the program.
    #[must_use]
    pub fn new(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        let mut command = Command::new(path);
        command.env("PATH", PATH).env("LC_ALL", "C").env_remove("NO_COLOR");
        Self { command, line: path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned() }
    }

    /// Returns the program's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        Path::new(self.command.get_program())
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: &str) -> Self {
        self.command.arg(argument);
        self.line.push(' ');
        self.line.push_str(argument);
        self
    }

    /// Adds arguments, split at blanks.
    #[must_use]
    pub fn words(self, arguments: &str) -> Self {
        arguments.split_whitespace().fold(self, Self::arg)
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs it to its end.
    ///
    /// # Panics
    ///
    /// Panics if it cannot be started, or has not ended after a minute.
    #[must_use]
    #[track_caller]
    pub fn run(mut self) -> Ended {
        // Files in memory instead of pipes: nobody has to read while the program writes.
        let (mut stdout, mut stderr) = (memory_file(), memory_file());
        self.command.stdin(Stdio::null());
        self.command.stdout(stdout.try_clone().expect("a descriptor is free"));
        self.command.stderr(stderr.try_clone().expect("a descriptor is free"));
        let mut child = match self.command.spawn() {
            Ok(child) => child,
            Err(error) => panic!("cannot start '{}': {error}", self.line),
        };
        let Some(status) = wait_within_limit(&mut child) else {
            panic!("'{}' did not end within {} s", self.line, LIMIT.as_secs());
        };
        Ended { line: self.line, status, stdout: text_of(&mut stdout), stderr: text_of(&mut stderr) }
    }
}

/// A program that has ended.
#[derive(Clone, Debug)]
pub struct Ended {
    line: String,
    status: ExitStatus,
    stdout: String,
    stderr: String,
}

impl Ended {
    /// Returns what it wrote to standard output.
    #[must_use]
    pub fn stdout(&self) -> &str {
        &self.stdout
    }

    /// Returns what it wrote to standard error.
    #[must_use]
    pub fn stderr(&self) -> &str {
        &self.stderr
    }

    /// Returns its exit code; none if a signal ended it.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Insists that it ended with 0.
    ///
    /// # Panics
    ///
    /// Panics with everything it wrote, if not.
    #[track_caller]
    pub fn succeeds(self) -> Self {
        assert!(self.status.success(), "'{}' failed\n{}", self.line, self.account());
        self
    }

    /// Insists that it ended with `code`.
    ///
    /// # Panics
    ///
    /// Panics with everything it wrote, if not.
    #[track_caller]
    pub fn fails_with(self, code: i32) -> Self {
        assert_eq!(self.code(), Some(code), "exit code of '{}'\n{}", self.line, self.account());
        self
    }

    /// Insists that a line of its standard output holds `phrase`.
    ///
    /// # Panics
    ///
    /// Panics with everything it wrote, if not.
    #[track_caller]
    pub fn says(self, phrase: &str) -> Self {
        let said = self.stdout.lines().any(|line| line.contains(phrase));
        assert!(said, "'{}' does not say '{phrase}'\n{}", self.line, self.account());
        self
    }

    /// Insists that a line of its standard error holds `phrase`.
    ///
    /// # Panics
    ///
    /// Panics with everything it wrote, if not.
    #[track_caller]
    pub fn complains(self, phrase: &str) -> Self {
        let said = self.stderr.lines().any(|line| line.contains(phrase));
        assert!(said, "'{}' does not complain of '{phrase}'\n{}", self.line, self.account());
        self
    }

    fn account(&self) -> String {
        format!("{}\n--- stdout\n{}--- stderr\n{}", self.status, self.stdout, self.stderr)
    }
}

/// Runs `script` with `sh`, ending at its first failing command; insists on success and returns
/// what it printed.
///
/// # Panics
///
/// Panics with everything it wrote, if it fails.
#[track_caller]
pub fn sh(script: &str) -> String {
    Program::new("/bin/sh").arg("-euc").arg(script).run().succeeds().stdout
}

/// Returns whether `name` is installed.
#[must_use]
pub fn program_exists(name: &str) -> bool {
    PATH.split(':').any(|folder| PathBuf::from(folder).join(name).exists())
}

fn memory_file() -> File {
    File::from(memfd_create("output", MemfdFlags::CLOEXEC).expect("memory is free"))
}

fn text_of(file: &mut File) -> String {
    let mut bytes = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut bytes)).expect("a file in memory can be read");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Returns nothing if the child had to be killed.
fn wait_within_limit(child: &mut Child) -> Option<ExitStatus> {
    let pid = Pid::from_child(child);
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).expect("a child that was not waited for exists");
    let limit = LIMIT.try_into().expect("a minute fits");
    let mut ended = [PollFd::new(&pidfd, PollFlags::IN)];
    let in_time = poll(&mut ended, Some(&limit)).is_ok_and(|ready| ready > 0);
    if !in_time {
        child.kill().expect("a child that was not waited for can be killed");
    }
    let status = child.wait().expect("a child can be waited for");
    in_time.then_some(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_outputs_and_the_code_are_kept() {
        let ended = Program::new("/bin/sh").arg("-c").arg("echo out; echo err >&2; exit 3").run();
        let _kept = ended.fails_with(3).says("out").complains("err");
    }
}
