//! What somebody set by hand on the host or in a netns, for `import`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::fd::AsFd,
    path::Path,
};

use super::{LinuxKernel, exec, hosts, namespace, programs::refusal_of, refusal::Refusal, syscall};
use crate::{
    name::NetnsName,
    place::{Entrance, Place},
    sysctl::NamedSetting,
    topology::{Details, Isolation},
    view::StackView,
};

/// Where the kernel tells of all links of a netns, by files.
const LINKS: &str = "/sys/class/net";

/// Looks at each netns that can be named.
pub(super) fn of_all(netns: &[(String, StackView)]) -> Result<BTreeMap<String, Details>, Refusal> {
    let named =
        netns.iter().filter_map(|(name, view)| Some((name, NetnsName::new(name.as_str()).ok()?, view)));
    named.map(|(name, netns, view)| Ok((name.clone(), of(&Entrance::Named(netns), view)?))).collect()
}

/// Looks at the host or a netns.
pub(super) fn of(entrance: &Entrance, view: &StackView) -> Result<Details, Refusal> {
    let (place, names, settings) = match entrance {
        Entrance::Named(netns) => {
            let file = namespace::open(netns)?;
            let settings = namespace::within(file.as_fd(), || Ok(settings()))?;
            (Place::Netns(netns.clone()), hosts::names(netns)?, settings)
        }
        _ => (Place::Host, None, BTreeMap::new()),
    };
    let mut kernel = LinuxKernel::default();
    let talk = kernel.talk(&place)?;
    let limits = talk.limits_by_hand()?.into_iter().collect();
    let ports = talk.ports_of_bridges()?.into_iter();
    let isolated_ports =
        ports.filter(|port| port.isolation == Isolation::On).map(|port| port.index).collect();
    // A sysfs of its own takes the kernel long, and of our own links nobody wants to know.
    let is_by_hand = view.links.iter().any(|link| !link.ours && link.kind != "loopback");
    let given_macs = if is_by_hand { given_macs_in(entrance)? } else { BTreeSet::new() };
    let by_hand = kernel.talk(&place)?.policy_rules()?.into_iter().filter(|rule| !rule.is_by_default());
    let policy_rules = by_hand.map(|rule| rule.to_string()).collect();
    Ok(Details { limits, isolated_ports, given_macs, policy_rules, settings, names })
}

/// Reads the settings of a netns that is made for that, and goes at once.
pub(super) fn new_settings() -> Result<BTreeMap<NamedSetting, i32>, Refusal> {
    namespace::on_own_thread(|| {
        syscall::unshare_network()?;
        Ok(settings())
    })
}

fn given_macs_in(entrance: &Entrance) -> Result<BTreeSet<u32>, Refusal> {
    namespace::on_own_thread(|| {
        let not_shown = exec::enter(entrance).map_err(refusal_of)?;
        let sees_links = !not_shown.iter().any(|not| not.path == Path::new("/sys"));
        Ok(if sees_links { given_macs() } else { BTreeSet::new() })
    })
}

/// Links whose MAC address was set (`NET_ADDR_SET` of `linux/netdevice.h`). What cannot be read was not.
fn given_macs() -> BTreeSet<u32> {
    let links = fs::read_dir(LINKS).into_iter().flatten().flatten();
    let number =
        |link: &Path, file: &str| fs::read_to_string(link.join(file)).ok()?.trim().parse::<u32>().ok();
    let given = links.filter_map(|entry| {
        let link = entry.path();
        number(&link, "ifindex").filter(|_| number(&link, "addr_assign_type") == Some(3))
    });
    given.collect()
}

/// All settings of the calling thread's netns that are one number; some files can only be written.
fn settings() -> BTreeMap<NamedSetting, i32> {
    const ROOT: &str = "/proc/sys/";
    let mut settings = BTreeMap::new();
    let mut folders: Vec<_> = ["ipv4", "ipv6", "core"].map(|family| format!("{ROOT}net/{family}")).into();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let Ok(path) = entry.path().into_os_string().into_string() else { continue };
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(path);
                continue;
            }
            let value = fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok());
            let name = path.strip_prefix(ROOT).and_then(|name| NamedSetting::new(name).ok());
            settings.extend(name.zip(value));
        }
    }
    settings
}
