//! The real kernel: one place that knows which file talks to which subsystem.

use std::{collections::BTreeMap, fs::File, os::fd::AsFd};

use super::{
    Kernel, Refusal,
    ahead::{Ahead, Early},
    boot_files, conntrack,
    conversations::Conversations,
    hosts, iptables, namespace,
    nftables::Nftables,
    outside::{Glance, Outside},
    processes, programs, resolver,
    rtnetlink::{Rtnetlink, VethEnd},
    seal, state,
    supply::Supply,
    sysctl, visit,
};
use crate::{
    name::NetnsName,
    observed::{Observed, Scope},
    place::{LinkAt, Place},
    plan::{LinkChange, LinkLocal, NewBridge, NewLink, NewLinkKind, NewVeth, NewVethEnd, Operation, Step},
    record::{Record, RecordKey},
    sysctl::Sysctl,
    topology::Topology,
};

/// The kernel this process runs on.
///
/// "The host" is the netns that the thread is in which makes the first call.
#[derive(Debug, Default)]
pub struct LinuxKernel {
    conversations: Conversations,
    nftables: Option<Nftables>,
    /// Once a netns is to be made.
    supply: Option<Supply>,
    netns_directory: Directory,
    /// What needed no look from within.
    outside: Outside,
    /// What was read before the first look.
    early: Option<Early>,
}

/// Whether `/run/netns` is prepared; once is enough for all netns that are made.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Directory {
    #[default]
    AsFound,
    Prepared,
}

impl Kernel for LinuxKernel {
    fn observe(&mut self, scope: &Scope) -> Result<Observed, Refusal> {
        self.conversations.forget_indices();
        let (observed, outside) = super::observe::observe(self, scope)?;
        if !scope.topologies.is_empty() {
            self.outside = outside;
        }
        Ok(observed)
    }

    fn perform(&mut self, operation: &Operation) -> Result<(), Refusal> {
        if matches!(
            operation,
            Operation::DeleteLink(_) | Operation::DeleteLinks(_) | Operation::DeleteNetns(_)
        ) {
            // The other ends go with them, in other netns.
            self.conversations.forget_indices();
        }
        match operation {
            Operation::CreateNetns(name) => self.create_netns(name),
            Operation::DeleteNetns(name) => self.delete_netns(name),
            Operation::AddBridge(bridge) => self.add_bridge(bridge),
            Operation::AddVeth(veth) => self.add_veth(veth),
            Operation::DeleteLinks(links) => self.talk(&Place::Host)?.delete_links(links),
            Operation::AddLink(link) => self.add_link(link),
            Operation::SetShaping(at, limits) => self.talk(&at.place)?.set_shaping(&at.name, limits),
            Operation::ClearShaping(at) => self.talk(&at.place)?.clear_shaping(&at.name),
            Operation::WriteBootFile(file, text) => boot_files::write(file, text),
            Operation::RemoveBootFile(file) => boot_files::remove(file),
            Operation::StartProgram(key, program) => programs::start(key, program),
            Operation::StopProgram(key) => programs::stop(key),
            Operation::StopStrays(keys) => programs::stop_strays(keys),
            Operation::WriteHosts(topology, entries) => hosts::write(topology, entries),
            Operation::RemoveHosts(topology) => hosts::remove(topology),
            Operation::ShareHosts(netns, topology) => hosts::share(netns, topology),
            Operation::UnshareHosts(netns) => hosts::unshare(netns),
            Operation::DeleteLink(at) => self.talk(&at.place)?.delete_link(&at.name),
            Operation::SetLink(at, change) => self.talk(&at.place)?.set_link(&at.name, change),
            Operation::AddAddress(at, address) => self.talk(&at.place)?.add_address(&at.name, *address),
            Operation::DeleteAddress(at, address) => self.talk(&at.place)?.delete_address(&at.name, *address),
            Operation::AddRoute(place, route) => self.talk(place)?.add_route(route),
            Operation::RestoreRoute(at, address) => self.talk(&at.place)?.restore_route(&at.name, *address),
            Operation::DeleteRoute(place, route) => self.talk(place)?.delete_route(route),
            Operation::SetSysctl(place, sysctl, value) => set_sysctl(place, sysctl, *value),
            Operation::Iptables(changes) => iptables::perform(changes),
            Operation::AddTable => self.nftables()?.add_table(),
            Operation::RestoreRules => self.nftables()?.restore_rules(),
            Operation::DeleteTable => self.nftables()?.delete_table(),
            Operation::AddEntries(entries) => self.nftables()?.add_entries(entries),
            Operation::DeleteEntries(entries) => self.nftables()?.delete_entries(entries),
            Operation::ForgetFlows(forwards) => conntrack::forget_flows(forwards),
            Operation::Remember(record) => remember(record),
            Operation::Forget(key) => forget(key),
            Operation::ForgetNetns(name) => state::unmark_netns(name),
            Operation::WriteResolver(netns, file) => resolver::write(netns, file),
            Operation::RemoveResolver(netns) => resolver::remove(netns),
            Operation::KillProcesses(name, pids) => processes::kill(name, pids),
        }
    }

    fn expect(&mut self, steps: &[Step]) {
        let new = steps.iter().filter(|step| matches!(step.operation, Operation::CreateNetns(_))).count();
        // What keeps it from starting, the first netns that is asked for is refused with.
        if new > 0
            && let Ok(supply) = self.supply()
        {
            supply.order_last(new).ok();
        }
    }

    /// What keeps a seal from being put on, the next change bears with a longer look.
    fn settle(&mut self, topology: &Topology) {
        let outside = std::mem::take(&mut self.outside);
        if let Ok(talk) = self.talk(&Place::Host) {
            outside.seal(talk, topology).ok();
        }
    }
}

impl LinuxKernel {
    /// Takes over what was read ahead, and returns the lock.
    pub(crate) fn catch_up(&mut self, ahead: Ahead) -> Result<File, Refusal> {
        // Most often there is a moment until it is finished. Who waits for the lock waits for a change.
        let links_now = |kernel: &mut Self| kernel.talk(&Place::Host).and_then(Rtnetlink::indices).ok();
        let seen = ahead.has_lock().then(|| links_now(self));
        let (lock, mut early) = ahead.finish()?;
        let links = seen.unwrap_or_else(|| links_now(self));
        if let Some(glance) = early.as_mut().and_then(|early| early.glance.as_mut()) {
            glance.links = links;
        }
        self.early = early;
        Ok(lock)
    }

    /// What was read ahead, if it is what `scope` asks for.
    pub(super) fn early(&mut self, scope: &Scope) -> (BTreeMap<RecordKey, Record>, Option<Glance>) {
        let asked = |early: &Early| scope.topologies.contains_key(&early.topology);
        let Some(early) = self.early.take().filter(asked) else { return (BTreeMap::new(), None) };
        (early.record.map(|record| (record.key(), record)).into_iter().collect(), early.glance)
    }

    /// Returns the conversation about `place`, opened on first use.
    pub(super) fn talk(&mut self, place: &Place) -> Result<&mut Rtnetlink, Refusal> {
        self.conversations.about(place, || match place {
            Place::Host => Rtnetlink::open(),
            Place::Netns(name) => namespace::within(namespace::open(name)?.as_fd(), Rtnetlink::open),
        })
    }

    /// Begins the conversations about these netns that are not open, all from one thread.
    pub(super) fn talk_to_all(&mut self, netns: &[(&NetnsName, File)]) -> Result<(), Refusal> {
        let silent = |(name, _): &&(&NetnsName, File)| !self.conversations.are_about(name);
        let silent: Vec<_> = netns.iter().filter(silent).collect();
        if silent.is_empty() {
            return Ok(());
        }
        let begun = namespace::on_own_thread(|| {
            silent
                .iter()
                .map(|(name, file)| Ok(((*name).clone(), visit::converse(file)?)))
                .collect::<Result<Vec<_>, _>>()
        });
        for (name, conversation) in begun? {
            self.keep(Place::Netns(name), conversation);
        }
        Ok(())
    }

    /// Keeps a conversation that was begun elsewhere.
    pub(super) fn keep(&mut self, place: Place, conversation: Rtnetlink) {
        self.conversations.keep(place, conversation);
    }

    /// Returns the conversation about the host's nftables, opened on first use.
    pub(super) fn nftables(&mut self) -> Result<&mut Nftables, Refusal> {
        match &mut self.nftables {
            Some(opened) => Ok(opened),
            none => Ok(none.insert(Nftables::open()?)),
        }
    }

    fn supply(&mut self) -> Result<&mut Supply, Refusal> {
        match &mut self.supply {
            Some(started) => Ok(started),
            none => Ok(none.insert(Supply::start()?)),
        }
    }

    fn create_netns(&mut self, name: &NetnsName) -> Result<(), Refusal> {
        if self.netns_directory == Directory::AsFound {
            namespace::prepare_directory()?;
            self.netns_directory = Directory::Prepared;
        }
        let conversation = namespace::create(name, self.supply()?)?;
        let marked = conversation.netns_cookie().and_then(|cookie| state::mark_netns(name, cookie));
        if let Err(refusal) = marked {
            // The refusal to report is the first one.
            drop(namespace::delete(name));
            return Err(refusal);
        }
        self.keep(Place::Netns(name.clone()), conversation);
        Ok(())
    }

    fn delete_netns(&mut self, name: &NetnsName) -> Result<(), Refusal> {
        // An open conversation would keep the netns alive.
        drop(self.conversations.end(&Place::Netns(name.clone())));
        namespace::delete(name)?;
        // The name is gone, so this is done: a mark that stays is of no netns, and `gc` drops it.
        drop(state::unmark_netns(name));
        Ok(())
    }

    fn add_veth(&mut self, veth: &NewVeth) -> Result<(), Refusal> {
        let (main, peer) = (&veth.main, &veth.peer);
        let netns = match &peer.at.place {
            place if *place == main.at.place => None,
            Place::Host => Some(namespace::own()?),
            Place::Netns(name) => Some(namespace::open(name)?),
        };
        let wanted = VethEnd { wanted: peer, netns: netns.as_ref().map(AsFd::as_fd) };
        self.talk(&main.at.place)?.add_veth(main, wanted)?;
        let finished = self.finish_main(main).and_then(|()| self.finish_peer(peer));
        self.or_delete(&main.at, finished)
    }

    fn add_bridge(&mut self, bridge: &NewBridge) -> Result<(), Refusal> {
        let LinkAt { place, name } = &bridge.at;
        let conversation = self.talk(place)?;
        conversation.add_bridge(name, bridge.mac)?;
        let finished = conversation.finish_birth(name, LinkLocal::Generated);
        self.or_delete(&bridge.at, finished)
    }

    fn add_link(&mut self, link: &NewLink) -> Result<(), Refusal> {
        let LinkAt { place, name } = &link.at;
        let master = match &link.master {
            Some(bridge) => Some(self.talk(place)?.index(bridge)?),
            None => None,
        };
        match &link.kind {
            NewLinkKind::Vxlan { remotes, .. } => {
                self.talk(place)?.add_vxlan(link, master)?;
                let further = remotes.get(1..).unwrap_or_default();
                let led = self.talk(place)?.lead_also_to(name, further);
                self.or_delete(&link.at, led)?;
            }
            NewLinkKind::Macvlan { parent, .. } => {
                let netns = place.netns().map(namespace::open).transpose()?;
                let netns = netns.as_ref().map(AsFd::as_fd);
                self.talk(&Place::Host)?.add_macvlan(link, parent, master, netns)?;
            }
        }
        let finished = self.talk(place)?.finish_birth(name, link.link_local);
        self.or_delete(&link.at, finished)
    }

    /// Leaves no link behind that could not be finished.
    fn or_delete(&mut self, at: &LinkAt, finished: Result<(), Refusal>) -> Result<(), Refusal> {
        if finished.is_err() {
            // The refusal to report is the first one.
            drop(self.perform(&Operation::DeleteLink(at.clone())));
        }
        finished
    }

    fn finish_main(&mut self, end: &NewVethEnd) -> Result<(), Refusal> {
        self.talk(&end.at.place)?.finish_birth(&end.at.name, end.link_local)
    }

    /// Unlike the main end, the peer cannot become a port in the creating message.
    fn finish_peer(&mut self, end: &NewVethEnd) -> Result<(), Refusal> {
        let LinkAt { place, name } = &end.at;
        let conversation = self.talk(place)?;
        conversation.finish_birth(name, end.link_local)?;
        match &end.master {
            Some(bridge) => conversation.set_link(name, &LinkChange::Master(bridge.clone())),
            None => Ok(()),
        }
    }
}

fn set_sysctl(place: &Place, setting: &Sysctl, value: i32) -> Result<(), Refusal> {
    match place {
        Place::Host => sysctl::write(setting, value),
        Place::Netns(name) => {
            namespace::within(namespace::open(name)?.as_fd(), || sysctl::write(setting, value))
        }
    }
}

/// With what is asked for of a topology changes what its seal vouches for.
fn remember(record: &Record) -> Result<(), Refusal> {
    if let Record::Topology(up) = record {
        seal::break_on(&up.topology.name);
    }
    state::remember(record)
}

fn forget(key: &RecordKey) -> Result<(), Refusal> {
    if let RecordKey::Topology(name) = key {
        seal::break_on(name);
    }
    state::forget(key)
}
