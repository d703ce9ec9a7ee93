//! Tracked connections that a question is about.

use std::{collections::BTreeSet, net::IpAddr};

use crate::{
    diagnose::scene::{Flow, Stack},
    firewall::Transport,
    kernel::{conntrack, modules},
};

/// More than anybody reads.
const MOST: usize = 256;

/// Which connections are of interest.
#[derive(Clone, Debug, Default)]
pub(super) struct Interest {
    /// At either end, before or after translation; any if there are none.
    pub(super) addresses: BTreeSet<IpAddr>,
    /// Where they lead; any if there are none.
    pub(super) ports: BTreeSet<(u16, Transport)>,
}

impl Interest {
    fn is_in(&self, flow: &Flow) -> bool {
        let directions = [flow.original, flow.reply];
        let mut addresses = directions.iter().flat_map(|tuple| [tuple.source.ip(), tuple.destination.ip()]);
        let ports = [flow.original.destination.port(), flow.reply.source.port()];
        (self.addresses.is_empty() || addresses.any(|address| self.addresses.contains(&address)))
            && (self.ports.is_empty()
                || ports.iter().any(|port| self.ports.contains(&(*port, flow.transport))))
    }
}

/// Returns whether a stack tracks anything, and the kernel can be asked without loading a module.
pub(super) fn are_tracked_in(stack: &Stack) -> bool {
    stack.setting("net/netfilter/nf_conntrack_count").is_some_and(|count| count > 0)
        && modules::is_there("nf_conntrack_netlink")
}

/// Reads the connections that are tracked in the calling thread's netns; nothing without the right to.
pub(super) fn read(interest: &Interest) -> Vec<Flow> {
    let mut flows = conntrack::flows(|flow| interest.is_in(flow)).unwrap_or_default();
    flows.truncate(MOST);
    flows
}
