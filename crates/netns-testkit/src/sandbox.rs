//! A throw-away host.

use std::{
    any::Any,
    cell::RefCell,
    fs::File,
    os::fd::AsFd,
    panic::{self, AssertUnwindSafe},
    path::PathBuf,
    sync::Once,
    thread,
};

use netns_engine::kernel::playground::{Internet, enter_fresh_host};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::process::{Ended, Program};

/// What lies behind a host's uplink.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Uplink {
    /// There is none: the host has a loopback link and nothing else.
    None,
    /// `eth0` and a default route lead to a pretend internet.
    PretendInternet,
}

/// A throw-away host: the calling thread's own network and mount namespace.
///
/// Everything the thread does or starts happens there, and is gone with it. See
/// [`netns_engine::kernel::playground`] for what it looks like.
#[derive(Debug)]
pub struct Sandbox {
    internet: Option<Internet>,
}

impl Sandbox {
    /// Runs the tool with `arguments`, split at blanks.
    ///
    /// # Panics
    ///
    /// Panics if the program was not built; its package's own tests always have it.
    #[track_caller]
    pub fn netns_tool(&self, arguments: &str) -> Ended {
        self.tool().words(arguments).run()
    }

    /// Prepares a run of the tool, for arguments that hold blanks.
    ///
    /// # Panics
    ///
    /// Panics if the program was not built; its package's own tests always have it.
    pub fn tool(&self) -> Program {
        Program::new(path_of_tool())
    }

    /// Runs `work` in the netns called `netns`, on a thread of its own. A socket it makes stays there,
    /// whoever uses it later.
    ///
    /// # Panics
    ///
    /// Panics if there is no such netns, or `work` does.
    #[track_caller]
    pub fn inside<T: Send>(&self, netns: &str, work: impl FnOnce() -> T + Send) -> T {
        self.inside_if_there(netns, work).expect("the netns is there")
    }

    /// Does what [`Sandbox::inside`] does, unless there is no such netns.
    ///
    /// # Panics
    ///
    /// Panics if `work` does.
    #[track_caller]
    pub fn inside_if_there<T: Send>(&self, netns: &str, work: impl FnOnce() -> T + Send) -> Option<T> {
        let file = File::open(format!("/run/netns/{netns}")).ok()?;
        thread::scope(|scope| {
            let entered = scope.spawn(|| {
                // Its file may be made, and its netns not yet mounted on it.
                move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).ok()?;
                Some(work())
            });
            entered.join().unwrap_or_else(|payload| panic::resume_unwind(payload))
        })
    }

    /// Runs `work` as a neighbour on the uplink, in the pretend internet's own netns.
    ///
    /// # Panics
    ///
    /// Panics on a host without an uplink.
    #[track_caller]
    pub fn beyond_uplink<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.internet().within(|| Ok(work())).expect("the internet can be entered")
    }

    /// Returns the pretend internet.
    ///
    /// # Panics
    ///
    /// Panics on a host without an uplink.
    pub fn internet(&self) -> &Internet {
        self.internet.as_ref().expect("the trial asked for an uplink")
    }
}

/// Runs `body` on a fresh host of its own, on a thread of its own.
///
/// # Errors
///
/// Returns what it panicked with, and where, or why there is no such host.
pub fn on_fresh_host<T: Send>(uplink: Uplink, body: impl FnOnce(&Sandbox) -> T + Send) -> Result<T, String> {
    on_own_thread(|| Ok(body(&enter(uplink)?)))
}

/// Runs `body` on a thread of its own; its panic becomes the error.
pub(crate) fn on_own_thread<T: Send>(body: impl FnOnce() -> Result<T, String> + Send) -> Result<T, String> {
    remember_panics();
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let ran = panic::catch_unwind(AssertUnwindSafe(body));
            ran.unwrap_or_else(|payload| Err(last_panic(payload.as_ref())))
        });
        thread.join().map_err(|payload| words_of(payload.as_ref()))?
    })
}

fn enter(uplink: Uplink) -> Result<Sandbox, String> {
    enter_fresh_host().map_err(|error| in_words(&error))?;
    let internet = match uplink {
        Uplink::None => None,
        Uplink::PretendInternet => Some(Internet::start().map_err(|error| in_words(&error))?),
    };
    Ok(Sandbox { internet })
}

/// An error with its causes, on one line.
pub(crate) fn in_words(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |words, cause| format!("{words}: {cause}"))
}

/// Cargo tells a package's tests where its programs are; other tests look beside themselves.
fn path_of_tool() -> PathBuf {
    if let Some(path) = std::env::var_os("CARGO_BIN_EXE_netns-tool") {
        return path.into();
    }
    let test = std::env::current_exe().expect("/proc is mounted");
    // target/debug/deps/create_test-0123 is beside target/debug/netns-tool.
    let beside = test.parent().and_then(|deps| deps.parent()).expect("a test lives in target/debug/deps");
    let tool = beside.join("netns-tool");
    assert!(tool.exists(), "'{}' is not built", tool.display());
    tool
}

thread_local! {
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Keeps each thread's panic for its trial's report, instead of printing it between others.
fn remember_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        panic::set_hook(Box::new(|panic| {
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            PANIC.set(Some(format!("{}\n  at {place}", words_of(panic.payload()))));
        }));
    });
}

fn last_panic(payload: &(dyn Any + Send)) -> String {
    PANIC.take().unwrap_or_else(|| words_of(payload))
}

fn words_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("it panicked").to_owned()
}
