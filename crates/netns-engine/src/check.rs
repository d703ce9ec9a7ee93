//! What came of the checks of a topology, and whether it should have.

use std::{net::IpAddr, time::Duration};

use crate::{
    kernel::Refusal,
    name::NetnsName,
    topology::{Check, Expectation},
};

/// One check that was tried.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CheckResult {
    /// The check.
    pub check: Check,
    /// The address that was tried; none if the name has none.
    pub address: Option<IpAddr>,
    /// What came of it.
    pub outcome: Outcome,
}

/// What comes of trying to reach something.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// There was an answer: an echo, a TCP connection, a datagram.
    Reached {
        /// From the first question to the answer.
        after: Duration,
    },
    /// The other side is there, but nothing listens (a TCP reset, or ICMP "port unreachable").
    Refused,
    /// Nothing came back in time.
    NoAnswer,
    /// The kernel did not send it, or a router sent it back.
    Unreachable(Refusal),
    /// The prober's name servers know no address of the name, or did not say one in time.
    NoSuchName,
    /// There is no such netns to try it from.
    NoSuchNetns(NetnsName),
    /// It could not be tried: no right to enter the netns, no socket to be had.
    NotTried(Refusal),
}

impl Outcome {
    /// Returns whether this is how it should be. What could not be tried never is: it shows nothing.
    ///
    /// ```
    /// use netns_engine::{check::Outcome, topology::Expectation};
    ///
    /// assert!(Outcome::Refused.is(Expectation::NotReached));
    /// assert!(!Outcome::NoSuchName.is(Expectation::NotReached));
    /// ```
    #[must_use]
    pub fn is(&self, expectation: Expectation) -> bool {
        match self {
            Self::Reached { .. } => expectation == Expectation::Reached,
            Self::Refused | Self::NoAnswer | Self::Unreachable(_) => expectation == Expectation::NotReached,
            Self::NoSuchName | Self::NoSuchNetns(_) | Self::NotTried(_) => false,
        }
    }

    /// Returns whether trying again may end otherwise: a program may not listen yet, a link not be ready.
    #[must_use]
    pub fn may_change(&self) -> bool {
        matches!(self, Self::Refused | Self::NoAnswer | Self::Unreachable(_))
    }
}

impl CheckResult {
    /// Returns whether the check passed.
    #[must_use]
    pub fn is_as_expected(&self) -> bool {
        self.outcome.is(self.check.expectation)
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn only_an_answer_is_reached() {
        let reached = Outcome::Reached { after: Duration::ZERO };
        assert!(reached.is(Expectation::Reached) && !reached.is(Expectation::NotReached));
        for outcome in [Outcome::Refused, Outcome::NoAnswer, Outcome::Unreachable(Errno::HOSTUNREACH.into())]
        {
            assert!(outcome.is(Expectation::NotReached) && !outcome.is(Expectation::Reached));
        }
    }

    #[test]
    fn what_was_not_tried_shows_nothing() {
        let not_tried = Outcome::NotTried(Errno::PERM.into());
        assert!(!not_tried.is(Expectation::NotReached) && !not_tried.is(Expectation::Reached));
    }
}
