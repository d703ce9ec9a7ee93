//! What rules of iptables mean for a topology: who gets out, and which ports lead in.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use ipnet::IpNet;

use crate::{
    address::Family,
    firewall::{IptablesRule, IptablesTable, Published, TableEntry, Translation, Transport},
};

/// Packets from a network that leave behind the host's address.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Masquerade {
    /// Where they come from; from everywhere if not given.
    pub(super) source: Option<IpNet>,
    /// Where they leave; through whichever link if not given.
    pub(super) uplink: Option<String>,
    pub(super) family: Family,
}

/// A port of the host that leads elsewhere.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Lead {
    pub(super) published: Published,
    pub(super) target: SocketAddr,
    /// The only link that packets are taken from.
    pub(super) from_link: Option<String>,
}

impl Masquerade {
    /// Reads a rule, if it is one of those that hold for all packets of a network.
    pub(super) fn of_rule(rule: &IptablesRule) -> Option<Self> {
        let options = Options::of(rule);
        let is_one = rule.table == IptablesTable::Nat
            && rule.chain == "POSTROUTING"
            && rule.target() == Some("MASQUERADE")
            && options.are_among(&["-s", "-o", "! -o", "! -d", "-j"]);
        let source = options.get("-s").map(net).transpose();
        is_one.then_some(())?;
        Some(Self { source: source.ok()?, uplink: options.get("-o").map(str::to_owned), family: rule.family })
    }

    /// Reads an entry of the own table.
    pub(super) fn of_entry(entry: &TableEntry) -> Option<Self> {
        match entry {
            TableEntry::Translate { subnet, uplink, translation: Translation::Masquerade } => Some(Self {
                source: Some(*subnet),
                uplink: Some(uplink.to_string()),
                family: Family::of_net(subnet),
            }),
            _ => None,
        }
    }

    /// Returns whether all packets from `subnet` are meant.
    pub(super) fn covers(&self, subnet: &IpNet) -> bool {
        let from_there = self.source.as_ref().is_none_or(|source| source.contains(subnet));
        from_there && self.family == Family::of_net(subnet)
    }
}

impl Lead {
    /// Reads a rule, if it sends all packets to one port on to one other.
    pub(super) fn of_rule(rule: &IptablesRule) -> Option<Self> {
        const KNOWN: [&str; 8] = ["-p", "-m", "--dport", "-d", "-i", "-j", "--dst-type", "--to-destination"];
        let options = Options::of(rule);
        let is_one = rule.table == IptablesTable::Nat
            && ["PREROUTING", "OUTPUT"].contains(&rule.chain.as_str())
            && rule.target() == Some("DNAT")
            && options.are_among(&KNOWN);
        is_one.then_some(())?;
        let transport = match options.get("-p")? {
            "tcp" => Transport::Tcp,
            "udp" => Transport::Udp,
            _ => return None,
        };
        let port = options.get("--dport")?.parse().ok()?;
        let address = match options.get("-d").map(net) {
            None => everywhere(rule.family),
            Some(Ok(net)) if net.prefix_len() == net.max_prefix_len() => net.addr(),
            Some(_) => return None,
        };
        let to = options.get("--to-destination")?;
        let whole = || to.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, port));
        Some(Self {
            published: Published { address, port, transport },
            target: to.parse().ok().or_else(whole)?,
            from_link: options.get("-i").map(str::to_owned),
        })
    }

    /// Reads an entry of the own table.
    pub(super) fn of_entry(entry: &TableEntry) -> Option<Self> {
        match entry {
            TableEntry::Forward(forward) => {
                Some(Self { published: forward.published.clone(), target: forward.target, from_link: None })
            }
            _ => None,
        }
    }

    /// Writes it as `ports:` does, where the target's address is the node's.
    pub(super) fn in_words(&self) -> String {
        let Published { address, port, transport } = &self.published;
        let address = match address {
            IpAddr::V4(Ipv4Addr::LOCALHOST) => String::new(),
            IpAddr::V4(address) => format!("{address}:"),
            IpAddr::V6(address) => format!("[{address}]:"),
        };
        let transport = if *transport == Transport::Udp { "/udp" } else { "" };
        format!("{address}{port}:{}{transport}", self.target.port())
    }
}

fn everywhere(family: Family) -> IpAddr {
    match family {
        Family::Ipv4 => Ipv4Addr::UNSPECIFIED.into(),
        Family::Ipv6 => Ipv6Addr::UNSPECIFIED.into(),
    }
}

fn net(text: &str) -> Result<IpNet, ipnet::AddrParseError> {
    text.parse().or_else(|error| text.parse::<IpAddr>().map(IpNet::from).map_err(|_| error))
}

/// The options of a rule, `! ` before those that are turned round.
struct Options<'a>(BTreeMap<String, &'a str>);

impl<'a> Options<'a> {
    fn of(rule: &'a IptablesRule) -> Self {
        let mut options = BTreeMap::new();
        let (mut option, mut not) = (String::new(), "");
        for word in rule.arguments.split(' ') {
            if word == "!" {
                not = "! ";
            } else if word.starts_with('-') {
                option = format!("{not}{word}");
                not = "";
                options.insert(option.clone(), "");
            } else {
                options.insert(option.clone(), word);
            }
        }
        Self(options)
    }

    fn get(&self, option: &str) -> Option<&'a str> {
        self.0.get(option).copied()
    }

    fn are_among(&self, known: &[&str]) -> bool {
        self.0.keys().all(|option| known.contains(&option.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(chain: &str, arguments: &str) -> IptablesRule {
        let (family, table) = (Family::Ipv4, IptablesTable::Nat);
        IptablesRule { family, table, chain: chain.to_owned(), arguments: arguments.to_owned() }
    }

    #[test]
    fn a_masquerade_covers_the_subnets_in_its_source() {
        let rule = rule("POSTROUTING", "-s 192.168.0.0/16 -o eth0 -j MASQUERADE");
        let masquerade = Masquerade::of_rule(&rule).unwrap();
        assert_eq!(masquerade.uplink.as_deref(), Some("eth0"));
        assert!(masquerade.covers(&"192.168.100.0/24".parse().unwrap()));
        assert!(!masquerade.covers(&"10.0.0.0/24".parse().unwrap()));
    }

    #[test]
    fn a_masquerade_of_some_packets_is_none_of_a_network() {
        for arguments in [
            "-s 10.0.0.0/24 -p tcp -j MASQUERADE",
            "! -s 10.0.0.0/24 -j MASQUERADE",
            "-s 10.0.0.0/24 -j SNAT --to-source 192.0.2.1",
        ] {
            assert_eq!(Masquerade::of_rule(&rule("POSTROUTING", arguments)), None, "{arguments}");
        }
    }

    #[test]
    fn a_dnat_is_a_port_that_leads_in() {
        for (arguments, words) in [
            ("-p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.0.0.2:80", "0.0.0.0:8080:80"),
            ("-p udp -m udp --dport 53 -j DNAT --to-destination 10.0.0.2", "0.0.0.0:53:53/udp"),
            ("-d 127.0.0.1/32 -p tcp -m tcp --dport 81 -j DNAT --to-destination 10.0.0.2:80", "81:80"),
        ] {
            let lead = Lead::of_rule(&rule("PREROUTING", arguments)).unwrap();
            assert_eq!(lead.in_words(), words);
            assert_eq!(lead.target.ip().to_string(), "10.0.0.2");
        }
        for arguments in [
            "-p tcp -m tcp --dport 80:90 -j DNAT --to-destination 10.0.0.2:80",
            "-p tcp -m tcp --dport 80 -m statistic --mode random -j DNAT --to-destination 10.0.0.2:80",
            "! -i br0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.0.0.2:80",
            "-p tcp -m tcp --dport 80 -j DNAT --to-destination 10.0.0.2-10.0.0.9:80",
        ] {
            assert_eq!(Lead::of_rule(&rule("PREROUTING", arguments)), None, "{arguments}");
        }
    }
}
