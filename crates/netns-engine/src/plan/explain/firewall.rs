//! Packet filtering and translation in the words of `iptables(8)`, `nft(8)` and `conntrack(8)`.

use crate::{
    address::Family,
    firewall::{PortForward, RuleChange, TableEntry},
};

pub(super) fn iptables(changes: &[RuleChange]) -> Vec<String> {
    changes.iter().map(rule_change).collect()
}

fn rule_change(change: &RuleChange) -> String {
    let verb = match change {
        RuleChange::Insert(_) | RuleChange::Reinsert(..) => "-I",
        RuleChange::Append(_) => "-A",
        RuleChange::Delete(_) => "-D",
    };
    let rule = change.rule();
    let number = match change {
        RuleChange::Reinsert(number, _) => format!(" {number}"),
        _ => String::new(),
    };
    let program = if rule.family == Family::Ipv4 { "iptables" } else { "ip6tables" };
    format!("{program} -w -t {} {verb} {}{number} {}", rule.table.as_str(), rule.chain, rule.arguments)
}

pub(super) fn add_table() -> Vec<String> {
    Vec::new()
}

pub(super) fn add_entries(_entries: &[TableEntry]) -> Vec<String> {
    Vec::new()
}

pub(super) fn delete_entries(_entries: &[TableEntry]) -> Vec<String> {
    Vec::new()
}

pub(super) fn forget_flows(forward: &PortForward) -> String {
    let PortForward { published, target, .. } = forward;
    format!(
        "conntrack -D -p {} --orig-port-dst {} --reply-src {} --reply-port-src {} 2>/dev/null || true",
        published.transport,
        published.port,
        target.ip(),
        target.port(),
    )
}
