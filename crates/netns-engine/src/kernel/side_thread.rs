//! A thread that works beside its parent from its first moment on.

use std::{
    io,
    thread::{self, JoinHandle},
};

use rustix::thread::{sched_getaffinity, sched_getcpu, sched_setaffinity};

/// Starts a thread on another processor than the caller's, if there is one.
///
/// The kernel often lets a thread begin where its parent runs, and moves it only when they have taken turns there for
/// some milliseconds: longer than most of what there is to do.
///
/// # Errors
///
/// Returns why there is no thread.
pub(super) fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    let begun_on = sched_getcpu();
    let work = move || {
        leave(begun_on);
        work()
    };
    let thread = thread::Builder::new().name(name.to_owned()).spawn(work)?;
    // If it is here, let it leave.
    thread::yield_now();
    Ok(thread)
}

/// Moves the calling thread to another processor, which it may leave again.
fn leave(processor: usize) {
    let Ok(allowed) = sched_getaffinity(None) else { return };
    let mut others = allowed;
    others.unset(processor);
    if others.count() > 0 && sched_setaffinity(None, &others).is_ok() {
        sched_setaffinity(None, &allowed).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_may_run_wherever_its_parent_may() {
        let allowed = || sched_getaffinity(None).unwrap();
        assert_eq!(spawn("side", allowed).unwrap().join().unwrap(), allowed());
    }
}
