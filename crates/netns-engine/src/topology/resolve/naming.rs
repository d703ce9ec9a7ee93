//! Names of links: those asked for, and made ones for the rest.

use std::collections::{HashMap, HashSet};

use super::{
    Found,
    names::Names,
    networks::Site,
    wires::{End, Seat, Wire},
};
use crate::{
    address::stable_hash,
    desired::host_end,
    name::LinkName,
    topology::{Mistake, Position, mistake::Flaw},
};

/// The names of both ends of a cable.
pub(super) type Pair = [LinkName; 2];

/// Which names of links are taken.
#[derive(Default)]
pub(super) struct Naming {
    on_host: HashMap<LinkName, Position>,
    inside: HashSet<(usize, LinkName)>,
    /// By node: the number to try next for an `eth`.
    next: HashMap<usize, u32>,
}

impl Naming {
    /// Takes a name of the host's that is asked for.
    pub(super) fn asked_on_host(&mut self, name: &LinkName, at: Position) -> Found<()> {
        match self.on_host.insert(name.clone(), at) {
            None => Ok(()),
            Some(first) => {
                let mistake = Mistake::Twice { thing: "link", name: name.to_string(), first: Some(first) };
                Err(Flaw::new(at, mistake))
            }
        }
    }

    /// Takes a name of the host's, as close to `wanted` as the kernel's rules and the others allow.
    pub(super) fn made_on_host(&mut self, wanted: &str, at: Position) -> Found<LinkName> {
        let name = match LinkName::new(wanted) {
            Ok(name) if !self.on_host.contains_key(&name) => name,
            _ => self.shortened(wanted),
        };
        self.asked_on_host(&name, at)?;
        Ok(name)
    }

    /// Makes a name of the start of `wanted` and a hash.
    fn shortened(&self, wanted: &str) -> LinkName {
        let start: String = wanted.chars().filter(char::is_ascii_alphanumeric).take(8).collect();
        for salt in 0_u32.. {
            let hash = stable_hash(&format!("{wanted}/{salt}")) & 0xff_ffff;
            let name = LinkName::from_kernel(format!("{start}-{hash:06x}"));
            if !self.on_host.contains_key(&name) {
                return name;
            }
        }
        unreachable!("a topology has fewer links than there are hashes")
    }

    /// Takes a name inside a node that is asked for.
    pub(super) fn asked_inside(&mut self, node: usize, name: &LinkName, at: Position) -> Found<()> {
        if name.as_str() != "lo" && self.inside.insert((node, name.clone())) {
            return Ok(());
        }
        let mistake = Mistake::Twice { thing: "link", name: name.to_string(), first: None };
        Err(Flaw::new(at, mistake))
    }

    /// Takes the next free one of eth0, eth1 … inside a node.
    pub(super) fn made_inside(&mut self, node: usize) -> LinkName {
        let next = self.next.entry(node).or_default();
        loop {
            let name = LinkName::from_kernel(format!("eth{next}"));
            *next += 1;
            if self.inside.insert((node, name.clone())) {
                return name;
            }
        }
    }

    /// Names all ends: what is asked for first, then the rest in order.
    pub(super) fn name_ends(
        &mut self,
        names: &Names<'_>,
        sites: &[Site],
        wires: &[Wire<'_>],
    ) -> Found<Vec<Pair>> {
        self.on_host.reserve(wires.len());
        self.inside.reserve(wires.len());
        self.next.reserve(names.node_count());
        for end in wires.iter().flat_map(|wire| &wire.ends) {
            if let Some(name) = &end.link {
                match end.seat {
                    Seat::Host => self.asked_on_host(name, end.at)?,
                    Seat::Node(node) => self.asked_inside(node, name, end.at)?,
                }
            }
        }
        wires.iter().map(|wire| self.name_wire(names, sites, wire)).collect()
    }

    fn name_wire(&mut self, names: &Names<'_>, sites: &[Site], wire: &Wire<'_>) -> Found<Pair> {
        let [first, second] = &wire.ends;
        let second_name = self.name_end(second, || between(sites, second, first))?;
        let first_name = match (first.seat, second.seat) {
            (Seat::Host, Seat::Node(node)) => {
                let made = || host_end(names.node_name(node), &second_name).to_string();
                self.name_end(first, made)?
            }
            _ => self.name_end(first, || between(sites, first, second))?,
        };
        Ok([first_name, second_name])
    }

    fn name_end(&mut self, end: &End<'_>, on_host: impl FnOnce() -> String) -> Found<LinkName> {
        match (&end.link, end.seat) {
            (Some(name), _) => Ok(name.clone()),
            (None, Seat::Host) => self.made_on_host(&on_host(), end.at),
            (None, Seat::Node(node)) => Ok(self.made_inside(node)),
        }
    }
}

/// The name of an end on the host of a cable whose other end is there, too: `s1-s2` is plugged into `s1`.
fn between(sites: &[Site], this: &End<'_>, other: &End<'_>) -> String {
    let name = |end: &End<'_>| end.bridge.map_or("host", |network| sites[network].network.name.as_str());
    format!("{}-{}", name(this), name(other))
}
