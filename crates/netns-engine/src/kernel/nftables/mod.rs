//! The nftables driver: the own table `inet netns_tool`, by netlink.
//!
//! Each change is one transaction of the kernel. Every message in it says itself what must be there
//! already (a deletion) or must not (`NLM_F_EXCL`), so a change by another program in between is
//! noticed without comparing generation numbers, and one elsewhere does no harm.

pub(super) mod expression;
mod message;
mod read;

use std::collections::BTreeSet;

use rustix::io::Errno;

use super::{
    Refusal,
    netfilter::Subsystem,
    netlink::{Protocol, Request, Socket},
};
use crate::{
    firewall::{Published, TableEntry},
    observed::{ForeignChain, TableRules, TableSelection},
    own_table::{CHAINS, Chain, Element, Set},
};

/// A conversation with nftables about one network namespace.
#[derive(Debug)]
pub(super) struct Nftables {
    socket: Socket,
}

impl Nftables {
    /// Starts a conversation about the calling thread's network namespace.
    pub(super) fn open() -> Result<Self, Refusal> {
        Ok(Self { socket: Socket::open(Protocol::Netfilter)? })
    }

    /// Returns whether the kernel speaks nftables at all.
    pub(super) fn is_available(&mut self) -> Result<bool, Refusal> {
        match self.socket.get(&message::get_generation()) {
            Ok(_) => Ok(true),
            Err(refusal) if matches!(refusal.errno(), Errno::OPNOTSUPP | Errno::INVAL) => Ok(false),
            Err(refusal) => Err(refusal),
        }
    }

    /// Makes the table with its chains, sets and maps, all empty.
    pub(super) fn add_table(&mut self) -> Result<(), Refusal> {
        let chains = CHAINS.iter().map(message::new_chain);
        let sets = Set::ALL.into_iter().zip(1..).map(|(set, number)| message::new_set(set, number));
        let requests: Vec<_> =
            std::iter::once(message::new_table()).chain(chains).chain(sets).chain(new_rules()).collect();
        self.transact(&requests)
    }

    /// Puts the rules back in place of those that are there, and chains that are gone.
    pub(super) fn restore_rules(&mut self) -> Result<(), Refusal> {
        let chains = CHAINS.iter().map(message::new_chain);
        let requests: Vec<_> =
            std::iter::once(message::delete_rules()).chain(chains).chain(new_rules()).collect();
        self.transact(&requests)
    }

    /// Returns whether each chain of the table has as many rules as it was made with.
    pub(super) fn rules(&mut self) -> Result<TableRules, Refusal> {
        let mut chains: Vec<String> = Vec::new();
        self.socket.dump(&message::get_rules(), |answer| match answer {
            None => chains.clear(),
            Some(payload) => chains.extend(read::chain_of_rule(payload)),
        })?;
        let number = |chain: &Chain| chains.iter().filter(|name| *name == chain.name.as_str()).count();
        let as_made = CHAINS.iter().all(|chain| number(chain) == chain.rules.len());
        Ok(if as_made { TableRules::AsMade } else { TableRules::Altered })
    }

    /// Deletes the table with all that is in it.
    pub(super) fn delete_table(&mut self) -> Result<(), Refusal> {
        self.transact(&[message::delete_table()])
    }

    /// Adds all entries, or none if one of them is there.
    pub(super) fn add_entries(&mut self, entries: &[TableEntry]) -> Result<(), Refusal> {
        self.transact(&message::new_elements(&sorted_elements(entries)))
    }

    /// Deletes all entries, or none if one of them is not there.
    pub(super) fn delete_entries(&mut self, entries: &[TableEntry]) -> Result<(), Refusal> {
        self.transact(&message::delete_elements(&sorted_elements(entries)))
    }

    /// Returns the entries asked for that are there; nothing if the table is not.
    ///
    /// Entries are asked for by their keys: the answer takes as long with one as with many others.
    pub(super) fn entries(
        &mut self,
        selection: &TableSelection,
        published: &BTreeSet<Published>,
    ) -> Result<Option<BTreeSet<TableEntry>>, Refusal> {
        if absent(self.socket.get(&message::get_table()))?.is_none() {
            return Ok(None);
        }
        let mut found = Vec::new();
        match selection {
            TableSelection::Nothing => {}
            TableSelection::Entries(entries) => {
                for element in sorted_elements(entries) {
                    found.extend(self.element(&element)?);
                }
            }
            TableSelection::WithoutForwards | TableSelection::All => {
                let all = *selection == TableSelection::All;
                for set in Set::ALL.into_iter().filter(|set| all || !set.has_forwards()) {
                    found.extend(self.elements(set)?);
                }
            }
        }
        if !published.is_empty() && *selection != TableSelection::All {
            // One for each bridge, not for each port.
            for set in [Set::Guards, Set::Hairpins] {
                found.extend(self.elements(set)?);
            }
        }
        for published in published {
            found.extend(self.element(&Element::of_published(published))?);
        }
        Ok(Some(found.iter().filter_map(Element::entry).collect()))
    }

    /// Returns the chains of others that may drop or translate forwarded packets.
    pub(super) fn foreign_chains(&mut self) -> Result<Vec<ForeignChain>, Refusal> {
        let mut chains = Vec::new();
        self.socket.dump(&message::get_chains(), |answer| match answer {
            None => chains.clear(),
            Some(payload) => chains.extend(read::foreign_chain(payload)),
        })?;
        Ok(chains)
    }

    /// Returns whether `iptables-nft` has made chains, which are ordinary ones in tables of these names.
    pub(super) fn has_chains_of_iptables(&mut self) -> Result<bool, Refusal> {
        const TABLES: [&str; 4] = ["ip filter", "ip nat", "ip6 filter", "ip6 nat"];
        Ok(self.is_available()?
            && self.foreign_chains()?.iter().any(|chain| TABLES.contains(&chain.table.as_str())))
    }

    fn element(&mut self, asked: &Element) -> Result<Option<Element>, Refusal> {
        let Some(payload) = absent(self.socket.get(&message::get_element(asked)))? else { return Ok(None) };
        // A set of ranges also answers with a larger range that holds the key.
        Ok(read::elements(asked.set, &payload).into_iter().find(|found| found.key == asked.key))
    }

    fn elements(&mut self, set: Set) -> Result<Vec<Element>, Refusal> {
        let mut elements = Vec::new();
        self.socket.dump(&message::get_elements(set), |answer| match answer {
            None => elements.clear(),
            Some(payload) => elements.extend(read::elements(set, payload)),
        })?;
        Ok(elements)
    }

    fn transact(&mut self, requests: &[Request]) -> Result<(), Refusal> {
        self.socket.transact(Subsystem::Nftables.number(), requests)
    }
}

fn new_rules() -> impl Iterator<Item = Request> {
    CHAINS.iter().flat_map(|chain| chain.rules.iter().map(move |rule| message::new_rule(chain, rule)))
}

/// Returns the elements of all entries, those of one set next to each other.
fn sorted_elements<'a>(entries: impl IntoIterator<Item = &'a TableEntry>) -> Vec<Element> {
    let mut elements: Vec<_> = entries.into_iter().map(Element::of).collect();
    elements.sort_by_key(|element| element.set);
    elements
}

fn absent<T>(answer: Result<T, Refusal>) -> Result<Option<T>, Refusal> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(refusal) if refusal.errno() == Errno::NOENT => Ok(None),
        Err(refusal) => Err(refusal),
    }
}
