//! What `ip -j` and `bridge -j` tell, and what was seen, in the same words.

use std::collections::BTreeSet;

use netns_engine::{
    address::Family,
    diagnose::scene::{Link, NextHop, PolicyAction, PortState, Route, RouteKind, Stack, Vlan},
};
use netns_testkit::sh;
use serde_json::Value;

/// Facts, each a line; compared as sets.
pub(crate) type Facts = BTreeSet<String>;

fn ask(place: Option<&str>, words: &str) -> Vec<Value> {
    let netns = place.map(|name| format!("-n {name} ")).unwrap_or_default();
    let told = sh(&format!("ip {netns}-j -d {words}"));
    if told.trim().is_empty() {
        return Vec::new();
    }
    serde_json::from_str::<Vec<Value>>(&told)
        .unwrap()
        .into_iter()
        .filter(|fact| *fact != serde_json::json!({}))
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

pub(crate) fn links_told(place: Option<&str>) -> Facts {
    ask(place, "link show").iter().map(link_told).collect()
}

fn link_told(link: &Value) -> String {
    let flags: Vec<String> = link["flags"].as_array().unwrap().iter().map(text).collect();
    let has = |flag: &str| flags.iter().any(|known| known == flag);
    let kind = match (&link["linkinfo"]["info_kind"], has("LOOPBACK")) {
        (_, true) => "loopback".to_owned(),
        (Value::Null, false) => "physical".to_owned(),
        (kind, false) => text(kind),
    };
    let data = &link["linkinfo"]["info_data"];
    let bridge = (kind == "bridge").then(|| {
        let bit = |name: &str| data[name].as_u64().unwrap() == 1;
        (bit("vlan_filtering"), bit("stp_state"), bit("nf_call_iptables"), bit("nf_call_ip6tables"))
    });
    let mac = Some(text(&link["address"])).filter(|mac| mac != "00:00:00:00:00:00");
    format!(
        "{} {} {kind} up={} carrier={} arp={} mac={mac:?} mtu={} master={} bridge={bridge:?}",
        link["ifindex"],
        text(&link["ifname"]),
        has("UP"),
        has("LOWER_UP"),
        !has("NOARP"),
        link["mtu"],
        text(&link["master"]),
    )
}

pub(crate) fn links_seen(stack: &Stack) -> Facts {
    let seen = |link: &Link| {
        let master = link.master.map_or("null", |master| stack.link(master).unwrap().name.as_str());
        let bridge = link
            .bridge
            .map(|bridge| (bridge.vlan_filtering, bridge.stp, bridge.calls_iptables, bridge.calls_ip6tables));
        format!(
            "{} {} {} up={} carrier={} arp={} mac={:?} mtu={} master={master} bridge={bridge:?}",
            link.index,
            link.name,
            link.kind,
            link.up,
            link.carrier,
            link.arp,
            link.mac.map(|mac| mac.to_string()),
            link.mtu_bytes,
        )
    };
    stack.links.iter().map(seen).collect()
}

pub(crate) fn addresses_told(place: Option<&str>) -> Facts {
    let mut facts = Facts::new();
    for link in ask(place, "addr show") {
        for address in link["addr_info"].as_array().unwrap() {
            // The far end of a point-to-point address counts as its prefix.
            facts.insert(format!(
                "{} {}/{} tentative={}",
                text(&link["ifname"]),
                text(&address["local"]),
                address["prefixlen"],
                address["tentative"] == true
            ));
        }
    }
    facts
}

pub(crate) fn addresses_seen(stack: &Stack) -> Facts {
    let of_link = |link: &Link| {
        let name = link.name.clone();
        let fact = move |address: &netns_engine::diagnose::scene::Address| {
            format!("{name} {} tentative={}", address.net, address.tentative)
        };
        link.addresses.iter().map(fact).collect::<Vec<_>>()
    };
    stack.links.iter().flat_map(of_link).collect()
}

pub(crate) fn routes_told(place: Option<&str>) -> Facts {
    let both = ["route show table all", "-6 route show table all"];
    both.iter().flat_map(|words| ask(place, words)).map(|route| route_told(&route)).collect()
}

fn route_told(route: &Value) -> String {
    let destination = text(&route["dst"]);
    let hop = |hop: &Value, flags: &Value| {
        let has = |flag: &str| flags.as_array().is_some_and(|flags| flags.iter().any(|known| known == flag));
        let gateway = if hop["via"].is_null() { &hop["gateway"] } else { &hop["via"]["host"] };
        // The kernel files IPv6 routes that lead nowhere under lo; ip tells so.
        format!("{}/{}/{}/{}", text(gateway), text(&hop["dev"]), has("dead"), has("onlink"))
    };
    let hops: Vec<String> = match route["nexthops"].as_array() {
        Some(hops) => hops.iter().map(|each| hop(each, &each["flags"])).collect(),
        None if route["dev"].is_null() && route["gateway"].is_null() => Vec::new(),
        None => vec![hop(route, &route["flags"])],
    };
    format!(
        "{} {} {destination} metric={} src={} mtu={} proto={} {hops:?}",
        route.get("table").map_or_else(|| "main".to_owned(), text),
        route.get("type").map_or_else(|| "unicast".to_owned(), text),
        route.get("metric").map_or_else(|| "0".to_owned(), text),
        text(&route["prefsrc"]),
        route["metrics"][0].get("mtu").map_or_else(|| "null".to_owned(), text),
        text(&route["protocol"]),
    )
}

pub(crate) fn routes_seen(stack: &Stack) -> Facts {
    stack.routes.iter().map(|route| route_seen(route, stack)).collect()
}

fn route_seen(route: &Route, stack: &Stack) -> String {
    let word = |address: Option<std::net::IpAddr>| {
        address.map_or_else(|| "null".to_owned(), |known| known.to_string())
    };
    let hop = |hop: &NextHop| {
        let link = hop.link.map_or("null", |index| stack.link(index).unwrap().name.as_str());
        format!("{}/{link}/{}/{}", word(hop.gateway), hop.dead, hop.on_link)
    };
    let net = route.destination;
    let destination = match net.prefix_len() {
        0 => "default".to_owned(),
        full if full == net.max_prefix_len() => net.addr().to_string(),
        _ => net.to_string(),
    };
    let table = match route.table {
        254 => "main".to_owned(),
        255 => "local".to_owned(),
        other => other.to_string(),
    };
    format!(
        "{table} {} {destination} metric={} src={} mtu={} proto={} {:?}",
        kind_in_words(route.kind),
        route.metric,
        word(route.source),
        route.mtu_bytes.map_or_else(|| "null".to_owned(), |mtu| mtu.to_string()),
        route.protocol,
        route.hops.iter().map(hop).collect::<Vec<_>>(),
    )
}

fn kind_in_words(kind: RouteKind) -> &'static str {
    match kind {
        RouteKind::Unicast => "unicast",
        RouteKind::Local => "local",
        RouteKind::Broadcast => "broadcast",
        RouteKind::Multicast => "multicast",
        RouteKind::Blackhole => "blackhole",
        RouteKind::Unreachable => "unreachable",
        RouteKind::Prohibit => "prohibit",
        RouteKind::Throw => "throw",
    }
}

pub(crate) fn rules_told(netns: &str) -> Facts {
    let mut facts = Facts::new();
    for (family, words) in [(Family::Ipv4, "-4 rule show"), (Family::Ipv6, "-6 rule show")] {
        for rule in ask(Some(netns), words) {
            let net = |address: &str, length: &str| match (text(&rule[address]), rule.get(length)) {
                (all, _) if all == "all" || all == "null" => "null".to_owned(),
                (address, Some(length)) => format!("{address}/{length}"),
                (address, None) => address,
            };
            let mark = rule.get("fwmark").map(|mark| {
                let mask = rule.get("fwmask").map_or_else(|| "0xffffffff".to_owned(), text);
                format!("{}/{mask}", text(mark))
            });
            let action = match (rule.get("action"), rule.get("goto")) {
                (Some(action), _) => text(action),
                (None, Some(target)) => format!("goto {target}"),
                (None, None) => {
                    let suppressed = rule.get("suppress_prefixlen").map_or_else(|| "null".to_owned(), text);
                    format!("lookup {} {suppressed}", text(&rule["table"]))
                }
            };
            facts.insert(format!(
                "{} {family} from {} to {} iif {} oif {} mark {} not={} {action}",
                rule["priority"],
                net("src", "srclen"),
                net("dst", "dstlen"),
                text(&rule["iif"]),
                text(&rule["oif"]),
                mark.unwrap_or_else(|| "null".to_owned()),
                rule.get("not").is_some(),
            ));
        }
    }
    facts
}

pub(crate) fn rules_seen(stack: &Stack) -> Facts {
    let mut facts = Facts::new();
    for rule in &stack.policy {
        let word = |word: Option<String>| word.unwrap_or_else(|| "null".to_owned());
        let action = match rule.action {
            PolicyAction::Lookup { table, suppress_prefix } => {
                let table = match table {
                    253 => "default".to_owned(),
                    254 => "main".to_owned(),
                    255 => "local".to_owned(),
                    other => other.to_string(),
                };
                format!("lookup {table} {}", word(suppress_prefix.map(|length| length.to_string())))
            }
            PolicyAction::Goto(target) => format!("goto {target}"),
            PolicyAction::Nop => "nop".to_owned(),
            PolicyAction::Blackhole => "blackhole".to_owned(),
            PolicyAction::Unreachable => "unreachable".to_owned(),
            PolicyAction::Prohibit => "prohibit".to_owned(),
        };
        facts.insert(format!(
            "{} {} from {} to {} iif {} oif {} mark {} not={} {action}",
            rule.priority,
            rule.family,
            word(rule.source.map(|net| net.to_string())),
            word(rule.destination.map(|net| net.to_string())),
            word(rule.incoming.as_ref().map(ToString::to_string)),
            word(rule.outgoing.as_ref().map(ToString::to_string)),
            word(rule.mark.map(|(mark, mask)| format!("{mark:#x}/{mask:#x}"))),
            rule.inverted,
        ));
    }
    facts
}

pub(crate) fn neighbours_told(netns: &str) -> Facts {
    let fact = |neighbour: Value| {
        let state = text(&neighbour["state"][0]).to_lowercase();
        format!(
            "{} {} {} {state}",
            text(&neighbour["dev"]),
            text(&neighbour["dst"]),
            text(&neighbour["lladdr"])
        )
    };
    ask(Some(netns), "neigh show").into_iter().map(fact).collect()
}

pub(crate) fn neighbours_seen(stack: &Stack) -> Facts {
    let fact = |neighbour: &netns_engine::diagnose::scene::Neighbour| {
        let link = &stack.link(neighbour.link).unwrap().name;
        let mac = neighbour.mac.map_or_else(|| "null".to_owned(), |mac| mac.to_string());
        format!("{link} {} {mac} {}", neighbour.address, neighbour.state)
    };
    stack.neighbours.iter().map(fact).collect()
}

pub(crate) fn ports_told() -> Facts {
    let links: Vec<Value> = serde_json::from_str(&sh("bridge -j -d link show")).unwrap();
    let ports = links.iter().filter(|link| link["master"] != link["ifname"]);
    let fact = |port: &Value| {
        let on = |name: &str| port[name] == true;
        format!("{} {} {} {}", text(&port["ifname"]), text(&port["state"]), on("isolated"), on("hairpin"))
    };
    ports.map(fact).collect()
}

pub(crate) fn ports_seen(stack: &Stack) -> Facts {
    let fact = |link: &Link| {
        let port = link.port.as_ref()?;
        let state = match port.state {
            PortState::Disabled => "disabled",
            PortState::Listening => "listening",
            PortState::Learning => "learning",
            PortState::Forwarding => "forwarding",
            PortState::Blocking => "blocking",
        };
        Some(format!("{} {state} {} {}", link.name, port.isolated, port.hairpin))
    };
    stack.links.iter().filter_map(fact).collect()
}

pub(crate) fn vlans_told() -> Facts {
    let links: Vec<Value> = serde_json::from_str(&sh("bridge -j vlan show")).unwrap();
    let mut facts = Facts::new();
    for link in links {
        for vlan in link["vlans"].as_array().unwrap() {
            let first = vlan["vlan"].as_u64().unwrap();
            let last = vlan["vlanEnd"].as_u64().unwrap_or(first);
            let flags: Vec<String> = vlan["flags"].as_array().into_iter().flatten().map(text).collect();
            let has = |flag: &str| flags.iter().any(|known| known == flag);
            let (pvid, untagged) = (has("PVID"), has("Egress Untagged"));
            facts
                .extend((first..=last).map(|id| format!("{} {id} {pvid} {untagged}", text(&link["ifname"]))));
        }
    }
    facts
}

pub(crate) fn vlans_seen(stack: &Stack) -> Facts {
    let mut facts = Facts::new();
    let mut note = |link: &Link, vlans: &[Vlan]| {
        let fact = |vlan: &Vlan| format!("{} {} {} {}", link.name, vlan.id, vlan.pvid, vlan.untagged);
        facts.extend(vlans.iter().map(fact));
    };
    for link in &stack.links {
        note(link, link.port.as_ref().map_or(&[], |port| &port.vlans));
        note(link, stack.bridge_vlans.get(&link.index).map_or(&[], Vec::as_slice));
    }
    facts
}
