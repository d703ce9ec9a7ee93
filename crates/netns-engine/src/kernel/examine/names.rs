//! How programs in a stack look up names: which files they see, and what is in them.

use std::net::IpAddr;

use crate::{diagnose::scene::Resolver, kernel::resolver, place::Entrance, resolver::ResolvConf};

/// Returns how names are looked up in the stack that is entered this way.
pub(super) fn resolver(entrance: &Entrance) -> Resolver {
    let (file, text) = resolver::seen_in_etc(entrance, "resolv.conf");
    let servers = text.as_deref().map(|text| {
        let Ok(file) = text.parse::<ResolvConf>();
        file.servers
    });
    let (_, nsswitch) = resolver::seen_in_etc(entrance, "nsswitch.conf");
    Resolver {
        file: file.display().to_string(),
        exists: text.is_some(),
        servers: servers.unwrap_or_default(),
        nsswitch_hosts: nsswitch.as_deref().and_then(hosts_line),
        upstream: resolver::upstream().map(|file| file.reachable_servers()).unwrap_or_default(),
    }
}

/// Returns the name servers that programs ask which entered this way: the ways to them matter, too.
pub(super) fn servers(entrance: &Entrance) -> Vec<IpAddr> {
    let (_, text) = resolver::seen_in_etc(entrance, "resolv.conf");
    let Ok(file) = text.unwrap_or_default().parse::<ResolvConf>();
    file.servers
}

/// Returns what `nsswitch.conf(5)` says of host names.
fn hosts_line(text: &str) -> Option<String> {
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix("hosts:"))?;
    let line = line.split('#').next().unwrap_or_default();
    Some(line.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_line_is_found_among_others() {
        let text = "# hosts: no\npasswd: files\nhosts:  files\tdns # last\n";
        assert_eq!(hosts_line(text).as_deref(), Some("files dns"));
        assert_eq!(hosts_line("passwd: files\n"), None);
    }
}
