//! Subnets that have addresses in common.

use super::{Found, networks::Site, subnet::Subnet};
use crate::topology::{Mistake, Position, mistake::Flaw};

/// Refuses two networks with addresses in common.
pub(super) fn refuse(sites: &[Site]) -> Found<()> {
    refuse_among(sites.iter().flat_map(|site| &site.subnets))
}

/// Refuses overlaps among `subnets`: sorted by their start, one only needs to look at its neighbour.
pub(super) fn refuse_among<'a>(subnets: impl Iterator<Item = &'a (Subnet, Position)>) -> Found<()> {
    let mut sorted: Vec<_> =
        subnets.map(|(subnet, at)| (subnet.family(), subnet.range(), *at, subnet)).collect();
    sorted.sort_by_key(|(family, range, at, _)| (*family, *range, *at));
    for pair in sorted.windows(2) {
        let [(family, (_, end), at, subnet), (other_family, (start, _), other_at, other)] = pair else {
            continue;
        };
        if family == other_family && start <= end {
            // The later one of the file is the one to change.
            let ((at, subnet), (first, other)) = if at > other_at {
                ((at, subnet), (other_at, other))
            } else {
                ((other_at, other), (at, subnet))
            };
            let (subnet, other) = (subnet.net.to_string(), other.net.to_string());
            return Err(Flaw::new(*at, Mistake::Overlap { subnet, other, at: *first }));
        }
    }
    Ok(())
}
