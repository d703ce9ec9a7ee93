//! `veth`: a cable from the host into a netns.

use std::{net::IpAddr, process::ExitCode};

use anyhow::Result;
use clap::Args;
use netns_engine::{
    address::{IpNet, MacAddress, interface_address},
    desired::{self, LinkState},
    name::{LinkName, NetnsName},
};

use super::{Context, change};

/// Lay a cable (veth pair) from the host into a netns.
///
/// Without options both ends are made and nothing else: addresses and 'up' are left to you, as in
/// the lesson.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  netns-tool veth veth-host ns1 veth-ns
  netns-tool veth veth-host ns1 veth-ns --host-address 10.0.0.1/24 --address 10.0.0.2/24 --gateway 10.0.0.1")]
pub(crate) struct Veth {
    /// The host's end.
    host_link: LinkName,
    /// The netns of the other end.
    netns: NetnsName,
    /// The other end's name there.
    inner_link: LinkName,
    /// Address of the host's end, such as 10.0.0.1/24; may be given again.
    #[arg(long, value_name = "ADDRESS", value_parser = interface_address)]
    host_address: Vec<IpNet>,
    /// Address of the inner end, such as 10.0.0.2/24; may be given again.
    #[arg(long, value_name = "ADDRESS", value_parser = interface_address)]
    address: Vec<IpNet>,
    /// MAC address of the inner end.
    #[arg(long)]
    mac: Option<MacAddress>,
    /// MTU of both ends, in bytes.
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(68..=65535))]
    mtu: Option<u32>,
    /// Default gateway of the netns; switches both ends on.
    #[arg(long, value_name = "ADDRESS")]
    gateway: Option<IpAddr>,
    /// Make the host's end a port of this bridge.
    #[arg(long)]
    bridge: Option<LinkName>,
    /// Switch both ends on.
    #[arg(long)]
    up: bool,
}

impl Veth {
    pub(crate) fn run(self, context: Context<'_>) -> Result<ExitCode> {
        let desired = desired::Veth {
            host_addresses: self.host_address,
            addresses: self.address,
            mac: self.mac,
            mtu_bytes: self.mtu,
            gateway: self.gateway,
            bridge: self.bridge,
            state: if self.up { LinkState::Up } else { LinkState::Down },
            ..desired::Veth::new(self.host_link, self.netns, self.inner_link)
        };
        change(&desired, context, |report| {
            let (host, inner) = (desired.host_end(), desired.inner_end());
            if report.done.is_empty() {
                return vec![format!("veth pair is already there: {host} <-> {inner}")];
            }
            vec![format!("veth pair created: {host} <-> {inner}")]
        })
    }
}
