//! Settings of a netns that are not those of every new one, and the names its programs know.

use std::{collections::BTreeMap, net::IpAddr};

use super::{
    Names, Scene,
    addresses::Given,
    document::{Map, Value},
};
use crate::{
    sysctl::{NamedSetting, Sysctl},
    topology::HostEntry,
};

impl Scene<'_> {
    /// Writes `sysctls:` of a netns.
    pub(super) fn settings(&self, node: usize) -> Option<Value> {
        let netns = &self.nodes[node];
        let own = &self.sight.details.get(netns.name)?.settings;
        let changed = own.iter().filter(|(setting, value)| {
            let mut usual = usual(setting, own, &self.sight.new_settings).peekable();
            usual.peek().is_some() && usual.all(|usual| usual != *value) && !self.says_nothing(node, setting)
        });
        let written = |(setting, value): (&NamedSetting, &i32)| {
            (setting.as_str().to_owned(), Value::Number(i64::from(*value)))
        };
        let entries: Map = changed.map(written).collect();
        (!entries.is_empty()).then_some(Value::Map(entries))
    }

    /// What follows from something else that is written, or from how a link was made.
    fn says_nothing(&self, node: usize, setting: &NamedSetting) -> bool {
        let leaf = setting.as_str().rsplit('.').next().unwrap_or_default();
        // Links have an MTU of their own under 'mtu'; the last one can only be read.
        if matches!(leaf, "forwarding" | "addr_gen_mode" | "mtu" | "mc_forwarding") {
            return true;
        }
        let links = self.links_of(node);
        let setting = Sysctl::from(setting.clone());
        let Some(name) = setting.link().filter(|link| link.as_str() != "lo") else {
            // Forwarding switches the last one off.
            return matches!(setting, Sysctl::IpForward | Sysctl::AcceptRedirects);
        };
        let Some(link) = links.iter().find(|link| link.name == name.as_str()) else { return true };
        link.ours && matches!(setting, Sysctl::AcceptRa(_) | Sysctl::Autoconf(_))
    }

    /// Whether a netns knows the nodes by name; what else its hosts file says is told.
    pub(super) fn knows_names(&mut self, node: usize, given: &Given) -> Option<Value> {
        let netns = self.nodes[node].name;
        let entries = match self.sight.details.get(netns)?.names.as_ref()? {
            Names::OfTopology(_) => return Some(Value::True),
            Names::Own(entries) => entries,
        };
        let is_local = |entry: &&HostEntry| entry.address.is_loopback() || entry.address.is_multicast();
        let (of_nodes, others): (Vec<_>, Vec<_>) = entries
            .iter()
            .filter(|entry| !is_local(entry))
            .partition(|entry| entry.names.iter().all(|name| self.is_at(name, entry.address, given)));
        for entry in others {
            self.remarks.add(format_args!("'{entry}' in the hosts file of netns '{netns}'"));
        }
        (!of_nodes.is_empty()).then_some(Value::True)
    }

    fn is_at(&self, name: &str, address: IpAddr, given: &Given) -> bool {
        let named = (0..self.nodes.len()).find(|node| self.nodes[*node].name == name);
        named.is_some_and(|node| self.addresses_of(node, given).iter().any(|(_, own)| own.addr() == address))
    }
}

/// The values that a setting has without anybody's doing: that of a new netns, and of a link also that of its
/// netns' default, with which it begins.
fn usual<'a>(
    setting: &NamedSetting,
    own: &'a BTreeMap<NamedSetting, i32>,
    new: &'a BTreeMap<NamedSetting, i32>,
) -> impl Iterator<Item = &'a i32> {
    let of_default = setting.of_default().and_then(|of_default| own.get(&of_default));
    new.get(setting).into_iter().chain(of_default)
}
