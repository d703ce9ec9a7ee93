//! What this tool, or a killed process, left lying about.

use std::collections::BTreeSet;

use super::TopologyExpired;
use crate::name::NetnsName;

/// A machine without leftovers: no half-made netns, no cables of ours that lead into a netns
/// without a name, no NAT, published port, program or resolv.conf of ours for what is gone.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct NoLeftovers {
    /// Every name under `/run/netns` or `/etc/netns`.
    pub names: BTreeSet<NetnsName>,
    /// Every netns that a program of a topology ran in.
    pub programs: BTreeSet<NetnsName>,
    /// Topologies whose time is over, though nobody took them down.
    pub expired: Vec<TopologyExpired>,
}
