//! Who is who: nodes and networks by name.

use std::collections::HashMap;

use crate::{
    name::NetnsName,
    topology::{
        Mistake, Position, TopologyName,
        file::{File, Text},
        mistake::Flaw,
        resolve::Found,
    },
};

/// The word for the host among nodes.
pub(in crate::topology) const HOST: &str = "host";

/// The names of a file, and what they stand for: its place in the file's order.
pub(super) struct Names<'a> {
    pub(super) topology: TopologyName,
    nodes: Vec<NetnsName>,
    by_name: HashMap<&'a str, (Named, Position)>,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Named {
    Node(usize),
    Network(usize),
}

impl<'a> Names<'a> {
    pub(super) fn of(file: &'a File) -> Found<Self> {
        let topology = checked(&file.name)?;
        let mut by_name = HashMap::with_capacity(file.networks.0.len() + file.nodes.0.len());
        let mut checked_nodes = Vec::with_capacity(file.nodes.0.len());
        let networks = file.networks.0.iter().enumerate();
        let networks = networks.map(|(number, (name, _))| (name, "network", Named::Network(number)));
        let nodes = file.nodes.0.iter().enumerate();
        let nodes = nodes.map(|(number, (name, _))| (name, "node", Named::Node(number)));
        for (name, thing, named) in networks.chain(nodes) {
            if name.value == HOST {
                return Err(Flaw::new(name.at, Mistake::Reserved { name: HOST.to_owned(), thing }));
            }
            if let Some((_, first)) = by_name.insert(name.value.as_str(), (named, name.at)) {
                let mistake = Mistake::Twice { thing: "name", name: name.value.clone(), first: Some(first) };
                return Err(Flaw::new(name.at, mistake));
            }
            let checked = checked(name)?;
            if matches!(named, Named::Node(_)) {
                checked_nodes.push(checked);
            }
        }
        Ok(Self { topology, nodes: checked_nodes, by_name })
    }

    pub(super) fn get(&self, name: &str) -> Option<Named> {
        self.by_name.get(name).map(|(named, _)| *named)
    }

    pub(super) fn node_name(&self, node: usize) -> &NetnsName {
        &self.nodes[node]
    }

    pub(super) fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// Finds the network called `name`.
    pub(super) fn network(&self, name: &Text) -> Found<usize> {
        if let Some(Named::Network(network)) = self.get(&name.value) {
            return Ok(network);
        }
        let known = self.all(|named| matches!(named, Named::Network(_)));
        Err(nowhere("network", name).or_one_of(&name.value, known))
    }

    /// Says that `name` is none of them, and which one may have been meant.
    pub(super) fn unknown(&self, name: &Text) -> Flaw {
        nowhere("node or network", name).or_one_of(&name.value, self.all(|_| true).chain([HOST]))
    }

    /// Says that `name` is no node, and what it is instead or which node may have been meant.
    pub(super) fn no_node(&self, name: &Text) -> Flaw {
        let flaw = nowhere("node", name);
        if let Some(Named::Network(_)) = self.get(&name.value) {
            return flaw.or_rather(format!("'{}' is a network", name.value));
        }
        let nodes = self.all(|named| matches!(named, Named::Node(_)));
        flaw.or_one_of(&name.value, nodes.chain([HOST]))
    }

    /// Names in the order of the alphabet: a suggestion must not depend on chance.
    fn all(&self, wanted: impl Fn(Named) -> bool) -> impl Iterator<Item = &'a str> {
        let names = self.by_name.iter().filter(|(_, (named, _))| wanted(*named)).map(|(name, _)| *name);
        let mut names: Vec<_> = names.collect();
        names.sort_unstable();
        names.into_iter()
    }
}

fn checked(name: &Text) -> Found<NetnsName> {
    NetnsName::new(name.value.as_str()).map_err(|error| Flaw::new(name.at, error))
}

fn nowhere(thing: &'static str, name: &Text) -> Flaw {
    Flaw::new(name.at, Mistake::Nowhere { thing, name: name.value.clone() })
}
