//! `exec` and `shell`: a program inside a netns.

use std::{ffi::OsString, process::ExitCode};

use anyhow::Result;
use clap::Args;
use netns_engine::{
    kernel::{exec, user::User},
    place::Entrance,
};

use super::Context;

/// Run a program in a network namespace, with the netns' own resolv.conf and /sys.
///
/// The program replaces netns-tool: its exit code and the signals it gets are its own. If it cannot
/// be run, the exit code is 127 (not found) or 126 (not executable), as with a shell.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  netns-tool exec red -- ip address
  netns-tool exec red --user nobody -- curl http://192.0.2.1/
  netns-tool exec /proc/1234/ns/net -- ss -tlnp")]
pub(crate) struct Exec {
    /// Name of the netns, or the path of a namespace file.
    netns: Entrance,
    /// Run it as this user (NAME, UID or UID:GID), without capabilities.
    #[arg(long, short, value_name = "USER", value_parser = User::look_up)]
    user: Option<User>,
    /// The program and its arguments.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl Exec {
    pub(crate) fn run(self, context: Context<'_>) -> Result<ExitCode> {
        let (program, arguments) = self.command.split_first().ok_or(NoCommand)?;
        if context.global.only_shows() {
            context.output.command(&in_words(&self.netns, &self.command));
            return Ok(ExitCode::SUCCESS);
        }
        for not_shown in exec::enter(&self.netns)? {
            context.output.warn(&not_shown);
        }
        Err(exec::replace(program, arguments, self.user.as_ref()).into())
    }
}

/// Open a shell in a network namespace: $SHELL, or /bin/sh.
///
/// 'exit' leads back.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  netns-tool shell red")]
pub(crate) struct Shell {
    /// Name of the netns, or the path of a namespace file.
    netns: Entrance,
    /// Run it as this user (NAME, UID or UID:GID), without capabilities.
    #[arg(long, short, value_name = "USER", value_parser = User::look_up)]
    user: Option<User>,
}

impl Shell {
    pub(crate) fn run(self, context: Context<'_>) -> Result<ExitCode> {
        let shell = std::env::var_os("SHELL").filter(|shell| !shell.is_empty());
        let command = vec![shell.unwrap_or_else(|| "/bin/sh".into())];
        Exec { netns: self.netns, user: self.user, command }.run(context)
    }
}

/// What would do nearly the same by hand; `nsenter` leaves /sys and /etc as they are.
fn in_words(entrance: &Entrance, command: &[OsString]) -> Vec<OsString> {
    let enter: Vec<OsString> = match entrance {
        Entrance::Host => Vec::new(),
        Entrance::Named(name) => ["ip", "netns", "exec", name.as_str()].map(OsString::from).to_vec(),
        Entrance::File(path) => {
            let mut option = OsString::from("--net=");
            option.push(path);
            vec!["nsenter".into(), option]
        }
    };
    enter.into_iter().chain(command.iter().cloned()).collect()
}

/// An empty command line, which the parser refuses first.
#[derive(Debug, thiserror::Error)]
#[error("expected a command")]
struct NoCommand;
