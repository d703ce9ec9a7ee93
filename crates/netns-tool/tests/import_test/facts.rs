//! What `ip` tells of a host and its netns, as far as two hosts can share it.

use std::collections::BTreeSet;

use netns_testkit::sh;
use serde_json::Value;

/// Addresses, routes and MTUs of each netns and of the host's bridges, and who is plugged into which bridge.
pub(crate) fn all() -> BTreeSet<String> {
    let host = ask("ip -j -d link");
    let mut facts = BTreeSet::new();
    for netns in sh("ip netns list").lines().filter_map(|line| line.split(' ').next()) {
        let links = ask(&format!("ip -n {netns} -j address"));
        facts.extend(links.iter().flat_map(of_link).map(|fact| format!("{netns}: {fact}")));
        let masters = links.iter().filter_map(|link| Some((link, master(&host, link)?)));
        facts.extend(masters.map(|(link, port)| format!("{netns}: {} in {port}", word(link, "ifname"))));
        for family in ["-4", "-6"] {
            let routes = ask(&format!("ip {family} -n {netns} -j route"));
            // Links that a person made have an IPv6 link-local address; those of the tool need one for IPv6 only.
            let routes = routes.iter().filter(|route| route["dst"] != "fe80::/64");
            facts.extend(routes.map(|route| format!("{netns}: {}", of_route(route))));
        }
    }
    let bridges = ask("ip -j address show type bridge");
    facts.extend(bridges.iter().flat_map(of_link).map(|fact| format!("host: {fact}")));
    facts
}

fn ask(command: &str) -> Vec<Value> {
    let said = sh(command);
    if said.trim().is_empty() { Vec::new() } else { serde_json::from_str(&said).unwrap() }
}

fn of_link(link: &Value) -> Vec<String> {
    let name = word(link, "ifname");
    let addresses = link["addr_info"].as_array().unwrap().iter().filter(|address| address["scope"] != "link");
    let addresses =
        addresses.map(|address| format!("{name} has {}/{}", address["local"], address["prefixlen"]));
    addresses.chain([format!("{name} takes {}", link["mtu"])]).collect()
}

fn of_route(route: &Value) -> String {
    let part = |key: &str| format!("{key} {}", word(route, key));
    ["dst", "gateway", "dev", "metric"].map(part).join(" ")
}

/// The bridge that the other end of a netns' link is a port of, and as what kind of port.
fn master(host: &[Value], link: &Value) -> Option<String> {
    let other = host.iter().find(|other| other["ifindex"] == link["link_index"])?;
    let isolated = &other["linkinfo"]["info_slave_data"]["isolated"];
    Some(format!("{}, isolated: {isolated}", other["master"].as_str()?))
}

fn word(object: &Value, key: &str) -> String {
    object[key].as_str().map_or_else(|| object[key].to_string(), str::to_owned)
}
