//! `nat` and `snat`: internet access for everything on a bridge.

use std::{net::IpAddr, process::ExitCode};

use anyhow::Result;
use clap::{Args, ValueEnum};
use netns_engine::{
    address::{Family, IpNet},
    change::Report,
    desired,
    firewall::{Driver, IptablesTable, RuleChange, TableEntry, Translation},
    name::LinkName,
    observed::{ForeignChain, Observed},
    plan::{Operation, forwarding},
    record::{NatRecord, Record, RecordKey},
    sysctl::Sysctl,
};

use super::{Context, change};

/// Give everything on a bridge internet access: forwarding, masquerade, forward rules.
///
/// The rules are the ones the lesson types, for each of the bridge's networks, IPv6 included; what
/// is there already is left alone. --delete takes away what was added, and only that.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  netns-tool nat br0                  out of the default route's link
  netns-tool nat br0 eth0
  netns-tool nat br0 --firewall nftables
  netns-tool nat br0 --delete")]
pub(crate) struct Nat {
    /// The bridge.
    bridge: LinkName,
    /// The link to the world; that of the default route if not given.
    uplink: Option<LinkName>,
    /// Take away what 'nat' added.
    #[arg(long, conflicts_with_all = ["firewall", "to_source"])]
    delete: bool,
    /// Who holds the rules.
    #[arg(long, value_name = "FIREWALL", default_value = "auto")]
    firewall: Firewall,
    /// Use this fixed address of the host as source, instead of whatever the uplink has.
    #[arg(long, value_name = "ADDRESS")]
    to_source: Option<IpAddr>,
}

/// Give everything on a bridge internet access with a fixed source address (SNAT).
///
/// The same as 'nat' but for the translation: slightly cheaper than masquerade, and for links
/// whose address stays. Take it away with 'nat BRIDGE --delete'.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  netns-tool snat br0 eth0 --to-source 198.51.100.2")]
pub(crate) struct Snat {
    /// The bridge.
    bridge: LinkName,
    /// The link to the world; that of the default route if not given.
    uplink: Option<LinkName>,
    /// The source address packets get: one of the host's.
    #[arg(long, value_name = "ADDRESS")]
    to_source: IpAddr,
    /// Who holds the rules.
    #[arg(long, value_name = "FIREWALL", default_value = "auto")]
    firewall: Firewall,
}

/// Who holds the rules.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Firewall {
    /// Whoever has them already; else iptables where it works, else nftables.
    Auto,
    /// The iptables program: the plain rules of the lesson.
    Iptables,
    /// A table of our own, and a guard against uninvited traffic.
    Nftables,
}

impl Nat {
    pub(crate) fn run(self, context: Context<'_>) -> Result<ExitCode> {
        if self.delete {
            let desired = desired::NatRemoved { bridge: self.bridge, uplink: self.uplink };
            return change(&desired, context, |report| removed(&desired.bridge, report));
        }
        add(&self.wanted(), context)
    }

    fn wanted(self) -> desired::Nat {
        desired::Nat {
            bridge: self.bridge,
            uplink: self.uplink,
            translation: self.to_source.map_or(Translation::Masquerade, Translation::Snat),
            driver: self.firewall.driver(),
        }
    }
}

impl Snat {
    pub(crate) fn run(self, context: Context<'_>) -> Result<ExitCode> {
        let desired = desired::Nat {
            bridge: self.bridge,
            uplink: self.uplink,
            translation: Translation::Snat(self.to_source),
            driver: self.firewall.driver(),
        };
        add(&desired, context)
    }
}

impl Firewall {
    fn driver(self) -> Option<Driver> {
        match self {
            Self::Auto => None,
            Self::Iptables => Some(Driver::Iptables),
            Self::Nftables => Some(Driver::Nftables),
        }
    }
}

fn add(desired: &desired::Nat, context: Context<'_>) -> Result<ExitCode> {
    change(desired, context, |report| {
        match report.done.expected.records.get(&RecordKey::Nat(desired.bridge.clone())) {
            Some(Record::Nat(record)) => {
                let mut lines = configured(record, report);
                let judges = forwarding::other_judges(&report.done.expected);
                lines.extend(judges.into_iter().flat_map(|chain| warning(chain, &desired.bridge)));
                lines
            }
            _ => Vec::new(),
        }
    })
}

/// The lesson's transcript, line for line.
fn configured(nat: &NatRecord, report: &Report) -> Vec<String> {
    let (bridge, uplink, driver) = (&nat.bridge, &nat.uplink, nat.driver);
    let translation = in_words(nat.translation);
    let mut lines = vec![
        format!("Setting up NAT for bridge {bridge} via {uplink}"),
        "  Enabling IP forwarding...".to_owned(),
    ];
    lines.extend(nat.subnets.iter().map(|subnet| format!("  Bridge subnet detected: {subnet}")));
    lines.push(format!("  Configuring {driver} {translation} rule..."));
    if !report.done.steps.iter().any(|step| translates(&step.operation)) {
        lines.push(format!("  ({translation} rule already exists)"));
    }
    lines.push("  Configuring FORWARD rules...".to_owned());
    lines.extend([String::new(), "NAT configured successfully!".to_owned(), String::new()]);
    lines.extend(["Summary:".to_owned(), "  IP forwarding: enabled".to_owned()]);
    lines.extend(nat.subnets.iter().map(|subnet| rule_line(*subnet, nat)));
    lines.push(format!("  Forward rules: {bridge} <-> external networks"));
    lines.extend([String::new(), format!("Namespaces on {bridge} can now access the internet")]);
    lines.extend([
        String::new(),
        "Note: To allow namespace DNS resolution, ensure /etc/resolv.conf".to_owned(),
        "      is accessible or configure nameservers manually".to_owned(),
    ]);
    lines
}

/// What to type if somebody else's chain drops the traffic; it may well let it pass.
fn warning(chain: &ForeignChain, bridge: &LinkName) -> [String; 2] {
    let ForeignChain { table, chain, .. } = chain;
    let remedy = if table.ends_with(" firewalld") {
        format!("firewall-cmd --zone=trusted --add-interface={bridge}")
    } else {
        let rule = |direction| format!("insert rule {table} {chain} {direction} \"{bridge}\" accept");
        format!("nft '{}; {}'", rule("iifname"), rule("oifname"))
    };
    [
        format!("Note: nftables chain '{table} {chain}' judges forwarded packets too; if it drops them:"),
        format!("      {remedy}"),
    ]
}

fn rule_line(subnet: IpNet, nat: &NatRecord) -> String {
    let translation = match nat.translation {
        Translation::Masquerade => "MASQUERADE".to_owned(),
        Translation::Snat(source) => format!("SNAT to {source}"),
    };
    format!("  NAT rule: {subnet} -> {} ({translation})", nat.uplink)
}

fn in_words(translation: Translation) -> &'static str {
    match translation {
        Translation::Masquerade => "MASQUERADE",
        Translation::Snat(_) => "SNAT",
    }
}

/// Returns whether the operation adds translation.
fn translates(operation: &Operation) -> bool {
    match operation {
        Operation::Iptables(changes) => changes.iter().any(|change| {
            !matches!(change, RuleChange::Delete(_)) && change.rule().table == IptablesTable::Nat
        }),
        Operation::AddEntries(entries) => {
            entries.iter().any(|entry| matches!(entry, TableEntry::Translate { .. }))
        }
        _ => false,
    }
}

fn removed(bridge: &LinkName, report: &Report) -> Vec<String> {
    let mut lines = vec![format!("NAT of bridge {bridge} deleted")];
    lines.extend([Family::Ipv4, Family::Ipv6].into_iter().filter_map(|family| {
        let off = |operation: &Operation| {
            matches!(operation, Operation::SetSysctl(_, sysctl, 0) if *sysctl == Sysctl::forwarding(family))
        };
        if report.done.steps.iter().any(|step| off(&step.operation)) {
            return Some(format!("  {family} forwarding: off again, as it was before"));
        }
        Some(format!("  {family} forwarding: stays on, needed by {}", keeper(&report.done.expected, family)?))
    }));
    lines
}

/// Who keeps the switch on that we threw; nobody if it was on before us.
fn keeper(observed: &Observed, family: Family) -> Option<String> {
    observed.records.get(&RecordKey::Forwarding(family))?;
    forwarding::needed_by(observed, family)
}
