//! The words of `resolv.conf(5)`: which name servers programs in a netns ask.

use std::{convert::Infallible, fmt, net::IpAddr, str::FromStr};

use serde::{Deserialize, Serialize};

/// What a `resolv.conf` says.
///
/// ```
/// use netns_engine::resolver::ResolvConf;
///
/// let file: ResolvConf = "search lab\nnameserver 127.0.0.53\nnameserver 192.0.2.1\n".parse().unwrap();
/// assert_eq!(file.reachable_servers().len(), 1);
/// assert_eq!(file.to_string(), "search lab\nnameserver 127.0.0.53\nnameserver 192.0.2.1\n");
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct ResolvConf {
    /// The name servers, asked in this order.
    pub servers: Vec<IpAddr>,
    /// All other lines (`search`, `options`, comments), as they stand.
    pub others: Vec<String>,
}

impl ResolvConf {
    /// The comment by which a file is known as written by this tool.
    pub const MARK: &str = "# written by netns-tool";

    /// How many name servers the C library asks at most (`MAXNS` in `resolv.h`).
    pub const MOST_SERVERS: usize = 3;

    /// A file of this tool with these name servers and nothing else.
    #[must_use]
    pub fn of_servers(servers: Vec<IpAddr>) -> Self {
        Self { servers, others: vec![Self::MARK.to_owned()] }
    }

    /// Returns whether this tool wrote the file.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.others.iter().any(|line| line == Self::MARK)
    }

    /// Returns the servers that are somewhere else than on loopback: inside a netns, a loopback
    /// address is the netns itself, where the host's stub does not listen.
    #[must_use]
    pub fn reachable_servers(&self) -> Vec<IpAddr> {
        self.servers.iter().filter(|server| !server.is_loopback()).copied().collect()
    }

    /// Makes the host's file into one for a netns: without stubs, without the host's comments, and
    /// without `trust-ad`, which is meant for a stub on the same machine only.
    #[must_use]
    pub fn for_netns(&self) -> Self {
        let mut file = Self::of_servers(self.reachable_servers());
        file.servers.truncate(Self::MOST_SERVERS);
        for line in &self.others {
            let mut words = line.split_whitespace().filter(|word| *word != "trust-ad");
            match words.next() {
                // systemd-resolved writes a lone dot where it knows no domain.
                Some("search" | "domain") if line.split_whitespace().nth(1) != Some(".") => {
                    file.others.push(line.clone());
                }
                Some("options") => {
                    let options: Vec<_> = words.collect();
                    if !options.is_empty() {
                        file.others.push(format!("options {}", options.join(" ")));
                    }
                }
                _ => {}
            }
        }
        file
    }
}

impl FromStr for ResolvConf {
    type Err = Infallible;

    /// Reads as the C library does: what it does not understand, it passes over.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let mut file = Self::default();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match (words.next(), words.next()) {
                // A server with a zone (`fe80::1%eth0`) is bound to a link that a netns lacks.
                (Some("nameserver"), address) => {
                    file.servers.extend(address.and_then(|address| address.parse::<IpAddr>().ok()));
                }
                (None, _) => {}
                _ => file.others.push(line.to_owned()),
            }
        }
        Ok(file)
    }
}

impl fmt::Display for ResolvConf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.others.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        self.servers.iter().try_for_each(|server| writeln!(f, "nameserver {server}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_file_loses_what_only_works_on_the_host() {
        let host: ResolvConf =
            "# managed by systemd-resolved\nnameserver 127.0.0.53\nnameserver fe80::1%eth0\n\
             nameserver 192.0.2.1\noptions edns0 trust-ad\nsearch .\n"
                .parse()
                .unwrap();
        let inside = host.for_netns();
        assert_eq!(inside.to_string(), "# written by netns-tool\noptions edns0\nnameserver 192.0.2.1\n");
        assert!(inside.is_ours() && !host.is_ours());
    }

    #[test]
    fn other_lines_survive_reading_and_writing() {
        let text = "# mine\nsearch lab example\noptions ndots:2\nnameserver 2001:db8::53\n";
        assert_eq!(text.parse::<ResolvConf>().unwrap().to_string(), text);
    }
}
