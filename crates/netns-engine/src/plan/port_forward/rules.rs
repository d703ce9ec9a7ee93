//! The iptables rules without which a chain that drops would drop a published port.

use crate::{
    address::Family,
    firewall::{IptablesRule, IptablesTable, PortForward, RuleChange},
    plan::{Conflict, Draft, Operation, nat::iptables::refuse_unnameable},
};

/// The program puts all rules of a run into one message, each in about 600 bytes, and a message may not be
/// longer than `net.core.wmem_max` allows.
const RULES_PER_RUN: usize = 100;

/// Changes rules, of which there may be thousands.
pub(super) fn change(draft: &mut Draft, changes: &[RuleChange], why: &str) {
    for portion in changes.chunks(RULES_PER_RUN) {
        draft.then(Operation::Iptables(portion.to_vec()), why);
    }
}

/// Returns the rules that let the forward's own packets pass, both ways, and no others.
///
/// `--ctstate DNAT` is what makes them narrow: it holds for connections that were sent to the
/// target by a published port, not for those that go there by a route.
pub(super) fn accepting(forward: &PortForward) -> Result<Vec<IptablesRule>, Conflict> {
    let bridge = &forward.bridge;
    refuse_unnameable(bridge)?;
    let (address, port) = (forward.target.ip(), forward.target.port());
    let transport = forward.published.transport;
    let prefix = if address.is_ipv4() { 32 } else { 128 };
    let there = format!("-d {address}/{prefix} -o {bridge} -p {transport} -m {transport} --dport {port}");
    let back = format!("-s {address}/{prefix} -i {bridge} -p {transport} -m {transport} --sport {port}");
    Ok([there, back]
        .into_iter()
        .map(|packets| IptablesRule {
            family: Family::of(address),
            table: IptablesTable::Filter,
            chain: "FORWARD".to_owned(),
            arguments: format!("{packets} -m conntrack --ctstate DNAT -j ACCEPT"),
        })
        .collect())
}
