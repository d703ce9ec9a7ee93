//! Links of nodes on links of the host.

use super::{
    Found,
    names::Names,
    naming::Naming,
    networks::{link_name, mtu},
    wires::mac,
    words::malformed,
};
use crate::{
    address::MacAddress,
    topology::{
        Macvlan, MacvlanMode,
        file::{File, MacvlanEntry, Text},
    },
};

/// Settles the macvlan links of each node, but for their addresses.
pub(super) fn all(file: &File, names: &Names<'_>, naming: &mut Naming) -> Found<Vec<Vec<Macvlan>>> {
    let nodes = file.nodes.0.iter().enumerate().map(|(node, (_, body))| {
        for asked in body.macvlan.0.iter().filter_map(|entry| entry.link.as_ref()) {
            naming.asked_inside(node, &link_name(asked)?, asked.at)?;
        }
        let mtu_bytes = body.mtu.map(mtu).transpose()?.map(|mtu| mtu.value);
        body.macvlan
            .0
            .iter()
            .map(|entry| one(names, naming, node, entry).map(|one| Macvlan { mtu_bytes, ..one }))
            .collect()
    });
    nodes.collect()
}

fn one(names: &Names<'_>, naming: &mut Naming, node: usize, entry: &MacvlanEntry) -> Found<Macvlan> {
    let link = match &entry.link {
        Some(asked) => link_name(asked)?,
        None => naming.made_inside(node),
    };
    let derived = || {
        MacAddress::derived_from_path([
            names.topology.as_str(),
            names.node_name(node).as_str(),
            link.as_str(),
        ])
    };
    Ok(Macvlan {
        mac: entry.mac.as_ref().map_or_else(|| Ok(derived()), mac)?,
        parent: link_name(&entry.parent)?,
        mode: entry.mode.as_ref().map_or_else(|| Ok(MacvlanMode::default()), mode)?,
        mtu_bytes: None,
        addresses: Vec::new(),
        link,
    })
}

fn mode(text: &Text) -> Found<MacvlanMode> {
    let modes = [MacvlanMode::Bridge, MacvlanMode::Private, MacvlanMode::Vepa];
    modes.into_iter().find(|mode| mode.word() == text.value).ok_or_else(|| {
        let known = modes.iter().map(|mode| mode.word());
        malformed(text, "a macvlan mode: bridge, private or vepa").or_one_of(&text.value, known)
    })
}
