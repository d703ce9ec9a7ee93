//! `playground`: a throw-away host to try things on.

use std::{
    env,
    ffi::OsString,
    fs,
    os::unix::{fs::symlink, process::ExitStatusExt},
    path::Path,
    process::{Command, ExitCode, ExitStatus},
};

use anyhow::{Context as _, Result};
use clap::Args;
use netns_engine::kernel::playground::{Internet, become_root, enter_fresh_host, run_in_pid_namespace};

use super::Context;

/// Where the tool itself is found inside: `/run` of a playground is its own.
const PROGRAMS: &str = "/run/playground/bin";

/// Open a shell, or run a command, on a throw-away host where everyone is root.
///
/// The host has links, mounts, processes and a /run/netns of its own, an uplink 'eth0', and behind it
/// a pretend internet that answers only the host's own address: 203.0.113.8, with ping, HTTP on port
/// 80 and DNS for example.test. Nothing outside can break, and all is gone with the shell.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  netns-tool playground
  netns-tool playground -- sh -c 'ip netns add red; ip netns exec red ip link'")]
pub(crate) struct Playground {
    /// The command; your shell if not given.
    #[arg(last = true, value_name = "CMD")]
    command: Vec<OsString>,
}

impl Playground {
    pub(crate) fn run(self, context: Context<'_>) -> Result<ExitCode> {
        become_root()?;
        // Whoever interrupts the command inside means the command.
        let _held = netns_engine::kernel::hold_signals_back()?;
        enter_fresh_host()?;
        let internet = Internet::start()?;
        let command = if let Some((program, arguments)) = self.command.split_first() {
            let mut command = Command::new(program);
            command.args(arguments);
            command
        } else {
            context.output.playground_banner();
            shell()
        };
        let status = run_in_pid_namespace(with_path(command)?)?;
        drop(internet);
        Ok(exit_code_of(status))
    }
}

/// The user's shell, with a prompt that tells where it is.
fn shell() -> Command {
    let shell =
        env::var_os("SHELL").filter(|shell| Path::new(shell).exists()).unwrap_or_else(|| "/bin/sh".into());
    let is_bash = Path::new(&shell).file_name().is_some_and(|name| name == "bash");
    let mut command = Command::new(shell);
    if is_bash {
        // The user's own start-up file would set its own prompt.
        command.args(["--norc", "-i"]);
    }
    command.env("PS1", "playground# ");
    command
}

/// Lets the tool be found by its name inside.
fn with_path(mut command: Command) -> Result<Command> {
    fs::create_dir_all(PROGRAMS)?;
    let program = env::current_exe().context("cannot find the program's own file")?;
    symlink(program, Path::new(PROGRAMS).join("netns-tool"))?;
    let before = env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    let mut path = OsString::from(PROGRAMS);
    for part in [before.as_os_str(), "/usr/local/sbin:/usr/sbin:/sbin".as_ref()] {
        path.push(":");
        path.push(part);
    }
    command.env("PATH", path);
    Ok(command)
}

/// The command's own exit code; 128 and the signal's number if one ended it, as shells say it.
fn exit_code_of(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from)
}
