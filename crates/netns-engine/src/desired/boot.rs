//! A network that returns after a reboot, or does not.

use crate::topology::{Topology, TopologyName};

/// A topology that systemd brings up at boot.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TopologyEnabled {
    /// What the file describes.
    pub topology: Topology,
    /// The file's text, which is kept.
    pub text: String,
    /// The absolute path of the program that reads it.
    pub program: String,
}

/// A topology that does not return after a reboot; whether it is up now stays as it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TopologyDisabled {
    /// Its name.
    pub name: TopologyName,
}
