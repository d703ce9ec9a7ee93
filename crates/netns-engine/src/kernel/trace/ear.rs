//! One stack, listened to: what the kernel tells of the probe there.

use std::collections::{BTreeMap, BTreeSet};

use rustix::io::Errno;

use super::{
    chains::{self, ChainKey},
    message::{self, Looks, Told, What},
    table::{Owner, TemporaryTable},
    tag::{self, Tag},
};
use crate::{
    address::Family,
    diagnose::{
        firewall::{Base, ChainFamily, Hook},
        trace::{Direction, TraceEvent, TraceStep, TracedChain},
    },
    kernel::{
        netlink::{Protocol, Socket},
        refusal::Refusal,
        rtnetlink::Rtnetlink,
        syscall,
    },
    name::LinkName,
    place::Entrance,
};

/// `NFNLGRP_NFTRACE` (`linux/netfilter/nfnetlink.h`).
const TRACE_GROUP: libc::c_int = 9;

/// A stack with temporary tables in it, and a socket that hears what they bring about.
#[derive(Debug)]
pub(super) struct Ear {
    pub(super) entrance: Entrance,
    pub(super) socket: Socket,
    /// What was heard so far, in order.
    pub(super) steps: Vec<TraceStep>,
    /// Whether some of it was lost: more came than the socket could hold.
    pub(super) missed: bool,
    stopped: bool,
    tag: Tag,
    tables: Vec<TemporaryTable>,
    chains: BTreeMap<ChainKey, Base>,
    links: BTreeMap<u32, String>,
    /// Packets that our tables told of; others are somebody else's traces.
    ours: BTreeSet<u32>,
    looks: BTreeMap<u32, Looks>,
}

impl Ear {
    /// Begins to listen in the calling thread's netns.
    pub(super) fn open(entrance: &Entrance, tag: Tag, owner: Owner) -> Result<Self, Refusal> {
        let links = Rtnetlink::open()?.survey_links()?;
        let chains = chains::base_chains()?;
        // Before the tables: nothing they bring about is lost.
        let socket = Socket::open(Protocol::Netfilter)?;
        syscall::join_netlink_group(socket.fd(), TRACE_GROUP)?;
        let names: Vec<_> = links.iter().map(|(link, _)| link.name.clone()).collect();
        let family = match tag.family {
            Family::Ipv4 => ChainFamily::Ip,
            Family::Ipv6 => ChainFamily::Ip6,
        };
        let mut tables = vec![TemporaryTable::make(family, tag, owner, &[])?];
        // Kernels can be built without these; then no chain of their kind can drop anything either.
        if links.iter().any(|(link, _)| link.kind == "bridge") {
            tables.extend(TemporaryTable::make(ChainFamily::Bridge, tag, owner, &[]).ok());
        }
        if chains.values().any(|base| base.hook == Hook::Ingress) {
            tables.extend(TemporaryTable::make(ChainFamily::Netdev, tag, owner, &names).ok());
        }
        Ok(Self {
            entrance: entrance.clone(),
            socket,
            steps: Vec::new(),
            missed: false,
            stopped: false,
            tag,
            tables,
            chains,
            links: links.into_iter().map(|(link, _)| (link.index, link.name)).collect(),
            ours: BTreeSet::new(),
            looks: BTreeMap::new(),
        })
    }

    /// Takes in one datagram of what was told; the caller knows that there is one.
    pub(super) fn hear(&mut self) -> Result<(), Refusal> {
        let mut told = Vec::new();
        let received = self.socket.receive(|message| {
            told.extend(message::read(message.kind, message.payload));
            Ok(())
        });
        if !self.stopped {
            for one in told {
                let step = self.step(one);
                self.steps.extend(step);
            }
        }
        match received {
            Err(refusal) if refusal.errno() == Errno::NOBUFS => {
                self.missed = true;
                Ok(())
            }
            other => other,
        }
    }

    /// Returns whether the probe was sent from here once more, as TCP does after a second (RFC 6298).
    pub(super) fn is_second_packet_sent(&self) -> bool {
        self.steps.iter().filter(|step| is_sent(step)).count() > 1
    }

    /// Forgets what a second packet brought about, and does not listen any more.
    pub(super) fn stop(&mut self) {
        let sent = self.steps.iter().enumerate().filter(|(_, step)| is_sent(step));
        if let Some(second) = sent.map(|(place, _)| place).nth(1) {
            self.steps.truncate(second);
        }
        self.stopped = true;
    }

    fn step(&mut self, told: Told) -> Option<TraceStep> {
        if let Some(looks) = told.looks {
            self.looks.insert(told.packet, looks);
        }
        let looks = self.looks.get(&told.packet)?;
        let headers = tag::headers(&looks.network, &looks.transport)?;
        let direction = self.tag.direction(&headers, &looks.transport)?;
        let own = self.tables.iter().find_map(|table| table.hook(told.family, &told.table, &told.chain));
        let event = match own {
            Some(hook) => {
                self.ours.insert(told.packet);
                // The last thing told of each of our chains.
                matches!(told.what, What::Policy(_))
                    .then_some(TraceEvent::Seen { family: told.family, hook })?
            }
            None if self.ours.contains(&told.packet) => {
                self.event(told.family, told.table, told.chain, told.what)?
            }
            None => return None,
        };
        Some(TraceStep {
            stack: self.entrance.clone(),
            direction,
            event,
            incoming: self.link(looks.incoming),
            outgoing: self.link(looks.outgoing),
            headers,
            mark: told.mark,
        })
    }

    fn event(&self, family: ChainFamily, table: String, name: String, what: What) -> Option<TraceEvent> {
        let base = self.chains.get(&(family, table.clone(), name.clone())).cloned();
        let chain = TracedChain { family, table, name, base };
        match what {
            What::Rule(handle, verdict) => Some(TraceEvent::Rule { chain, handle, text: None, verdict }),
            What::Policy(policy) => Some(TraceEvent::Policy { chain, policy }),
            // The policy follows, which says more.
            What::End if chain.base.is_some() => None,
            What::End => Some(TraceEvent::End { chain }),
        }
    }

    fn link(&self, index: u32) -> Option<LinkName> {
        self.links.get(&index).map(LinkName::from_kernel)
    }
}

fn is_sent(step: &TraceStep) -> bool {
    let from_here = matches!(
        step.event,
        TraceEvent::Seen { family: ChainFamily::Ip | ChainFamily::Ip6, hook: Hook::Output }
    );
    from_here && step.direction == Direction::There
}
