//! The plain rules of the lessons: what `iptables -L` shows and `iptables -D` takes away.

use super::{Path, Wanted};
use crate::{
    address::Family,
    firewall::{IptablesRule, IptablesTable, Translation},
    name::LinkName,
    observed::Observed,
    plan::Conflict,
};

pub(super) const WHY_TRANSLATE: &str = "Nobody outside knows a route to the bridge's network: packets leave with the host's own address, and replies are translated back.";

pub(super) const WHY_ACCEPT: &str =
    "First in FORWARD, so that neither an earlier rule nor the chain's policy drops what passes the bridge.";

/// One translation for each network, and passage both ways for each family.
pub(super) fn wanted(path: &Path) -> Result<Wanted, Conflict> {
    refuse_unnameable(&path.uplink)?;
    let mut rules: Vec<_> = path
        .subnets
        .iter()
        .map(|subnet| IptablesRule {
            family: Family::of_net(subnet),
            table: IptablesTable::Nat,
            chain: "POSTROUTING".to_owned(),
            arguments: format!("-s {subnet} -o {} {}", path.uplink, target(path.translation)),
        })
        .collect();
    for family in path.families() {
        rules.extend(accepting(&path.bridge, family)?);
    }
    Ok(Wanted { rules, entries: Vec::new() })
}

fn target(translation: Translation) -> String {
    match translation {
        Translation::Masquerade => "-j MASQUERADE".to_owned(),
        Translation::Snat(source) => format!("-j SNAT --to-source {source}"),
    }
}

/// Lets everything through that is forwarded to or from `bridge`.
pub(super) fn accepting(bridge: &LinkName, family: Family) -> Result<[IptablesRule; 2], Conflict> {
    refuse_unnameable(bridge)?;
    Ok(["-o", "-i"].map(|direction| IptablesRule {
        family,
        table: IptablesTable::Filter,
        chain: "FORWARD".to_owned(),
        arguments: format!("{direction} {bridge} -j ACCEPT"),
    }))
}

/// A final `+` would open the rule to every link whose name begins so.
pub(in crate::plan) fn refuse_unnameable(link: &LinkName) -> Result<(), Conflict> {
    let name = link.as_str();
    let misread = name.ends_with('+') || name.starts_with(['!', '-']) || name.contains(['"', '\'', '\\']);
    if misread { Err(Conflict::NotForIptables(link.clone())) } else { Ok(()) }
}

/// Refuses where the program does not work for `family`.
pub(super) fn require(observed: &Observed, family: Family) -> Result<(), Conflict> {
    let program = if family == Family::Ipv4 { "iptables" } else { "ip6tables" };
    match observed.firewall.iptables_for(family) {
        Ok(_) => Ok(()),
        Err(reason) => Err(Conflict::Missing { feature: program.to_owned(), reason: reason.to_owned() }),
    }
}
