//! Tables for people: what `list` and `show` say.

use anstyle::Style;
use netns_engine::{
    place::Entrance,
    view::{
        ChainView, Counters, Forwarding, LinkView, NeighbourView, NetnsSummary, PeerPlace, PeerView, Process,
        RouteView, Socket, StackView, SummaryState, TableView,
    },
};

const HEADING: Style = Style::new().bold();

/// How many processes a line names before it only counts them.
const NAMED_PROCESSES: usize = 3;

/// Names, states, processes, addresses.
pub(super) fn list(summaries: &[NetnsSummary]) -> Vec<String> {
    if summaries.is_empty() {
        return vec!["No network namespaces; 'netns-tool create NAME' makes one".to_owned()];
    }
    let headings = ["NAME", "STATE", "ID", "PROCESSES", "ADDRESSES"];
    let mut rows = vec![headings.map(str::to_owned).to_vec()];
    rows.extend(summaries.iter().map(summary));
    table(&rows, "")
}

fn summary(netns: &NetnsSummary) -> Vec<String> {
    let name = match (&netns.name, &netns.container, netns.mounts.first()) {
        (Some(name), ..) => safe(name),
        (None, Some(container), _) => format!("({})", safe(container)),
        (None, None, Some(mount)) => format!("({})", safe(mount)),
        (None, None, None) => "(nameless)".to_owned(),
    };
    let state = match netns.state {
        SummaryState::Live => "live",
        SummaryState::HalfMade => return vec![name, "half-made".to_owned()],
    };
    let id = netns.inode.map(|inode| inode.to_string()).unwrap_or_default();
    vec![name, state.to_owned(), id, count_of(&netns.processes), join(&netns.addresses)]
}

/// `2: 812 nginx, 813 nginx`
fn count_of(processes: &[Process]) -> String {
    let named: Vec<_> = processes.iter().take(NAMED_PROCESSES).map(process).collect();
    match processes.len() {
        0 => "0".to_owned(),
        number if number > NAMED_PROCESSES => format!("{number}: {}, …", named.join(", ")),
        number => format!("{number}: {}", named.join(", ")),
    }
}

fn process(process: &Process) -> String {
    format!("{} {}", process.pid, safe(&process.program))
}

/// One stack on one screen.
pub(super) fn show(entrance: &Entrance, view: &StackView) -> Vec<String> {
    let title =
        entrance.to_string().replacen("the host", "Host", 1).replacen("netns", "Network namespace", 1);
    let mut lines = vec![format!("{HEADING}{title}{HEADING:#}  {}", forwarding(view.forwarding))];
    section(&mut lines, "Links", links(&view.links));
    section(&mut lines, "Routes", view.routes.iter().map(route).collect());
    let neighbours: Vec<_> = view.neighbours.iter().map(neighbour).collect();
    section(&mut lines, "Neighbours", table(&neighbours, "  "));
    let sockets: Vec<_> = view.sockets.iter().map(socket).collect();
    section(&mut lines, "Sockets", table(&sockets, "  "));
    section(&mut lines, "Firewall", firewall(view));
    section(&mut lines, "Processes", processes(entrance, &view.processes));
    let servers = view.resolver.iter().flat_map(|file| &file.servers);
    section(&mut lines, "Name servers", servers.map(|server| format!("  {server}")).collect());
    lines
}

fn section(lines: &mut Vec<String>, title: &str, content: Vec<String>) {
    if content.is_empty() {
        lines.push(format!("{HEADING}{title}{HEADING:#}: none"));
    } else {
        lines.push(format!("{HEADING}{title}{HEADING:#}"));
        lines.extend(content);
    }
}

fn forwarding(forwarding: Forwarding) -> String {
    let words = |switch| match switch {
        Some(true) => "on",
        Some(false) => "off",
        None => "unknown",
    };
    format!("forwarding: IPv4 {}, IPv6 {}", words(forwarding.ipv4), words(forwarding.ipv6))
}

fn links(links: &[LinkView]) -> Vec<String> {
    let rows: Vec<_> = links.iter().map(link).collect();
    let with_details = table(&rows, "  ").into_iter().zip(links).flat_map(|(line, link)| {
        let addresses = (!link.addresses.is_empty()).then(|| format!("      {}", join(&link.addresses)));
        let traffic = (link.received != Counters::default() || link.sent != Counters::default())
            .then(|| format!("      in {}; out {}", counters(link.received), counters(link.sent)));
        std::iter::once(line).chain(addresses).chain(traffic)
    });
    with_details.collect()
}

fn link(link: &LinkView) -> Vec<String> {
    let state = match (link.up, link.carrier) {
        (false, _) => "down",
        (true, true) => "up",
        (true, false) => "up, no carrier",
    };
    let kind = match (&link.peer, &link.master) {
        (Some(peer), Some(master)) => {
            format!("{} to {}, port of {}", link.kind, other_end(peer), safe(master))
        }
        (Some(peer), None) => format!("{} to {}", link.kind, other_end(peer)),
        (None, Some(master)) => format!("{}, port of {}", link.kind, safe(master)),
        (None, None) => link.kind.clone(),
    };
    vec![
        format!("{}: {}", link.index, safe(&link.name)),
        state.to_owned(),
        format!("mtu {}", link.mtu_bytes),
        link.mac.clone().unwrap_or_default(),
        kind,
    ]
}

fn other_end(peer: &PeerView) -> String {
    let link = peer.link.as_deref().map_or_else(|| "a link".to_owned(), safe);
    match &peer.place {
        PeerPlace::Same => link,
        PeerPlace::Host => format!("{link} on the host"),
        PeerPlace::Netns(name) => format!("{link} in {}", safe(name)),
        PeerPlace::Nameless => format!("{link} in a netns without a name"),
    }
}

fn counters(counters: Counters) -> String {
    let counted = [(counters.dropped, "dropped"), (counters.errors, "broken")];
    let losses = counted.iter().filter(|(number, _)| *number > 0);
    let words = [format!("{} packets", counters.packets), format!("{} bytes", counters.bytes)].into_iter();
    words.chain(losses.map(|(number, what)| format!("{number} {what}"))).collect::<Vec<_>>().join(", ")
}

/// In the words of `ip route`.
fn route(route: &RouteView) -> String {
    let mut words = vec![];
    if route.kind != "unicast" {
        words.push(route.kind.clone());
    }
    words.push(route.destination.clone());
    words.extend(route.gateway.map(|gateway| format!("via {gateway}")));
    words.extend(route.link.as_deref().map(|link| format!("dev {}", safe(link))));
    words.extend(route.source.map(|source| format!("src {source}")));
    words.extend(route.metric.map(|metric| format!("metric {metric}")));
    words.push(format!("proto {}", route.protocol));
    if route.table != "main" {
        words.push(format!("table {}", route.table));
    }
    format!("  {}", words.join(" "))
}

fn neighbour(neighbour: &NeighbourView) -> Vec<String> {
    vec![
        neighbour.address.map(|address| address.to_string()).unwrap_or_default(),
        format!("dev {}", safe(&neighbour.link)),
        neighbour.mac.clone().unwrap_or_else(|| "no answer".to_owned()),
        neighbour.state.clone(),
    ]
}

fn socket(socket: &Socket) -> Vec<String> {
    let users: Vec<_> = socket.programs.iter().map(process).collect();
    vec![
        socket.transport.to_string(),
        socket.state.clone(),
        socket.local.to_string(),
        socket.remote.map(|remote| format!("<-> {remote}")).unwrap_or_default(),
        users.join(", "),
    ]
}

fn firewall(view: &StackView) -> Vec<String> {
    let mut lines = Vec::new();
    for table in &view.firewall.tables {
        lines.push(format!("  nftables table {} {}", table.family, safe(&table.name)));
        lines.extend(chains(table));
    }
    let legacy = view.firewall.legacy_tables.iter();
    lines.extend(legacy.map(|name| format!("  iptables-legacy table {}", safe(name))));
    lines.extend(view.firewall.iptables_rules.iter().map(|rule| format!("  {}", safe(rule))));
    lines.extend(view.firewall.own_entries.iter().map(|entry| format!("  inet netns_tool: {entry}")));
    lines
}

fn chains(of_table: &TableView) -> Vec<String> {
    let row = |chain: &ChainView| {
        let rules = if chain.rules == 1 { "1 rule".to_owned() } else { format!("{} rules", chain.rules) };
        let hook = chain.hook.as_ref().map(|hook| format!("hook {hook}")).unwrap_or_default();
        let policy = chain.policy.as_ref().map(|policy| format!("policy {policy}")).unwrap_or_default();
        vec![safe(&chain.name), rules, hook, policy]
    };
    table(&of_table.chains.iter().map(row).collect::<Vec<_>>(), "    ")
}

/// On the host, that is everything that runs, so it is only counted.
fn processes(entrance: &Entrance, processes: &[Process]) -> Vec<String> {
    if *entrance == Entrance::Host {
        return vec![format!("  {} on the host", processes.len())];
    }
    processes.iter().map(|running| format!("  {}", process(running))).collect()
}

fn join<T: ToString>(items: &[T]) -> String {
    let words: Vec<_> = items.iter().map(ToString::to_string).collect();
    words.join(" ")
}

/// Columns as wide as their widest cell; nothing behind the last word of a line.
fn table(rows: &[Vec<String>], indent: &str) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width_of =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width_of(column).unwrap_or_default()).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).filter(|(_, width)| **width > 0);
        let cells: Vec<_> = cells.map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("{indent}{}", cells.join("  ")).trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// Names come from the kernel and from other people: escape sequences must not reach the terminal.
fn safe(text: &str) -> String {
    let escape = |c: char| if c.is_control() { c.escape_debug().to_string() } else { c.to_string() };
    text.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_empty_ones_left_out() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let lines = table(&[row(["a", "", "x"]), row(["bcd", "", ""])], "  ");
        assert_eq!(lines, ["  a    x", "  bcd"]);
    }

    #[test]
    fn hostile_names_are_shown_harmlessly() {
        assert_eq!(safe("a\n\u{1b}[31mb"), "a\\n\\u{1b}[31mb");
    }
}
