//! One way to break a setup, and the trial made of it.

use libtest_mimic::Trial;
use netns_testkit::{Missing, Program, Sandbox, sh};

use crate::{
    diagnosis::{Diagnosis, doctor},
    exchange::Exchange,
    lab::Lab,
    servers::{Served, Servers},
};

/// A part of the path. What breaks one can hide what is wrong with another: without a link there is
/// no address, and no route.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Part {
    /// `lo`, settings and files of the netns: nothing else hangs on it.
    Aside,
    Link,
    Address,
    Route,
    Neighbour,
    Firewall,
    Cable,
    Bridge,
    HostRoute,
    Forwarding,
    Filter,
    Translation,
    Uplink,
    Names,
    Server,
}

/// What a breakage does to the exchange.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Effect {
    /// It works no more.
    Stops,
    /// Others work on, this one does not: its packets are larger, or of an old flow.
    StopsSome,
    /// It works on: the finding is about something else, or about later.
    Spares,
    /// It works now and then.
    Unsettles,
}

/// What mends a breakage.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Cure {
    /// `doctor --fix`.
    Fix,
    /// The commands of the first finding's remedy, typed as they stand.
    Typed,
    /// What the tool cannot know, such as an address that nobody wrote down.
    Nobody,
}

/// One way to break a setup.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Breakage {
    /// What is wrong: it ends the trial's name.
    pub(crate) name: &'static str,
    /// The finding that must come first.
    pub(crate) code: &'static str,
    /// The question, as arguments of `doctor`.
    pub(crate) asks: &'static str,
    pub(crate) lab: Lab,
    /// What must work before.
    pub(crate) exchange: Exchange,
    /// What breaks it, typed on the host, and beyond its uplink.
    pub(crate) script: &'static str,
    pub(crate) beyond: &'static str,
    pub(crate) served: Served,
    pub(crate) effect: Effect,
    pub(crate) cure: Cure,
    pub(crate) part: Part,
    /// Whether it may be combined with another.
    pub(crate) pairs: bool,
}

/// A breakage of the path from `red` to the internet, made by `script`.
pub(crate) const fn breakage(
    name: &'static str,
    code: &'static str,
    part: Part,
    script: &'static str,
) -> Breakage {
    Breakage {
        name,
        code,
        asks: "red",
        lab: Lab::ByIptables,
        exchange: crate::exchange::RED_FETCHES,
        script,
        beyond: "",
        served: Served::Everywhere,
        effect: Effect::Stops,
        cure: Cure::Nobody,
        part,
        pairs: true,
    }
}

impl Breakage {
    /// Asks another question, about another exchange.
    pub(crate) const fn asking(self, asks: &'static str, exchange: Exchange) -> Self {
        Self { asks, exchange, ..self }
    }

    pub(crate) const fn within(self, lab: Lab) -> Self {
        Self { lab, ..self }
    }

    /// Also types `beyond` in the pretend internet.
    pub(crate) const fn and_beyond(self, beyond: &'static str) -> Self {
        Self { beyond, ..self }
    }

    pub(crate) const fn served(self, served: Served) -> Self {
        Self { served, ..self }
    }

    /// Takes so much along that nothing else can be seen.
    pub(crate) const fn alone(self) -> Self {
        Self { pairs: false, ..self }
    }

    pub(crate) const fn spares(self) -> Self {
        Self { effect: Effect::Spares, ..self }
    }

    pub(crate) const fn stops_some(self) -> Self {
        Self { effect: Effect::StopsSome, ..self }
    }

    pub(crate) const fn unsettles(self) -> Self {
        Self { effect: Effect::Unsettles, ..self }
    }

    pub(crate) const fn mended_by_fix(self) -> Self {
        Self { cure: Cure::Fix, ..self }
    }

    pub(crate) const fn mended_by_typing(self) -> Self {
        Self { cure: Cure::Typed, ..self }
    }

    /// The trial: it works, is broken, is diagnosed, and mended where that is promised.
    pub(crate) fn trial(self) -> Trial {
        netns_testkit::online(&format!("doctor_names_{}", self.name), move |host| self.is_named_first(host))
    }

    fn is_named_first(&self, host: &Sandbox) -> Result<(), Missing> {
        self.require_kernel()?;
        let servers = self.lab.build(host);
        self.exchange.must_work(host, "before");
        let _servers = self.break_it(host, servers);
        if matches!(self.effect, Effect::Stops | Effect::StopsSome) {
            self.exchange.must_fail(host, "though it is broken");
        }
        let diagnosis = doctor(host, self.asks);
        diagnosis.names_first(self.code);
        if self.effect == Effect::Stops {
            diagnosis.is_ill();
        }
        self.is_cured(host, &diagnosis);
        if self.effect != Effect::Unsettles && (self.effect == Effect::Spares || self.cure != Cure::Nobody) {
            self.exchange.must_work(host, "in the end");
        }
        Ok(())
    }

    /// Breaks it; somebody else answers from now on.
    pub(crate) fn break_it(&self, host: &Sandbox, servers: Servers) -> Servers {
        if !self.beyond.is_empty() {
            host.beyond_uplink(|| sh(self.beyond));
        }
        let servers = if self.served == Served::Everywhere {
            servers
        } else {
            drop(servers);
            Servers::start(host, self.served)
        };
        sh(self.script);
        servers
    }

    fn is_cured(&self, host: &Sandbox, diagnosis: &Diagnosis) {
        match self.cure {
            Cure::Fix => {
                let fixed = host.netns_tool(&format!("doctor {} --fix", self.asks));
                drop(fixed.succeeds());
            }
            Cure::Typed => diagnosis.type_remedy(host),
            Cure::Nobody => {}
        }
    }

    fn require_kernel(&self) -> Result<(), Missing> {
        if self.code != "port-vlan" {
            return Ok(());
        }
        let tried = "ip link add probe0 type bridge vlan_filtering 1; bridge vlan add vid 7 dev probe0 self";
        let tried = Program::new("/bin/sh").arg("-ec").arg(tried).run();
        sh("ip link delete probe0 2>/dev/null || true");
        match tried.code() {
            Some(0) => Ok(()),
            _ => Err(Missing("a kernel with CONFIG_BRIDGE_VLAN_FILTERING".to_owned())),
        }
    }
}
