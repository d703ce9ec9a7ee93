//! Packet filtering and translation in the words of `iptables(8)`, `nft(8)` and `conntrack(8)`.

use crate::{
    firewall::{PortForward, RuleChange, TableEntry},
    own_table::text,
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
    format!(
        "{} -w -t {} {verb} {}{number} {}",
        rule.program(),
        rule.table.as_str(),
        rule.chain,
        rule.arguments
    )
}

pub(super) fn add_table() -> Vec<String> {
    nft(&text::add_table())
}

pub(super) fn restore_rules() -> Vec<String> {
    nft(&text::restore_rules())
}

pub(super) fn delete_table() -> Vec<String> {
    vec![format!("nft {}", text::delete_table().trim_end())]
}

pub(super) fn add_entries(entries: &[TableEntry]) -> Vec<String> {
    nft(&text::add_entries(entries))
}

pub(super) fn delete_entries(entries: &[TableEntry]) -> Vec<String> {
    nft(&text::delete_entries(entries))
}

/// All lines as the input of one `nft`, which makes them one transaction. The quoted delimiter
/// keeps the shell's hands off them.
fn nft(lines: &str) -> Vec<String> {
    let lines = lines.lines().map(str::to_owned);
    ["nft -f - <<'END'".to_owned()].into_iter().chain(lines).chain(["END".to_owned()]).collect()
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
