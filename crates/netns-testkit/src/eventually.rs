//! Waiting for a condition, with a limit.

use std::time::{Duration, Instant};

/// How long [`eventually`] waits: far longer than anything here takes, so that a busy machine
/// fails no test, and short enough that a broken one is soon known.
const LIMIT: Duration = Duration::from_secs(10);

/// Waits until `condition` holds.
///
/// # Panics
///
/// Panics with `what` if it does not hold within ten seconds.
#[track_caller]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    eventually_some(what, || condition().then_some(()));
}

/// Waits until `attempt` returns something, and returns that.
///
/// # Panics
///
/// Panics with `what` if nothing is returned within ten seconds.
#[track_caller]
pub fn eventually_some<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {} s: {what}", LIMIT.as_secs());
        give_way();
    }
}

/// Lets others run before the next look. The only pause in all tests: it bounds how often a
/// condition is looked at, and no result depends on its length.
#[expect(clippy::disallowed_methods, reason = "between two looks at a condition that sends no event")]
fn give_way() {
    std::thread::sleep(Duration::from_millis(2));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_success_ends_the_wait() {
        let mut looks = 0;
        let found = eventually_some("a third look", || {
            looks += 1;
            (looks == 3).then_some(looks)
        });
        assert_eq!(found, 3);
    }
}
