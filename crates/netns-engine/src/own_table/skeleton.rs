//! The chains and rules of the own table: always the same, whatever the sets hold.
//!
//! An empty set matches nothing, so a table without entries lets everything pass as before; but
//! for packets to 127.0.0.0/8 that come in over a wire, which no host should ever take.

use super::{Set, set::Column};
use crate::address::Family;

/// One chain with its rules.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chain {
    pub(crate) name: ChainName,
    /// Where the kernel enters it; none if only another chain jumps to it.
    pub(crate) hook: Option<Hook>,
    pub(crate) rules: &'static [Rule],
}

/// The chains. None is called `fwd`, which nft prints but cannot read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ChainName {
    LoopbackShield,
    ForwardFilter,
    PortForwards,
    Arriving,
    FromHost,
    Leaving,
}

/// Where the kernel enters a base chain.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Hook {
    /// `filter` or `nat`.
    pub(crate) kind: &'static str,
    /// The hook's name.
    pub(crate) name: &'static str,
    /// `NF_INET_*` (`linux/netfilter.h`).
    pub(crate) number: u32,
    /// `NF_IP_PRI_*` (`linux/netfilter_ipv4.h`): smaller comes first.
    pub(crate) priority: i32,
}

/// A list of conditions, and what happens to a packet that meets them all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    pub(crate) matches: &'static [Match],
    pub(crate) verdict: Verdict,
}

/// One condition.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Match {
    /// The packet did not come in through `lo`.
    NotFromLoopbackLink,
    /// The packet was not received on a link as an IP packet: the host made it, or a bridge passes
    /// it through (`br_netfilter` names no incoming link after routing).
    FromNoLink,
    /// The destination is in 127.0.0.0/8.
    ToLoopbackNetwork,
    /// The destination is not `::1`.
    NotToLoopback6,
    /// The destination is an address of this host.
    ToThisHost,
    /// The packet belongs to a tracked connection.
    Tracked,
    /// The packet belongs to a connection whose destination was translated.
    Redirected,
    /// What the selectors select is in the set.
    In(&'static [Selector], Set),
}

/// What is taken from a packet to be looked up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Selector {
    IncomingLink,
    OutgoingLink,
    Source(Family),
    Destination(Family),
    Protocol,
    DestinationPort,
}

/// What happens to a packet.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Verdict {
    Accept,
    Drop,
    Jump(ChainName),
    Masquerade,
    /// The source becomes what the map holds for the selected key.
    Snat(Family, &'static [Selector], Set),
    /// The destination becomes what the map holds for the selected key.
    Dnat(Family, &'static [Selector], Set),
}

use Family::{Ipv4, Ipv6};
use Match::{
    FromNoLink, In, NotFromLoopbackLink, NotToLoopback6, Redirected, ToLoopbackNetwork, ToThisHost, Tracked,
};
use Selector::{Destination, DestinationPort, IncomingLink, OutgoingLink, Protocol, Source};

/// The whole skeleton.
///
/// The nat chains see only the first packet of a connection; the kernel repeats their decision
/// for all others.
pub(crate) const CHAINS: [Chain; 6] = [
    // Before connection tracking and translation (priority raw): a port published on 127.0.0.1
    // must not be reached from another machine by routing 127.0.0.1 here, and route_localnet, which
    // such a port needs on its bridge, must not open the host's own localhost to the netns.
    Chain {
        name: ChainName::LoopbackShield,
        hook: Some(Hook { kind: "filter", name: "prerouting", number: 0, priority: -300 }),
        rules: &[Rule { matches: &[NotFromLoopbackLink, ToLoopbackNetwork], verdict: Verdict::Drop }],
    },
    Chain {
        name: ChainName::ForwardFilter,
        hook: Some(Hook { kind: "filter", name: "forward", number: 2, priority: 0 }),
        rules: &[
            Rule { matches: &[Tracked], verdict: Verdict::Accept },
            Rule { matches: &[Redirected], verdict: Verdict::Accept },
            Rule { matches: &[In(&[IncomingLink, OutgoingLink], Set::Egress)], verdict: Verdict::Accept },
            // With br_netfilter also what a bridge merely passes from port to port comes by here.
            Rule { matches: &[In(&[IncomingLink, OutgoingLink], Set::Hairpins)], verdict: Verdict::Accept },
            Rule { matches: &[In(&[IncomingLink], Set::Confined)], verdict: Verdict::Drop },
            Rule { matches: &[In(&[OutgoingLink], Set::Guards)], verdict: Verdict::Drop },
        ],
    },
    Chain {
        name: ChainName::PortForwards,
        hook: None,
        rules: &[
            Rule {
                matches: &[],
                verdict: Verdict::Dnat(
                    Ipv4,
                    &[Destination(Ipv4), Protocol, DestinationPort],
                    Set::Forwards(Ipv4),
                ),
            },
            Rule {
                matches: &[],
                verdict: Verdict::Dnat(
                    Ipv6,
                    &[Destination(Ipv6), Protocol, DestinationPort],
                    Set::Forwards(Ipv6),
                ),
            },
            Rule {
                matches: &[],
                verdict: Verdict::Dnat(Ipv4, &[Protocol, DestinationPort], Set::WildcardForwards(Ipv4)),
            },
            // A packet from ::1 can leave through no other link, so it is left alone.
            Rule {
                matches: &[NotToLoopback6],
                verdict: Verdict::Dnat(Ipv6, &[Protocol, DestinationPort], Set::WildcardForwards(Ipv6)),
            },
        ],
    },
    // Without the question whose address it is, traffic that only passes through would be hijacked.
    Chain {
        name: ChainName::Arriving,
        hook: Some(Hook { kind: "nat", name: "prerouting", number: 0, priority: -100 }),
        rules: &[Rule { matches: &[ToThisHost], verdict: Verdict::Jump(ChainName::PortForwards) }],
    },
    Chain {
        name: ChainName::FromHost,
        hook: Some(Hook { kind: "nat", name: "output", number: 3, priority: -100 }),
        rules: &[Rule { matches: &[ToThisHost], verdict: Verdict::Jump(ChainName::PortForwards) }],
    },
    Chain {
        name: ChainName::Leaving,
        hook: Some(Hook { kind: "nat", name: "postrouting", number: 4, priority: 100 }),
        rules: &[
            Rule {
                matches: &[In(&[Source(Ipv4), OutgoingLink], Set::Masquerade(Ipv4))],
                verdict: Verdict::Masquerade,
            },
            Rule {
                matches: &[In(&[Source(Ipv6), OutgoingLink], Set::Masquerade(Ipv6))],
                verdict: Verdict::Masquerade,
            },
            Rule {
                matches: &[],
                verdict: Verdict::Snat(Ipv4, &[Source(Ipv4), OutgoingLink], Set::Snat(Ipv4)),
            },
            Rule {
                matches: &[],
                verdict: Verdict::Snat(Ipv6, &[Source(Ipv6), OutgoingLink], Set::Snat(Ipv6)),
            },
            // A netns that reaches its neighbour, or itself, by a published port must get the answer
            // by the way it asked: through the host, which alone can translate it back.
            Rule {
                matches: &[Redirected, In(&[IncomingLink, OutgoingLink], Set::Hairpins)],
                verdict: Verdict::Masquerade,
            },
            // The host's own connections, whose source may be 127.0.0.1; and hairpins that
            // br_netfilter sends here straight from the bridge.
            Rule {
                matches: &[Redirected, FromNoLink, In(&[OutgoingLink], Set::Guards)],
                verdict: Verdict::Masquerade,
            },
        ],
    },
];

impl ChainName {
    /// Returns the name inside the table.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::LoopbackShield => "loopback_shield",
            Self::ForwardFilter => "forward_filter",
            Self::PortForwards => "port_forwards",
            Self::Arriving => "arriving",
            Self::FromHost => "from_host",
            Self::Leaving => "leaving",
        }
    }
}

impl Selector {
    /// Returns the type of what is selected.
    pub(crate) fn column(self) -> Column {
        match self {
            Self::IncomingLink | Self::OutgoingLink => Column::Link,
            Self::Source(family) | Self::Destination(family) => Column::Address(family),
            Self::Protocol => Column::Protocol,
            Self::DestinationPort => Column::Port,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lookup_selects_the_columns_of_its_set() {
        for rule in CHAINS.iter().flat_map(|chain| chain.rules) {
            let in_matches = rule.matches.iter().filter_map(|condition| match condition {
                In(selectors, set) => Some((*selectors, *set)),
                _ => None,
            });
            let in_verdict = match rule.verdict {
                Verdict::Snat(_, selectors, set) | Verdict::Dnat(_, selectors, set) => Some((selectors, set)),
                _ => None,
            };
            for (selectors, set) in in_matches.chain(in_verdict) {
                let columns: Vec<_> = selectors.iter().map(|selector| selector.column()).collect();
                assert_eq!(columns, set.key(), "{set:?}");
            }
        }
    }
}
