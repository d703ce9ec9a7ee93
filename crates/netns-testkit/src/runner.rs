//! Runs trials, each on a throw-away host.

use std::process::ExitCode;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use netns_engine::kernel::playground::become_root;

use crate::sandbox::{Sandbox, Uplink, in_words, on_fresh_host, on_own_thread};

/// What a trial can end with, beside a panic: nothing, or that it cannot run on this machine.
pub trait Verdict: Send {
    /// Says why the trial could not run, if it could not.
    fn reason_to_ignore(self) -> Option<String>;
}

impl Verdict for () {
    fn reason_to_ignore(self) -> Option<String> {
        None
    }
}

/// `Err` tells what is missing here: `a kernel with dummy links`, `the program iptables`.
impl Verdict for Result<(), Missing> {
    fn reason_to_ignore(self) -> Option<String> {
        self.err().map(|Missing(what)| format!("needs {what}"))
    }
}

/// Something that this machine lacks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Missing(pub String);

/// A trial on a host without any uplink.
pub fn bare<V: Verdict>(name: &str, body: impl FnOnce(&Sandbox) -> V + Send + 'static) -> Trial {
    trial(name, Uplink::None, body)
}

/// A trial on a host whose uplink leads to a pretend internet.
pub fn online<V: Verdict>(name: &str, body: impl FnOnce(&Sandbox) -> V + Send + 'static) -> Trial {
    trial(name, Uplink::PretendInternet, body)
}

/// A trial without a host, which makes those it needs with [`on_fresh_host`]: to compare two.
pub fn hostless<V: Verdict>(name: &str, body: impl FnOnce() -> V + Send + 'static) -> Trial {
    Trial::ignorable_test(name, move || {
        let verdict = on_own_thread(|| Ok(body().reason_to_ignore())).map_err(Failed::from)?;
        Ok(verdict.map_or(Completion::Completed, Completion::ignored_with))
    })
}

/// Makes trials of functions, each under its own name: `trials!(bare: create, delete)`.
#[macro_export]
macro_rules! trials {
    ($($uplink:ident: $($body:ident),+ $(,)?);+ $(;)?) => {
        vec![$($($crate::$uplink(stringify!($body), $body)),+),+]
    };
}

fn trial<V: Verdict>(name: &str, uplink: Uplink, body: impl FnOnce(&Sandbox) -> V + Send + 'static) -> Trial {
    Trial::ignorable_test(name, move || {
        let verdict = on_fresh_host(uplink, |host| body(host).reason_to_ignore()).map_err(Failed::from)?;
        Ok(verdict.map_or(Completion::Completed, Completion::ignored_with))
    })
}

/// Runs `trials` as the command line asks, in parallel: the whole `main` of a test of the kernel.
///
/// An ordinary user becomes root in a user namespace first, once for all trials. Where that is
/// forbidden, every trial is reported as ignored, with the reason.
#[must_use]
pub fn main(trials: Vec<Trial>) -> ExitCode {
    let arguments = Arguments::from_args();
    // Listing needs no privilege. A user namespace can only be entered while there is one thread.
    let trials = match if arguments.list { Ok(()) } else { become_root() } {
        Ok(()) => trials,
        Err(error) => ignored(trials, &in_words(&error)),
    };
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn ignored(trials: Vec<Trial>, reason: &str) -> Vec<Trial> {
    let ignored = |trial: Trial| {
        let reason = reason.to_owned();
        Trial::ignorable_test(trial.name(), move || Ok(Completion::ignored_with(reason)))
    };
    trials.into_iter().map(ignored).collect()
}
