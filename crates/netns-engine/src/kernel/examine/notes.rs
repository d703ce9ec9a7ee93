//! What is known of the host beside its stack: who manages it, and what was left behind.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::ErrorKind,
    net::IpAddr,
    os::fd::AsFd,
    path::{Path, PathBuf},
};

use rustix::{fs::StatVfsMountFlags, thread::CapabilitySet};

use crate::{
    address::Family,
    diagnose::scene::{HostNotes, Nameless},
    kernel::{
        at_once, look,
        mounts::Mounts,
        namespace,
        pids::{self, pids},
        processes::{self, NetnsId},
        rtnetlink::Rtnetlink,
        state, sysctl_files,
    },
    view::Process,
};

/// Programs that set links, addresses and routes on their own.
const MANAGERS: [&str; 10] = [
    "NetworkManager",
    "systemd-networkd",
    "dhcpcd",
    "dhclient",
    "udhcpc",
    "connmand",
    "wickedd",
    "ifplugd",
    "iwd",
    "wpa_supplicant",
];

/// Programs that write rules of their own.
const FIREWALL_PROGRAMS: [&str; 10] = [
    "firewalld",
    "dockerd",
    "libvirtd",
    "virtnetworkd",
    "lxd",
    "incusd",
    "kube-proxy",
    "fail2ban-server",
    "tailscaled",
    "netavark",
];

/// Reads what every diagnosis has a use for.
pub(super) fn read() -> HostNotes {
    let mut notes = HostNotes {
        half_made: half_made(),
        records: state::records().unwrap_or_default().into_values().collect(),
        stale_marks: state::stale_marks().unwrap_or_default().iter().map(ToString::to_string).collect(),
        forwarding_off_in: forwarding_off(),
        settings_read_only: settings_read_only(),
        may_change: may_change(),
        ..HostNotes::default()
    };
    let own = NetnsId::at("/proc/thread-self/ns/net");
    for pid in pids().unwrap_or_default() {
        let comm = pids::program(pid);
        let (list, program) = match (full_name(&MANAGERS, &comm), full_name(&FIREWALL_PROGRAMS, &comm)) {
            (Some(program), _) => (&mut notes.managers, program),
            (None, Some(program)) => (&mut notes.firewall_programs, program),
            (None, None) => continue,
        };
        // In another netns it manages that one. Whose netns may not be seen, is taken to be here.
        if NetnsId::at(format!("/proc/{pid}/ns/net")).is_none_or(|netns| Some(netns) == own) {
            list.push(Process { pid, program: program.to_owned() });
        }
    }
    notes
}

/// Finds a program by what `/proc/PID/comm` has of its name.
fn full_name(programs: &[&'static str], comm: &str) -> Option<&'static str> {
    /// `TASK_COMM_LEN` of `linux/sched.h`, less the NUL.
    const COMM_BYTES: usize = 15;
    programs.iter().find(|program| program.get(..COMM_BYTES).unwrap_or(program) == comm).copied()
}

/// Names without a netns behind them.
fn half_made() -> Vec<String> {
    let is_half_made = |path: &Path| {
        // Whoever may not open it, cannot tell; netns can be opened by all.
        !at_once::open(path).is_ok_and(|file| namespace::is_network_namespace(&file))
    };
    let names = look::names().unwrap_or_default().into_iter();
    names.filter(|(_, path)| is_half_made(path)).map(|(name, _)| name).collect()
}

fn forwarding_off() -> Vec<(String, String)> {
    let families = [Family::Ipv4, Family::Ipv6];
    let lines = families.into_iter().filter_map(sysctl_files::line_that_stops_forwarding);
    lines.map(|(path, line)| (path.display().to_string(), line)).collect()
}

fn settings_read_only() -> bool {
    rustix::fs::statvfs("/proc/sys").is_ok_and(|stat| stat.f_flag.contains(StatVfsMountFlags::RDONLY))
}

fn may_change() -> bool {
    rustix::thread::capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::NET_ADMIN))
}

/// Finds the netns without a name, and who keeps them alive: by living in them, or by an open file.
///
/// Those that are mounted somewhere, such as Docker's, are kept on purpose and left out; so are those with a name
/// that only whoever holds them sees.
pub(super) fn nameless() -> Vec<Nameless> {
    let named: BTreeSet<NetnsId> =
        look::names().unwrap_or_default().iter().filter_map(|(_, path)| NetnsId::at(path)).collect();
    let mounted: BTreeSet<u64> = Mounts::own().netns().map(|(inode, _)| inode).collect();
    let own = NetnsId::at("/proc/thread-self/ns/net");
    let mut found: BTreeMap<NetnsId, Held> = BTreeMap::new();
    for (netns, pids) in processes::census().unwrap_or_default() {
        found.insert(netns, Held { living: pids.len(), holders: pids, descriptors: Vec::new() });
    }
    for (netns, pid, descriptor) in processes::open_netns() {
        let held = found.entry(netns).or_default();
        held.descriptors.push(descriptor);
        if !held.holders.contains(&pid) {
            held.holders.push(pid);
        }
    }
    found.retain(|netns, _| Some(*netns) != own && !named.contains(netns) && !mounted.contains(&netns.inode));
    found.retain(|netns, held| !held.is_named_there(*netns));
    found.into_iter().filter_map(|(netns, held)| held.in_words(netns)).collect()
}

/// Who keeps a netns.
#[derive(Default)]
struct Held {
    /// How many of the holders live in it: the first ones.
    living: usize,
    holders: Vec<u32>,
    /// Files of it that holders have open.
    descriptors: Vec<PathBuf>,
}

impl Held {
    /// Whether it is mounted where its first holder looks, in a mount namespace of its own.
    fn is_named_there(&self, netns: NetnsId) -> bool {
        let seen = self.holders.first().map(|pid| Mounts::of_process(*pid)).unwrap_or_default();
        seen.netns().any(|(inode, _)| inode == netns.inode)
    }

    /// None for what turns out to be gone, or no netns. What is contained is not entered: it is of no interest, and
    /// whoever looks there meanwhile would see this process inside.
    fn in_words(self, netns: NetnsId) -> Option<Nameless> {
        let (inode, inhabited) = (netns.inode, self.living > 0);
        let elsewhere: Vec<bool> = self.holders.iter().filter_map(|pid| lives_elsewhere(*pid)).collect();
        if !elsewhere.is_empty() && elsewhere.iter().all(|elsewhere| *elsewhere) {
            let holders = look::named_processes(&self.holders);
            return Some(Nameless { inode, holders, contained: true, inhabited, ..Nameless::default() });
        }
        let file = self.way_in(netns)?;
        let seen = namespace::within(file.as_fd(), || {
            let mut talk = Rtnetlink::open()?;
            Ok((talk.netns_cookie()?, talk.addresses()?))
        });
        let (cookie, addresses) = seen.map_or((None, Vec::new()), |(cookie, known)| (Some(cookie), known));
        let addresses: Vec<IpAddr> = addresses.into_iter().map(|(_, net)| net.addr()).collect();
        Some(Nameless {
            inode,
            holders: look::named_processes(&self.holders),
            addresses: addresses.into_iter().filter(|address| !address.is_loopback()).collect(),
            was: cookie.and_then(name_marked_with),
            contained: false,
            // The host has a number for each netns that a link of its leads to.
            wired: Rtnetlink::open()
                .and_then(|mut talk| talk.netns_id(file.as_fd()))
                .is_ok_and(|id| id.is_some()),
            inhabited,
        })
    }

    /// Opens it by whichever holder is still there.
    fn way_in(&self, netns: NetnsId) -> Option<File> {
        let inhabitants = self.holders.iter().take(self.living);
        let of_inhabitants = inhabitants.flat_map(|pid| processes::netns_files_of(*pid));
        let files = of_inhabitants.chain(self.descriptors.iter().cloned());
        let mut opened = files.filter_map(|path| at_once::open(&path).ok());
        opened.find(|file| NetnsId::of(file) == Ok(netns) && namespace::is_network_namespace(file))
    }
}

/// Whether a process lives in another pid or user namespace than this one, as in a container or a sandbox; none if it
/// has ended meanwhile.
fn lives_elsewhere(pid: u32) -> Option<bool> {
    let of = |process: &str, kind: &str| fs::read_link(format!("/proc/{process}/ns/{kind}"));
    let is_there = || Path::new(&format!("/proc/{pid}")).exists();
    let differs = |kind: &str| match of(&pid.to_string(), kind) {
        // In its last moment the kernel refuses to tell instead.
        Err(error) if error.kind() == ErrorKind::NotFound || !is_there() => None,
        // Whoever may not see where it lives takes it for a neighbour.
        Err(_) => Some(false),
        Ok(there) => Some(of("self", kind).ok() != Some(there)),
    };
    Some(differs("pid")? || differs("user")?)
}

/// The name that a netns of ours had: its mark stays when somebody else deletes the name.
fn name_marked_with(cookie: u64) -> Option<String> {
    let stale = state::stale_marks().unwrap_or_default();
    stale.into_iter().find(|name| state::netns_mark(name) == Some(cookie)).map(|name| name.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_has_ended_lives_nowhere() {
        assert_eq!(lives_elsewhere(std::process::id()), Some(false));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        assert!(child.wait().unwrap().success());
        assert_eq!(lives_elsewhere(child.id()), None);
    }

    #[test]
    fn names_that_the_kernel_cuts_short_are_known() {
        assert_eq!(full_name(&MANAGERS, "systemd-network"), Some("systemd-networkd"));
        assert_eq!(full_name(&MANAGERS, "dhcpcd"), Some("dhcpcd"));
        assert_eq!(full_name(&MANAGERS, "systemd"), None);
    }
}
