//! Keeps of other programs' output what stays the same while nothing changes.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Of a link: numbers the kernel hands out, what only matters for speed, and what follows the carrier, or ports that
/// were there once.
const FLEETING_OF_LINKS: &[&str] = &[
    "ifindex",
    "link_index",
    "link_netnsid",
    "operstate",
    "qdisc",
    "state",
    "id",
    "no",
    "designated_port",
    "topology_change",
    "num_tx_queues",
    "num_rx_queues",
    "tso_max_size",
    "tso_max_segs",
    "gso_max_size",
    "gso_max_segs",
    "gso_ipv4_max_size",
    "gro_max_size",
    "gro_ipv4_max_size",
    "topology_change_ack",
    "config_pending",
    "tentative",
    "valid_life_time",
    "preferred_life_time",
];

/// Flags of a link that follow the carrier.
const FLEETING_FLAGS: &[&str] = &["LOWER_UP", "NO-CARRIER", "RUNNING", "M-DOWN"];

/// Of a route: what follows the carrier or the clock.
const FLEETING_OF_ROUTES: &[&str] = &["flags", "pref", "expires", "cache"];

/// Of nftables: numbers the kernel hands out or counts.
const FLEETING_OF_RULESETS: &[&str] = &["handle", "packets", "bytes", "expires"];

/// The facts about each link, one property a line.
pub(super) fn links(mut listed: Value) -> Vec<(String, Vec<String>)> {
    drop_keys(&mut listed, &|key| FLEETING_OF_LINKS.contains(&key) || key.ends_with("_timer"));
    let mut links = Vec::new();
    for mut link in elements(listed) {
        let name = text_at(&link, "ifname");
        retain_at(&mut link, "flags", |flag| !FLEETING_FLAGS.iter().any(|fleeting| flag == *fleeting));
        // The kernel makes link-local addresses by itself, once there is a carrier.
        retain_at(&mut link, "addr_info", |address| !is_link_local(&text_at(address, "local")));
        let addresses = link.get_mut("addr_info").map(Value::take).map(elements).unwrap_or_default();
        let mut facts = Vec::new();
        flatten("", &link, &mut facts);
        facts.extend(addresses.iter().map(|address| format!("address {address}")));
        links.push((name, facts));
    }
    links
}

/// One queueing discipline a line, without those that the kernel gives to every link.
pub(super) fn limits(mut listed: Value) -> Vec<String> {
    drop_keys(&mut listed, &|key| key == "refcnt");
    elements(listed).iter().filter(|qdisc| text_at(qdisc, "handle") != "0:").map(Value::to_string).collect()
}

/// One route a line, without those that come with every IPv6 link.
pub(super) fn routes(mut listed: Value) -> Vec<String> {
    drop_keys(&mut listed, &|key| FLEETING_OF_ROUTES.contains(&key));
    let mut routes: Vec<_> =
        elements(listed).iter().filter(|route| !comes_with_ipv6(route)).map(Value::to_string).collect();
    routes.sort();
    routes
}

/// Routes for link-local and multicast addresses, and those in the local table, which the kernel
/// adds a moment after the address they belong to (`addrconf_dad_work`).
fn comes_with_ipv6(route: &Value) -> bool {
    let destination = text_at(route, "dst");
    let is_local = text_at(route, "table") == "local" && destination.contains(':');
    is_local || is_link_local(&destination) || destination == "multicast"
}

/// One object a line.
pub(super) fn objects(listed: Value) -> Vec<String> {
    elements(listed).iter().map(Value::to_string).collect()
}

/// One table, chain, set, or rule a line; rules with their place in their chain.
///
/// An accepting chain without rules does nothing, nor does a table without anything else:
/// `iptables` leaves both behind when its last rule is deleted.
pub(super) fn ruleset(mut listed: Value) -> Vec<String> {
    drop_keys(&mut listed, &|key| FLEETING_OF_RULESETS.contains(&key));
    sort_elements(&mut listed);
    let objects = listed.get_mut("nftables").map(Value::take).map(elements).unwrap_or_default();
    let mut places = BTreeMap::new();
    let mut facts = Vec::new();
    for object in &objects {
        let (kind, body) = match object.as_object().and_then(|object| object.iter().next()) {
            Some((kind, body)) if kind != "metainfo" => (kind.as_str(), body),
            _ => continue,
        };
        if kind == "rule" {
            let place = places.entry(chain_of(body, "chain")).or_insert(0);
            *place += 1;
            facts.push(format!("rule {place} {body}"));
        } else if !does_nothing(kind, body, &objects) {
            facts.push(format!("{kind} {body}"));
        }
    }
    facts
}

/// Rules and dropping policies, with the table they are in.
pub(super) fn saved_rules(saved: &str) -> Vec<String> {
    let mut table = "";
    let mut facts = Vec::new();
    for line in saved.lines() {
        if let Some(name) = line.strip_prefix('*') {
            table = name;
        } else if let Some(chain) = line.strip_prefix(':') {
            let policy = chain.split(" [").next().unwrap_or(chain);
            if !policy.ends_with("ACCEPT") {
                facts.push(format!("{table} :{policy}"));
            }
        } else if line.starts_with('-') {
            facts.push(format!("{table} {line}"));
        }
    }
    facts
}

fn does_nothing(kind: &str, body: &Value, objects: &[Value]) -> bool {
    let bodies = |wanted: &'static str| objects.iter().filter_map(move |object| object.get(wanted));
    match kind {
        "chain" => {
            text_at(body, "policy") == "accept"
                && !bodies("rule").any(|rule| chain_of(rule, "chain") == chain_of(body, "name"))
        }
        "table" => {
            let is_in = |other: &Value| {
                text_at(other, "family") == text_at(body, "family")
                    && text_at(other, "table") == text_at(body, "name")
            };
            let kept = ["rule", "set", "map", "flowtable", "counter", "ct helper"];
            let filled = kept.into_iter().any(|kind| bodies(kind).any(is_in));
            let chains = bodies("chain").filter(|chain| is_in(chain));
            !filled && chains.into_iter().all(|chain| does_nothing("chain", chain, objects))
        }
        _ => false,
    }
}

fn chain_of(body: &Value, name_key: &str) -> (String, String, String) {
    (text_at(body, "family"), text_at(body, "table"), text_at(body, name_key))
}

/// Elements of a set have no order of their own.
fn sort_elements(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(sort_elements),
        Value::Object(fields) => {
            for (key, field) in fields {
                sort_elements(field);
                if let (true, Value::Array(items)) = (matches!(key.as_str(), "elem" | "set"), field) {
                    items.sort_by_key(Value::to_string);
                }
            }
        }
        _ => {}
    }
}

fn drop_keys(value: &mut Value, dropped: &impl Fn(&str) -> bool) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| drop_keys(item, dropped)),
        Value::Object(fields) => {
            fields.retain(|key, _| !dropped(key));
            fields.values_mut().for_each(|field| drop_keys(field, dropped));
        }
        _ => {}
    }
}

fn flatten(path: &str, value: &Value, facts: &mut Vec<String>) {
    match value {
        Value::Object(fields) => flatten_fields(path, fields, facts),
        Value::Null => {}
        leaf => facts.push(format!("{path} = {leaf}")),
    }
}

fn flatten_fields(path: &str, fields: &Map<String, Value>, facts: &mut Vec<String>) {
    for (key, field) in fields {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        flatten(&path, field, facts);
    }
}

fn retain_at(object: &mut Value, key: &str, kept: impl Fn(&Value) -> bool) {
    if let Some(Value::Array(items)) = object.get_mut(key) {
        items.retain(kept);
    }
}

fn elements(listed: Value) -> Vec<Value> {
    match listed {
        Value::Array(items) => items,
        _ => Vec::new(),
    }
}

fn text_at(object: &Value, key: &str) -> String {
    object.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// RFC 4291, section 2.5.6.
fn is_link_local(address: &str) -> bool {
    address.starts_with("fe80:")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_empty_accepting_chain_and_its_table_are_no_state() {
        let listed = json!({"nftables": [
            {"table": {"family": "ip", "name": "nat", "handle": 1}},
            {"chain": {"family": "ip", "table": "nat", "name": "POSTROUTING", "policy": "accept"}},
        ]});
        assert_eq!(ruleset(listed), Vec::<String>::new());
    }

    #[test]
    fn a_rule_keeps_its_place_and_loses_its_counters() {
        let rule = json!({"family": "ip", "table": "t", "chain": "c", "handle": 2,
            "expr": [{"counter": {"packets": 1, "bytes": 84}}, {"accept": null}]});
        let listed = json!({"nftables": [{"rule": rule.clone()}, {"rule": rule}]});
        let facts = ruleset(listed);
        assert_eq!(facts.len(), 2);
        assert!(facts[1].starts_with("rule 2 "), "{facts:?}");
        assert!(!facts[1].contains("84"), "{facts:?}");
    }

    #[test]
    fn saved_rules_keep_tables_rules_and_dropping_policies() {
        let saved = "# by iptables\n*filter\n:INPUT ACCEPT [1:2]\n:FORWARD DROP [0:0]\n-A FORWARD -i br0 -j ACCEPT\nCOMMIT\n";
        assert_eq!(saved_rules(saved), ["filter :FORWARD DROP", "filter -A FORWARD -i br0 -j ACCEPT"]);
    }
}
