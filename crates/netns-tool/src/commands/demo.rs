//! `demo`: the main job as a guided tour, on a throw-away host.

use std::{
    net::{IpAddr, SocketAddr},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, Result};
use clap::Args;
use netns_engine::{
    address::IpNet,
    change,
    desired::{
        AddressChoice, Attachment, Bridge, BridgeRemoved, Nat, NatRemoved, Netns, NetnsRemoved, OnHolders,
    },
    firewall::Translation,
    kernel::{
        Kernel, LinuxKernel, hold_signals_back,
        playground::{Internet, SERVER_V4, UPLINK, UPLINK_V4, become_root, enter_fresh_host},
        probe::{Answer, Probe},
    },
    name::{LinkName, NetnsName},
    observed::{Observed, Scope, Selection, TableSelection},
    place::Place,
    plan::Desired,
    sysctl::Sysctl,
};

use super::Context;
use crate::output::tour::{Asked, Drawing, Ending, Left, Tour};

/// How long an answer is waited for: the pretend internet is on this very machine.
const PATIENCE: Duration = Duration::from_millis(250);

/// Watch a network namespace get internet access, step by step, on a throw-away host.
///
/// Needs no root, installs nothing, touches nothing: the host, its uplink and the internet behind it
/// are made for the occasion and gone a moment later.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  netns-tool demo")]
pub(crate) struct Demo {}

impl Demo {
    #[expect(clippy::unused_self, reason = "runs like every other command")]
    pub(crate) fn run(self, context: Context<'_>) -> Result<ExitCode> {
        become_root()?;
        let _held = hold_signals_back()?;
        enter_fresh_host()?;
        let _internet = Internet::start()?;
        let mut guide =
            Guide { tour: context.output.tour(), kernel: LinuxKernel::default(), cast: Cast::new()? };
        let ending = guide.tour()?;
        guide.tour.end(ending);
        Ok(match ending {
            Ending::AsTold => ExitCode::SUCCESS,
            Ending::Otherwise => ExitCode::FAILURE,
        })
    }
}

/// Who plays in the tour.
struct Cast {
    netns: NetnsName,
    bridge: LinkName,
    gateway: IpNet,
    link: LinkName,
}

impl Cast {
    fn new() -> Result<Self> {
        Ok(Self {
            netns: "ns1".parse()?,
            bridge: "br0".parse()?,
            gateway: "192.168.100.1/24".parse()?,
            link: "eth0".parse()?,
        })
    }

    fn attachment(&self) -> Attachment {
        Attachment {
            netns: self.netns.clone(),
            bridge: self.bridge.clone(),
            address: AddressChoice::Auto,
            link: self.link.clone(),
        }
    }

    fn nat(&self) -> Nat {
        Nat { bridge: self.bridge.clone(), uplink: None, translation: Translation::Masquerade, driver: None }
    }
}

/// Walks through the tour and does what it says.
struct Guide<'a> {
    tour: Tour<'a>,
    kernel: LinuxKernel,
    cast: Cast,
}

impl Guide<'_> {
    fn tour(&mut self) -> Result<Ending> {
        let untouched = self.everything()?;
        self.tour.begin();
        self.build()?;
        let silent = self.ask(
            "From ns1 to the internet: nobody answers",
            "The host passes nothing on yet; and nobody out there knows a way back to 192.168.100.2.",
        )?;
        let nat = self.cast.nat();
        self.step("Let the host forward and lend its own address (NAT)", "netns-tool nat br0", &nat)?;
        let answered = self.ask(
            "Once more",
            "The host rewrites the source to its own address on the way out, and back on the way in.",
        )?;
        let drawing = self.drawing()?;
        self.tour.draw(&drawing);
        self.take_away()?;
        let left = if self.everything()? == untouched { Left::Nothing } else { Left::Something };
        self.tour.gone(left);
        let as_told = silent.iter().all(|answer| !answer.is_answered())
            && answered.iter().all(Answer::is_answered)
            && left == Left::Nothing;
        Ok(if as_told { Ending::AsTold } else { Ending::Otherwise })
    }

    fn build(&mut self) -> Result<()> {
        let netns = Netns { name: self.cast.netns.clone() };
        self.step("A network namespace: a network stack of its own", "netns-tool create ns1", &netns)?;
        let bridge = Bridge { name: self.cast.bridge.clone(), addresses: vec![self.cast.gateway] };
        let typed = "netns-tool bridge br0 --address 192.168.100.1/24";
        self.step("A bridge: a virtual switch, and with an address the gateway", typed, &bridge)?;
        let attachment = self.cast.attachment();
        self.step(
            "A cable between them, an address, a default route",
            "netns-tool connect ns1 br0",
            &attachment,
        )
    }

    fn take_away(&mut self) -> Result<()> {
        self.tour.chapter("And away again");
        let removed = NatRemoved { bridge: self.cast.bridge.clone(), uplink: None };
        self.quietly("netns-tool nat br0 --delete", &removed)?;
        let netns = NetnsRemoved { name: self.cast.netns.clone(), on_holders: OnHolders::Refuse };
        self.quietly("netns-tool delete ns1", &netns)?;
        let bridge = BridgeRemoved { name: self.cast.bridge.clone() };
        self.quietly("netns-tool bridge br0 --delete", &bridge)
    }

    /// Does one thing, and shows what it took.
    fn step(&mut self, title: &str, typed: &str, desired: &dyn Desired) -> Result<()> {
        let report = change::make(desired, &mut self.kernel)?;
        self.tour.step(title, typed, &report.done);
        Ok(())
    }

    fn quietly(&mut self, typed: &str, desired: &dyn Desired) -> Result<()> {
        let report = change::make(desired, &mut self.kernel)?;
        self.tour.quietly(typed, &report.done);
        Ok(())
    }

    /// Asks the internet two questions from inside the netns.
    fn ask(&mut self, title: &str, why: &str) -> Result<Vec<Answer>> {
        let place = Place::Netns(self.cast.netns.clone());
        let server = IpAddr::V4(SERVER_V4);
        let questions = [
            (format!("ping {server}"), Probe::Ping(server)),
            (format!("GET http://{server}/"), Probe::Http(SocketAddr::new(server, 80))),
        ];
        let mut asked = Vec::new();
        for (words, probe) in questions {
            asked.push(Asked { words, answer: probe.ask_from(&place, PATIENCE)? });
        }
        self.tour.asked(title, &asked, why);
        Ok(asked.into_iter().map(|asked| asked.answer).collect())
    }

    /// What was built, as it is read from the kernel.
    fn drawing(&mut self) -> Result<Drawing> {
        let attachment = self.cast.attachment();
        let scope = Scope::default().with_netns(&self.cast.netns).with_host_link(&self.cast.bridge);
        let observed = self.kernel.observe(&scope)?;
        let inner = observed.link(&attachment.inner_end()).context("the netns has no link")?;
        let address = inner.addresses.first().context("the netns has no address")?;
        Ok(Drawing {
            netns: self.cast.netns.to_string(),
            link: self.cast.link.to_string(),
            address: address.to_string(),
            cable: attachment.host_end().name.to_string(),
            bridge: self.cast.bridge.to_string(),
            gateway: self.cast.gateway.to_string(),
            uplink: UPLINK.to_owned(),
            uplink_address: UPLINK_V4.to_string(),
            subnet: self.cast.gateway.trunc().to_string(),
            server: SERVER_V4.to_string(),
        })
    }

    /// All that the tour could leave behind.
    fn everything(&mut self) -> Result<Observed> {
        let mut scope =
            Scope::default().with_records().with_sysctl(&Place::Host, Sysctl::IpForward).with_sysctl(
                &Place::Host,
                Sysctl::LinkForwarding(netns_engine::address::Family::Ipv4, UPLINK.parse()?),
            );
        scope.stacks.insert(Place::Host, Selection::All);
        scope.netns.insert(self.cast.netns.clone());
        scope.table = TableSelection::All;
        scope.iptables = netns_engine::observed::Asked::Yes;
        let mut observed = self.kernel.observe(&scope)?;
        // The iptables program makes its empty built-in chains on first use, and keeps them.
        observed.firewall.foreign_chains.clear();
        Ok(observed)
    }
}
