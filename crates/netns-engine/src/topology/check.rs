//! What should work, and what should not.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{firewall::Transport, name::NetnsName};

/// One line of `checks:`.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// As it stands in the file: `ns1 reaches ns2`.
    pub text: String,
    /// Who tries.
    pub from: Prober,
    /// What is tried.
    pub target: Target,
    /// The port, over TCP or UDP; ping if not given.
    pub port: Option<(u16, Transport)>,
    /// What should come out.
    pub expectation: Expectation,
}

/// Who tries to reach something.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub enum Prober {
    /// The host.
    Host,
    /// A node.
    Node(NetnsName),
}

/// What is to be reached.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub enum Target {
    /// A node, by the address that the prober's nearest network or cable gives it.
    Node(NetnsName, IpAddr),
    /// An address.
    Address(IpAddr),
    /// A name, to be resolved by the prober.
    Name(String),
}

/// What should come out of a check.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub enum Expectation {
    /// An answer.
    Reached,
    /// No answer.
    NotReached,
}
